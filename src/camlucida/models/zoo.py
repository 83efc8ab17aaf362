"""Models from other packages, a prefix each, and what is known of them.

Labels, scale of the input, kind of output.

Each package is imported only when a card asks for it.
"""

from __future__ import annotations

import importlib
import inspect
import json
import math
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import torch
from torch import nn

from camlucida.core.errors import CamlucidaError, ModelError, did_you_mean
from camlucida.models.checkpoint import load_checkpoint

Args = Mapping[str, Any]
Defaults = dict[str, Any]

_IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
_OWN_CHECKPOINT = (
    "give checkpoint = … in the card, or args = { pretrained = false } for random weights"
)


@dataclass(frozen=True)
class Zoo:
    """One package of models.

    Attributes:
        build: (name, args, pretrained) → module. With ``pretrained`` false nothing is downloaded.
        defaults: (name, args, pretrained, module) → card fields.
        optional: keys of the state dict that a checkpoint may lack.
    """

    build: Callable[[str, Args, bool], nn.Module]
    defaults: Callable[[str, Args, bool, nn.Module], Defaults]
    optional: frozenset[str] = frozenset()


@contextmanager
def guard(what: str, fix: str = "") -> Iterator[None]:
    """Run other people's code.

    Its prints go to stderr, its errors become a :class:`ModelError` that says ``what``.
    """
    try:
        with redirect_stdout(sys.stderr):
            yield
    except CamlucidaError:
        raise
    except (Exception, SystemExit) as error:  # a script beside the card may well call sys.exit
        text = " ".join(str(error).split())
        shortened = f"{text[:200]}…" if len(text) > 200 else text
        detail = f": {shortened}" if shortened else ""
        raise ModelError(f"{what}: {type(error).__name__}{detail}", fix) from error


def _package(name: str) -> ModuleType:
    """Import a package of the ``zoo`` extra.

    Undo what the import does to the process's warnings and ``sys.path``.
    """
    path = list(sys.path)
    try:
        # torchxrayvision silences every warning of the process and puts two of its own folders
        # first on sys.path.
        with warnings.catch_warnings():
            # Deprecations between third parties are not the user's business.
            warnings.simplefilter("ignore")
            return importlib.import_module(name)
    except ImportError as error:
        what = f"{name} is not installed"
        if name in sys.modules:
            what = f"{name} cannot be imported: {error}"
        raise ModelError(what, 'pip install "camlucida[zoo]"') from error
    finally:
        sys.path[:] = path


def _known(kind: str, name: str, names: list[str]) -> None:
    if name not in names:
        raise ModelError(f"{kind} has no model {name!r}", did_you_mean(name, names))


# --- torchvision ----------------------------------------------------------------------------------


def _torchvision(name: str, args: Args, pretrained: bool) -> nn.Module:
    models = _package("torchvision").models
    _known("torchvision", name, models.list_models())
    weights = _torchvision_weights(name, args)
    options: dict[str, Any] = {key: value for key, value in args.items() if key != "weights"}
    parameters = inspect.signature(models.get_model_builder(name)).parameters
    if not pretrained and "weights_backbone" in parameters:
        options.setdefault("weights_backbone", None)  # its default is a download
    if not pretrained and name in ("googlenet", "inception_v3"):
        options.setdefault("init_weights", False)  # slow, and overwritten by the checkpoint
    module: nn.Module = models.get_model(name, weights=weights if pretrained else None, **options)
    return module


def _torchvision_weights(name: str, args: Args) -> Any:
    """The weights that the card names, or the package's default ones; None where it has none."""
    enum = _package("torchvision").models.get_model_weights(name)
    weights = args.get("weights", "DEFAULT")
    if weights != "DEFAULT" and weights not in enum.__members__:
        raise ModelError(
            f"torchvision:{name} has no weights {weights!r}",
            did_you_mean(str(weights), enum.__members__),
        )
    return enum[weights] if enum.__members__ else None


