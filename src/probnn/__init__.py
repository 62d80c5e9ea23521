"""Probabilistic neural networks, written to be read: models, likelihoods, inference and resumable training."""

from probnn.autoencoders import Autoencoder, plot, sample_train, sparsity_penalty
from probnn.checkpoints import CheckpointError, checkpoint_folder, load, save
from probnn.conditional import ConditionalBernoulliImageGenerator, ConditionalGaussianEncoder, one_hot
from probnn.data import DataError, held_out_split, load_mnist, load_surnames, load_xkcd, mnist_dataset, treat_pixels
from probnn.densities import (
    DiagonalGaussian,
    kl_bernoulli,
    kl_normal,
    log_bernoulli,
    log_continuous_bernoulli,
    log_normal,
    sample_bernoulli,
    sample_continuous_bernoulli,
    sample_normal,
)
from probnn.devices import use_device
from probnn.explorer import explore
from probnn.halves import BOTTOM, TOP, bottom_half, half_loglik, top_half
from probnn.likelihood import MonteCarlo, elbo, log_joint, log_marginal, log_weights, mean_and_se, over_batches
from probnn.live import progress
from probnn.neighbours import (
    neighbour_probability,
    perplexity,
    sigma_for_perplexity,
    squared_distances,
    symmetric_gauss_neighbour_probability,
)
from probnn.parallel import run_all
from probnn.precision import reduced_precision
from probnn.quadrature import Quadrature, log_marginal_quadrature, quadrature
from probnn.random_streams import preserved_random_state
from probnn.regression import HWiggle, RWiggle, Starts, Wiggle
from probnn.resuming import resume, ship, stored
from probnn.runtime import flush_denormals, keep_memory, settle_elementary_functions
from probnn.sequences import NameEncoder, NameGenerator, decode_names, encode_names
from probnn.svi import fit_posterior
from probnn.training import Interruptable, Interrupted, enumerate_cycle
from probnn.tsne import MomentumWithGains, TsneObjective, kl_divergence, pca_start, symmetric_student_t_neighbour_probability
from probnn.vae import BernoulliImageGenerator, GaussianEncoder, mlp_encoder, mlp_generator

flush_denormals()
settle_elementary_functions()
keep_memory()
