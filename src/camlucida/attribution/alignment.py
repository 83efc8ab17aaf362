"""Whether a layer's grid lies over the whole image, as a picture of its map assumes.

A model can crop, pad, mirror, turn or warp its input inside ``forward``, choose a region and look
closer, or run its encoder on several views, of which the last counts. Its grid then has the usual
shape, and its map would be laid over the wrong place. Strips and spots of the image are altered in
turn, and the cells that follow show where the layer sees them.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from camlucida.attribution.capture_inputs import layer_outputs
from camlucida.attribution.watch import Captured
from camlucida.core.messages import Message, declare
from camlucida.core.noise import generator_kept
from camlucida.core.tensors import full
from camlucida.models.walk import parts_hash

declare(
    "misplaced",
    {
        "part": (
            "Layer {layer} sees only a part of the image, for the model crops it or chooses a "
            "region inside, so its map lies over no image. Crop before the model instead."
        ),
        "mirrored": (
            "Layer {layer} sees the image mirrored inside the model, so its map lies over no "
            "image. Mirror before the model instead."
        ),
        "turned": (
            "Layer {layer} sees the image turned inside the model, so its map lies over no image. "
            "Turn it before the model instead."
        ),
        "elsewhere": (
            "Layer {layer} sees places of the image elsewhere, for the model moves, warps, pads or "
            "reorders it inside, so its map lies over no image. Do that before the model instead, "
            "or name an earlier layer."
        ),
        "border": (
            "Layer {layer} sees nothing of the outermost rows or columns of the image: if the "
            "model crops it inside, the map is stretched by as much."
        ),
    },
)

_Key = tuple[str, int, int, tuple[tuple[int, ...], ...]]

_VERDICTS: weakref.WeakKeyDictionary[nn.Module, dict[_Key, str]] = weakref.WeakKeyDictionary()
"""Layer, its call, a hash of the model's parts and sizes of the inputs → the verdict on its place.

