"""t-SNE, exact and from scratch.

Neighbour probabilities P, and maps whose own probabilities Q come near them.
"""

from probnn.tsne.maps import (
    MomentumWithGains,
    TsneObjective,
    kl_divergence,
    pca_start,
    symmetric_student_t_neighbour_probability,
)
from probnn.tsne.neighbours import (
    neighbour_probability,
    perplexity,
    sigma_for_perplexity,
    squared_distances,
    symmetric_gauss_neighbour_probability,
)
from probnn.tsne.updates import adam_step, gradient_descent_step

__all__ = [
    "MomentumWithGains",
    "TsneObjective",
    "adam_step",
    "gradient_descent_step",
    "kl_divergence",
    "neighbour_probability",
    "pca_start",
    "perplexity",
    "sigma_for_perplexity",
    "squared_distances",
    "symmetric_gauss_neighbour_probability",
    "symmetric_student_t_neighbour_probability",
]
