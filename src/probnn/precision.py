"""Reduced precision, by choice: networks in bfloat16, everything that is a density in float32."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor, nn

Model = TypeVar("Model", bound=nn.Module)


def reduced_precision(model: Model) -> Model:
    """The model, changed in place, with the layers of its networks computed in bfloat16 where the processor does that fast.

    Parameters, gradients, optimiser, latent variables, densities and sums stay in float32; so do checkpoints, which fit either way, and
    linear layers of fewer than 32 inputs or outputs: those that read z, or give its mean and variance, whose digits matter and which cost
    nothing. On two cores with bfloat16 units the convolutional model trains twice as fast, to a bound that differed by +0.05 ± 0.25 nats per
    image (five epochs, five pairs of starts; `benchmarks/`). Elsewhere the model is returned as it is.

    Args:
        model: any of the package's image models, conditional or not, before its optimiser is made.

    Example:
        >>> model = reduced_precision(nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1)))
        >>> model(torch.ones(5, 2)).dtype, model[0].weight.dtype
        (torch.float32, torch.float32)
    """
    if has_bfloat16(next(model.parameters()).device):
        for network in model.modules():
            if type(network) is nn.Sequential:
                network.__class__ = _InBfloat16  # slices of it, and copies, are of this class, too
                for layer in network:
                    if type(layer) is nn.Linear and min(layer.in_features, layer.out_features) < 32:
                        layer.__class__ = _InFloat32
    return model


def has_bfloat16(device: torch.device) -> bool:
    """Whether bfloat16 is faster than float32 there: on processors with AVX-512 BF16 or AMX, and on GPUs that compute in it."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    checks = (getattr(torch.cpu, name, lambda: False) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))
    return device.type == "cpu" and any(check() for check in checks)


class _InBfloat16(nn.Sequential):
    def forward(self, x: Tensor) -> Tensor:
        """The layers one after the other in bfloat16, the result in float32."""
        with torch.autocast(x.device.type, torch.bfloat16):
            return super().forward(x).float()


class _InFloat32(nn.Linear):
    def forward(self, x: Tensor) -> Tensor:
        """The layer in float32, also among others in bfloat16."""
        with torch.autocast(x.device.type, enabled=False):
            return super().forward(x.float())
