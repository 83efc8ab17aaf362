"""Whether a layer's grid lies over the whole image, as a picture of its map assumes.

A model can crop, pad, mirror, turn or warp its input inside ``forward``, choose a region and look
closer, or run its encoder on several views, of which the last counts. Its grid then has the usual
shape, and its map would be laid over the wrong place. Strips and spots of the image are altered in
turn, and the cells that follow show where the layer sees them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from camlucida.attribution.alignment_entry import Entry, is_off
from camlucida.attribution.alignment_spots import SPOTS, Spot, along, is_in_few_cells, region_of
from camlucida.attribution.capture_inputs import layer_outputs
from camlucida.attribution.watch import Captured
from camlucida.core.messages import Message, declare
from camlucida.core.noise import generator_kept
from camlucida.core.tensors import full
from camlucida.models.libraries import is_of_a_library
from camlucida.models.remembered import Remembered

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
            "Layer {layer} sees places of the image elsewhere, for the model crops, pads, warps or "
            "reorders it inside, so its map lies over no image. Do that before the model instead, "
            "or name an earlier layer."
        ),
        "border": (
            "Layer {layer} sees nothing of the outermost rows or columns of the image: if the "
            "model crops it inside, the map is stretched by as much."
        ),
    },
)

_Key = tuple[str, int, tuple[tuple[int, ...], ...]]

_VERDICTS: Remembered[_Key, str] = Remembered()
"""Layer, its call and sizes of the inputs → the verdict on its place.

"" stands for nothing wrong.
"""

_STRIPS = 16
"""Into which each axis is cut at most."""

_AGREE = 2
"""Spots that have to be seen elsewhere."""

_DISPLACED = 1.1
"""Cells by which the two ends of a crop lie further out than on the image; rounding can make 1."""


def find_misplaced(
    model: nn.Module, inputs: tuple[Tensor, ...], layers: Sequence[Captured]
) -> list[Message]:
    """Note in each layer why its map lies over no image: ``Captured.misplaced``.

    This takes a forward pass of one image, two for each of its axes and five for spots, once a
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
    remembered = _VERDICTS.of(model)
    sizes = tuple(tuple(tensor.shape[1:]) for tensor in inputs)
    for layer in layers:
        if len(layer.images) != 1:
            continue
        key = (str(layer.ref), layer.call, sizes)
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


def _first(inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
    batch = len(inputs[0])
    return tuple(x.detach()[:1] if x.ndim and len(x) == batch else x for x in inputs)


class _Strips:
    """How a layer's cells follow strips of an image.

    Args:
        model: a plain module.
        inputs: of one image.
        layer: that saw one of the images.

    Attributes:
        grid: of the layer.
        counts: strips an axis.
    """

    def __init__(self, model: nn.Module, inputs: tuple[Tensor, ...], layer: Captured) -> None:
        self._model, self._inputs, self._layer = model, inputs, layer
        self._position = layer.images[0]
        image = inputs[self._position]
        self.grid = tuple(layer.activations.shape[2:])
        self.counts = tuple(min(_STRIPS, pixels) for pixels in image.shape[2:])
        generator = torch.Generator().manual_seed(0)
        noise = torch.randn(image.shape, generator=generator).to(image)
        # A little: a model that chooses a region by its content should choose the same again; and
        # within the image's range, by which a model may scale all of it.
        self._changed = image + 0.25 * (float(full(image).std(correction=0)) or 1.0) * noise
        if image.amin() < image.amax():
            self._changed.clamp_(image.amin(), image.amax())
        self._entry = Entry(model, layer, image)
        self._at_entry: list[tuple[Mapping[int, float], Tensor]] = []
        self._before = self._cells(image)
        self._entry.keep()

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
        start, stop = strip * pixels // count, (strip + 1) * pixels // count
        change = self._follow((*[slice(None)] * (axis + 2), slice(start, stop)))
        if change is not None:
            self._note_entry({axis: (start + stop) / 2 / pixels})
        return change

    def _note_entry(self, place: Mapping[int, float]) -> None:
        """Note what of the region that was altered last the first convolution takes."""
        change = self._entry.change()
        if change is not None and change.ndim == len(self.grid):
            self._at_entry.append((place, change))

    def moved(self, mirrored: Sequence[int]) -> int:
        """How many strips and spots, of those that were followed, lay elsewhere at the entry.

        Args:
            mirrored: axes on which places count from the other end.
        """
        count = 0
        for place, change in self._at_entry:
            turned = {axis: 1 - at if axis in mirrored else at for axis, at in place.items()}
            count += is_off(change, turned)
        return count

    def spots(self) -> list[Spot]:
        """Where small spots of the image are seen.

        Returns:
            Those that a part of the grid follows; none where the layer mixes all places.
        """
        spots = []
        for middles, share in SPOTS:
            region, place = region_of(middles[-len(self.grid) :], self._changed.shape[2:], share)
            change = self._relative(self._follow(region))
            self._note_entry(dict(enumerate(place)))
            if change is not None and is_in_few_cells(change):
                spots.append(Spot(place, change))
        return spots

    def _relative(self, change: Tensor | None) -> Tensor | None:
        """By how much each cell changes, relative to its size."""
        if change is None or self._before is None:
            return None
        size = self._before.abs().sum(1)[0]
        # Some tokens are much larger than others, and follow any change.
        return change / (size + size.median()).clamp_min(1e-12)

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
        with generator_kept(), self._entry.watched():
            (output,) = layer_outputs(self._model, tuple(inputs), [self._layer])
        return None if output is None else full(self._layer.layout.to_grid(output))


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
    if max(away.count(True), strips.moved(mirrored)) >= _AGREE:
        return "elsewhere"
    if mirrored:
        return "mirrored" if away else "elsewhere"
    return ""


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
    peaks = [int(along(each, end.axis).argmax()) for each in (end.from_low, end.from_high)]
    return (low - peaks[0]) + (peaks[1] - high)


def _slope(end: _Ends, axis: int) -> float:
    """By how much more the low half of an axis follows the low end than the high one, in -1 … 1."""

    def low_share(response: Tensor) -> float:
        cells = along(response, axis)
        half = len(cells) // 2
        low, high = float(cells[:half].sum()), float(cells[-half:].sum())
        return low / (low + high) if low + high else 0.5

    return low_share(end.from_low) - low_share(end.from_high)


def _is_turned(end: _Ends, axes: Sequence[int]) -> bool:
    """Whether the cells follow an axis of the image along another of theirs."""
    other = max(abs(_slope(end, axis)) for axis in axes)
    return other > 0.5 and abs(_slope(end, end.axis)) < other / 2
