"""Models of timm, with the preprocessing of their configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from camlucida.core.errors import ModelError
from camlucida.models.zoo.package import (
    OWN_CHECKPOINT,
    Args,
    Defaults,
    Zoo,
    check_name,
    comes_from,
    import_package,
)


def _build(name: str, args: Args, pretrained: bool) -> nn.Module:
    timm = import_package("timm")
    if ":" not in name and not timm.is_model(name.partition(".")[0]):
        check_name("timm", name.partition(".")[0], timm.list_models())
    module: nn.Module = timm.create_model(name, pretrained=pretrained, **args)
    trained_for = _config(module).get("num_classes")
    if pretrained and args.get("num_classes", trained_for) != trained_for:
        what = (
            f"timm:{name} is trained for {trained_for} classes: with {args['num_classes']} its "
            "head would be random"
        )
        raise ModelError(what, OWN_CHECKPOINT)
    return module


def _config(module: nn.Module) -> Mapping[str, Any]:
    config = getattr(module, "pretrained_cfg", None)
    return config if isinstance(config, Mapping) else {}


def _facts(module: nn.Module) -> Defaults:
    """Multi-class with the head that it was trained with; another head may mean anything."""
    if not comes_from(module, "timm"):
        return {}
    trained_for = _config(module).get("num_classes") or 0
    unchanged = getattr(module, "num_classes", None) == trained_for and trained_for > 1
    return {"task": "multiclass"} if unchanged else {}


def _defaults(name: str, args: Args, pretrained: bool, module: nn.Module) -> Defaults:
    config = _config(module)
    if "input_size" not in config:
        return {"task": "multiclass", "output": "logits"}
    channels, *size = config["input_size"]
    fields: Defaults = {
        "size": args.get("img_size", tuple(size)),
        "channels": args.get("in_chans", channels),
    }
    # The scale of a model that is built for another number of channels is unknown.
    if fields["channels"] == len(config["mean"]):
        fields |= {"mean": tuple(config["mean"]), "std": tuple(config["std"])}
    if pretrained and config.get("crop_mode") == "center":
        fields |= {"fit": "center-crop", "crop": config["crop_pct"], "resize": "antialias"}
    return {"task": "multiclass", "output": "logits", "input": fields}


TIMM = Zoo(_build, _defaults, _facts)