"" stands for nothing wrong.
"""

_LIBRARIES = {
    "torchvision",
    "timm",
    "torchxrayvision",
    "segmentation_models_pytorch",
    "transformers",
    "monai",
}
"""Their networks are known to keep places and images apart, and need no test."""

_STRIPS = 16
"""Into which each axis is cut at most."""

_SPOTS = ((0.8, 0.3, 0.15), (0.2, 0.7, 0.85), (0.35, 0.15, 0.65))
"""Middles of spots, in shares of slices, rows and columns; those of an image are the last two."""

_SPOT = 1 / 8
"""Size of a spot, in shares of an axis."""

_FOLLOWS, _FEW = 0.2, 0.25
"""By how much a cell changes that follows a spot, as a share of the largest change; and the share
of cells that may follow one in a layer that keeps places."""

_AWAY = (1.25, 0.1)
"""How far from its place a spot is seen elsewhere: in cells, and in shares of the axis."""

_AT_PLACE = 0.4
"""What cells at a spot's place change by at most, relative to the largest change, if it is seen
elsewhere."""

_AGREE = 2
"""Spots that have to be seen elsewhere."""

_DISPLACED = 1.1
"""Cells by which the two ends of a crop lie further out than on the image; rounding can make 1."""


def find_misplaced(
    model: nn.Module, inputs: tuple[Tensor, ...], layers: Sequence[Captured]
) -> list[Message]:
    """Note in each layer why its map lies over no image: ``Captured.misplaced``.

    This takes a forward pass of one image, two for each of its axes and three for spots, once a
    model, layer and input size. Networks of known libraries are not tested.

    Args:
        model: a plain module, frozen.
        inputs: what it was called with.
        layers: as they were captured, with the images that they saw; changed in place.

    Returns:
        What is to be said of layers that may be misplaced.
    """
    if is_of_a_library(model):
        return []
    notes = []
    remembered = _VERDICTS.setdefault(model, {})
    sizes = tuple(tuple(tensor.shape[1:]) for tensor in inputs)
    for layer in layers:
        if len(layer.images) != 1:
            continue
        key = (str(layer.ref), layer.call, parts_hash(model), sizes)
        if key not in remembered:
            remembered[key] = _verdict(_Strips(model, _first(inputs), layer))
        if not remembered[key]:
            continue
        message = Message(f"misplaced.{remembered[key]}", {"layer": str(layer.ref)})
        if remembered[key] == "border":
            notes.append(message)
        else:
            layer.misplaced = message
    return notes


def is_of_a_library(model: nn.Module) -> bool:
    """Whether a network is one of a library that is known to keep places and images apart.

    Args:
        model: a plain module.

    >>> is_of_a_library(nn.Sequential())
    False
    """
    package = type(model).__module__.partition(".")[0]
    return package in _LIBRARIES and "forward" not in vars(model)


def _first(inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
    batch = len(inputs[0])
    return tuple(x.detach()[:1] if x.ndim and len(x) == batch else x for x in inputs)


class _Strips:
    """How a layer's cells follow strips of an image.

    Args:
        model: a plain module.
        inputs: of one image.
        layer: that saw one of the images.
    """

    def __init__(self, model: nn.Module, inputs: tuple[Tensor, ...], layer: Captured) -> None:
        self._model, self._inputs, self._layer = model, inputs, layer
        self._position = layer.images[0]
        image = inputs[self._position]
        self.grid = tuple(layer.activations.shape[2:])
        self.counts = tuple(min(_STRIPS, pixels) for pixels in image.shape[2:])
        generator = torch.Generator().manual_seed(0)
        noise = torch.randn(image.shape, generator=generator).to(image)
        # A little: a model that chooses a region by its content should choose the same again.
        self._changed = image + 0.25 * (float(full(image).std(correction=0)) or 1.0) * noise
        self._before = self._cells(image)

    @property
    def axes(self) -> list[int]:
        """The axes of the grid that have more than one cell."""
        return [axis for axis, cells in enumerate(self.grid) if cells > 1]

    @property
    def is_known(self) -> bool:
        """Whether the layer runs on one image and has its axes."""
        axes = self._inputs[self._position].ndim - 2
        return self._before is not None and len(self.grid) == axes

    def follow(self, axis: int, strip: int) -> Tensor | None:
        """How much each cell follows one strip.

        Args:
            axis: of the grid.
            strip: in 0 … ``counts[axis] - 1``.

        Returns:
            (*grid); None where none follows.
        """
        pixels, count = self._changed.shape[axis + 2], self.counts[axis]
        region = [slice(None)] * (axis + 2)
        region.append(slice(strip * pixels // count, (strip + 1) * pixels // count))
        return self._follow(tuple(region))

    def spots(self) -> Iterator[_Spot]:
        """Where the cells follow small spots of the image.

        Yields:
            Spots that a part of the grid follows; none where the layer mixes all places.
        """
        axes = len(self.grid)
        for middles in _SPOTS:
            region = [slice(None), slice(None)]
            for middle, pixels in zip(middles[-axes:], self._changed.shape[2:]):
                half = max(1, round(pixels * _SPOT / 2))
                at = round(pixels * middle)
                region.append(slice(max(0, at - half), at + half))
            change = self._follow(tuple(region))
            if change is not None and self._before is not None:
                size = self._before.abs().sum(1)[0]
                # Some tokens are much larger than others, and follow any change.
                change = change / (size + size.median()).clamp_min(1e-12)
                followed = float((change > _FOLLOWS * change.amax()).float().mean())
                if followed <= _FEW:
                    yield _Spot(middles[-axes:], change)

    def _follow(self, region: tuple[slice, ...]) -> Tensor | None:
        """How much each cell follows a region of the image; as :meth:`follow`."""
        image = self._inputs[self._position].clone()
        image[region] = self._changed[region]
        after = self._cells(image)
        if after is None or self._before is None or after.shape != self._before.shape:
            return None
        change = (after - self._before).abs().sum(1)[0]
        # On a GPU the same numbers may come out differently rounded.
        floor = 1e-5 * float(self._before.abs().amax()) * self._before.shape[1]
        return change if float(change.amax()) > floor else None

    def _cells(self, image: Tensor) -> Tensor | None:
        inputs = list(self._inputs)
        inputs[self._position] = image
        with generator_kept():
            (output,) = layer_outputs(self._model, tuple(inputs), [self._layer])
        return None if output is None else full(self._layer.layout.to_grid(output))


@dataclass(frozen=True)
class _Spot:
    """A spot of the image, and how a layer's cells follow it.

    Attributes:
        place: of its middle, in shares of the axes.
        change: (*grid) by how much each cell follows.
    """

    place: tuple[float, ...]
    change: Tensor

    def is_away(self, mirrored: Sequence[int]) -> bool:
        """Whether the cells that follow it are not those of its place.

        Args:
            mirrored: axes on which places count from the other end.
        """
        near = self.change
        distant = False
        for axis, middle in enumerate(_middle(self.change)):
            place = 1 - self.place[axis] if axis in mirrored else self.place[axis]
            cells = self.change.shape[axis]
            distant = distant or abs(place - middle) > max(_AWAY[0] / cells, _AWAY[1])
            first = max(0, round(place * cells) - 1)
            near = near.narrow(axis, first, min(2, cells - first))
        return distant and float(near.amax()) < _AT_PLACE * float(self.change.amax())


@dataclass(frozen=True)
class _Ends:
    """The outermost strips of an axis that a layer sees, and how its cells follow them.

    Attributes:
        axis: of the grid.
        low, high: numbers of the two strips.
        from_low, from_high: (*grid) each.
    """

    axis: int
    low: int
    high: int
    from_low: Tensor
    from_high: Tensor


def _verdict(strips: _Strips) -> str:
    """The code of what is wrong with a layer's place; "" for nothing, and where it is not known."""
    if not strips.is_known:
        return ""
    ends = list(filter(None, (_ends(strips, axis) for axis in strips.axes)))
    if any(_displacement(end, strips) > _DISPLACED for end in ends):
        return "part"
    if ends and all(_is_turned(end, strips.axes) for end in ends):
        return "turned"
    moved = _moved(strips, ends)
    if moved:
        return moved
    return "border" if any(_has_border(end, strips) for end in ends) else ""


