"""What a step's or a score's matrix products and convolutions alone take here: the limit.

Their shapes are found by running the model once; then only they are run, on random numbers: for
training forwards, and backwards to weights and inputs, but not to the images.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

__all__ = ["arithmetic", "seconds_of"]


def arithmetic(
    model: nn.Module, run: Callable[[], object], dtype: torch.dtype, backwards: bool
) -> Callable[[], None]:
    """A function that makes the products of the model's layers, as often as `run` makes them.

    Args:
        model: whose layers are watched.
        run: has the model compute something.
        dtype: of the products; the copies in it are made beforehand.
        backwards: whether their gradients are made, too.
    """
    products: list[Callable[[], object]] = []

    def watch(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        x, y = (torch.randn_like(t.detach()).to(dtype) for t in (inputs[0], output))
        weight, bias = (p.detach().to(dtype) for p in (layer.weight, layer.bias))
        if isinstance(layer, nn.Linear):
            products.append(lambda: torch.addmm(bias, x, weight.T))
            if backwards:
                products.append(lambda: y.T @ x)
            if backwards and layer.in_features != 784:
                products.append(lambda: y @ weight)
            return
        x, y, weight = (t.contiguous(memory_format=torch.channels_last) for t in (x, y, weight))
        products.append(lambda: nn.functional.conv2d(x, weight, bias))
        if backwards:
            fixed = [layer.out_channels], [1, 1], [0, 0], [1, 1], False, [0, 0], 1
            wanted = [layer.in_channels > 1, True, True]
            backward = torch.ops.aten.convolution_backward
            products.append(lambda: backward(y, x, weight, *fixed, wanted))

    layers = [layer for layer in model.modules() if isinstance(layer, (nn.Linear, nn.Conv2d))]
    hooks = [layer.register_forward_hook(watch) for layer in layers]
    with torch.no_grad():
        run()
    for hook in hooks:
        hook.remove()

    @torch.no_grad()
    def make() -> None:
        for product in products:
            product()

    return make


def seconds_of(f: Callable[[], None], times: int) -> float:
    """Of that many calls, after one."""
    f()
    begin = time.perf_counter()
    for _ in range(times):
        f()
    return time.perf_counter() - begin
