"""Which weights of a network still are the random numbers that they were drawn as."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.overrides import TorchFunctionMode

from camlucida.core.messages import Message, declare
from camlucida.models.unset import RANDOM, VALUES

declare(
    "weights",
    {
        "random": (
            "{count} of the network's {total} {total:|weight|weights} {count:|is|are} random "
            "numbers, for nothing was loaded into {count:|it|them} ({names}): say where they are "
            "(checkpoint = … in the card, --checkpoint FILE), or load them in the factory"
        )
    },
)

_NAMED = 3
"""Weights that a note names."""


class DrawnWeights(TorchFunctionMode):
    """A network is built inside; :meth:`note` then says which weights nothing was loaded into.

    >>> with DrawnWeights() as drawn:
    ...     network = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    ...     _ = network[0].load_state_dict(nn.Linear(2, 3).state_dict())
    >>> drawn.still(network)
    ['1.weight']
    """

    def __init__(self) -> None:
        super().__init__()
        self._numbers: dict[int, list[float]] = {}  # place in memory → some of its numbers

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Any = None,
    ) -> Any:
        """Call the function; remember what it drew, and what else was made of that."""
        result = func(*args, **(kwargs or {}))
        name = getattr(func, "__name__", "")
        tensor = args[0] if args else (kwargs or {}).get("tensor")
        if not isinstance(tensor, Tensor) or _is_empty(tensor) or name == "copy_":
            return result
        if name in RANDOM or (name in VALUES and tensor.data_ptr() in self._numbers):
            self._numbers[tensor.data_ptr()] = _some_numbers(tensor)
        return result

    def still(self, network: nn.Module) -> list[str]:
        """The weights that are as they were drawn.

        Args:
            network: that was built inside.
        """
        return [
            path
            for path, weight in _weights(network)
            if is_lazy(weight) or self._numbers.get(weight.data_ptr()) == _some_numbers(weight)
        ]

    def note(self, network: nn.Module) -> Message | None:
        """What is to be said of them; None where there are none.

        Args:
            network: that was built inside.
        """
        names = self.still(network)
        if not names:
            return None
        total = len(_weights(network))
        named = ", ".join(names[:_NAMED]) + (", …" if len(names) > _NAMED else "")
        return Message("weights.random", {"count": len(names), "total": total, "names": named})


def _weights(network: nn.Module) -> list[tuple[str, nn.Parameter]]:
    """Parameters but biases and scales, which start at fixed numbers."""
    return [(path, each) for path, each in network.named_parameters() if _is_weight(path, each)]


def _is_weight(path: str, parameter: nn.Parameter) -> bool:
    lazy: bool = is_lazy(parameter)
    if lazy:
        return not path.endswith("bias")
    return not _is_empty(parameter) and parameter.ndim > 1


def _is_empty(tensor: Tensor) -> bool:
    """Whether it has no numbers of its own place in memory, or none yet."""
    is_plain = type(tensor) in (Tensor, nn.Parameter) and tensor.layout is torch.strided
    return not is_plain or tensor.is_meta


@torch.no_grad()
def _some_numbers(tensor: Tensor) -> list[float]:
    flat = tensor.detach().reshape(-1)
    return [float(flat[at]) for at in (0, len(flat) // 2, -1)] if len(flat) else []
