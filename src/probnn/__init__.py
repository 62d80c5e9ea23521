"""Probabilistic neural networks, written to be read.

Models, likelihoods, inference, resumable training. What most work needs is here; the rest is
imported from where it lives, as in `from probnn.models import HWiggle`. Importing the package
changes nothing in the process; `tune_process()` does, when it is called.
"""

from probnn.data import load_mnist, mnist_dataset
from probnn.densities import DiagonalGaussian, log_bernoulli, log_normal
from probnn.display import progress
from probnn.inference import elbo, fit_posterior, log_marginal, mean_and_se, over_batches
from probnn.models import (
    BernoulliImageGenerator,
    ConditionalBernoulliImageGenerator,
    ConditionalGaussianEncoder,
    GaussianEncoder,
    mlp_encoder,
    mlp_generator,
)
from probnn.runtime import run_all, tune_process, use_device
from probnn.training import Interruptable, enumerate_cycle, load, resume, stored
from probnn.tsne import TsneObjective

__all__ = [
    "BernoulliImageGenerator",
    "ConditionalBernoulliImageGenerator",
    "ConditionalGaussianEncoder",
    "DiagonalGaussian",
    "GaussianEncoder",
    "Interruptable",
    "TsneObjective",
    "elbo",
    "enumerate_cycle",
    "fit_posterior",
    "load",
    "load_mnist",
    "log_bernoulli",
    "log_marginal",
    "log_normal",
    "mean_and_se",
    "mlp_encoder",
    "mlp_generator",
    "mnist_dataset",
    "over_batches",
    "progress",
    "resume",
    "run_all",
    "stored",
    "tune_process",
    "use_device",
]
