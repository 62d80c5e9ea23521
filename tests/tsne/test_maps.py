"""t-SNE's divergence, gradient and optimiser against autograd, scipy and scikit-learn."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import squareform
from scipy.special import rel_entr
from sklearn.manifold import _t_sne
from torch.overrides import TorchFunctionMode

from probnn.data import load_mnist
from probnn.training import enumerate_cycle, resume
from probnn.tsne import (
    MomentumWithGains,
    TsneObjective,
    kl_divergence,
    maps,
    pca_start,
    symmetric_gauss_neighbour_probability,
    symmetric_student_t_neighbour_probability,
)


@pytest.fixture(scope="module")
def P():
    x = load_mnist("train").images[:200].flatten(1).double()
    return symmetric_gauss_neighbour_probability(x, wanted=20.0)


@pytest.fixture
def y():
    return 3 * torch.randn(200, 2, dtype=torch.float64)


def test_q_is_the_definition_written_out(y):
    y, weights = y[:6], np.zeros((6, 6))
    for i in range(6):
        for j in range(6):
            weights[i, j] = 1 / (1 + ((y[i] - y[j]) ** 2).sum()) if i != j else 0.0
    q = symmetric_student_t_neighbour_probability(y)
    np.testing.assert_allclose(q, weights / weights.sum(), rtol=1e-9)


def test_kl_is_scipys_also_where_p_is_0(P, y):
    q = symmetric_student_t_neighbour_probability(y)
    exact = rel_entr(P.numpy(), np.where(q == 0, 1, q)).sum()
    assert kl_divergence(P, q).item() == pytest.approx(exact, rel=1e-9)
    assert TsneObjective(P).kl(y) == pytest.approx(kl_divergence(P, q).item(), rel=1e-9)


def test_the_gradient_is_autograds(P, y):
    y.requires_grad_()
    kl = kl_divergence(P, symmetric_student_t_neighbour_probability(y))
    (exact,) = torch.autograd.grad(kl, y)
    torch.testing.assert_close(TsneObjective(P).gradient(y), exact, rtol=1e-9, atol=1e-12)


def test_the_gradient_is_that_of_finite_differences(P, y):
    objective, direction = TsneObjective(P), torch.randn_like(y)
    slope = (objective.kl(y + 1e-5 * direction) - objective.kl(y - 1e-5 * direction)) / 2e-5
    assert (objective.gradient(y) * direction).sum().item() == pytest.approx(slope, rel=1e-6)


@pytest.mark.parametrize("block", [1, 1000, 4000, 10**7])
def test_blocks_of_any_size_give_the_same(P, y, block, monkeypatch):
    whole = TsneObjective(P).gradient(y)
    monkeypatch.setattr(maps, "BLOCK", block)
    objective = TsneObjective(P)
    torch.testing.assert_close(objective.gradient(y), whole, rtol=1e-10, atol=1e-14)
    assert objective.kl(y) == pytest.approx(TsneObjective(P).kl(y), rel=1e-10)


def test_float32_is_near_float64_also_for_wide_maps(P, y):
    accuracies = {1e-4: 1e-3, 1.0: 1e-3, 10.0: 1e-3, 100.0: 0.1}  # the last: hundreds wide
    for scale, accuracy in accuracies.items():
        exact, single = TsneObjective(P), TsneObjective(P.float())
        error = single.gradient((scale * y).float()).double() - exact.gradient(scale * y)
        assert error.norm() < accuracy * exact.gradient(scale * y).norm()
        assert single.kl((scale * y).float()) == pytest.approx(exact.kl(scale * y), rel=1e-3)


def test_float32_is_near_float64_also_for_maps_far_from_the_origin(P, y):
    far = (y + torch.tensor([100.0, -100.0])).float()
    exact = TsneObjective(P).gradient(far.double())
    error = TsneObjective(P.float()).gradient(far).double() - exact
    assert error.norm() < 1e-3 * exact.norm()


class NoFloat64(TorchFunctionMode):
    def __torch_function__(self, f, types, args=(), kwargs=None):
        result = f(*args, **(kwargs or {}))
        assert not (isinstance(result, torch.Tensor) and result.dtype == torch.float64)
        return result


def test_no_float64_is_needed_where_there_is_none(P, y, monkeypatch):
    monkeypatch.setattr(maps, "has_float64", lambda device: device.type != "cpu")
    P, y = P.float(), y.float()
    with NoFloat64():
        objective = TsneObjective(P)
        objective.gradient(y), objective.kl(y)


def test_it_is_scikit_learns_gradient_and_divergence(P, y):
    pairs = squareform(P.numpy(), checks=False)
    error, gradient = _t_sne._kl_divergence(y.numpy().ravel(), pairs, 1.0, 200, 2)
    ours = TsneObjective(P).gradient(y).numpy().ravel()
    np.testing.assert_allclose(ours, gradient, rtol=1e-6, atol=1e-10)
    assert TsneObjective(P).kl(y) == pytest.approx(error, rel=1e-6)


def test_exaggeration_multiplies_the_attraction_and_leaves_the_divergence_alone(P, y):
    objective = TsneObjective(P)
    before = objective.kl(y)
    # 12 times the attraction, the repulsion once
    expected = 12 * objective.gradient(y) + 11 * 4 * _repulsion(y)
    exaggerated = objective.gradient(y, exaggeration=12.0)
    torch.testing.assert_close(exaggerated, expected, rtol=1e-8, atol=1e-12)
    assert objective.kl(y) == before


def _repulsion(y):
    """sum_j q_ij w_ij (y_i - y_j), pair by pair."""
    difference = y[:, None] - y
    w = 1 / (1 + difference.square().sum(-1))
    q = symmetric_student_t_neighbour_probability(y)
    return ((q * w)[..., None] * difference).sum(1)


def test_everything_is_where_the_points_are(P, y, elsewhere):
    P, y = P.float(), y.float()
    with elsewhere():
        results = symmetric_student_t_neighbour_probability(y), TsneObjective(P).gradient(y)
        kl = TsneObjective(P).kl(y)
    assert all(result.dtype == y.dtype and result.device == y.device for result in results)
    assert kl == pytest.approx(kl_divergence(P, results[0]).item(), rel=1e-4)


def test_the_gradient_neither_moves_nor_keeps_the_points(P, y):
    before, objective = y.clone(), TsneObjective(P)
    first = objective.gradient(y)
    second = objective.gradient(y + 1)  # a shift of the map changes nothing
    assert torch.equal(y, before)
    torch.testing.assert_close(first, second, rtol=1e-9, atol=1e-12)


def test_a_start_by_pca_is_scikit_learns():
    from sklearn.decomposition import PCA

    x = load_mnist("train").images[:300].flatten(1)
    theirs = PCA(2, svd_solver="full").fit_transform(x.double().numpy())
    theirs = 1e-4 * theirs / theirs[:, 0].std(ddof=1)
    ours = pca_start(x).numpy()
    assert ours.shape == (300, 2) and ours.dtype == np.float32
    for k in range(2):
        mine, other = (axes[:, k] * np.sign(axes[0, k]) for axes in (ours, theirs))
        np.testing.assert_allclose(mine, other, rtol=1e-3, atol=1e-8)


def test_momentum_and_gains_are_scikit_learns(P, y):
    """Ours and `_gradient_descent`, from the same start: the same points after 50 steps."""
    settings = dict(momentum=0.8, learning_rate=100.0, min_gain=0.01)
    arguments = [squareform(P.numpy(), checks=False), 1.0, 200, 2]
    start = y.numpy().ravel().copy()
    theirs, _, _ = _t_sne._gradient_descent(
        _t_sne._kl_divergence, start, 0, 50, args=arguments, kwargs={}, **settings
    )
    points, objective = y.clone().requires_grad_(), TsneObjective(P)
    optimizer = MomentumWithGains([points], lr=100.0, momentum=0.8)
    for _ in range(50):
        points.grad = objective.gradient(points)
        optimizer.step()
    np.testing.assert_allclose(points.detach().numpy().ravel(), theirs, rtol=1e-4, atol=1e-6)


def steps_from_zero(gradients, **settings):
    """Where a point is after steps with these gradients."""
    y = torch.zeros(1, requires_grad=True)
    optimizer = MomentumWithGains([y], **settings)
    for gradient in gradients:
        y.grad = torch.tensor([gradient])
        optimizer.step()
    return y.item()


def test_gains_grow_where_the_velocity_points_downhill_alone():
    # velocities -0.8, -0.4 and -0.2 - 0.84: where the gradient is 0 the gain falls
    assert steps_from_zero([1.0, 0.0, 1.0], lr=1.0, momentum=0.5) == pytest.approx(-2.24)


def test_without_momentum_a_step_is_the_gain_times_the_gradient():
    assert steps_from_zero([1.0, 3.0], lr=1.0, momentum=0.0) == pytest.approx(-0.8 - 3.0)


def test_its_settings_are_by_default_those_of_t_sne():
    assert steps_from_zero([1.0]) == -160.0 and steps_from_zero([1.0, 0.0]) == -240.0


def test_parameters_without_a_gradient_stay_and_the_others_move():
    y = [torch.zeros(1, requires_grad=True) for _ in range(2)]
    y[1].grad = torch.ones(1)
    MomentumWithGains(y, lr=1.0).step()
    assert y[0].item() == 0 and y[1].item() == pytest.approx(-0.8)


def test_its_optimiser_resumes_exactly(P, y):
    def run(points, optimizer, steps):
        for _ in range(steps):
            points.grad = TsneObjective(P).gradient(points)
            optimizer.step()

    whole = y.clone().requires_grad_()
    run(whole, MomentumWithGains([whole]), 20)
    part = y.clone().requires_grad_()
    first = MomentumWithGains([part])
    run(part, first, 7)
    resumed = part.detach().clone().requires_grad_()
    second = MomentumWithGains([resumed], lr=1.0)
    second.load_state_dict(first.state_dict())
    run(resumed, second, 13)
    assert torch.equal(whole, resumed)


def test_the_coursework_loop_resumes_a_map_exactly_from_its_file(P, y, tmp_path):
    def run(epochs):
        points, history = torch.nn.Parameter(y.clone()), []
        objective, optimizer = TsneObjective(P), MomentumWithGains([points])
        steps = enumerate_cycle(["all points"], epochs=epochs)
        parts = dict(points=torch.nn.ParameterList([points]), optimizer=optimizer, history=history)
        resume(tmp_path / "map.pt", batches=steps, **parts)
        for _ in steps:
            points.grad = objective.gradient(points)
            optimizer.step()
            history.append(objective.kl(points))
        return points.detach(), history

    run(7)
    resumed, history = run(20)  # new points, optimiser and cycle
    for file in tmp_path.rglob("*.pt"):
        file.unlink()
    whole, expected = run(20)
    assert torch.equal(resumed, whole) and history == expected and len(history) == 20


def test_descent_separates_three_clusters():
    torch.manual_seed(0)
    centres = 10 * torch.randn(3, 20)
    x = (centres[:, None] + torch.randn(3, 30, 20)).flatten(0, 1)
    objective = TsneObjective(symmetric_gauss_neighbour_probability(x, wanted=10.0))
    points = torch.randn(90, 2).requires_grad_()
    before = objective.kl(points)
    optimizer = MomentumWithGains([points], lr=50.0)
    for step in range(300):
        points.grad = objective.gradient(points, exaggeration=12.0 if step < 100 else 1.0)
        optimizer.step()
    assert objective.kl(points) < 0.5 * before
    nearest = torch.cdist(points, points).fill_diagonal_(torch.inf).argmin(1)
    assert (nearest // 30 == torch.arange(90) // 30).all()


@pytest.mark.parametrize(
    "bad",
    [
        torch.randn(199, 2, dtype=torch.float64),
        torch.randn(200, 3, dtype=torch.float64),
        torch.randn(200, 2),
    ],
)
def test_map_points_of_another_shape_or_type_are_clear_errors(P, bad):
    said = r"expected map points of shape \(200, 2\) and type torch.float64, got"
    with pytest.raises(ValueError, match=said):
        TsneObjective(P).gradient(bad)


@pytest.mark.parametrize("bad", [{"lr": 0.0}, {"momentum": 1.0}])
def test_settings_that_cannot_work_are_clear_errors(bad):
    with pytest.raises(ValueError, match="lr > 0 and momentum from 0 to below 1"):
        MomentumWithGains([torch.zeros(2, 2)], **bad)


@pytest.mark.parametrize(
    "x, said",
    [
        (torch.randn(10, 1), r"two dimensions or more .* got shape \(10, 1\)$"),
        (torch.ones(10, 5), r"are not all equal, got shape \(10, 5\), all equal$"),
        (torch.ones(10, 1, 5), r"expected x of shape \(N, D\)"),
    ],
)
def test_a_start_by_pca_needs_two_dimensions_and_points_that_differ(x, said):
    with pytest.raises(ValueError, match=said):
        pca_start(x)


def test_a_start_by_pca_of_points_on_a_line_is_a_line():
    start = pca_start(torch.tensor([[0.0, 0.0], [1.0, 0.0], [5.0, 0.0]]), scale=1.0)
    centred = torch.tensor([-2.0, -1.0, 3.0])
    expected = torch.stack([centred / centred.std(), torch.zeros(3)], 1)
    torch.testing.assert_close(start, expected)
