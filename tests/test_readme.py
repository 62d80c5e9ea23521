"""What the README says is what the code does."""

import re
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import nn

import probnn
from probnn.data import load_surnames, load_xkcd
from probnn.inference import quadrature
from probnn.models import Autoencoder, HWiggle, NameGenerator, RWiggle, Starts, encode_names
from probnn.tsne import (
    neighbour_probability,
    perplexity,
    squared_distances,
    symmetric_gauss_neighbour_probability,
)

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_its_example_runs_and_the_estimate_lies_above_the_bound(monkeypatch):
    monkeypatch.chdir(ROOT)
    example = next(
        block
        for block in re.findall(r"```python\n(.*?)```", README, re.S)
        if "log_marginal" in block
    )
    names = {}
    exec(example, names)
    assert names["bound"].shape == names["estimate"].shape == (100,)
    assert names["estimate"].mean() > names["bound"].mean()


def test_its_two_training_cells_run_as_written():
    cells = [
        block for block in re.findall(r"```python\n(.*?)```", README, re.S) if "iter_" in block
    ]
    first, second = (cell for cell in cells if "resume(" not in cell)
    names = {}
    exec(first, names)
    names["iter_mnist"].epochs = 0  # the loop itself is tested elsewhere
    exec(second, names)
    assert names["iter_mnist"].finished and isinstance(names["optimizer"], torch.optim.Adam)


@pytest.mark.parametrize(
    "part, said",
    [
        ("held_out", r"bound (\S+) ± (\S+) on 6,000 held-out"),
        ("test", r"(\S+) ± (\S+) on the 10,000 test images"),
    ],
)
def test_its_bounds_are_those_that_the_notebook_stored(part, said):
    mean, error = probnn.mean_and_se(
        probnn.load(ROOT / "checkpoints/cambridge/c_bounds.pt")["result"][part]
    )
    assert re.search(said, README).groups() == (f"{mean:.2f}", f"{error:.2f}")


def test_the_shipped_weights_give_the_stored_bounds():
    model = probnn.GaussianEncoder(probnn.BernoulliImageGenerator(d=4))
    model.load_state_dict(probnn.load(ROOT / "checkpoints/cambridge/c_autoencoder.pt")["model"])
    images = probnn.load_mnist("held_out").images[:500]
    recorded = probnn.load(ROOT / "checkpoints/cambridge/c_bounds.pt")["result"]["held_out"][:500]
    mean, error = probnn.mean_and_se(probnn.over_batches(model.loglik_lb, images) - recorded)
    assert abs(mean) < 5 * error  # other samples of z, the same images


@pytest.mark.parametrize(
    "kind, file, place", [(RWiggle, "a_rwiggle_starts.pt", 0), (HWiggle, "a_hwiggle_starts.pt", 1)]
)
def test_its_regression_values_are_those_of_the_shipped_starts(kind, file, place):
    starts, (x, y) = Starts([kind() for _ in range(24)]), load_xkcd()
    starts.load_state_dict(probnn.load(ROOT / "checkpoints/cambridge" / file)["model"])
    final = starts(y, x).mean((1, 2)).detach()
    best = re.search(
        r"best of 24 starts (\S+) with constant σ, (\S+) with σ\(x\)", README
    ).groups()[place]
    median = re.search(r"medians (\S+) and (\S+) \(nats per point", README).groups()[place]
    assert (best, median) == (f"{final.max():.2f}", f"{final.quantile(0.5):.2f}")


def test_its_log_likelihood_is_that_of_the_stored_scores():
    mean, error = probnn.mean_and_se(
        probnn.load(ROOT / "checkpoints/cambridge/d_scores.pt")["result"]["estimate"]
    )
    assert f"of the 54,000: {mean:.2f} ± {error:.2f}" in README


def test_its_labels_read_from_z_are_those_of_the_stored_result():
    right = probnn.load(ROOT / "checkpoints/cambridge/f_classified.pt")["result"]
    told, untold = (
        right[f"{name}, KNeighborsClassifier"].item() / 6000
        for name in ("conditional (f)", "unconditional (c)")
    )
    assert f"z for {told:.0%} of held-out".replace("%", " %") in README
    assert f"for {untold:.0%} without conditioning".replace("%", " %") in README


def test_its_comparison_of_dimensions_is_that_of_the_stored_scores():
    four, twenty = (
        probnn.load(ROOT / f"checkpoints/cambridge/e_d{d}_scores.pt")["result"]["bound"]
        for d in (4, 20)
    )
    mean, error = probnn.mean_and_se(twenty - four)
    assert f"d=20 beats d=4 by {mean:.2f} ± {error:.2f} nats" in README


