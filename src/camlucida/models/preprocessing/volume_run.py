"""From a volume to the model's input, as in training: each step changes the geometry too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from camlucida.core.geometry import Geometry
from camlucida.core.messages import Message, declare
from camlucida.core.orientation import AxisOrder, order_to, spacing
from camlucida.core.volume_scan import VolumeScan
from camlucida.io.volumes.volume import Volume, check_voxels
from camlucida.models.preprocessing import values as changes
from camlucida.models.preprocessing import words
from camlucida.models.preprocessing.steps import MinMax, Percentiles, Window, ZScore
from camlucida.models.preprocessing.volume_spec import AS_STORED, Kernel, VolumeInput

declare(
    "preprocessing",
    {
        "file_units": "voxels: in the units of the file",
        "axes_stored": "axes: slices, rows and columns as stored",
        "axes": "axes: turned from {stored} to {orientation}",
        "spacing": "spacing: {before} mm → {after} mm, linear",
        "volume_resize": "resize: {before} → {after} voxels, {kernel}",
        "crop_pad": (
            "crop and pad: {before} → {after} voxels around the middle, padding of value {value}"
        ),
        "slices": "channels: {slices} slices",
        "kernel_trilinear": "trilinear",
    },
)

_SAME = 1e-4
"""Share by which two spacings may differ and be the same."""


@dataclass(frozen=True)
class _State:
    """A volume on its way to the model.

    Attributes:
        tensor: (D, H, W) float32.
        geometry: ordered voxels ↔ those of ``tensor``.
        notes: what was done, in order.
    """

    tensor: Tensor
    geometry: Geometry
    notes: tuple[Message, ...]

    def now(self, tensor: Tensor, note: Message) -> _State:
        """With other values."""
        return replace(self, tensor=tensor, notes=(*self.notes, note))

    def moved(self, tensor: Tensor, geometry: Geometry, note: Message) -> _State:
        """With another geometry."""
        return _State(tensor, geometry, (*self.notes, note))


def prepare_volume(volume: Volume, spec: VolumeInput) -> VolumeScan:
    """Orientation, spacing, intensity, size and scale, in this order.

    Args:
        volume: in its own voxels.
        spec: what the model was trained on.

    Returns:
        A scan whose tensor is (channels, *spec.voxels) float32, or (slices, H, W) of a model of
        stacked slices; its geometry carries maps back to the volume's own voxels.

    Raises:
        ImageError: the volume is too large at the spacing of the model.

    >>> import numpy as np
    >>> volume = Volume(np.ones((2, 4, 4), np.float32), np.diag([2.0, 1.0, 1.0, 1.0]), "head")
    >>> scan = prepare_volume(volume, VolumeInput(orientation="stored", size=(2, 2, 2)))
    >>> scan.tensor.shape, scan.whole.scale
    (torch.Size([1, 2, 2, 2]), (1.0, 0.5, 0.5))
    """
    order, note = _order(volume, spec)
    ordered = order.apply(volume.values).copy()  # PyTorch takes no negative strides
    begun = (Message("preprocessing.file_units"), note)
    state = _State(torch.from_numpy(ordered), Geometry.identity(ordered.shape), begun)
    state = _respaced(state, volume, spec, order)
    for step in spec.value_steps():
        state = _with_values(state, step)
    state = _fitted(state, spec)
    tensor, geometry = state.tensor[None], state.geometry
    notes = state.notes
    if spec.slices is not None:
        tensor = state.tensor
        notes = (*notes, Message("preprocessing.slices", {"slices": spec.slices}))
        geometry = _last_two(geometry)
    else:
        tensor = tensor.expand(spec.channels, -1, -1, -1)
    for scale in spec.scale_steps():
        tensor = changes.scaled(tensor, scale)
        notes = (*notes, words.scale(scale))
    return VolumeScan(
        tensor=tensor.contiguous(),
        display=None,
        geometry=geometry,
        id=volume.id,
        source=volume.source,
        preprocessing=notes,
        synthetic=volume.synthetic,
        warnings=volume.warnings,
        voxels=volume.values,
        affine=volume.affine,
        order=order,
        whole=state.geometry,
        oriented=volume.oriented,
        window=volume.window,
        model_window=spec.window,
    )


def _order(volume: Volume, spec: VolumeInput) -> tuple[AxisOrder, Message]:
    if spec.orientation == AS_STORED:
        return AxisOrder(), Message("preprocessing.axes_stored")
    stored = str(volume.source.get("orientation", ""))
    about = {"stored": stored, "orientation": spec.orientation}
    return order_to(volume.affine, spec.orientation), Message("preprocessing.axes", about)


def _respaced(state: _State, volume: Volume, spec: VolumeInput, order: AxisOrder) -> _State:
    """Resampled to the model's spacing about the volume's middle, linearly."""
    wanted = spec.spacing_mm()
    if wanted is None:
        return state
    stored = spacing(volume.affine)
    present = [stored[axis] for axis in order.axes]
    scale = tuple(have / want for have, want in zip(present, wanted))
    if max(abs(each - 1) for each in scale) < _SAME:
        return state
    before = tuple(state.tensor.shape)
    size = tuple(max(1, round(n * each)) for n, each in zip(before, scale))
    check_voxels(Path(str(volume.source.get("path", volume.id))), *size)
    # The middle stays where it is: the rest of a voxel is divided between both ends.
    offset = tuple((new - n * each) / 2 for new, n, each in zip(size, before, scale))
    geometry = Geometry(before, size, scale, offset)
    tensor = geometry.map_to_model(state.tensor[None])[0]
    ends = {"before": _millimetres(present), "after": _millimetres(wanted)}
    return state.moved(tensor, geometry, Message("preprocessing.spacing", ends))


def _with_values(state: _State, step: Window | Percentiles | MinMax | ZScore) -> _State:
    tensor = state.tensor
    if isinstance(step, Window):
        ends = {"low": f"{step.low:g}", "high": f"{step.high:g}"}
        note = Message("preprocessing.fixed_window", ends)
        return state.now(changes.windowed(tensor, step), note)
    if isinstance(step, Percentiles):
        scaled, (low, high) = changes.percentiles(tensor, step)
        shares = {"first": f"{step.low:g}", "last": f"{step.high:g}"}
        ends = {"low": f"{low:.4g}", "high": f"{high:.4g}"}
        return state.now(scaled, Message("preprocessing.percentiles", {**shares, **ends}))
    if isinstance(step, ZScore):
        scaled = changes.z_score(tensor[None], per_channel=False)[0]
        return state.now(scaled, Message("preprocessing.z_score"))
    low, high = changes.extremes(tensor)
    ends = {"low": f"{low:.4g}", "high": f"{high:.4g}"}
    return state.now(changes.min_max(tensor), Message("preprocessing.min_max", ends))


def _fitted(state: _State, spec: VolumeInput) -> _State:
    before, after = tuple(state.tensor.shape), spec.voxels
    if before == after:
        return state
    sizes = {"before": _times(before), "after": _times(after)}
    if spec.fit == "resize":
        kernel = Message(f"preprocessing.kernel_{spec.resize}")
        note = Message("preprocessing.volume_resize", {**sizes, "kernel": kernel})
        tensor = _resized(state.tensor, after, spec.resize)
        return state.moved(tensor, state.geometry.resize(after), note)
    return _cropped_or_padded(state, after, spec.pad or 0.0, sizes)


def _resized(tensor: Tensor, size: tuple[int, int, int], kernel: Kernel) -> Tensor:
    batch = tensor[None, None]
    if kernel == "trilinear":
        return F.interpolate(batch, size, mode="trilinear", align_corners=False)[0, 0]
    # torch's "nearest" samples off the voxel centres.
    mode = "nearest-exact" if kernel == "nearest" else "area"
    return F.interpolate(batch, size, mode=mode)[0, 0]


def _cropped_or_padded(
    state: _State, after: tuple[int, int, int], value: float, sizes: dict[str, str]
) -> _State:
    """As MONAI's ``ResizeWithPadOrCrop``: which voxel is the middle of an odd rest follows it."""
    before = tuple(state.tensor.shape)
    starts = [_start(n, new) for n, new in zip(before, after)]
    widths: list[int] = []
    for n, new, start in reversed(list(zip(before, after, starts))):
        widths += [-start, start + new - n]  # F.pad crops where a width is below 0
    tensor = F.pad(state.tensor, widths, value=value)
    note = Message("preprocessing.crop_pad", {**sizes, "value": f"{value:g}"})
    return state.moved(tensor, state.geometry.crop(starts, after), note)


def _start(count: int, kept: int) -> int:
    """First kept voxel of an axis; below 0 it pads."""
    return count // 2 - kept // 2 if kept <= count else -((kept - count) // 2)


def _last_two(geometry: Geometry) -> Geometry:
    """What a model of stacked slices sees of the geometry: rows and columns."""
    return Geometry(
        geometry.original[1:], geometry.model[1:], geometry.scale[1:], geometry.offset[1:]
    )


def _times(size: tuple[int, ...]) -> str:
    return " × ".join(map(str, size))


def _millimetres(steps: Sequence[float]) -> str:
    return " × ".join(f"{step:.4g}" for step in steps)
