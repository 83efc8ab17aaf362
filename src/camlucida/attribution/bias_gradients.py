"""The biases of a forward pass, cell by cell, so that a score can be differentiated by each.

A function mode sees every convolution, linear layer and batch normalisation, a module's or a bare
function's, and gives its bias apart: one number a cell.
"""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature
from typing import Any

import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

WITH_BIAS = frozenset(
    {
        *("conv1d", "conv2d", "conv3d", "linear"),
        *("conv_transpose1d", "conv_transpose2d", "conv_transpose3d"),
    }
)
"""Names of the functions whose third argument is a bias."""


class Biases(TorchFunctionMode):
    """While it is active, biases are leaves of the graph, one number a cell.

    Attributes:
        leaves: (B, K, *grid), or (B, K) of a linear layer, in the order in which they ran.

    >>> import torch
    >>> x = torch.tensor([[1.0, 2.0]], requires_grad=True)
    >>> with Biases() as biases:
    ...     y = F.linear(x, torch.ones(1, 2), torch.tensor([5.0]))
    >>> y.item(), biases.leaves[0].tolist()
    (8.0, [[5.0]])
    """

    def __init__(self) -> None:
        super().__init__()
        self.leaves: list[Tensor] = []

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Run a function with its bias apart."""
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        if name in WITH_BIAS:
            return self._linear(name == "linear", func, args, kwargs)
        if name == "batch_norm" and func is F.batch_norm:
            return self._normalised(args, kwargs)
        return func(*args, **kwargs)

    def _linear(
        self, last: bool, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Tensor:
        positional = len(args) > 2
        bias = args[2] if positional else kwargs.get("bias")
        if bias is None:
            plain: Tensor = func(*args, **kwargs)
            return plain
        if positional:
            without = func(*args[:2], None, *args[3:], **kwargs)
        else:
            without = func(*args, **{**kwargs, "bias": None})
        return self._with(without, bias, -1 if last else 1)

    def _normalised(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
        given = signature(F.batch_norm).bind(*args, **kwargs)
        given.apply_defaults()
        x, mean, variance, weight, bias, training = list(given.arguments.values())[:6]
        if training or mean is None or variance is None:
            return F.batch_norm(*given.args)
        scale = (variance + given.arguments["eps"]).rsqrt()
        scale = scale if weight is None else scale * weight
        shift = -mean * scale if bias is None else bias - mean * scale
        shape = (1, -1, *(1,) * (x.ndim - 2))
        return self._with(x * scale.reshape(shape).to(x.dtype), shift.to(x.dtype), 1)

    def _with(self, without: Tensor, bias: Tensor, axis: int) -> Tensor:
        shape = [1] * without.ndim
        shape[axis] = -1
        leaf = bias.detach().reshape(shape).expand(without.shape).clone().requires_grad_()
        self.leaves.append(leaf)
        return without + leaf
