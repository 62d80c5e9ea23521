"""Public checks of t-SNE: three or four typed points, and typed numbers."""

from __future__ import annotations

import torch

from tools.course.handed_in import expect, expect_shape
from tools.course.tables import shows


@shows("probnn.tsne.neighbours.squared_distances")
def check_squared_distances(squared_distances):
    x = torch.tensor([[0.0, 0.0], [3.0, 4.0], [0.0, 1.0]])
    truth = [[0.0, 25.0, 1.0], [25.0, 0.0, 18.0], [1.0, 18.0, 0.0]]
    distances = {"distances": [[0.0, 5.0, 1.0], [5.0, 0.0, 4.24264], [1.0, 4.24264, 0.0]]}
    expect(squared_distances(x), truth, "squared distances", distances, by=1e-3)
    far = squared_distances(x + 1000)
    expect(far, truth, "the same of points moved together", by=1e-2)
    assert (far >= 0).all() and not far.diagonal().any(), "0 on the diagonal, none below, expected"


@shows("probnn.tsne.neighbours.neighbour_probability")
def check_neighbour_probability(neighbour_probability):
    d2 = torch.tensor([[0.0, 25.0, 1.0], [25.0, 0.0, 18.0], [1.0, 18.0, 0.0]])
    sigma = torch.tensor([2.0, 3.0, 4.0])
    found = neighbour_probability(d2, sigma)
    wrong = {
        "one with sigma for sigma^2": [
            [0.0, 0.002473, 0.997527],
            [0.237458, 0.0, 0.762542],
            [0.893309, 0.106691, 0.0],
        ],
        "one without the 2": [
            [0.0, 0.002473, 0.997527],
            [0.314799, 0.0, 0.685201],
            [0.743168, 0.256832, 0.0],
        ],
        "one normalised over columns": [
            [0.0, 0.403985, 0.629775],
            [0.047426, 0.0, 0.370225],
            [0.952574, 0.596015, 0.0],
        ],
    }
    expect(
        found,
        [[0.0, 0.047426, 0.952574], [0.403985, 0.0, 0.596015], [0.629775, 0.370225, 0.0]],
        "p_{j|i} in row i",
        wrong,
    )
    one = [[0.0, 0.004805, 0.995195], [0.174285, 0.0, 0.825715], [0.977638, 0.022362, 0.0]]
    expect(neighbour_probability(d2, 1.5), one, "the same with one sigma for all")


@shows("probnn.tsne.neighbours.symmetric_gauss_neighbour_probability")
def check_symmetric_gauss(symmetric_gauss_neighbour_probability):
    x = torch.tensor([[0.0, 0.0], [3.0, 4.0], [0.0, 1.0], [2.0, 2.0]])
    P = symmetric_gauss_neighbour_probability(x, 1.5)
    wrong = {
        "one whose rows sum to 1, not the whole,": [
            [0.0, 0.007486, 0.759897, 0.188932],
            [0.007486, 0.0, 0.034038, 0.667368],
            [0.759897, 0.034038, 0.0, 0.342278],
            [0.188932, 0.667368, 0.342278, 0.0],
        ]
    }
    expect(
        P,
        [
            [0.0, 0.001872, 0.189974, 0.047233],
            [0.001872, 0.0, 0.00851, 0.166842],
            [0.189974, 0.00851, 0.0, 0.08557],
            [0.047233, 0.166842, 0.08557, 0.0],
        ],
        "P",
        wrong,
        by=1e-5,
    )
    P = symmetric_gauss_neighbour_probability(x, wanted=2.0)
    expect_shape(P, (4, 4), "P for a wanted perplexity")
    expect(P[0], P[:, 0], "a symmetric P", by=1e-6)
    expect(P.sum(), 1.0, "a P that sums to 1", {"N": 4.0})


@shows("probnn.tsne.maps.symmetric_student_t_neighbour_probability")
def check_student(symmetric_student_t_neighbour_probability):
    y = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]], requires_grad=True)
    Q = symmetric_student_t_neighbour_probability(y)
    wrong = {
        "one whose rows sum to 1": [
            [0.0, 0.714286, 0.285714],
            [0.75, 0.0, 0.25],
            [0.545455, 0.454545, 0.0],
        ]
    }
    expect(
        Q,
        [[0.0, 0.288462, 0.115385], [0.288462, 0.0, 0.096154], [0.115385, 0.096154, 0.0]],
        "Q",
        wrong,
    )
    assert Q.requires_grad, "a Q that gradients can pass expected"


@shows("probnn.tsne.maps.kl_divergence")
def check_kl(kl_divergence):
    P, Q = torch.tensor([[0.1, 0.2], [0.3, 0.4]]), torch.tensor([[0.55, 0.15], [0.2, 0.1]])
    wrong = {"KL(Q || P)": 0.674737, "a mean over pairs": 0.140805}
    expect(kl_divergence(P, Q), 0.563219, "KL(P || Q)", wrong)
    P, Q = torch.tensor([[0.0, 0.3], [0.7, 0.0]]), torch.tensor([[0.0, 0.5], [0.5, 0.0]])
    expect(kl_divergence(P, Q), 0.082283, "the sum over pairs with P > 0, as 0 log 0 = 0,")


@shows("probnn.tsne.updates.gradient_descent_step")
def check_gradient_descent(gradient_descent_step):
    P = torch.tensor([[0.0, 0.1, 0.3], [0.1, 0.0, 0.1], [0.3, 0.1, 0.0]])
    start = [[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]]
    y = torch.tensor(start, requires_grad=True)
    kl = gradient_descent_step(y, P, 2.0)
    wrong = {
        "points that went uphill": [
            [0.753846, -0.590769],
            [0.251282, -0.010256],
            [-0.005128, 2.60103],
        ],
        "points where they were": start,
    }
    expect(
        y,
        [[-0.753846, 0.590769], [1.74872, 0.010256], [0.005128, 1.39897]],
        "points moved against the gradient",
        wrong,
        by=1e-3,
    )
    expect(kl, 0.369273, "the KL before the step", by=1e-3)
    gradient_descent_step(y, P, 2.0)
    assert y.requires_grad, "map points that still ask for gradients expected"
    expect(
        y,
        [[-0.722134, 0.58351], [1.74521, -0.00481], [-0.023077, 1.4213]],
        "after a second step, points that no gradient of the first one moved,",
        by=1e-3,
    )


@shows("probnn.tsne.updates.adam_step")
def check_adam(adam_step):
    P = torch.tensor([[0.0, 0.1, 0.3], [0.1, 0.0, 0.1], [0.3, 0.1, 0.0]])
    y = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]], requires_grad=True)
    mean, square = torch.zeros(3, 2), torch.zeros(3, 2)
    kl = adam_step(y, P, mean, square, 1, 0.1)
    expect(kl, 0.369273, "the KL before step 1", by=1e-3)
    expect(y, [[-0.1, 0.1], [1.1, 0.1], [0.1, 1.9]], "map points after step 1", by=1e-3)
    kl = adam_step(y, P, mean, square, 2, 0.1)
    expect(kl, 0.250628, "the KL before step 2", by=1e-3)
    expect(
        y,
        [[-0.197268, 0.19965], [1.19876, 0.044812], [0.029925, 1.80091]],
        "map points after step 2",
        by=1e-3,
    )
