"""The ReLUs of a forward pass, guided: no negative gradient passes back through them.

A function mode sees every ReLU, a module's or a bare function's, and nothing of the model is
patched.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor
from torch.overrides import TorchFunctionMode

RECTIFIERS = frozenset({"relu", "relu_", "relu6"})
"""Names of the functions whose gradient is guided."""

OTHERS = frozenset(
    {"gelu", "silu", "silu_", "mish", "elu", "celu", "selu", "hardswish", "leaky_relu"}
)
"""Names of the functions in a ReLU's place for which guiding is not defined."""


class GuidedReLUs(TorchFunctionMode):
    """While it is active, gradients through ReLUs lose their negative part.

    Attributes:
        guided: how many ReLUs ran.
        others: names of the functions that ran in a ReLU's place.

    >>> import torch
    >>> x = torch.ones(2, requires_grad=True)
    >>> with GuidedReLUs():
    ...     y = x.relu()
    >>> (y * torch.tensor([1.0, -1.0])).sum().backward()
    >>> x.grad
    tensor([1., 0.])
    """

    def __init__(self) -> None:
        super().__init__()
        self.guided = 0
        self.others: set[str] = set()

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Run a function, and guide what comes of a ReLU."""
        result = func(*args, **(kwargs or {}))
        name = getattr(func, "__name__", "")
        if name in OTHERS:
            self.others.add(name)
        if name in RECTIFIERS and isinstance(result, Tensor):
            self.guided += 1
            if result.requires_grad:
                result.register_hook(_positive)
        return result


def _positive(gradient: Tensor) -> Tensor:
    return gradient.clamp(min=0)
