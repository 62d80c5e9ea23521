"""The model of names: probabilities of strings that sum to one, and a loglik like any other."""

from itertools import product

import pytest
import torch
from torch import nn

from probnn.inference import elbo, fit_posterior, log_marginal, log_marginal_quadrature
from probnn.models import NameEncoder, NameGenerator, encode_names
from probnn.models.letters import END, counted

NAMES = ["ABE", "DO", "WOJCIECHOWSKI", "E"]


def tiny(d=2, letters=2, seed=0, **settings):
    torch.manual_seed(seed)
    return NameGenerator(d, hidden=8, letters=letters, **settings).double()


def all_strings(length, letters=2):
    strings = list(product(range(1, letters + 1), repeat=length))
    return torch.tensor(strings, dtype=torch.int64).reshape(letters**length, length)


def closed(strings):
    return nn.functional.pad(strings, (0, 1), value=END)


def test_the_probabilities_of_all_ended_and_all_unended_strings_sum_to_one():
    generator, z = tiny(), torch.randn(1, 2, dtype=torch.float64)
    for longest in (0, 1, 5):
        lengths = range(longest + 1)
        ended = sum(generator.loglik(closed(all_strings(n)), z).exp().sum() for n in lengths)
        log_p = generator.log_letters(closed(all_strings(longest + 1)), z)
        unended = log_p[:, :-1].sum(-1).exp().sum()  # without their END
        assert float((ended + unended).detach()) == pytest.approx(1, abs=1e-12)


def test_the_probabilities_of_all_strings_sum_to_one_when_names_end_soon():
    generator, z = tiny(), torch.randn(1, 2, dtype=torch.float64)
    generator.output.bias.data[END] += 2.5
    p = [generator.loglik(closed(all_strings(n)), z).exp().sum() for n in range(14)]
    sums = torch.stack(p).detach().cumsum(0)
    assert (sums.diff() > 0).all() and 1 - 1e-6 < sums[-1] <= 1 + 1e-12


def test_the_likelihood_is_that_of_a_loop_over_single_letters():
    generator, x, z = NameGenerator(d=3), encode_names(NAMES), torch.randn(len(NAMES), 3)
    assert len(generator.embedding.weight) == 27  # of the letters and END
    cell = nn.GRUCell(35, 128)
    weights = generator.recurrent.state_dict()
    cell.load_state_dict({name.removesuffix("_l0"): value for name, value in weights.items()})
    for i, name in enumerate(NAMES):
        state, before, total = None, END, 0.0
        for letter in [*(ord(c) - ord("A") + 1 for c in name), END]:
            state = cell(torch.cat([generator.embedding.weight[before], z[i]])[None], state)
            categorical = torch.distributions.Categorical(logits=generator.output(state))
            total += categorical.log_prob(torch.tensor(letter))
            before = letter
        assert torch.allclose(generator.loglik(x, z)[i], total, atol=1e-5)


def test_the_encoder_reads_letter_by_letter_to_the_end():
    model, names = NameEncoder(NameGenerator(d=3)), [*NAMES, "ZOE"]
    cell = nn.GRUCell(32, 128)
    weights = model.recurrent.state_dict()
    cell.load_state_dict({name.removesuffix("_l0"): value for name, value in weights.items()})
    assert len(model.embedding.weight) == 27  # of the letters and END
    q = model(encode_names(names))
    for name, mu, sigma in zip(names, *q, strict=True):
        state = None
        for letter in [*(ord(c) - ord("A") + 1 for c in name), END]:
            state = cell(model.embedding.weight[letter][None], state)
        expected = model.output(state)[0]
        torch.testing.assert_close(mu, expected[:3])
        torch.testing.assert_close(sigma, expected[3:].exp().sqrt())


