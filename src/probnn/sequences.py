"""A variational autoencoder of names: a recurrent generator p(x|z) with `loglik(x, z)`, and a recurrent encoder q(z|x).

A name is a row of letters 1 to 26 that closes with END = 0; what follows END is padding, END again, and counts for nothing.
Because the end is a letter like the others, the probabilities of all names, of whatever length, sum to one.
"""

from __future__ import annotations

from itertools import takewhile
from typing import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence, pad_sequence

from probnn.densities import DiagonalGaussian
from probnn.devices import to_default_device
from probnn.likelihood import elbo

END = 0
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
LONGEST = 40


def encode_names(names: Sequence[str]) -> Tensor:
    """Names as rows of letters 1 to 26, each closed by END = 0 and padded with it.

    Returns:
        (B, T) int64, T = length of the longest name + 1.

    Raises:
        ValueError: for an empty name, or one with other characters than A to Z; it names the first such.

    Example:
        >>> encode_names(["ABE", "DO"])
        tensor([[ 1,  2,  5,  0],
                [ 4, 15,  0,  0]])
    """
    if isinstance(names, str) or len(names) == 0:
        raise ValueError(f"expected a list of names, got {names!r}")
    for name in names:
        if not name:
            raise ValueError("expected names of one letter or more, got an empty one")
        foreign = sorted(set(name) - set(LETTERS))
        if foreign:
            raise ValueError(f"expected letters A to Z, got {name!r} with {', '.join(map(repr, foreign))}: write it in capitals, without accents, spaces and signs")
    rows = [torch.tensor([1 + LETTERS.index(letter) for letter in name] + [END], device="cpu") for name in names]
    return to_default_device(pad_sequence(rows, batch_first=True, padding_value=END))


def decode_names(x: Tensor) -> list[str]:
    """The names of rows of letters (B, T), each read up to its END.

    Example:
        >>> decode_names(torch.tensor([[1, 2, 5, 0], [4, 15, 0, 0]]))
        ['ABE', 'DO']
    """
    return ["".join(LETTERS[letter - 1] for letter in takewhile(END.__ne__, row)) for row in x.tolist()]


def counted(x: Tensor) -> Tensor:
    """Which entries of names (B, T) count: the letters and the first END, not the padding. (B, T) bool.

    Example:
        >>> counted(encode_names(["ABE", "DO"])).sum(1)  # letters + 1
        tensor([4, 3])
    """
    return torch.cat([torch.ones_like(x[:, :1], dtype=torch.bool), x[:, :-1] != END], dim=1)


