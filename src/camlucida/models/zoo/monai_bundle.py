"""MONAI bundles: the network, its weights, its labels and what it was trained on.

A bundle is a folder with ``configs`` and ``models``. Its configuration is read as data: networks
are those of MONAI, and steps of preprocessing are read where each is known. Code that a bundle
brings is never run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch import load, nn

from camlucida.core.errors import ModelError
from camlucida.core.messages import Message, declare
from camlucida.io.monai_bundle import MonaiBundle, read_bundle
from camlucida.models.zoo.bundle_steps import (
    Fields,
    bundle_steps,
    final_activation,
    image_fields,
    refuse,
)
from camlucida.models.zoo.image_processor import STATES_SCALE
from camlucida.models.zoo.package import Args, Defaults, Zoo, guard, import_package

declare(
    "bundle",
    {
        "window": (
            "the bundle predicts in windows of {size} voxels: the middle one of each volume is "
            "explained; write size under [volume] of a card for more"
        ),
    },
)

_NETS = "monai.networks.nets"


def _build(name: str, args: Args, pretrained: bool) -> nn.Module:
    bundle = read_bundle(Path(name).expanduser())
    nets = import_package(_NETS, "volume")
    kind, settings = _definition(bundle)
    network = getattr(nets, kind, None)
    if not (isinstance(network, type) and issubclass(network, nn.Module)):
        raise ModelError(f"{bundle.folder.name}: MONAI has no network {kind!r}", "update monai")
    with guard(f"{bundle.folder.name}: {kind} cannot be built"):
        module: nn.Module = network(**{**settings, **args})
    if pretrained:
        _load(module, bundle)
    return module


def _definition(bundle: MonaiBundle) -> tuple[str, Fields]:
    """Class of the network, without its package, and its arguments."""
    stated = bundle.config.get("network_def", bundle.config.get("network"))
    if not isinstance(stated, Mapping) or "_target_" not in stated:
        what = f"{bundle.folder.name}: its configuration has no network_def"
        raise ModelError(what, 'build it in a file of your own: factory = "net.py:build"')
    target = str(stated["_target_"])
    package, _, kind = target.rpartition(".")
    if package and not f"{package}.".startswith("monai."):
        raise ModelError(
            f"{bundle.folder.name}: its network {target} is code of the bundle, which is not run",
            'build it in a file of your own: factory = "net.py:build"',
        )
    settings = {key: item for key, item in stated.items() if not key.startswith("_")}
    return kind, bundle.value(settings)


def _load(module: nn.Module, bundle: MonaiBundle) -> None:
    path = bundle.weights
    if not path.is_file():
        raise ModelError(f"{path} does not exist", "give checkpoint = … in a card")
    with guard(f"{path} cannot be read", "give its weights as checkpoint = … in a card"):
        state = load(path, map_location="cpu", weights_only=True)
        for key in ("model", "state_dict"):
            state = state.get(key, state) if isinstance(state, Mapping) else state
        module.load_state_dict(state)


def _defaults(name: str, args: Args, pretrained: bool, module: nn.Module) -> Defaults:
    """Task and labels, as the metadata and the postprocessing state them."""
    bundle = read_bundle(Path(name).expanduser())
    prediction, activation = bundle.prediction, final_activation(bundle)
    fields: Defaults = {}
    if prediction.get("format") == "segmentation":
        fields["task"] = "segmentation"
    if activation:
        fields["overlapping"] = activation == "sigmoid"
    channels = prediction.get("channel_def", {})
    names = [str(channels.get(str(number), "")) for number in range(len(channels))]
    if names and all(names):
        fields["labels"] = tuple(names)
    return fields


def _input(
    name: str, args: Args, pretrained: bool, module: nn.Module, stated: frozenset[str]
) -> Defaults:
    """What was done to images, or under "volume" to volumes, where the card does not state it."""
    bundle = read_bundle(Path(name).expanduser())
    if "volume" in stated or stated & STATES_SCALE:
        return {}
    if bundle.spatial_dims == 2:
        return image_fields(bundle)
    if bundle.spatial_dims != 3:
        refuse(bundle, "its metadata state no spatial_shape of two or three sides")
    return {"volume": _volume(bundle)}


def _volume(bundle: MonaiBundle) -> Fields:
    """``[volume]`` of the bundle's steps, each of which has to be known."""
    channels = bundle.image.get("num_channels", 1)
    if channels != 1:
        refuse(bundle, f"its input has {channels} channels")
    fields: Fields = {}
    last = 0
    for name, step in bundle_steps(bundle):
        kind = name.removesuffix("d")
        order, read = _STEPS.get(kind, (0, None))
        if kind not in _STEPS:
            refuse(bundle, f"its step {kind} is not known")
        if order and order <= last:
            refuse(bundle, f"its step {kind} stands behind a later one")
        last = max(last, order)
        if read is not None:
            try:
                fields |= read(step)
            except _UnknownSettingError as error:
                refuse(bundle, f"its step {kind} {error}")
    if "orientation" not in fields:
        refuse(bundle, "it turns volumes to no orientation")
    if "size" not in fields:
        fields |= {"size": _window(bundle), "fit": "crop-pad"}
        if not {"window", "intensity", "percentiles"} & set(fields):
            fields["pad"] = 0.0
    return fields


