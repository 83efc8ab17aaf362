"""Classifiers of TorchXRayVision, built without the downloads of their constructors."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

from torch import nn

from camlucida.models.checkpoint import load_checkpoint
from camlucida.models.zoo.package import (
    Args,
    Defaults,
    Zoo,
    check_name,
    comes_from,
    guard,
    import_package,
)

_JF = "jfhealthcare"
_BASELINES = "torchxrayvision.baseline_models"


def _build(name: str, args: Args, pretrained: bool) -> nn.Module:
    xrv = import_package("torchxrayvision")
    # The other keys of its list are sets of weights, not models.
    names = [key for key in xrv.models.model_urls if "-res" in key]
    check_name("torchxrayvision", name, [*names, _JF])
    if name == _JF:
        return _jf(xrv, name, args, pretrained)
    if name.startswith("resnet"):
        return _resnet(xrv, name, args, pretrained)
    return _densenet(xrv, name, args, pretrained)


def _download(xrv: ModuleType, name: str, args: Args) -> None:
    """Let the package fetch its own weights file, unless it is in its cache already."""
    file = Path(xrv.models.model_urls[name]["weights_url"]).name
    folder = Path(args.get("cache_dir") or xrv.utils.get_cache_dir()).expanduser()
    fix = f"put {file} into {folder}, or give checkpoint = … in the card"
    with guard(f"torchxrayvision:{name}: its weights {file} could not be fetched", fix):
        xrv.models.get_weights(name, args.get("cache_dir"))


def _densenet(xrv: ModuleType, name: str, args: Args, pretrained: bool) -> nn.Module:
    if pretrained:
        _download(xrv, name, args)
        trained: nn.Module = xrv.models.DenseNet(weights=name, **args)
        return trained
    options = {key: value for key, value in args.items() if key != "cache_dir"}
    module: nn.Module = xrv.models.DenseNet(weights=None, **options)
    if "num_classes" not in args:  # else the head is the card's own, and so are its labels
        _describe(module, name, xrv.models.model_urls[name])
    return module


def _resnet(xrv: ModuleType, name: str, args: Args, pretrained: bool) -> nn.Module:
    if pretrained:
        _download(xrv, name, args)
        trained: nn.Module = xrv.models.ResNet(weights=name, **args)
        return trained
    # The constructor always downloads, so the parts are put into an instance that never ran it.
    about = xrv.models.model_urls[name]
    inner = import_package("torchvision").models.get_model(
        name.partition("-")[0], weights=None, num_classes=len(about["labels"])
    )
    inner.conv1 = nn.Conv2d(1, 64, kernel_size=7, stride=2, padding=3, bias=False)
    module = _unbuilt(
        xrv.models.ResNet, model=inner, apply_sigmoid=bool(args.get("apply_sigmoid", False))
    )
    module.register_buffer("op_threshs", None)  # those of the released weights are theirs alone
    _describe(module, name, about)
    return module


def _jf(xrv: ModuleType, name: str, args: Args, pretrained: bool) -> nn.Module:
    # Its constructor downloads twice (an ImageNet backbone first, which its released file then
    # overwrites) and wraps the model in DataParallel, which pins it to the first GPU; its parts do
    # neither.
    jf = xrv.baseline_models.jfhealthcare
    config = json.loads(
        (Path(jf.__file__).parent / "config" / "example.json").read_text(encoding="utf-8")
    )
    settings = SimpleNamespace(**config | {"pretrained": False})
    module = _unbuilt(
        jf.DenseNet,
        model=jf.classifier.Classifier(settings),
        cfg=settings,
        # The package's default, True, hides the logits.
        apply_sigmoid=bool(args.get("apply_sigmoid", False)),
        pathologies=jf.DenseNet.targets,
    )
    if pretrained:
        load_checkpoint(module, _jf_file(xrv))
    return module


def _jf_file(xrv: ModuleType) -> Path:
    """The released weights, from the package's cache or its folder of all weights."""
    file = (
        Path(xrv.utils.get_cache_dir()) / "baseline_models_jfhealthcare-DenseNet121_pre_train.pth"
    )
    if not file.is_file():
        release = xrv.models.model_urls["all"]["weights_url"].rpartition("/")[0]
        fix = f"put {file.name} into {file.parent}, or give checkpoint = … in the card"
        with guard(f"torchxrayvision:{_JF}: its weights {file.name} could not be fetched", fix):
            file.parent.mkdir(parents=True, exist_ok=True)
            xrv.utils.download(f"{release}/{file.name}", str(file))
    return file


