"""Networks, and the densities that they parametrise: no data, no training, no drawing."""

from probnn.models.autoencoders import Autoencoder, FlattenImages, add_noise, sparsity_penalty
from probnn.models.conditional import (
    ConditionalBernoulliImageGenerator,
    ConditionalGaussianEncoder,
    one_hot,
)
from probnn.models.encoder import Encoder
from probnn.models.halves import BOTTOM, TOP, bottom_half, half_loglik, top_half
from probnn.models.images import (
    BernoulliImageGenerator,
    GaussianEncoder,
    mlp_encoder,
    mlp_generator,
)
from probnn.models.letters import counted, decode_names, encode_names
from probnn.models.names import NameEncoder, NameGenerator
from probnn.models.networks import mlp
from probnn.models.pixels import log_bernoulli_images
from probnn.models.regression import GaussianRegression, HWiggle, RWiggle, Starts, Wiggle
from probnn.models.views import every_label, expected_bottom, reconstruction

__all__ = [
    "BOTTOM",
    "TOP",
    "Autoencoder",
    "BernoulliImageGenerator",
    "ConditionalBernoulliImageGenerator",
    "ConditionalGaussianEncoder",
    "Encoder",
    "FlattenImages",
    "GaussianEncoder",
    "GaussianRegression",
    "HWiggle",
    "NameEncoder",
    "NameGenerator",
    "RWiggle",
    "Starts",
    "Wiggle",
    "add_noise",
    "bottom_half",
    "counted",
    "decode_names",
    "encode_names",
    "every_label",
    "expected_bottom",
    "half_loglik",
    "log_bernoulli_images",
    "mlp",
    "mlp_encoder",
    "mlp_generator",
    "one_hot",
    "reconstruction",
    "sparsity_penalty",
    "top_half",
]
