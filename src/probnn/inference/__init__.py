"""From a likelihood and a q to log p(x).

Bounds, estimates, exact answers, and q fitted to each datum.
"""

from probnn.inference.exact import Quadrature, log_marginal_quadrature, quadrature
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
    "ApproximatePosterior",
    "Generator",
    "Loglik",
    "MonteCarlo",
    "Quadrature",
    "elbo",
    "fit_posterior",
    "log_joint",
    "log_marginal",
    "log_marginal_quadrature",
    "log_weights",
    "mean_and_se",
    "over_batches",
    "quadrature",
]
