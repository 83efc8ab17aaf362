"""Networks whose weights come from a file are built without random ones, which take longest."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

RANDOM = frozenset(
    {
        *("uniform_", "normal_", "trunc_normal_", "orthogonal_", "sparse_"),
        *("kaiming_uniform_", "kaiming_normal_", "xavier_uniform_", "xavier_normal_"),
    }
)
"""Functions of tensors and of ``torch.nn.init`` that draw random numbers."""

VALUES = frozenset({"add_", "clamp_", "copy_", "div_", "erfinv_", "fill_", "mul_", "sub_", "zero_"})
"""Functions that change values alone, of which a tensor of the meta device has none."""


class UnsetParameters(TorchFunctionMode):
    """Inside, parameters that would be drawn at random are zero.

    Other random numbers are drawn as ever: a buffer that no file holds keeps its values.

    >>> with UnsetParameters():
    ...     layer = nn.Linear(2, 1)
    >>> layer.weight.tolist()
    [[0.0, 0.0]]
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Fill a parameter with zeros in place of random numbers; call anything else."""
        options = dict(kwargs or {})
        name = getattr(func, "__name__", "")
        if name in RANDOM or name in VALUES:
            tensor = args[0] if args else options.get("tensor")
            if isinstance(tensor, nn.Parameter) and tensor.is_meta:
                return tensor  # there, each of these calls is a hundred of Python
            if isinstance(tensor, nn.Parameter) and name in RANDOM:
                with torch.no_grad():
                    return tensor.zero_()
        return func(*args, **options)