def _torchvision_defaults(name: str, args: Args, pretrained: bool, module: nn.Module) -> Defaults:
    if ".segmentation" in type(module).__module__:
        return {"task": "segmentation", "output": "logits"}
    weights = _torchvision_weights(name, args)
    transforms: Any = weights.transforms() if weights is not None else None
    if type(transforms).__name__ != "ImageClassification":
        return {}
    size, short_side = transforms.crop_size[0], transforms.resize_size[0]
    fields: Defaults = {"task": "multiclass", "output": "logits"}
    fields["input"] = {"size": size, "mean": tuple(transforms.mean), "std": tuple(transforms.std)}
    if pretrained or "weights" in args:
        fields["input"] |= {
            "fit": "center-crop",
            "crop": min(1.0, size / short_side),
            "resize": "antialias",
        }
        labels = tuple(weights.meta["categories"])
        if args.get("num_classes", len(labels)) == len(labels):
            fields["labels"] = labels
    return fields


# --- timm -----------------------------------------------------------------------------------------


def _timm(name: str, args: Args, pretrained: bool) -> nn.Module:
    timm = _package("timm")
    if ":" not in name and not timm.is_model(name.partition(".")[0]):
        _known("timm", name.partition(".")[0], timm.list_models())
    module: nn.Module = timm.create_model(name, pretrained=pretrained, **args)
    trained_for = _timm_config(module).get("num_classes")
    if pretrained and args.get("num_classes", trained_for) != trained_for:
        what = (
            f"timm:{name} is trained for {trained_for} classes: with {args['num_classes']} its "
            "head would be random"
        )
        raise ModelError(what, _OWN_CHECKPOINT)
    return module


def _timm_config(module: nn.Module) -> Mapping[str, Any]:
    config = getattr(module, "pretrained_cfg", None)
    return config if isinstance(config, Mapping) else {}


def _timm_defaults(name: str, args: Args, pretrained: bool, module: nn.Module) -> Defaults:
    config = _timm_config(module)
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


# --- segmentation-models-pytorch ------------------------------------------------------------------


def _smp(name: str, args: Args, pretrained: bool) -> nn.Module:
    smp = _package("segmentation_models_pytorch")
    classes = {cls.__name__: cls for cls in smp.MODEL_ARCHITECTURES_MAPPING.values()}
    _known("segmentation-models-pytorch", name, list(classes))
    if pretrained:
        raise ModelError(f"smp:{name} comes without a trained decoder", _OWN_CHECKPOINT)
    module: nn.Module = classes[name](**{**args, "encoder_weights": None})
    return module


def _smp_defaults(name: str, args: Args, pretrained: bool, module: nn.Module) -> Defaults:
    channels = args.get("in_channels", 3)
    fields: Defaults = {"task": "segmentation", "output": "logits", "input": {"channels": channels}}
    if channels == 3:
        fields["input"] |= _IMAGENET
    if args.get("activation") in ("sigmoid", "softmax", "softmax2d"):
        # The module whose output goes into the activation.
        fields |= {"output": "probabilities", "logits_from": "segmentation_head.1"}
    return fields


# --- TorchXRayVision ------------------------------------------------------------------------------

_JF = "jfhealthcare"


def _xrv(name: str, args: Args, pretrained: bool) -> nn.Module:
    xrv = _package("torchxrayvision")
    _known("torchxrayvision", name, [key for key in xrv.models.model_urls if "-res" in key] + [_JF])
    build = _xrv_jf if name == _JF else _xrv_resnet if name.startswith("resnet") else _xrv_densenet
    return build(xrv, name, args, pretrained)


def _xrv_download(xrv: ModuleType, name: str, args: Args) -> None:
    """Let the package fetch its own weights file, unless it is in its cache already."""
    file = Path(xrv.models.model_urls[name]["weights_url"]).name
    folder = Path(args.get("cache_dir") or xrv.utils.get_cache_dir()).expanduser()
    fix = f"put {file} into {folder}, or give checkpoint = … in the card"
    with guard(f"torchxrayvision:{name}: its weights {file} could not be fetched", fix):
        xrv.models.get_weights(name, args.get("cache_dir"))


def _xrv_densenet(xrv: ModuleType, name: str, args: Args, pretrained: bool) -> nn.Module:
    if pretrained:
        _xrv_download(xrv, name, args)
        trained: nn.Module = xrv.models.DenseNet(weights=name, **args)
        return trained
    options = {key: value for key, value in args.items() if key != "cache_dir"}
    module: nn.Module = xrv.models.DenseNet(weights=None, **options)
    if "num_classes" not in args:  # else the head is the card's own, and so are its labels
        _xrv_describe(module, name, xrv.models.model_urls[name])
    return module