def test_padding_counts_for_nothing():
    model = NameEncoder(NameGenerator(d=3))
    x, z = encode_names(NAMES), torch.randn(5, len(NAMES), 3)
    wider = nn.functional.pad(x, (0, 4), value=END)
    assert torch.allclose(model.f.loglik(wider, z), model.f.loglik(x, z), atol=1e-5)
    assert model.f.log_letters(wider, z).shape == (5, *wider.shape)
    for wide, narrow in zip(model(wider), model(x), strict=True):
        assert torch.allclose(wide, narrow, atol=1e-6)
    alone = [model.f.loglik(encode_names([name]), z[:, [i]]) for i, name in enumerate(NAMES)]
    assert torch.allclose(model.f.loglik(x, z), torch.cat(alone, dim=1), atol=1e-5)


def test_log_letters_sum_to_the_likelihood_and_are_zero_in_the_padding():
    generator, x = NameGenerator(d=3), encode_names(NAMES)
    log_p = generator.log_letters(x, torch.randn(7, 1, 3))
    assert log_p.shape == (7, 4, 14)
    assert (log_p[:, ~counted(x)] == 0).all() and (log_p[:, counted(x)] < 0).all()


def test_one_z_for_all_names_is_that_z_for_each():
    generator, x, z = NameGenerator(d=3), encode_names(NAMES), torch.randn(7, 1, 3)
    assert torch.allclose(generator.loglik(x, z), generator.loglik(x, z.expand(7, 4, 3)), atol=1e-5)


def test_without_a_latent_dimension_it_is_a_language_model():
    generator, x = NameGenerator(d=0), encode_names(NAMES)
    assert generator.loglik(x, torch.zeros(4, 0)).shape == (4,)
    many = generator.loglik(x, torch.zeros(6, 4, 0))
    assert torch.equal(many, generator.loglik(x, torch.zeros(4, 0)).expand(6, 4))
    sequence = generator.log_letters(x[:1], torch.zeros(1, 0))
    later = generator.log_letters(encode_names(["ABX"]), torch.zeros(1, 0))
    # a letter's probability does not depend on those after it
    assert torch.allclose(sequence[0, :2], later[0, :2])


@pytest.mark.slow
def test_importance_samples_agree_with_quadrature():
    model = NameEncoder(tiny(d=2, letters=26).float(), hidden=8)
    model.f.output.weight.data *= 4  # so that z matters
    x = encode_names(["ABE", "DO", "E"])
    with torch.no_grad():
        exact = log_marginal_quadrature(model.f.loglik, x)
        estimate = log_marginal(model.f.loglik, x, model(x), samples=20_000, max_rows=3000)
    assert ((estimate.estimate - exact).abs() < 5 * estimate.standard_error).all()
    assert (estimate.standard_error < 0.01).all()
    q = fit_posterior(model.f.loglik, x, d=2)  # one for each name, without the encoder
    fitted = elbo(model.f.loglik, x, q, samples=2000).detach()
    assert ((fitted < exact + 0.01) & (fitted > exact - 0.5)).all()


def test_samples_have_the_probabilities_of_the_model():
    generator, z = tiny(letters=2), torch.randn(1, 2, dtype=torch.float64)
    torch.manual_seed(1)
    drawn = generator.sample(z.expand(20_000, 2))
    for length in (0, 1, 2):
        for string in closed(all_strings(length)):
            p = generator.loglik(string[None], z).exp().item()
            share = (drawn[:, : length + 1] == string).all(1).double().mean().item()
            assert abs(share - p) < 5 * (p * (1 - p) / 20_000) ** 0.5


