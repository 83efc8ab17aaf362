"""A pipeline of transforms, step by step, as keys of ``[input]``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from torch import nn

from camlucida.core.errors import UsageError
from camlucida.models.transforms.monai import MONAI, array_name
from camlucida.models.transforms.reading import WRITE_STEPS, Reading, name_of, package_of
from camlucida.models.transforms.torchvision import TORCHVISION, is_random
from camlucida.models.zoo.package import import_package

_VALIDATION = "name the transform of validation, not of training"


def read_transform(transform: object, where: str) -> dict[str, Any]:
    """The keys of ``[input]`` that a transform stands for.

    Args:
        transform: of torchvision, timm or MONAI; a Compose, a list, timm's data configuration, or
            a function without arguments that returns one of these.
        where: its name, for messages.

    Returns:
        "steps", and where the transform settles them "channels", "grey", "always_grey" and
        "transposed".

    Raises:
        UsageError: a step that a card does not know, by its name.
    """
    reading = Reading(where)
    if callable(transform) and package_of(transform) in ("builtins", "functools"):
        transform = _called(transform, reading)
    if isinstance(transform, Mapping):
        transform = _of_timm_config(transform, reading)
    for each in _flat(transform):
        _read_one(reading, each)
    if reading.transposed:
        reading.fields["transposed"] = True
    if not reading.steps:
        raise UsageError(f"{where} holds no step", WRITE_STEPS)
    if reading.backend == "levels":
        reading.add("scale", black=0, white=255)
    return {**reading.fields, "steps": _simplified(reading.steps)}


def _called(function: Any, reading: Reading) -> object:
    """What a function without arguments returns."""
    try:
        return function()
    except Exception as error:  # noqa: BLE001 — it is the user's function
        fix = "name a transform, or a function without arguments that returns one"
        reading.refuse(function, f"is a function that does not return a transform ({error})", fix)


def _of_timm_config(config: Mapping[str, Any], reading: Reading) -> object:
    """The transform of what timm's ``resolve_data_config`` returns."""
    if "input_size" not in config:
        reading.refuse(config, f"has no input_size: it has {', '.join(map(str, config))}")
    timm_data = import_package("timm.data")
    return timm_data.create_transform(**config, is_training=False)


def _flat(transform: object) -> Iterator[object]:
    """The steps of pipelines within pipelines, in their order."""
    inner: Any = None
    if isinstance(transform, (list, tuple, nn.Sequential)):
        inner = transform
    elif name_of(transform) in ("Compose", "Sequential"):
        inner = getattr(transform, "transforms", None)
    if inner is None:
        yield transform
        return
    for each in inner:
        yield from _flat(each)


def _read_one(reading: Reading, transform: object) -> None:
    package, name = package_of(transform), name_of(transform)
    reader = None
    if package in ("torchvision", "timm"):
        reader = TORCHVISION.get(name)
    elif package == "monai":
        reader = MONAI.get(array_name(name))
    if reader is not None:
        if package == "monai":
            reading.backend = "floats"
        reader(reading, transform)
    elif is_random(transform):
        reading.refuse(transform, "is random", _VALIDATION)
    else:
        reading.refuse(transform)


def _simplified(steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without scales that a later window of the image, or its mean, makes void."""
    kept: list[dict[str, Any]] = []
    for step in steps:
        if step["do"] in ("min-max", "percentiles", "z-score"):
            kept = [each for each in kept if each["do"] != "scale"]
        kept.append(step)
    return kept
