"""From an image to the model's input, as in training: each step changes the geometry too."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from camlucida.core.geometry import Geometry
from camlucida.core.messages import Message
from camlucida.core.scan import Scan
from camlucida.io.grey_levels import grey_levels
from camlucida.io.image import RawImage
from camlucida.models.preprocessing import steps as kinds
from camlucida.models.preprocessing import values as changes
from camlucida.models.preprocessing import words
from camlucida.models.preprocessing.resample import resized
from camlucida.models.preprocessing.spec import InputSpec


@dataclass(frozen=True)
class _State:
    """An image on its way to the model.

    Attributes:
        tensor: (1 or C, H, W) float32.
        geometry: original pixels ↔ those of ``tensor``.
        notes: what was done, in order.
        image: the image itself.
    """

    tensor: Tensor
    geometry: Geometry
    notes: tuple[Message, ...]
    image: RawImage

    def now(self, tensor: Tensor, note: Message) -> _State:
        """With other values."""
        return replace(self, tensor=tensor, notes=(*self.notes, note))

    def moved(self, tensor: Tensor, geometry: Geometry, note: Message) -> _State:
        """With another geometry."""
        return replace(self, tensor=tensor, geometry=geometry, notes=(*self.notes, note))


def prepare(image: RawImage, spec: InputSpec, levels: bool = False) -> Scan:
    """Channels, then the steps of the card in their order.

    Args:
        image: the image in its own pixels, [0, 1].
        spec: what the model was trained on.
        levels: whether the scan keeps all grey levels of a film of more than 8 bits.

    Returns:
        A scan whose tensor is (spec.channels, *spec.height_width) float32, in ``range``, or
        normalised by ``mean`` and ``std``, or in [0, 1]; its geometry carries maps back to the
        image's own pixels.

    >>> image = RawImage(np.ones((8, 4), np.float32), np.full((8, 4), 255, np.uint8), "a")
    >>> prepare(image, InputSpec(size=4, channels=1)).tensor.shape
    torch.Size([1, 4, 4])
    """
    state = _begun(image, spec)
    pipeline = spec.pipeline()
    for step in pipeline:
        state = _STEPS[type(step)](state, step)
    if not any(isinstance(step, _SCALES) for step in pipeline):
        state = state.now(state.tensor, Message("preprocessing.no_scale"))
    if spec.transposed:
        state = state.now(state.tensor, Message("preprocessing.transposed"))
    tensor = state.tensor.expand(spec.channels, -1, -1)
    return Scan(
        tensor=tensor.contiguous(),
        display=image.display,
        geometry=state.geometry,
        id=image.id,
        source=image.source,
        preprocessing=state.notes,
        synthetic=image.synthetic,
        warnings=image.warnings,
        levels=grey_levels(image) if levels else None,
    )


def prepared_inputs(image: RawImage, specs: Sequence[InputSpec]) -> Iterator[Tensor]:
    """The tensors of :func:`prepare` for many pipelines: steps that they share are taken once.

    Args:
        image: the image in its own pixels, [0, 1].
        specs: the pipelines.

    Yields:
        (channels, height, width) float32 of each pipeline, in their order.

    >>> image = RawImage(np.ones((8, 4), np.float32), np.full((8, 4), 255, np.uint8), "a")
    >>> specs = [InputSpec(size=4, channels=1), InputSpec(size=4, channels=1, range=(-1, 1))]
    >>> [float(tensor.mean()) for tensor in prepared_inputs(image, specs)]
    [1.0, 1.0]
    """
    states: dict[tuple[object, ...], _State] = {}
    for spec in specs:
        key: tuple[object, ...] = (
            *(spec.channels, spec.grey, spec.always_grey),
            *(spec.dicom, spec.monochrome1),
        )
        state = states.get(key) or states.setdefault(key, _begun(image, spec))
        for step in spec.pipeline():
            key = (*key, step)
            earlier = states.get(key)
            state = earlier or _STEPS[type(step)](state, step)
            # A scale costs little, and what it returns has a plane for each channel.
            if not isinstance(step, _SCALES):
                states[key] = state
        yield state.tensor.expand(spec.channels, -1, -1).contiguous()


def _begun(image: RawImage, spec: InputSpec) -> _State:
    """The image with its channels, before the first step."""
    values, note = _pixels(image, spec)
    copied = np.array(values, np.float32)  # PyTorch cannot share memory that is read-only
    tensor, notes = _channels(torch.from_numpy(copied), spec)
    return _State(tensor, Geometry.identity(tensor.shape[1:]), (note, *notes), image)


_SCALES = (kinds.Scale, kinds.Normalise, kinds.ZScore)


def _pixels(image: RawImage, spec: InputSpec) -> tuple[NDArray[np.float32], Message]:
    if spec.dicom == "windowed" and image.windowed is not None:
        window = str(image.source.get("window"))
        return image.windowed, Message("preprocessing.window", {"window": window})
    bits = image.source.get("bits")
    if spec.monochrome1 == "as-stored" and changes.is_monochrome1(image):
        return 1 - image.pixels, Message("preprocessing.as_stored", {"bits": int(bits or 8)})
    if not bits:
        return image.pixels, Message("preprocessing.unit")
    return image.pixels, Message("preprocessing.stored", {"bits": int(bits)})


def _channels(values: Tensor, spec: InputSpec) -> tuple[Tensor, tuple[Message, ...]]:
    """(H, W) or (H, W, 3) → (1, H, W) of a grey image, repeated at the end; else (3, H, W)."""
    repeated: tuple[Message, ...] = ()
    if spec.channels == 3:
        repeated = (Message("preprocessing.grey", {"channels": spec.channels}),)
    if values.ndim == 2:
        return values[None], repeated
    if spec.channels == 3 and not spec.always_grey:
        return values.movedim(-1, 0), ()
    if spec.grey == "mean":
        return values.mean(dim=-1)[None], (Message("preprocessing.mean"), *repeated)
    grey = values @ torch.tensor(changes.ITU)
    return grey[None], (Message("preprocessing.itu"), *repeated)


def _window(state: _State, step: kinds.Window) -> _State:
    stored = changes.stored_units(state.image, state.tensor)
    tensor = changes.windowed(stored, step)
    if changes.is_monochrome1(state.image):
        tensor = 1 - tensor  # shown as a film: the file's lowest value is white
    values = {"low": f"{step.low:g}", "high": f"{step.high:g}"}
    return state.now(tensor, Message("preprocessing.fixed_window", values))


def _percentiles(state: _State, step: kinds.Percentiles) -> _State:
    tensor, (low, high) = changes.percentiles(state.tensor, step)
    shares = {"first": f"{step.low:g}", "last": f"{step.high:g}"}
    ends = {"low": f"{low:.4g}", "high": f"{high:.4g}"}
    return state.now(tensor, Message("preprocessing.percentiles", {**shares, **ends}))


def _min_max(state: _State, step: kinds.MinMax) -> _State:
    low, high = changes.extremes(state.tensor)
    values = {"low": f"{low:.4g}", "high": f"{high:.4g}"}
    return state.now(changes.min_max(state.tensor), Message("preprocessing.min_max", values))


def _z_score(state: _State, step: kinds.ZScore) -> _State:
    code = "z_score_channel" if step.per_channel else "z_score"
    tensor = changes.z_score(state.tensor, step.per_channel)
    return state.now(tensor, Message(f"preprocessing.{code}"))


def _equalised(state: _State, step: kinds.Clahe | kinds.Equalise) -> _State:
    return state.now(changes.equalised(state.tensor, step), words.equalisation(step))


def _gamma(state: _State, step: kinds.Gamma) -> _State:
    tensor = step.gain * state.tensor.clamp(min=0) ** step.gamma
    values = {"gamma": f"{step.gamma:g}", "gain": f"{step.gain:g}"}
    return state.now(tensor, Message("preprocessing.gamma", values))


def _invert(state: _State, step: kinds.Invert) -> _State:
    return state.now(1 - state.tensor, Message("preprocessing.invert"))


def _bgr(state: _State, step: kinds.Bgr) -> _State:
    if state.tensor.shape[0] == 1:
        return state  # a grey image, repeated at the end
    return state.now(state.tensor.flip(0), Message("preprocessing.bgr"))


def _quantise(state: _State, step: kinds.Quantise) -> _State:
    if step.rounding == "cut":
        return state.now(changes.cut(state.tensor), Message("preprocessing.cut"))
    levels = changes.to_levels(state.tensor)
    return state.now(changes.of_levels(levels), Message("preprocessing.rounded"))


def _scale(state: _State, step: kinds.Scale | kinds.Normalise) -> _State:
    return state.now(changes.scaled(state.tensor, step), words.scale(step))


def _resize(state: _State, step: kinds.Resize) -> _State:
    rows, columns = state.tensor.shape[1:]
    height, width = size = _target(step, rows, columns)
    if (rows, columns) == size:
        return state
    tensor = resized(state.tensor, size, step)
    stretch = (width / columns) / (height / rows)
    sizes = {"rows": rows, "columns": columns, "height": height, "width": width}
    note = words.resize(step, sizes)
    # A side of whole pixels is never stretched by exactly 1.
    if abs(stretch - 1) > 0.01:
        note = Message("preprocessing.stretched", {"resize": note, "stretch": f"{stretch:.3g}"})
    return state.moved(tensor, state.geometry.resize(size), note)


def _target(step: kinds.Resize, rows: int, columns: int) -> tuple[int, int]:
    if step.size is not None:
        return step.size
    if step.inside is not None:
        factor = min(step.inside[0] / rows, step.inside[1] / columns)
        return max(1, round(rows * factor)), max(1, round(columns * factor))
    if step.short is not None:
        short, long = min(rows, columns), max(rows, columns)
        exact = step.short * long / short
        other = max(1, int(exact) if step.other_side == "cut" else round(exact))
        return (step.short, other) if rows <= columns else (other, step.short)
    assert step.long is not None
    factor = step.long / max(rows, columns)
    return max(1, round(rows * factor)), max(1, round(columns * factor))


def _crop(state: _State, step: kinds.Crop) -> _State:
    rows, columns = state.tensor.shape[1:]
    height, width = step.size
    before = (max(0, (height - rows) // 2), max(0, (width - columns) // 2))
    after = (max(0, height - rows - before[0]), max(0, width - columns - before[1]))
    state = _padded(state, before, after, 0.0)
    rows, columns = state.tensor.shape[1:]
    top = _first(rows, height, step.anchor)
    left = _first(columns, width, step.anchor)
    return _cropped(state, (top, left), step.size)


def _first(count: int, kept: int, anchor: kinds.Anchor) -> int:
    """First kept pixel of an axis."""
    if anchor == "top-left":
        return 0
    if anchor == "floor":
        return (count - kept) // 2
    if anchor == "centre":
        return count // 2 - kept // 2
    return round((count - kept) / 2.0)


def _crop_share(state: _State, step: kinds.CropShare) -> _State:
    rows, columns = state.tensor.shape[1:]
    largest_height = min(rows, columns * step.aspect)
    largest_width = min(columns, rows / step.aspect)
    height = max(1, round(largest_height * step.share))
    width = max(1, round(largest_width * step.share))
    start = (rows - height) // 2, (columns - width) // 2
    return _cropped(state, start, (height, width))


def _cropped(state: _State, start: tuple[int, int], size: tuple[int, int]) -> _State:
    rows, columns = state.tensor.shape[1:]
    if (rows, columns) == size:
        return state
    top, left = start
    bottom, right = top + size[0], left + size[1]
    ends = {"top": top, "bottom": bottom, "left": left, "right": right}
    note = Message("preprocessing.crop", {**ends, "rows": rows, "columns": columns})
    window = state.tensor[:, top:bottom, left:right]
    return state.moved(window, state.geometry.crop(start, size), note)


def _pad(state: _State, step: kinds.Pad) -> _State:
    rows, columns = state.tensor.shape[1:]
    side = max(rows, columns)
    height, width = step.size or (side, side)
    missing = (max(0, height - rows), max(0, width - columns))
    before = (0, 0) if step.anchor == "top-left" else (missing[0] // 2, missing[1] // 2)
    after = (missing[0] - before[0], missing[1] - before[1])
    return _padded(state, before, after, step.value)


def _padded(state: _State, before: tuple[int, int], after: tuple[int, int], value: float) -> _State:
    if not any((*before, *after)):
        return state
    sides = {"above": before[0], "below": after[0], "left": before[1], "right": after[1]}
    note = Message("preprocessing.pad", sides)
    if value:
        note = Message("preprocessing.pad_value", {**sides, "value": f"{value:g}"})
    widths = (before[1], after[1], before[0], after[0])
    tensor = F.pad(state.tensor, widths, value=value)
    return state.moved(tensor, state.geometry.pad(before, after), note)


_STEPS: dict[type, Callable[[_State, Any], _State]] = {
    kinds.Window: _window,
    kinds.Percentiles: _percentiles,
    kinds.MinMax: _min_max,
    kinds.ZScore: _z_score,
    kinds.Clahe: _equalised,
    kinds.Equalise: _equalised,
    kinds.Gamma: _gamma,
    kinds.Invert: _invert,
    kinds.Bgr: _bgr,
    kinds.Quantise: _quantise,
    kinds.Scale: _scale,
    kinds.Normalise: _scale,
    kinds.Resize: _resize,
    kinds.Crop: _crop,
    kinds.CropShare: _crop_share,
    kinds.Pad: _pad,
}
