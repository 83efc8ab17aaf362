"""The preprocessing of a MONAI bundle, step by step, as data: code that it brings is never run."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

from camlucida.core.errors import ModelError
from camlucida.io.monai_bundle import MonaiBundle
from camlucida.models.zoo.package import guard, import_package

Fields = dict[str, Any]

_IDLE = ("device", "track_meta", "_desc_", "_requires_")
"""Settings that change no value of an image; they are often code."""


def refuse(bundle: MonaiBundle, what: str) -> NoReturn:
    """Refuse to read the preprocessing of a bundle.

    Args:
        bundle: of images or volumes.
        what: is in the way.

    Raises:
        ModelError: always.
    """
    table = "[volume]" if bundle.spatial_dims == 3 else "[input]"
    raise ModelError(
        f"{bundle.folder.name}: {what}, so its preprocessing is not read",
        f"write {table} in a card whose factory is this bundle",
    )


def bundle_steps(bundle: MonaiBundle) -> Iterator[tuple[str, Fields]]:
    """Each step that is not switched off: its class in MONAI, and its settings.

    Args:
        bundle: whose references are followed.

    Raises:
        ModelError: a step is code of the bundle, or has a setting that is code.
    """
    for step in _listed(bundle, "preprocessing"):
        target = str(step.get("_target_", ""))
        package, _, kind = target.rpartition(".")
        if package and not f"{package}.".startswith("monai."):
            refuse(bundle, f"its step {target} is code of the bundle, which is not run")
        stated = {key: item for key, item in step.items() if key not in (*_IDLE, "_target_")}
        try:
            settings = bundle.value(stated)
        except ModelError as error:
            refuse(bundle, f"a setting of its step {kind} is no plain value: {error.what}")
        if not settings.pop("_disabled_", False):
            yield kind, settings


def _listed(bundle: MonaiBundle, name: str) -> Iterator[Mapping[str, Any]]:
    """The steps of an entry of the configuration, as they stand there."""
    entry = bundle.entry(bundle.config.get(name, {}))
    listed = entry.get("transforms", []) if isinstance(entry, Mapping) else []
    yield from map(bundle.entry, bundle.entry(listed))


def final_activation(bundle: MonaiBundle) -> str:
    """What the postprocessing makes of the network's output: "sigmoid", "softmax", or "".

    Args:
        bundle: whose references are followed; settings that are code are passed over.
    """
    for step in _listed(bundle, "postprocessing"):
        kind = str(step.get("_target_", "")).rpartition(".")[2]
        if kind not in ("Activations", "Activationsd"):
            continue
        for name in ("sigmoid", "softmax"):
            try:
                setting = bundle.value(step.get(name, False))
            except ModelError:
                continue
            if setting is True or setting == [True]:
                return name
    return ""


def image_fields(bundle: MonaiBundle) -> Fields:
    """``[input]`` of the steps of a bundle of images: MONAI builds each, and it is read then.

    Args:
        bundle: of images.

    Raises:
        ModelError: a step is not known, or cannot be built.
        UsageError: a step does what a card cannot say.
    """
    # Here, for what it reads comes from packages of models as well.
    from camlucida.models.transforms.monai import MONAI, array_name
    from camlucida.models.transforms.pipeline import read_transform

    package = import_package("monai.transforms", "volume")
    pipeline = []
    for kind, settings in bundle_steps(bundle):
        if array_name(kind) not in MONAI:
            refuse(bundle, f"its step {kind} is not known")
        what = f"{bundle.folder.name}: its step {kind} cannot be built"
        with guard(what), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on readers that no image here needs
            pipeline.append(getattr(package, kind)(**settings))
    if not pipeline:
        refuse(bundle, "it states no preprocessing")
    channels = bundle.image.get("num_channels", 3)
    return {"channels": channels, **read_transform(pipeline, bundle.folder.name)}