def _unbuilt(cls: type[nn.Module], **attributes: Any) -> nn.Module:
    """An instance of ``cls`` with these attributes, whose constructor (a download) is not run."""
    module = cls.__new__(cls)
    nn.Module.__init__(module)
    for key, value in attributes.items():
        setattr(module, key, value)
    return module


def _describe(module: nn.Module, name: str, about: Mapping[str, Any]) -> None:
    """What the package notes on a model that it loads: labels and resolution.

    Not the operating points: they were measured with the released weights, and belong to no others.
    """
    described: Any = module
    described.weights = name
    points = about["op_threshs"]
    labels = ["" if math.isnan(point) else label for label, point in zip(about["labels"], points)]
    described.targets = described.pathologies = labels
    described.input_resolution = about["input_resolution"]


def is_xrv(module: nn.Module) -> bool:
    """Whether a module is one of TorchXRayVision's classifiers, whoever built it.

    Args:
        module: any.

    >>> is_xrv(nn.ReLU())
    False
    """
    return comes_from(module, "torchxrayvision.models", f"{_BASELINES}.{_JF}")


def hush(module: nn.Module) -> None:
    """Keep a TorchXRayVision model from printing to stdout in its first forward.

    The card fixes the input's range.

    Args:
        module: any; another's is left as it is.

    >>> hush(nn.ReLU())
    """
    if is_xrv(module):
        # The package's note of the warnings it has given already.
        done = import_package("torchxrayvision").utils.warning_log
        done["norm_check"] = done[hash(module)] = True


def operating_points(module: nn.Module) -> tuple[float, ...]:
    """The probabilities that a TorchXRayVision classifier scales to 0.5; () where it does not.

    Its ``forward`` maps each sigmoid piecewise linearly, [0, t] to [0, 0.5] and [t, 1] to [0.5, 1].

    Args:
        module: any.

    Returns:
        One a label, NaN for a label without one.

    >>> operating_points(nn.ReLU())
    ()
    """
    points = getattr(module, "op_threshs", None) if is_xrv(module) else None
    return () if points is None else tuple(points.detach().cpu().tolist())


def _facts(module: nn.Module) -> Defaults:
    """What the attributes of a TorchXRayVision model say of its output."""
    if comes_from(module, f"{_BASELINES}.chestx_det"):
        # Its 14 structures overlap, the heart and the lungs for instance.
        structures = tuple(getattr(module, "targets", ()))
        return {"task": "segmentation", "labels": structures, "overlapping": True}
    if not is_xrv(module):
        return {}
    jf = comes_from(module, f"{_BASELINES}.{_JF}")
    points = operating_points(module)
    squashed = bool(points) or bool(getattr(module, "apply_sigmoid", False))
    fields: Defaults = {"task": "multilabel", "output": "probabilities" if squashed else "logits"}
    if squashed and not jf:  # jf concatenates its five heads: no one module's output is the logits
        fields["logits_from"] = "classifier" if hasattr(module, "classifier") else "model.fc"
    labels = _labels(module, points)
    if labels:
        fields["labels"] = labels
    return fields


def _labels(module: nn.Module, points: tuple[float, ...]) -> tuple[str, ...]:
    labels = tuple(getattr(module, "pathologies", None) or ())
    if len(points) == len(labels):
        # Without an operating point the output is the constant 0.5: there is nothing to explain.
        labels = tuple("" if math.isnan(point) else name for name, point in zip(labels, points))
    return labels


def _defaults(name: str, args: Args, pretrained: bool, module: nn.Module) -> Defaults:
    return xrv_defaults(module, args.get("in_channels", 1))


def xrv_defaults(module: nn.Module, channels: int = 1) -> Defaults:
    """Card fields from the attributes of a TorchXRayVision classifier.

    Args:
        module: of which :func:`is_xrv` holds.
        channels: of its input.
    """
    fields = _facts(module)
    usual = 512 if comes_from(module, f"{_BASELINES}.{_JF}") else 224
    fields["input"] = {
        "size": getattr(module, "input_resolution", usual),
        "channels": channels,
        "range": (-1024, 1024),
        "fit": "center-crop",
        "resize": "antialias",
    }
    return fields


TORCHXRAYVISION = Zoo(_build, _defaults, _facts)
