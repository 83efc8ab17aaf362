"""Operations of a graph that only arrange numbers in another way, or take some of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from camlucida.attribution.graph_nodes import Place, operation, shape_at, signed


@dataclass(frozen=True)
class View:
    """One such operation.

    Attributes:
        name: of its node.
        shape: of what it gives.
        axes: of what it is given, along which it works; of a permutation all, in the new order.
        options: further numbers of the operation.
        number: which of its results is meant.
    """

    name: str
    shape: tuple[int, ...]
    axes: tuple[int, ...] = ()
    options: tuple[int, ...] = ()
    number: int = 0

    @property
    def keeps_order(self) -> bool:
        """Whether it gives all numbers in the same order, in another shape at most."""
        return self.name in _RESHAPES

    def keeps_last_axis(self, axes: int) -> bool:
        """Whether what lies along the last axis stays together and in order.

        Args:
            axes: number of those of what it is given.
        """
        if self.name == "PermuteBackward0":
            return self.axes[-1] == axes - 1
        return not self.keeps_order and axes - 1 not in self.axes

    def takes_of_last_axis(self, axes: int) -> bool:
        """Whether it takes numbers along the last axis, which stays one, and of no other.

        Args:
            axes: number of those of what it is given.
        """
        return self.name in ("SliceBackward0", "SplitBackward0") and self.axes == (axes - 1,)

    def of(self, x: Tensor) -> Tensor:
        """What the operation makes of a tensor.

        Args:
            x: of as many axes as what it was given, and the same sizes along those that it works
                on.
        """
        return x.reshape(self.shape) if self.keeps_order else _ARRANGE[self.name](x, self)


def view_at(place: Place) -> View | None:
    """The operation at a place of a graph.

    Args:
        place: a node and the number of its output.

    Returns:
        None for any other operation.

    >>> import torch
    >>> x = torch.ones(2, 5, 3, requires_grad=True)
    >>> view_at((x[:, 4].grad_fn, 0))
    View(name='SelectBackward0', shape=(2, 3), axes=(1,), options=(4,), number=0)
    >>> view_at((x.exp().grad_fn, 0)) is None
    True
    """
    node, number = place
    name, shape = operation(node), shape_at(place)
    if name in _RESHAPES:
        return View(name, shape)
    if name not in _ARRANGE:
        return None
    (given,) = node.next_functions
    count = len(shape_at(given))
    saved = node._saved_dims if name == "PermuteBackward0" else _saved(node, _AXES[name])
    axes = tuple(signed(axis) % count for axis in saved)
    return View(name, shape, axes, _saved(node, _OPTIONS.get(name, ())), number)


def _saved(node: object, names: tuple[str, ...]) -> tuple[int, ...]:
    return tuple(signed(getattr(node, f"_saved_{name}")) for name in names)


def _sliced(x: Tensor, view: View) -> Tensor:
    (axis,), part = view.axes, slice(*view.options)
    return x[(slice(None),) * axis + (part,)]


_RESHAPES = frozenset(
    [
        *("ViewBackward0", "UnsafeViewBackward0", "ReshapeAliasBackward0", "CloneBackward0"),
        *("AliasBackward0", "UnsqueezeBackward0"),
        *("SqueezeBackward0", "SqueezeBackward1", "SqueezeBackward2"),
    ]
)
_ARRANGE: dict[str, Callable[[Tensor, View], Tensor]] = {
    "TransposeBackward0": lambda x, view: x.transpose(*view.axes),
    "PermuteBackward0": lambda x, view: x.permute(view.axes),
    "SelectBackward0": lambda x, view: x.select(view.axes[0], view.options[0]),
    "SliceBackward0": _sliced,
    "UnbindBackward0": lambda x, view: x.unbind(view.axes[0])[view.number],
    "SplitBackward0": lambda x, view: x.split(view.options[0], view.axes[0])[view.number],
}
_AXES = {
    "TransposeBackward0": ("dim0", "dim1"),
    **dict.fromkeys(("SelectBackward0", "SliceBackward0"), ("dim",)),
    **dict.fromkeys(("UnbindBackward0", "SplitBackward0"), ("dim",)),
}
_OPTIONS = {
    "SelectBackward0": ("index",),
    "SliceBackward0": ("start", "end", "step"),
    "SplitBackward0": ("split_size",),
}
