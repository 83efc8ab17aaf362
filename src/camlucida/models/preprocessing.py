"""From an image to the model's input, as in training: each step changes the geometry too."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from camlucida.core.geometry import Geometry
from camlucida.core.messages import Message, declare
from camlucida.core.scan import Scan
from camlucida.io.image import RawImage
from camlucida.models.card import InputSpec

declare(
    "preprocessing",
    {
        "window": "pixels: windowed as displayed ({window}), to 0–1",
        "stored": "pixels: stored values over the full scale of {bits} bits, to 0–1",
        "unit": "pixels: 0–1",
        "grey": "channels: grey repeated {channels} times",
        "mean": "channels: mean of red, green and blue",
        "crop": "crop: rows {top}–{bottom}, columns {left}–{right} of {rows} × {columns}",
        "antialias": "resize: {rows} × {columns} → {height} × {width}, bilinear with antialiasing",
        "bilinear": (
            "resize: {rows} × {columns} → {height} × {width}, bilinear without antialiasing"
        ),
        "nearest": "resize: {rows} × {columns} → {height} × {width}, nearest pixel",
        "stretched": "{resize}, width stretched {stretch} times against height",
        "pad": "pad: black rows {above} above, {below} below, columns {left} left, {right} right",
        "range": "scale: black to {black}, white to {white}",
        "normalise": "normalise: minus {mean}, over {std}",
        "no_scale": "scale: black 0, white 1",
    },
)


_Fitted = tuple[Tensor, Geometry, tuple[Message, ...]]
"""Model input (C, H, W), its geometry, and what was done to it."""


def prepare(image: RawImage, spec: InputSpec) -> Scan:
    """Channels → fit and resize → value scale.

    Args:
        image: the image in its own pixels, [0, 1].
        spec: what the model was trained on.

    Returns:
        A scan whose tensor is (spec.channels, *spec.height_width) float32, in ``range``, or
        normalised by ``mean`` and ``std``, or in [0, 1]; its geometry carries maps back to the
        image's own pixels.

    >>> image = RawImage(np.ones((8, 4), np.float32), np.full((8, 4), 255, np.uint8), "a")
    >>> prepare(image, InputSpec(size=4, channels=1)).tensor.shape
    torch.Size([1, 4, 4])
    """
    values, pixels_step = _pixels(image, spec)
    copied = np.array(values, np.float32)  # PyTorch cannot share memory that is read-only
    tensor, channel_steps = _channels(torch.from_numpy(copied), spec.channels)
    geometry = Geometry.identity(tensor.shape[1:])
    tensor, geometry, fit_steps = _fit(tensor, geometry, spec)
    tensor, scale_step = _scale(tensor, spec)
    return Scan(
        tensor=tensor.contiguous(),
        display=image.display,
        geometry=geometry,
        id=image.id,
        source=image.source,
        preprocessing=(pixels_step, *channel_steps, *fit_steps, scale_step),
        synthetic=image.synthetic,
        warnings=image.warnings,
    )


def unit_scale(spec: InputSpec) -> tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]:
    """Functions from model input to [0, 1] and back, for metrics that alter images.

    Args:
        spec: of the model.

    Returns:
        (C, *spatial) in the model's scale → black 0, white 1; and the inverse.

    >>> to_unit, to_model = unit_scale(InputSpec(channels=1, range=(-1, 1)))
    >>> to_unit(torch.tensor([-1.0, 0.0, 1.0])), to_model(torch.tensor([0.5]))
    (tensor([0.0000, 0.5000, 1.0000]), tensor([0.]))
    """
    if spec.range is not None:
        black, white = spec.range
        span = white - black
        return lambda x: (x - black) / span, lambda x: x * span + black
    if spec.mean is not None and spec.std is not None:
        mean = torch.tensor(spec.mean)[:, None, None]
        std = torch.tensor(spec.std)[:, None, None]
        return lambda x: x * std.to(x) + mean.to(x), lambda x: (x - mean.to(x)) / std.to(x)
    return lambda x: x, lambda x: x


def _pixels(image: RawImage, spec: InputSpec) -> tuple[NDArray[np.float32], Message]:
    if spec.dicom == "windowed" and image.windowed is not None:
        window = str(image.source.get("window"))
        return image.windowed, Message("preprocessing.window", {"window": window})
    bits = image.source.get("bits")
    if not bits:
        return image.pixels, Message("preprocessing.unit")
    return image.pixels, Message("preprocessing.stored", {"bits": int(bits)})


def _channels(values: Tensor, channels: int) -> tuple[Tensor, tuple[Message, ...]]:
    """(H, W) or (H, W, 3) → (channels, H, W)."""
    if values.ndim == 2 and channels == 1:
        return values[None], ()
    if values.ndim == 2:
        step = Message("preprocessing.grey", {"channels": channels})
        return values[None].expand(channels, -1, -1), (step,)
    if channels == 1:
        return values.mean(dim=-1)[None], (Message("preprocessing.mean"),)
    return values.movedim(-1, 0), ()


def _fit(tensor: Tensor, geometry: Geometry, spec: InputSpec) -> _Fitted:
    size = spec.height_width
    height, width = size
    if spec.fit == "center-crop":
        aspect = height / width
        tensor, geometry, crop = _center_crop(tensor, geometry, aspect, spec.crop)
        tensor, geometry, resize = _resize(tensor, geometry, size, spec.resize)
        return tensor, geometry, crop + resize
    if spec.fit == "pad":
        rows, columns = tensor.shape[1:]
        factor = min(height / rows, width / columns)
        inner_height = max(1, round(rows * factor))
        inner_width = max(1, round(columns * factor))
        inner = (inner_height, inner_width)
        # Resized before padding: the other way round, black would bleed into the image's border.
        tensor, geometry, resize = _resize(tensor, geometry, inner, spec.resize)
        tensor, geometry, pad = _pad(tensor, geometry, size)
        return tensor, geometry, resize + pad
    return _resize(tensor, geometry, size, spec.resize)


def _center_crop(tensor: Tensor, geometry: Geometry, aspect: float, share: float) -> _Fitted:
    """The largest centred window of ``aspect`` (height / width), times ``share``."""
    rows, columns = tensor.shape[1:]
    largest_height = min(rows, columns * aspect)
    largest_width = min(columns, rows / aspect)
    height = max(1, round(largest_height * share))
    width = max(1, round(largest_width * share))
    if (height, width) == (rows, columns):
        return tensor, geometry, ()
    top = (rows - height) // 2
    left = (columns - width) // 2
    bottom = top + height
    right = left + width
    ends = {"top": top, "bottom": bottom, "left": left, "right": right}
    step = Message("preprocessing.crop", {**ends, "rows": rows, "columns": columns})
    window = tensor[:, top:bottom, left:right]
    return window, geometry.crop((top, left), (height, width)), (step,)


def _resize(tensor: Tensor, geometry: Geometry, size: tuple[int, int], kind: str) -> _Fitted:
    rows, columns = tensor.shape[1:]
    if (rows, columns) == size:
        return tensor, geometry, ()
    batch = tensor[None]
    if kind == "nearest":
        # torch's "nearest" samples off the pixel centres.
        resized = F.interpolate(batch, size, mode="nearest-exact")
    else:
        antialias = kind == "antialias"
        resized = F.interpolate(
            batch, size, mode="bilinear", align_corners=False, antialias=antialias
        )
    height, width = size
    stretch = (width / columns) / (height / rows)
    sizes = {"rows": rows, "columns": columns, "height": height, "width": width}
    step = Message(f"preprocessing.{kind}", sizes)
    if abs(stretch - 1) > 0.01:
        step = Message("preprocessing.stretched", {"resize": step, "stretch": f"{stretch:.3g}"})
    return resized[0], geometry.resize(size), (step,)


def _pad(tensor: Tensor, geometry: Geometry, size: tuple[int, int]) -> _Fitted:
    height, width = size
    rows = height - tensor.shape[1]
    columns = width - tensor.shape[2]
    if rows == 0 and columns == 0:
        return tensor, geometry, ()
    above, left = rows // 2, columns // 2
    below, right = rows - above, columns - left
    padded = F.pad(tensor, (left, right, above, below))
    sides = {"above": above, "below": below, "left": left, "right": right}
    step = Message("preprocessing.pad", sides)
    return padded, geometry.pad((above, left), (below, right)), (step,)


def _scale(tensor: Tensor, spec: InputSpec) -> tuple[Tensor, Message]:
    if spec.range is not None:
        black, white = spec.range
        step = Message("preprocessing.range", {"black": f"{black:g}", "white": f"{white:g}"})
        return tensor * (white - black) + black, step
    if spec.mean is not None and spec.std is not None:
        mean = torch.tensor(spec.mean, dtype=tensor.dtype)[:, None, None]
        std = torch.tensor(spec.std, dtype=tensor.dtype)[:, None, None]
        values = {"mean": str(list(spec.mean)), "std": str(list(spec.std))}
        return (tensor - mean) / std, Message("preprocessing.normalise", values)
    return tensor, Message("preprocessing.no_scale")