def _xrv_resnet(xrv: ModuleType, name: str, args: Args, pretrained: bool) -> nn.Module:
    if pretrained:
        _xrv_download(xrv, name, args)
        trained: nn.Module = xrv.models.ResNet(weights=name, **args)
        return trained
    # The constructor always downloads, so the parts are put into an instance that never ran it.
    about = xrv.models.model_urls[name]
    inner = _package("torchvision").models.get_model(
        name.partition("-")[0], weights=None, num_classes=len(about["labels"])
    )
    inner.conv1 = nn.Conv2d(1, 64, kernel_size=7, stride=2, padding=3, bias=False)
    module = _unbuilt(
        xrv.models.ResNet, model=inner, apply_sigmoid=bool(args.get("apply_sigmoid", False))
    )
    _xrv_describe(module, name, about)
    return module


def _xrv_jf(xrv: ModuleType, name: str, args: Args, pretrained: bool) -> nn.Module:
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
        load_checkpoint(module, _xrv_jf_file(xrv))
    return module


def _xrv_jf_file(xrv: ModuleType) -> Path:
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


def _xrv_describe(module: nn.Module, name: str, about: Mapping[str, Any]) -> None:
    """What the package notes on a model that it loads: labels, operating points, resolution."""
    described: Any = module
    described.weights = name
    described.targets = described.pathologies = about["labels"]
    described.input_resolution = about["input_resolution"]
    points = torch.tensor(about["op_threshs"])
    if "op_threshs" in module._buffers:
        described.op_threshs = points
    else:
        module.register_buffer("op_threshs", points)


def is_xrv(module: nn.Module) -> bool:
    """Whether a module is one of TorchXRayVision's classifiers, whoever built it."""
    return type(module).__module__ in (
        "torchxrayvision.models",
        "torchxrayvision.baseline_models.jfhealthcare",
    )


def hush(module: nn.Module) -> None:
    """Keep a TorchXRayVision model from printing to stdout in its first forward.

    The card fixes the input's range.
    """
    if is_xrv(module):
        # The package's note of the warnings it has given already.
        done = _package("torchxrayvision").utils.warning_log
        done["norm_check"] = done[hash(module)] = True


def xrv_defaults(module: nn.Module) -> Defaults:
    """Card fields from the attributes of a TorchXRayVision classifier."""
    jf = type(module).__module__.endswith(_JF)
    points = getattr(module, "op_threshs", None)
    squashed = points is not None or bool(getattr(module, "apply_sigmoid", False))
    fields: Defaults = {"task": "multilabel", "output": "probabilities" if squashed else "logits"}
    if squashed and not jf:  # jf concatenates its five heads: no one module's output is the logits
        fields["logits_from"] = "classifier" if hasattr(module, "classifier") else "model.fc"
    labels = tuple(getattr(module, "pathologies", ()))
    if points is not None and len(points) == len(labels):
        # Without an operating point the output is the constant 0.5: there is nothing to explain.
        labels = tuple(
            "" if math.isnan(point) else label for label, point in zip(labels, points.tolist())
        )
    if labels:
        fields["labels"] = labels
    size = getattr(module, "input_resolution", 512 if jf else 224)
    fields["input"] = {
        "size": size,
        "channels": 1,
        "range": (-1024, 1024),
        "fit": "center-crop",
        "resize": "antialias",
    }
    return fields


def _xrv_card(name: str, args: Args, pretrained: bool, module: nn.Module) -> Defaults:
    fields = xrv_defaults(module)
    fields["input"]["channels"] = args.get("in_channels", 1)
    return fields


ZOO: dict[str, Zoo] = {
    "torchvision": Zoo(_torchvision, _torchvision_defaults),
    "timm": Zoo(_timm, _timm_defaults),
    "smp": Zoo(_smp, _smp_defaults),
    # The operating points are the package's own numbers, put on after its weights are loaded; its
    # files lack them.
    "torchxrayvision": Zoo(_xrv, _xrv_card, frozenset({"op_threshs"})),
}
"""Prefix of a factory → the package behind it."""