def test_its_values_of_names_are_those_of_the_stored_scores_and_of_the_shipped_weights():
    exact, plain, cured = (
        probnn.load(ROOT / f"checkpoints/cambridge/g_{name}_scores.pt")["result"]
        for name in ("language_model", "plain_vae", "8_nats_free")
    )
    said = "log p(name) {:.2f} ± {:.2f} without a latent variable, ".format(
        *probnn.mean_and_se(exact["estimate"])
    )
    said += (
        "{:.2f} ± {:.2f} with one that collapses (KL ".format(
            *probnn.mean_and_se(plain["estimate"])
        )
        + f"{plain['kl'].mean():.3f}), and "
    )
    said += "{:.2f} ± {:.2f} less with 8 nats".format(
        *probnn.mean_and_se(exact["estimate"] - cured["estimate"])
    )
    assert said in README
    model = NameGenerator(d=0)
    model.load_state_dict(probnn.load(ROOT / "checkpoints/cambridge/g_language_model.pt")["model"])
    x = encode_names(load_surnames("test").names)[:500]
    assert torch.allclose(model.loglik(x, torch.zeros(500, 0)), exact["estimate"][:500], atol=1e-3)


def toronto_model():
    model = probnn.mlp_encoder(
        probnn.mlp_generator(2, (500,), torch.nn.Tanh), (500,), torch.nn.Tanh
    )
    model.load_state_dict(probnn.load(ROOT / "checkpoints/toronto/2_vae.pt")["model"])
    return model


def test_its_exact_log_p_is_that_of_the_stored_integrals_and_of_the_shipped_weights():
    stored = probnn.load(ROOT / "checkpoints/toronto/2_exact.pt")["result"]["whole"]["test"]
    mean, error = probnn.mean_and_se(stored["log_marginal"])
    assert f"exact log p(x) {mean:.2f} ± {error:.2f} (10,000" in README
    model, x = toronto_model(), probnn.load_mnist("second", "thresholded").images[:20]
    with torch.no_grad():
        again = quadrature(model.f.loglik, x, model(x))
    torch.testing.assert_close(again.log_marginal, stored["log_marginal"][:20], rtol=0, atol=1e-2)
    torch.testing.assert_close(again.kl, stored["kl"][:20], rtol=0, atol=1e-2)


def test_its_toronto_elbo_is_that_of_the_shipped_weights():
    torch.manual_seed(1)
    mean, error = probnn.mean_and_se(
        probnn.over_batches(
            toronto_model().loglik_lb, probnn.load_mnist("second", "thresholded").images
        )
    )
    said, said_error = map(float, re.search(r"test ELBO (\S+) ± (\S+), exact", README).groups())
    # other machines draw other samples of z
    assert abs(mean - said) < 0.3 and abs(error - said_error) < 0.02


@pytest.mark.parametrize(
    "file, d, hidden, activations",
    [
        ("oslo/1_1_compression.pt", 32, (128,), (nn.Sigmoid, nn.Sigmoid)),
        ("autoencoder-2d/plain.pt", 2, (256, 128), (nn.ReLU, nn.Identity)),
    ],
)
def test_its_reconstruction_errors_are_those_of_the_shipped_weights(file, d, hidden, activations):
    model = Autoencoder(d, hidden, *activations)
    model.load_state_dict(probnn.load(ROOT / "checkpoints" / file)["model"])
    mean, error = probnn.mean_and_se(
        probnn.over_batches(
            lambda x: (model(x)[1] - x).square().mean((1, 2, 3)), probnn.load_mnist("test").images
        )
    )
    assert f"MSE {mean:.5f} ± {error:.5f} per pixel" in README


def reconstruction_error(model, noise, x):
    return (model(x + noise * torch.randn_like(x))[1] - x).square().mean((1, 2, 3))


def test_its_price_of_sparsity_and_its_denoising_are_those_of_the_shipped_weights():
    x, errors = probnn.load_mnist("test").images, {}
    torch.manual_seed(0)
    for file, noise in (("1_1_compression", 0.0), ("1_3_sparse_0.1", 0.0), ("1_2_denoising", 0.2)):
        model = Autoencoder()
        model.load_state_dict(probnn.load(ROOT / f"checkpoints/oslo/{file}.pt")["model"])
        errors[file] = probnn.over_batches(partial(reconstruction_error, model, noise), x)
    mean, error = probnn.mean_and_se(errors["1_3_sparse_0.1"] - errors["1_1_compression"])
    assert f"at a price of {mean:.5f} ± {error:.5f}" in README
    said = float(re.search(r"0.0400: (\S+) ± \S+ left", README).group(1))
    # other noise, the same images
    assert abs(probnn.mean_and_se(errors["1_2_denoising"])[0] - said) < 1e-4