def _window(bundle: MonaiBundle) -> list[int]:
    """Voxels that the network takes at once."""
    inferer = bundle.config.get("inferer", {})
    stated = inferer.get("roi_size") if isinstance(inferer, Mapping) else None
    size = bundle.value(stated or bundle.image.get("spatial_shape", ()))
    whole = [side for side in size if isinstance(side, int) and side > 0]
    if len(whole) != 3:
        refuse(bundle, "it states no size of its input")
    return whole


class _UnknownSettingError(ValueError):
    """A setting of a step that a card cannot say."""


def _orientation(step: Mapping[str, Any]) -> Fields:
    return {"orientation": str(step["axcodes"])}


def _spacing(step: Mapping[str, Any]) -> Fields:
    if _first(step.get("mode", "bilinear")) != "bilinear":
        raise _UnknownSettingError("interpolates otherwise than linearly")
    lengths = step["pixdim"]
    return {"spacing": lengths if isinstance(lengths, (int, float)) else list(lengths)}


def _range(step: Mapping[str, Any]) -> Fields:
    if not step.get("clip", False):
        raise _UnknownSettingError("does not clip")
    return {"window": [step["a_min"], step["a_max"]], **_ends(step, "b_min", "b_max")}


def _percentiles(step: Mapping[str, Any]) -> Fields:
    if not step.get("clip", False) or step.get("relative") or step.get("channel_wise"):
        raise _UnknownSettingError("does not clip, or is relative")
    return {"percentiles": [step["lower"], step["upper"]], **_ends(step, "b_min", "b_max")}


def _scale(step: Mapping[str, Any]) -> Fields:
    if step.get("factor") is not None:
        raise _UnknownSettingError("scales by a factor")
    return {"intensity": "min-max", **_ends(step, "minv", "maxv")}


def _normalise(step: Mapping[str, Any]) -> Fields:
    if step.get("nonzero") or step.get("subtrahend") is not None:
        raise _UnknownSettingError("leaves zeros out, or has a subtrahend")
    return {"intensity": "z-score"}


def _resize(step: Mapping[str, Any]) -> Fields:
    kernel = str(_first(step.get("mode", "area")))
    if kernel not in ("area", "trilinear", "nearest-exact"):
        raise _UnknownSettingError(f"interpolates by {kernel!r}")
    return {"size": list(step["spatial_size"]), "resize": kernel.removesuffix("-exact")}


def _ends(step: Mapping[str, Any], low: str, high: str) -> Fields:
    ends = [step.get(low, 0.0), step.get(high, 1.0)]
    return {} if ends == [0.0, 1.0] else {"range": ends}


def _first(value: Any) -> Any:
    """A setting for each key as that of the first, the image."""
    return value[0] if isinstance(value, list) else value


_STEPS: dict[str, tuple[int, Callable[[Mapping[str, Any]], Fields] | None]] = {
    "LoadImage": (0, None),
    "EnsureChannelFirst": (0, None),
    "EnsureType": (0, None),
    "CastToType": (0, None),
    "ToTensor": (0, None),
    "Orientation": (1, _orientation),
    "Spacing": (2, _spacing),
    "ScaleIntensityRange": (3, _range),
    "ScaleIntensityRangePercentiles": (3, _percentiles),
    "ScaleIntensity": (3, _scale),
    "NormalizeIntensity": (3, _normalise),
    "Resize": (4, _resize),
}
"""Step, without the ``d`` of dictionaries → its place in ``[volume]``, and how it is read."""


def bundle_notes(factory: str, volume: Any) -> list[Message]:
    """That a window of each volume is explained, where the bundle predicts in windows.

    Args:
        factory: of the card.
        volume: of the card, completed.
    """
    if not factory.startswith("monai:") or volume is None or volume.fit != "crop-pad":
        return []
    return [Message("bundle.window", {"size": " × ".join(map(str, volume.voxels))})]


MONAI_BUNDLE = Zoo(_build, _defaults, inputs=_input)