def test_samples_of_a_generator_of_random_numbers_are_its_own():
    model, z = NameGenerator(d=2), torch.randn(20, 2)
    before = torch.get_rng_state()
    one, other = (model.sample(z, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(one, other) and torch.equal(torch.get_rng_state(), before)


def test_names_and_their_probabilities_are_where_z_is(elsewhere):
    model, x, z = NameGenerator(d=2, dropout=0.5), encode_names(NAMES), torch.randn(4, 2)
    with elsewhere():
        results = model.loglik(x, z), model.greedy(z), model.sample(z)
    assert all(result.device == z.device for result in results)


def test_greedy_takes_the_likeliest_letter_at_every_step():
    generator, z = tiny(letters=3), torch.randn(5, 2, dtype=torch.float64)
    generator.output.bias.data[END] += 0.5
    for row, code in zip(generator.greedy(z), z, strict=True):
        length = min(int(counted(row[None]).sum()), 40)  # the last END of a cut name was not chosen
        for t in range(length):
            steps = []
            for letter in range(4):
                ending = [END] if letter == END else [letter, END]
                x = torch.cat([row[:t], torch.tensor(ending)])
                steps.append(generator.log_letters(x[None], code[None])[0, t])
            assert torch.stack(steps).argmax() == row[t]


def test_names_that_never_end_are_cut():
    generator = tiny()
    generator.output.bias.data[END] = -1e6
    drawn = generator.sample(torch.zeros(3, 2, dtype=torch.float64))
    assert drawn.shape == (3, 41) and (drawn[:, -1] == END).all() and (drawn[:, :-1] != END).all()
    generator.loglik(drawn, torch.zeros(3, 2, dtype=torch.float64))


def test_letters_are_hidden_only_while_training():
    x, z = encode_names(NAMES), torch.randn(4, 3)
    generator = NameGenerator(d=3, dropout=0.5)
    first, second = generator.loglik(x, z), generator.loglik(x, z)
    assert not torch.equal(first, second)
    generator.eval()
    assert torch.equal(generator.loglik(x, z), generator.loglik(x, z))


def test_each_letter_is_hidden_on_its_own_with_the_probability_of_the_dropout():
    generator, x = tiny(dropout=0.3), closed(all_strings(2)[:1]).expand(4000, -1)
    log_p = generator.log_letters(x, torch.zeros(1, 2).double())[
        :, 1
    ]  # knows the start and a letter
    shares = log_p.round(decimals=9).unique(return_counts=True)[1].sort()[0] / 4000
    expected = torch.tensor([0.3 * 0.3, 0.3 * 0.7, 0.7 * 0.3, 0.7 * 0.7])
    assert ((shares - expected).abs() < 5 * (expected * (1 - expected) / 4000).sqrt()).all()


def test_hidden_letters_leave_no_trace():
    generator = NameGenerator(d=3, dropout=1.0)
    z = torch.randn(1, 3)
    one, other = (generator.log_letters(encode_names([name]), z) for name in ("ABE", "XYE"))
    # the third letter and the END cannot know what was before
    assert torch.allclose(one[0, 2:], other[0, 2:])


def test_gradients_reach_everything():
    model = NameEncoder(NameGenerator(d=3))
    model.loglik_lb(encode_names(NAMES)).sum().backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in model.parameters())


@pytest.mark.parametrize(
    "x, message",
    [
        (torch.tensor([[1.0, 0.0]]), "expected names as int64"),
        (torch.tensor([1, 0]), "expected names as int64 of shape"),
        (torch.tensor([[1, 2]]), "expected names that close with END"),
        (torch.tensor([[1, 0, 2, 0]]), "letters 1 to 26 up to the first END"),
        (torch.tensor([[27, 0]]), "letters 1 to 26"),
    ],
)
def test_rows_that_are_no_names_are_a_clear_error(x, message):
    model = NameEncoder(NameGenerator(d=3))
    for f in (model, lambda x: model.f.loglik(x, torch.zeros(1, 3))):
        with pytest.raises(ValueError, match=message):
            f(x)


def test_letters_of_a_larger_alphabet_are_a_clear_error():
    model = NameEncoder(tiny(letters=2), hidden=8)
    for f in (model, lambda x: model.f.loglik(x, torch.zeros(1, 2))):
        with pytest.raises(ValueError, match="letters 1 to 2"):
            f(torch.tensor([[3, END]]))


def test_codes_of_another_shape_are_a_clear_error():
    with pytest.raises(ValueError, match=r"expected z of shape \(..., 4, 3\), got \(4, 2\)"):
        NameGenerator(d=3).loglik(encode_names(NAMES), torch.zeros(4, 2))
    with pytest.raises(ValueError, match=r"expected z of shape \(..., 4, 3\), got \(5, 3\)"):
        NameGenerator(d=3).loglik(encode_names(NAMES), torch.zeros(5, 3))