def test_its_oslo_elbos_are_the_stored_ones():
    for beta, said in (
        (0.784, "ELBO {:.2f} ± {:.2f} with the prescribed"),
        (1, "{:.2f} ± {:.2f} with β = 1"),
    ):
        scores = probnn.load(ROOT / f"checkpoints/oslo/2_scores_beta_{beta:g}.pt")["result"]
        assert said.format(*probnn.mean_and_se(scores["elbo"])) in README


def test_its_t_sne_values_are_those_of_the_stored_maps():
    x = probnn.load_mnist("train").images[:1000].flatten(1)
    objective = probnn.TsneObjective(symmetric_gauss_neighbour_probability(x, wanted=30.0))
    maps = probnn.load(ROOT / "checkpoints/oslo/3_2_scikit_learn.pt")["result"]["maps"]
    kls = torch.tensor([[objective.kl(y) for y in pair] for pair in maps])
    assert (
        "final KL {:.4f} ± {:.4f} times scikit-learn's".format(
            *probnn.mean_and_se(kls[:, 0] / kls[:, 1])
        )
        in README
    )
    d2 = squared_distances(x.double())
    wide, narrow = (
        perplexity(neighbour_probability(d2, sigma)).median() for sigma in (10.0, 10.0**0.5)
    )
    assert (
        f"has {wide:.0f} effective neighbours, with σ² = 10 it has {narrow:.0f} (medians)"
    ) in README


def test_every_folder_is_in_its_map():
    for path in (ROOT / "src/probnn").glob("[a-z]*"):
        if path.suffix == ".py" or (path / "__init__.py").exists():
            assert f"| `{path.name}{'/' * path.is_dir()}` |" in README


def test_the_number_of_names_that_the_star_gives_is_right():
    assert f"gives the {len(probnn.__all__)} names" in README


def test_every_checkpoint_loads_and_is_in_the_list_of_checkpoints():
    listed = (ROOT / "checkpoints/README.md").read_text()
    for path in (ROOT / "checkpoints").glob("*/*.pt"):
        parts = probnn.load(path)
        assert "optimizer" not in parts and path.name in listed
        assert all(
            t.isfinite().all()
            for t in parts.get("model", {}).values()
            if isinstance(t, torch.Tensor)
        )


def test_every_notebook_is_in_the_table():
    for path in (ROOT / "notebooks").glob("*/*.ipynb"):
        assert f"({path.relative_to(ROOT)})" in README


def test_its_figure_is_the_notebooks():
    import base64

    import nbformat

    cells = nbformat.read(ROOT / "notebooks/toronto/3_exploring.ipynb", as_version=4).cells
    figure = next(
        output.data["image/png"]
        for cell in cells
        if "key" in cell.metadata.get("tags", [])
        for output in cell.outputs
        if "image/png" in output.get("data", {})
    )
    assert base64.b64decode(figure) == (ROOT / "notebooks/toronto/3_exploring.png").read_bytes()
    assert "](notebooks/toronto/3_exploring.png)" in README


@pytest.mark.parametrize(
    "page",
    [
        "README.md",
        "CONTRIBUTING.md",
        "checkpoints/README.md",
        "benchmarks/README.md",
        "data/README.md",
        "tests/MISTAKES.md",
    ],
)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", (ROOT / page).read_text()):
        assert ((ROOT / page).parent / target).exists(), target


def test_the_number_of_mistakes_is_that_of_the_gallery():
    assert (
        f"shows {(ROOT / 'tests/MISTAKES.md').read_text().count('```diff')} wrong versions"
    ) in README


def test_every_command_of_the_makefile_is_explained():
    targets = re.search(r"\.PHONY: (.*)", (ROOT / "Makefile").read_text()).group(1).split()
    assert all(f"make {target}" in README for target in targets)


def test_every_number_of_the_table_is_in_its_notebooks_text_or_outputs():
    import nbformat

    rows = re.findall(
        r"^\|[^|]*\| \[\w+\]\((notebooks/[^)]*\.ipynb)\) \|[^|]*\| "
        r"((?:\\\||[^|])*) \|$",
        README,
        re.M,
    )
    assert len(rows) == len(list((ROOT / "notebooks").glob("*/*.ipynb")))
    for notebook, answer in rows:
        shown = ""
        for cell in nbformat.read(ROOT / notebook, as_version=4).cells:
            shown += cell.source if cell.cell_type == "markdown" else ""
            for output in cell.get("outputs", []):
                shown += output.get("text", "") + "".join(
                    str(text)
                    for kind, text in output.get("data", {}).items()
                    if kind.startswith("text/")
                )
        for number in re.findall(r"\d+\.\d+|\d+(?= %)", answer):
            assert number in shown or f"{float(number):g}" in shown, (
                f"{number} is in the README's row of {notebook}, but not in it"
            )
