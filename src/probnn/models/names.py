"""A variational autoencoder of names, recurrent: a generator p(x|z) and an encoder q(z|x).

A name is a row of letters that closes with END (see `letters`). Because the end is a letter like
the others, the probabilities of all names, of whatever length, sum to one.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from probnn.densities import DiagonalGaussian
from probnn.models.encoder import Encoder
from probnn.models.letters import END, check_names, counted

__all__ = ["NameEncoder", "NameGenerator"]

LONGEST = 40


class NameGenerator(nn.Module):
    """p(x|z): each letter, and the end, given those before it and a latent z ~ N(0, I).

    log p(x|z) = sum_t log p(x_t | x_1 ... x_(t-1), z), up to and including the END, by a gated
    recurrent unit. With d=0 z holds nothing, and this is a plain recurrent language model p(x):
    pass it z of shape (B, 0).

    Args:
        d: dimension of z, which every step gets to see.
        hidden: width of the recurrent state.
        dropout: probability with which, while `training`, a letter that has been read is hidden
            from the next step ("word dropout").
        letters: size of the alphabet.

    Source:
        Cambridge coursework, sequence question; Bowman et al., "Generating sentences from a
        continuous space", 2016.

    Example:
        >>> from probnn.models.letters import encode_names
        >>> generator, x = NameGenerator(d=4), encode_names(["ABE", "DO"])
        >>> generator.loglik(x, torch.randn(3, 2, 4)).shape  # 3 samples of z for each of 2 names
        torch.Size([3, 2])
    """

    def __init__(self, d: int, hidden: int = 128, dropout: float = 0.0, letters: int = 26) -> None:
        super().__init__()
        self.d, self.dropout, self.letters = d, dropout, letters
        self.embedding = nn.Embedding(letters + 1, 32)
        self.recurrent = nn.GRU(32 + d, hidden, batch_first=True)
        self.output = nn.Linear(hidden, letters + 1)

    def log_letters(self, x: Tensor, z: Tensor) -> Tensor:
        """log p(x_t | x_1 ... x_(t-1), z) for every letter and the END of each name.

        0 for the padding.

        Args:
            x: (B, T) int64, from `encode_names`.
            z: (..., B, d), or (..., 1, d) for one z shared by all names.

        Returns:
            (..., B, T), nats.

        Raises:
            ValueError: if x is no batch of closed names, or z has another shape.
        """
        check_names(x, self.letters)
        if z.shape[-1] != self.d or z.ndim < 2 or z.shape[-2] not in (1, len(x)):
            raise ValueError(f"expected z of shape (..., {len(x)}, {self.d}), got {tuple(z.shape)}")
        leading = z.shape[:-2]
        previous = torch.cat([torch.full_like(x[:, :1], END), x[:, :-1]], dim=1)
        before = self.embedding(previous)  # -> (B, T, 32)
        if self.training and self.dropout:
            before = before * (torch.rand(*x.shape, 1, device=x.device) >= self.dropout)
        before = before.expand(*leading, *before.shape)
        seen = torch.cat([before, z.unsqueeze(-2).expand(*leading, *x.shape, self.d)], dim=-1)
        states, _ = self.recurrent(_pack(seen.flatten(0, -3), x))
        # -> (letters that count, of all names, letters + 1)
        log_p = self.output(states.data).log_softmax(-1)
        chosen = _pack(x.repeat(leading.numel(), 1), x).data.unsqueeze(-1)
        packed = states._replace(data=log_p.gather(-1, chosen).squeeze(-1))
        padded, _ = pad_packed_sequence(packed, batch_first=True, total_length=x.shape[1])
        return padded.unflatten(0, (*leading, len(x)))

    def loglik(self, x: Tensor, z: Tensor) -> Tensor:
        """log p(x|z) in nats per name: `log_letters` summed, (..., B)."""
        return self.log_letters(x, z).sum(-1)

    def sample(self, z: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """A name drawn from p(x|z) for each z (B, d): (B, T), cut at 40 letters."""

        def draw(logits: Tensor) -> Tensor:
            return torch.multinomial(logits.softmax(-1), 1, generator=generator).squeeze(1)

        return self._write(z, draw)

    def greedy(self, z: Tensor) -> Tensor:
        """For each z (B, d) the name that takes the likeliest letter at every step: (B, T).

        Not always the likeliest name.
        """
        return self._write(z, lambda logits: logits.argmax(-1))

    @torch.no_grad()
    def _write(self, z: Tensor, choose: Callable[[Tensor], Tensor]) -> Tensor:
        letter = torch.full((len(z),), END, device=z.device)
        state, ended = None, torch.zeros_like(letter, dtype=torch.bool)
        written: list[Tensor] = []
        while not ended.all() and len(written) < LONGEST:
            seen = torch.cat([self.embedding(letter), z], dim=-1)
            states, state = self.recurrent(seen.unsqueeze(1), state)
            letter = choose(self.output(states.squeeze(1))).masked_fill(ended, END)
            ended = ended | (letter == END)
            written.append(letter)
        return torch.stack([*written, torch.full_like(letter, END)], dim=1)


class NameEncoder(Encoder):
    """q(z|x): a diagonal Gaussian from the state of a gated recurrent unit.

    The unit has read the name and its END. Holds its generator.

    Args:
        decoder: the generator p(x|z) that this encoder inverts.
        hidden: width of the recurrent state.

    Example:
        >>> from probnn.models.letters import encode_names
        >>> model, x = NameEncoder(NameGenerator(d=4)), encode_names(["ABE", "DO"])
        >>> mu, sigma = model(x)
        >>> mu.shape, model.loglik_lb(x).shape
        (torch.Size([2, 4]), torch.Size([2]))
    """

    def __init__(self, decoder: NameGenerator, hidden: int = 128) -> None:
        super().__init__()
        self.d, self.f = decoder.d, decoder
        self.embedding = nn.Embedding(decoder.letters + 1, 32)
        self.recurrent = nn.GRU(32, hidden, batch_first=True)
        self.output = nn.Linear(hidden, 2 * self.d)

    def forward(self, x: Tensor) -> DiagonalGaussian:
        """q(z|x) for names (B, T): mu and sigma, each (B, d)."""
        check_names(x, self.f.letters)
        # -> (1, B, hidden), the state after the END
        _, last = self.recurrent(_pack(self.embedding(x), x))
        mu, log_variance = self.output(last[0]).chunk(2, dim=1)
        return DiagonalGaussian(mu, torch.exp(log_variance / 2))


def _pack(values: Tensor, x: Tensor) -> PackedSequence:
    """What recurrent layers go through: no padding.

    The values (n * B, T, ...) of the entries that count of names x (B, T), each n times.
    """
    lengths = counted(x).sum(1).cpu()
    lengths = lengths.repeat(len(values) // len(x))
    return pack_padded_sequence(values, lengths, batch_first=True, enforce_sorted=False)
