"""The image as the first convolution on the way to a layer takes it: its pixels still show places.

A deep layer mixes places, and a grid of few cells shows them roughly. What a network does to its
image before its first convolution (crop, pad, warp, transform) is seen there to the pixel.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from camlucida.attribution.watch import Captured
from camlucida.core.tensors import full
from camlucida.models.walk import named_modules

_CHANNELS = (1, 3)
"""Of images, besides as many as the model's input has."""

_FOLLOWS, _FEW = 0.2, 0.25
"""By how much a pixel changes that follows a spot, as a share of the largest change; and the share
of pixels that follow one at most, which a transform spreads over all."""

_OFF = (1.25, 0.07)
"""How far from its place a spot is off: in pixels of what the convolution takes, and in shares of
the axis. A standard crop of the middle (224 of 256 pixels) stays below."""


class Entry:
    """What the first convolution before a layer takes, in each forward pass inside ``watched``.

    Args:
        model: a plain module.
        layer: as it was captured.
        image: (1, C, *spatial) that the model is given.
    """

    def __init__(self, model: nn.Module, layer: Captured, image: Tensor) -> None:
        self._model, self._layer = model, layer
        self._axes = image.ndim
        self._channels = {image.shape[1], *_CHANNELS}
        # The two parts of complex numbers, as of a spectrum.
        self._parts = 2 * image.shape[1]
        self._records: list[tuple[str, Tensor]] = []
        self._calls: list[int] = []
        self._number: int | None = None
        self._before: Tensor | None = None

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Inside, what convolutions are given is kept, as far as it may be an image."""
        self._records, self._calls = [], []
        handles = []
        for path, module in named_modules(self._model):
            if isinstance(module, _ConvNd):
                handles.append(module.register_forward_pre_hook(self._record(path)))
        layer = self._model.get_submodule(self._layer.ref.path)
        handles.append(layer.register_forward_hook(self._count))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _record(self, path: str) -> Callable[..., None]:
        def record(module: nn.Module, args: tuple[Any, ...]) -> None:
            given = args[0] if args else None
            if not isinstance(given, Tensor) or given.ndim != self._axes or len(given) != 1:
                return
            of_spectrum = given.shape[1] == self._parts and not self._records
            if given.shape[1] in self._channels or of_spectrum:
                self._records.append((path, given.detach().clone()))

        return record

    def _count(self, module: nn.Module, args: Any, output: Any) -> None:
        self._calls.append(len(self._records))

    def keep(self) -> None:
        """Take the pass that just ended for that of the image as it is."""
        self._number = self._first()
        if self._number is not None:
            self._before = self._records[self._number][1]

    def _first(self) -> int | None:
        """The first record before the layer, of the convolutions that lie nearest to it."""
        call = self._layer.call
        if call >= len(self._calls):
            return None
        start = self._calls[call - 1] if call else 0
        names = self._layer.ref.path.split(".")
        for depth in range(len(names), -1, -1):
            prefix = ".".join(names[:depth])
            for number in range(start, self._calls[call]):
                path = self._records[number][0]
                if not prefix or f"{path}.".startswith(f"{prefix}."):
                    return number
        return None

    def change(self) -> Tensor | None:
        """How much each pixel of the convolution's input differs in the pass that just ended.

        Returns:
            (*spatial); None where that is not known, or nothing differs.
        """
        number, before = self._number, self._before
        if number is None or before is None or number >= len(self._records):
            return None
        after = self._records[number][1]
        if after.shape != before.shape:
            return None
        change = (full(after) - full(before)).abs().sum(1)[0]
        return change if bool(change.any()) else None


def is_off(change: Tensor, place: Mapping[int, float]) -> bool:
    """Whether the pixels that follow a region of the image are not those of its place.

    Args:
        change: (*spatial) by how much each follows.
        place: axis → the region's middle in shares of it; of a small spot all axes.

    >>> import torch
    >>> change = torch.zeros(20, 20)
    >>> change[4:6, 9:11] = 1
    >>> is_off(change, {0: 0.25, 1: 0.5}), is_off(change, {0: 0.5}), is_off(change, {1: 0.5})
    (False, True, False)
    """
    followed = change > _FOLLOWS * change.amax()
    if len(place) == change.ndim and float(followed.float().mean()) > _FEW:
        return True
    positions = followed.nonzero()
    for axis, share in place.items():
        pixels = change.shape[axis]
        middle = (float(positions[:, axis].float().mean()) + 0.5) / pixels
        if abs(middle - share) > max(_OFF[0] / pixels, _OFF[1]):
            return True
    return False
