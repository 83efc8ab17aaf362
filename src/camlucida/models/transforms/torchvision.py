"""Transforms of torchvision (both versions) and timm."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from camlucida.models.transforms.reading import Reader, Reading, name_of, numbers, pair

_KERNELS = {
    "nearest": "nearest",
    "nearest-exact": "nearest",
    "bilinear": "bilinear",
    "bicubic": "bicubic",
    "lanczos": "lanczos",
    "box": "area",
}

_PIL_KERNELS = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic", 4: "box"}


def _kernel(reading: Reading, transform: Any) -> str:
    mode = getattr(transform, "interpolation", "bilinear")
    if isinstance(mode, int):
        mode = _PIL_KERNELS.get(int(mode), mode)
    value = str(getattr(mode, "value", mode)).lower()
    if value not in _KERNELS:
        reading.refuse(transform, f"interpolates by {value!r}, which a card cannot")
    if value == "nearest" and reading.backend != "pillow":
        return "nearest-floor"
    return _KERNELS[value]


def _resize_step(reading: Reading, transform: Any, **to: Any) -> None:
    kernel = _kernel(reading, transform)
    if reading.backend == "pillow":
        reading.add("resize", **to, kernel=kernel, library="pillow")
        return
    # The default was None ("warn") before it became True; tensors were then not antialiased.
    antialias = getattr(transform, "antialias", True) is True
    rounding = "8-bit" if reading.backend == "levels" else "float"
    reading.add("resize", **to, kernel=kernel, antialias=antialias, rounding=rounding)


def _resize(reading: Reading, transform: Any) -> None:
    if getattr(transform, "max_size", None) is not None:
        reading.refuse(transform, "has a max_size, which a card cannot say")
    size = [int(side) for side in numbers(transform.size)]
    if len(size) == 1:
        _resize_step(reading, transform, short=size[0])
    else:
        _resize_step(reading, transform, size=size)


def _crop(reading: Reading, transform: Any) -> None:
    if getattr(transform, "fill", 0) not in (0, None):
        reading.refuse(transform, "fills with another value than 0")
    reading.add("crop", size=pair(transform.size), anchor="round")


def _to_floats(reading: Reading, transform: Any) -> None:
    reading.backend = "floats"


def _to_levels(reading: Reading, transform: Any) -> None:
    if reading.backend == "pillow":
        reading.backend = "levels"


def _to_pillow(reading: Reading, transform: Any) -> None:
    if reading.backend == "floats":
        reading.add("8-bit", rounding="cut")
    reading.backend = "pillow"


def _convert(reading: Reading, transform: Any) -> None:
    """To another type of numbers; ``scale`` says whether 255 becomes 1."""
    if not isinstance(transform.dtype, torch.dtype):
        reading.refuse(transform, "has a type for each kind of data")
    scales = getattr(transform, "scale", True)
    if not transform.dtype.is_floating_point:
        if reading.backend == "floats":
            reading.refuse(transform, "makes whole numbers of an image")
        return
    if reading.backend != "floats" and not scales:
        reading.add("scale", black=0, white=255)
    reading.backend = "floats"


def _normalise(reading: Reading, transform: Any) -> None:
    if reading.backend != "floats":
        reading.refuse(transform, "comes before the image is a tensor of floats", "add ToTensor")
    reading.normalise(transform.mean, transform.std)


def _grey(reading: Reading, transform: Any) -> None:
    reading.channels(int(transform.num_output_channels))


def _rgb(reading: Reading, transform: Any) -> None:
    reading.fields["channels"] = 3


def _invert(reading: Reading, transform: Any) -> None:
    if transform.p != 1:
        reading.refuse(transform, "is random", "name the transform of validation, not of training")
    reading.add("invert")


def _equalise(reading: Reading, transform: Any) -> None:
    if transform.p != 1:
        reading.refuse(transform, "is random", "name the transform of validation, not of training")
    reading.add("equalise", library="pillow")


def _preset(reading: Reading, transform: Any) -> None:
    """What ``weights.transforms()`` of a classifier gives."""
    _resize_step(reading, transform, short=int(transform.resize_size[0]))
    reading.add("crop", size=pair(transform.crop_size), anchor="round")
    reading.backend = "floats"
    reading.normalise(transform.mean, transform.std)


def _nothing(reading: Reading, transform: Any) -> None:
    """It changes no values."""


def _lambda(reading: Reading, transform: Any) -> None:
    """A function, tried on tensors: read where it repeats channels or scales linearly."""
    function = transform.lambd
    try:
        if reading.backend == "pillow":
            _try_on_pillow(reading, transform, function)
        else:
            _try_on_tensors(reading, transform, function)
    except (AttributeError, TypeError, ValueError, RuntimeError, IndexError, KeyError):
        reading.refuse(transform, "is a function that cannot be read")


def _try_on_pillow(reading: Reading, transform: Any, function: Any) -> None:
    from PIL import Image

    grey = Image.frombytes("L", (3, 2), bytes((0, 50, 100, 150, 200, 255)))
    result = function(grey)
    if result.size != grey.size or result.convert("L").tobytes() != grey.tobytes():
        reading.refuse(transform, "is a function that cannot be read")
    if result.mode == "RGB":
        reading.fields["channels"] = 3
    elif result.mode != "L":
        reading.refuse(transform, f"makes an image of mode {result.mode!r}")


def _try_on_tensors(reading: Reading, transform: Any, function: Any) -> None:
    generator = torch.Generator().manual_seed(0)
    trials = [torch.rand(1, 4, 5, generator=generator) * scale for scale in (1.0, 0.3, 0.7)]
    trials.append(trials[0] * 0.5 + 0.2)
    results = [function(trial.clone()) for trial in trials]
    if not all(isinstance(result, Tensor) for result in results):
        reading.refuse(transform, "is a function that cannot be read")
    count = int(results[0].shape[0])
    black = float(function(torch.zeros(1, 4, 5)).mean())
    white = float(function(torch.ones(1, 4, 5)).mean())
    for trial, result in zip(trials, results):
        linear = (trial * (white - black) + black).expand(count, 4, 5)
        if count not in (1, 3) or not torch.allclose(result.float(), linear, atol=1e-5):
            reading.refuse(transform, "is a function that cannot be read")
    if count == 3:
        reading.fields["channels"] = 3
    if (black, white) != (0.0, 1.0):
        reading.add("scale", black=black, white=white)


def _timm_numpy(reading: Reading, transform: Any) -> None:
    fix = "give create_transform use_prefetcher=False, or add its mean and std to the steps"
    reading.refuse(transform, "leaves the normalisation to timm's loader", fix)


TORCHVISION: dict[str, Reader] = {
    "Resize": _resize,
    "CenterCrop": _crop,
    "CenterCropOrPad": _crop,
    "ToTensor": _to_floats,
    "MaybeToTensor": _to_floats,
    "PILToTensor": _to_levels,
    "MaybePILToTensor": _to_levels,
    "ToImage": _to_levels,
    "ToImageTensor": _to_levels,
    "ToPILImage": _to_pillow,
    "ConvertImageDtype": _convert,
    "ConvertDtype": _convert,
    "ConvertImageTensor": _convert,
    "ToDtype": _convert,
    "Normalize": _normalise,
    "Grayscale": _grey,
    "RGB": _rgb,
    "RandomInvert": _invert,
    "RandomEqualize": _equalise,
    "ImageClassification": _preset,
    "Lambda": _lambda,
    "Identity": _nothing,
    "ToPureTensor": _nothing,
    "ToNumpy": _timm_numpy,
}
"""Class → how it is read; of torchvision and timm."""


def is_random(transform: object) -> bool:
    """Whether a transform is an augmentation, by its name.

    >>> class RandomFlip: ...
    >>> is_random(RandomFlip())
    True
    """
    name = name_of(transform)
    augments = ("ColorJitter", "AutoAugment", "AugMix", "MixUp", "CutMix", "ElasticTransform")
    return name.startswith("Rand") or name in augments
