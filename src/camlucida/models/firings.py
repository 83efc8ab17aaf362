"""What is known of a model's layers: how each ran, and which of them ``auto`` takes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from torch import Tensor

from camlucida.core.messages import Message, declare
from camlucida.models.families import Layout
from camlucida.models.layers import LayerRef

declare(
    "layer",
    {
        "stem": (
            "explained at {layer}, the last layer whose grid could be traced; {later} later "
            "{later:|layer has|layers have} none (if they hold tokens, state grid and prefix)"
        ),
        "branched": (
            "explained at {layer}, but the image also reaches the score past this layer: the map "
            "shows a part of the evidence (other branches have layers of their own)"
        ),
        "calls": (
            "explained at {layer} in the last of {calls} calls, but the image also reaches the "
            "score by earlier ones: the map shows a part of the evidence"
        ),
        "one_cell": (
            "explained at {layer}: on images of this size {usual} has one cell alone, which shows "
            "nothing of place"
        ),
    },
)


@dataclass(frozen=True)
class Firing:
    """The output of a module, in the last call that gave it a grid.

    Attributes:
        ref: the layer; with an index where the module returns several tensors.
        type: class name of the module.
        shape: of the output, for one image; its batch axis is 1 where it is known.
        cells: its grid; () without one.
        channels: K of an output with a grid, else 0.
        calls: how often the module ran.
        windows: whether it holds windows of the image, stacked along the batch.
        depends: whether it depends on the image.
        connected: whether the score depends on its cells (on the whole, without a grid); None where
            the gradient cannot show that.
        inner: whether it is passed over by ``auto``: its input handed on, tokens that a linear
            layer made (a query, a key or a value, say), or steps of a recurrent layer.
        unordered: whether it holds tokens that lie neither in rows nor in columns.
        complex: whether it holds complex numbers.
    """

    ref: LayerRef
    type: str
    shape: tuple[int, ...]
    cells: tuple[int, ...] = ()
    channels: int = 0
    calls: int = 1
    windows: bool = False
    depends: bool = False
    connected: bool | None = None
    inner: bool = False
    unordered: bool = False
    complex: bool = False


@dataclass(frozen=True)
class Survey:
    """The layers of a model, as they ran on images of one size.

    Attributes:
        firings: in order of completion.
        layouts: path and index → the batch axis, the shape without it, and the layout.
        dense: channels of an output with the image's axes, else 0.
        untested: layers that the graph of the score holds, of which no gradient was taken.
        trunk: the layer of ``auto`` where the coarsest one is beside the trunk.
        branched: whether the image reaches the score past the layer of ``auto`` as well.
    """

    firings: list[Firing]
    layouts: Mapping[LayerRef, list[tuple[int, tuple[int, ...], Layout]]]
    dense: int = 0
    untested: frozenset[LayerRef] = frozenset()
    trunk: LayerRef | None = None
    branched: bool = False

    def layout(self, ref: LayerRef, output: Tensor, batch: int) -> Layout | None:
        """The layout of a layer's output.

        Args:
            ref: the layer; the index says which of several outputs.
            output: as the module returned it.
            batch: number of images.

        Returns:
            None without a grid.
        """
        for axis, rest, layout in self.layouts.get(ref, ()):
            same_axes = output.ndim == len(rest) + 1 and output.shape[axis] == batch
            if same_axes and without(tuple(output.shape), axis) == rest:
                return layout
        return None

    @cached_property
    def auto(self) -> Firing | None:
        """The layer of ``auto``: the last of the coarsest grid that the score depends on.

        A finer one after it is a decoder; but where the image reaches a score without axes past the
        coarsest grid, as past a gate, it is the last layer that all of the image passes. None where
        no layer has a grid.
        """
        if self.trunk is not None:
            return as_fired(self.trunk, self.firings)
        candidates = self.candidates
        fewest = min((math.prod(firing.cells) for firing in candidates), default=0)
        coarsest = [firing for firing in candidates if math.prod(firing.cells) == fewest]
        coarsest = list(filter(self._is_no_score, coarsest)) or coarsest
        return coarsest[-1] if coarsest else None

    @cached_property
    def candidates(self) -> list[Firing]:
        """The layers with a grid that the score depends on, in order of completion.

        Linear projections of tokens, as inside an attention, and recurrent layers are left out
        where there are others; so are, of a dense output, the grids of a pyramid that is pooled to
        fixed sizes, which lie beside what they are pooled of.
        """
        candidates = [firing for firing in self.firings if firing.cells and firing.depends]
        if any(firing.connected for firing in candidates):
            candidates = [firing for firing in candidates if firing.connected]
        wanted_first = (_is_single, _is_feature, self._is_no_score, self._is_no_pyramid)
        for wanted in wanted_first:
            candidates = list(filter(wanted, candidates)) or candidates
        return candidates

    def _is_no_score(self, firing: Firing) -> bool:
        return firing.channels != self.dense

    def _is_no_pyramid(self, firing: Firing) -> bool:
        return not self.dense or firing.cells not in self._pooled_sizes

    @cached_property
    def _pooled_sizes(self) -> set[tuple[int, ...]]:
        """Grids that an adaptive pooling was the first to make."""
        makers: dict[tuple[int, ...], str] = {}
        for firing in self.firings:
            makers.setdefault(firing.cells, firing.type)
        return {cells for cells, maker in makers.items() if maker.startswith("Adaptive")}

    @cached_property
    def note(self) -> Message | None:
        """What is to be said of ``auto``: that it fell back to a stem, or a patch embedding."""
        auto = self.auto
        if auto is None:
            return None
        position = self.firings.index(auto)
        laid = sum(bool(firing.cells and firing.connected) for firing in self.firings)
        later = self.firings[position + 1 :]
        unlaid = sum(bool(_is_unlaid(firing)) for firing in later)
        if unlaid <= laid:
            return None
        return Message("layer.stem", {"layer": str(auto.ref), "later": unlaid})


def _is_single(firing: Firing) -> bool:
    return firing.ref.index is None


def _is_feature(firing: Firing) -> bool:
    return not firing.inner


def _is_unlaid(firing: Firing) -> bool:
    return not firing.cells and len(firing.shape) > 2 and firing.connected is True


def as_fired(ref: LayerRef, firings: Sequence[Firing]) -> Firing | None:
    """The firing of a layer whose index may count from the end; None if it did not run.

    Args:
        ref: the layer.
        firings: of a survey.
    """
    outputs = [firing for firing in firings if firing.ref.path == ref.path]
    if ref.index is None:
        return next((firing for firing in outputs if firing.ref.index is None), None)
    indices = [firing.ref.index for firing in outputs if firing.ref.index is not None]
    index = ref.index if ref.index >= 0 else max(indices, default=-1) + 1 + ref.index
    return next((firing for firing in outputs if firing.ref.index == index), None)


def merged(surveys: Sequence[Survey]) -> Survey:
    """What is known of the layers by each size of image; the first that gives a grid counts.

    Args:
        surveys: one a size of image, not empty.
    """
    first = surveys[0]
    firings, layouts = list(first.firings), dict(first.layouts)
    for other in surveys[1:]:
        with_grid = {firing.ref: firing for firing in other.firings if firing.cells}
        for i, firing in enumerate(firings):
            if not firing.cells:
                firings[i] = with_grid.get(firing.ref, firing)
        for ref, known in other.layouts.items():
            layouts[ref] = [*layouts.get(ref, ()), *known]
    untested = first.untested.union(*(other.untested for other in surveys[1:]))
    return Survey(firings, layouts, first.dense, untested, first.trunk, first.branched)


def without(shape: Sequence[int], axis: int) -> tuple[int, ...]:
    """A shape without one of its axes.

    >>> without((2, 3, 4), 1)
    (2, 4)
    """
    return (*shape[:axis], *shape[axis + 1 :])
