"""Reduced precision, by choice: networks in bfloat16, everything that is a density in float32."""

from __future__ import annotations

from typing import TypeVar, cast

import torch
from torch import Tensor, nn

__all__ = ["has_bfloat16", "reduced_precision"]

Model = TypeVar("Model", bound=nn.Module)
NARROW = 32  # inputs or outputs of a linear layer below which it stays in float32


def reduced_precision(model: Model) -> Model:
    """The model with its networks' layers computed in bfloat16 where the processor is fast at it.

    Parameters, gradients, optimiser, latent variables, densities and sums stay in float32; so do
    checkpoints, which fit either way, and linear layers of fewer than 32 inputs or outputs: those
    that read z, or give its mean and variance, whose digits matter and which cost nothing. On two
    cores with bfloat16 units the convolutional model trains twice as fast, to a bound that differed
    by +0.05 ± 0.25 nats per image (five epochs, five pairs of starts; `benchmarks/`).

    Args:
        model: any of the package's image models, conditional or not, before its optimiser is made.
            Its networks are replaced by ones that share their parameters.

    Returns:
        The model; a new one if it is itself an `nn.Sequential`. Where there is no fast bfloat16,
        the model as it was.

    Example:
        >>> layers = nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1)
        >>> model = reduced_precision(nn.Sequential(*layers))
        >>> model(torch.ones(5, 2)).dtype, model[0].weight.dtype
        (torch.float32, torch.float32)
    """
    if not has_bfloat16(next(model.parameters()).device):
        return model
    network: nn.Module = model
    if type(network) is nn.Sequential:
        return cast(Model, _in_bfloat16(network))
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if type(child) is nn.Sequential:
                setattr(parent, name, _in_bfloat16(child))
    return model


def has_bfloat16(device: torch.device) -> bool:
    """Whether bfloat16 is faster than float32 there.

    It is on processors with AVX-512 BF16 or AMX, and on GPUs that compute in it.
    """
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    names = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    checks = (getattr(torch.cpu, name, lambda: False) for name in names)
    return device.type == "cpu" and any(check() for check in checks)


class _InBfloat16(nn.Sequential):
    """Layers in bfloat16, their result in float32; slices of it, and copies, are of this class."""

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, torch.bfloat16):
            return super().forward(x).float()


class _InFloat32(nn.Linear):
    """A linear layer in float32, also among others in bfloat16."""

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            return super().forward(x.float())


def _in_bfloat16(network: nn.Sequential) -> nn.Sequential:
    """The network in bfloat16, with the same layers, but for those that are to stay in float32."""
    twin = _InBfloat16(*(_twin(layer) for layer in network))
    twin.training = network.training  # `train()` would set the layers', too
    return twin


def _twin(layer: nn.Module) -> nn.Module:
    if type(layer) is nn.Sequential:
        return _in_bfloat16(layer)
    if type(layer) is nn.Linear and min(layer.in_features, layer.out_features) < NARROW:
        return _in_float32(layer)
    return layer


def _in_float32(layer: nn.Linear) -> nn.Linear:
    """The layer in float32, with the same parameters."""
    twin = _InFloat32(layer.in_features, layer.out_features, layer.bias is not None, device="meta")
    twin.weight, twin.bias, twin.training = layer.weight, layer.bias, layer.training
    return twin