class NameGenerator(nn.Module):
    """p(x|z): each letter, and the end, given those before it and a latent z ~ N(0, I), by a gated recurrent unit.

    log p(x|z) = sum_t log p(x_t | x_1 ... x_(t-1), z), up to and including the END. With d=0 z holds nothing, and this
    is a plain recurrent language model p(x): pass it z of shape (B, 0).

    Args:
        d: dimension of z, which every step gets to see.
        hidden: width of the recurrent state.
        dropout: probability with which, while `training`, a letter that has been read is hidden from the next step ("word dropout").
        letters: size of the alphabet.

    Source:
        Cambridge coursework, sequence question; Bowman et al., "Generating sentences from a continuous space", 2016.

    Example:
        >>> generator, x = NameGenerator(d=4), encode_names(["ABE", "DO"])
        >>> generator.loglik(x, torch.randn(3, 2, 4)).shape  # 3 samples of z for each of 2 names
        torch.Size([3, 2])
    """

    def __init__(self, d: int, hidden: int = 128, dropout: float = 0.0, letters: int = 26):
        super().__init__()
        self.d, self.dropout, self.letters = d, dropout, letters
        self.embedding = nn.Embedding(letters + 1, 32)
        self.recurrent = nn.GRU(32 + d, hidden, batch_first=True)
        self.output = nn.Linear(hidden, letters + 1)

    def log_letters(self, x: Tensor, z: Tensor) -> Tensor:
        """log p(x_t | x_1 ... x_(t-1), z) for every letter and the END of each name, 0 for the padding.

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
        before = self.embedding(torch.cat([torch.full_like(x[:, :1], END), x[:, :-1]], dim=1))  # -> (B, T, 32)
        if self.training and self.dropout:
            before = before * (torch.rand(*x.shape, 1, device=x.device) >= self.dropout)
        seen = torch.cat([before.expand(*leading, *before.shape), z.unsqueeze(-2).expand(*leading, *x.shape, self.d)], dim=-1)
        states, _ = self.recurrent(_pack(seen.flatten(0, -3), x))
        log_p = self.output(states.data).log_softmax(-1)  # -> (letters that count, of all names, letters + 1)
        chosen = _pack(x.repeat(leading.numel(), 1), x).data.unsqueeze(-1)
        log_p, _ = pad_packed_sequence(states._replace(data=log_p.gather(-1, chosen).squeeze(-1)), batch_first=True, total_length=x.shape[1])
        return log_p.unflatten(0, (*leading, len(x)))

    def loglik(self, x: Tensor, z: Tensor) -> Tensor:
        """log p(x|z) in nats per name: `log_letters` summed, (..., B)."""
        return self.log_letters(x, z).sum(-1)

    def sample(self, z: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """A name drawn from p(x|z) for each z (B, d): (B, T), cut at 40 letters."""
        return self._write(z, lambda logits: torch.multinomial(logits.softmax(-1), 1, generator=generator).squeeze(1))

    def greedy(self, z: Tensor) -> Tensor:
        """For each z (B, d) the name that takes the likeliest letter at every step: (B, T). Not always the likeliest name."""
        return self._write(z, lambda logits: logits.argmax(-1))

    @torch.no_grad()
    def _write(self, z: Tensor, choose: Callable[[Tensor], Tensor]) -> Tensor:
        letter = torch.full((len(z),), END, device=z.device)
        state, ended, written = None, torch.zeros_like(letter, dtype=torch.bool), []
        while not ended.all() and len(written) < LONGEST:
            seen = torch.cat([self.embedding(letter), z], dim=-1)
            states, state = self.recurrent(seen.unsqueeze(1), state)
            letter = choose(self.output(states.squeeze(1))).masked_fill(ended, END)
            ended = ended | (letter == END)
            written.append(letter)
        return torch.stack([*written, torch.full_like(letter, END)], dim=1)


class NameEncoder(nn.Module):
    """q(z|x): a diagonal Gaussian from the state of a gated recurrent unit that has read the name and its END. Holds its generator.

    Args:
        decoder: the generator p(x|z) that this encoder inverts.
        hidden: width of the recurrent state.

    Example:
        >>> model = NameEncoder(NameGenerator(d=4))
        >>> mu, sigma = model(encode_names(["ABE", "DO"]))
        >>> mu.shape, model.loglik_lb(encode_names(["ABE", "DO"])).shape
        (torch.Size([2, 4]), torch.Size([2]))
    """

    def __init__(self, decoder: NameGenerator, hidden: int = 128):
        super().__init__()
        self.d, self.f = decoder.d, decoder
        self.embedding = nn.Embedding(decoder.letters + 1, 32)
        self.recurrent = nn.GRU(32, hidden, batch_first=True)
        self.output = nn.Linear(hidden, 2 * self.d)

    def forward(self, x: Tensor) -> DiagonalGaussian:
        """q(z|x) for names (B, T): mu and sigma, each (B, d)."""
        check_names(x, self.f.letters)
        _, last = self.recurrent(_pack(self.embedding(x), x))  # -> (1, B, hidden), the state after the END
        mu, log_variance = self.output(last[0]).chunk(2, dim=1)
        return DiagonalGaussian(mu, torch.exp(log_variance / 2))

    def loglik_lb(self, x: Tensor, samples: int = 1) -> Tensor:
        """Lower bound on log p(x), the ELBO with this encoder's q, in nats per name: (B,)."""
        return elbo(self.f.loglik, x, self(x), samples)


def _pack(values: Tensor, x: Tensor) -> PackedSequence:
    """What recurrent layers go through: the values (n * B, T, ...) of the entries that count of names x (B, T), each n times, no padding."""
    lengths = counted(x).sum(1).cpu()
    return pack_padded_sequence(values, lengths.repeat(len(values) // len(x)), batch_first=True, enforce_sorted=False)


def check_names(x: Tensor, letters: int = 26) -> None:
    """Raises ValueError unless x is a batch of names (B, T), each closed by END and padded with it.

    Example:
        >>> check_names(torch.tensor([[1, 2]]))
        Traceback (most recent call last):
        ValueError: expected names that close with END = 0, got one that does not: make them with encode_names
    """
    if x.ndim != 2 or x.dtype != torch.int64:
        raise ValueError(f"expected names as int64 of shape (B, T), got {x.dtype} of shape {tuple(x.shape)}: make them with encode_names")
    if (x[:, -1] != END).any():
        raise ValueError("expected names that close with END = 0, got one that does not: make them with encode_names")
    if ((x[:, :-1] == END) & (x[:, 1:] != END)).any() or x.min() < 0 or x.max() > letters:
        raise ValueError(f"expected letters 1 to {letters} up to the first END = 0, got others or letters after it: make them with encode_names")
