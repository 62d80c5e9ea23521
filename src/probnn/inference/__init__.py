"""From a likelihood and a q to log p(x).

Bounds, estimates, exact answers, and q fitted to each datum.
"""

from probnn.inference.adaptive import adapt, resample
from probnn.inference.annealing import Annealed, Sandwich, log_marginal_ais, sandwich
from probnn.inference.exact import Quadrature, log_marginal_quadrature, quadrature
from probnn.inference.importance import doubly_reparameterised, importance_weighted
from probnn.inference.likelihood import (
    ApproximatePosterior,
    Generator,
    Loglik,
    MonteCarlo,
    elbo,
    log_joint,
    log_marginal,
    log_weights,
    mean_and_se,
    over_batches,
)
from probnn.inference.svi import fit_posterior

__all__ = [
    "Annealed",
    "ApproximatePosterior",
    "Generator",
    "Loglik",
    "MonteCarlo",
    "Quadrature",
    "Sandwich",
    "adapt",
    "doubly_reparameterised",
    "elbo",
    "fit_posterior",
    "importance_weighted",
    "log_joint",
    "log_marginal",
    "log_marginal_ais",
    "log_marginal_quadrature",
    "log_weights",
    "mean_and_se",
    "over_batches",
    "quadrature",
    "resample",
    "sandwich",
]