def _moved(strips: _Strips, ends: Sequence[_Ends]) -> str:
    """Whether spots are seen elsewhere: mirrored, or in any other way."""
    mirrored = [end.axis for end in ends if _slope(end, end.axis) < -1 / 3]
    away = [spot.is_away(mirrored) for spot in strips.spots()]
    if mirrored:
        return "mirrored" if away and away.count(True) < _AGREE else "elsewhere"
    return "elsewhere" if away.count(True) >= _AGREE else ""


def _middle(change: Tensor) -> tuple[float, ...]:
    """The middle of what follows a spot, in shares of the axes.

    >>> _middle(torch.eye(4)[:1])
    (0.5, 0.125)
    """
    weight = change.square()
    middle = []
    for axis, cells in enumerate(change.shape):
        places = (torch.arange(cells, device=change.device) + 0.5) / cells
        middle.append(float((_along(weight, axis) * places).sum() / weight.sum()))
    return tuple(middle)


def _ends(strips: _Strips, axis: int) -> _Ends | None:
    count = strips.counts[axis]
    low = _outermost(strips, axis, range(count))
    high = _outermost(strips, axis, range(count - 1, -1, -1))
    return None if low is None or high is None else _Ends(axis, low[0], high[0], low[1], high[1])


def _outermost(strips: _Strips, axis: int, numbers: Iterable[int]) -> tuple[int, Tensor] | None:
    for number in numbers:
        response = strips.follow(axis, number)
        if response is not None:
            return number, response
    return None


def _has_border(end: _Ends, strips: _Strips) -> bool:
    """Whether the outermost strip of an end is not seen."""
    return (end.low, end.high) != (0, strips.counts[end.axis] - 1)


def _displacement(end: _Ends, strips: _Strips) -> float:
    """By how many cells the outermost strips that are seen lie further out than on the image.

    A model that masks its input does not see its border either, and keeps its place.
    """
    if not _has_border(end, strips):
        return 0.0
    scale = strips.grid[end.axis] / strips.counts[end.axis]
    low, high = ((number + 0.5) * scale - 0.5 for number in (end.low, end.high))
    peaks = [int(_along(each, end.axis).argmax()) for each in (end.from_low, end.from_high)]
    return (low - peaks[0]) + (peaks[1] - high)


def _along(response: Tensor, axis: int) -> Tensor:
    return response.movedim(axis, 0).reshape(response.shape[axis], -1).sum(1)


def _slope(end: _Ends, axis: int) -> float:
    """By how much more the low half of an axis follows the low end than the high one, in -1 … 1."""

    def low_share(response: Tensor) -> float:
        cells = _along(response, axis)
        half = len(cells) // 2
        low, high = float(cells[:half].sum()), float(cells[-half:].sum())
        return low / (low + high) if low + high else 0.5

    return low_share(end.from_low) - low_share(end.from_high)


def _is_turned(end: _Ends, axes: Sequence[int]) -> bool:
    """Whether the cells follow an axis of the image along another of theirs."""
    other = max(abs(_slope(end, axis)) for axis in axes)
    return other > 0.5 and abs(_slope(end, end.axis)) < other / 2
