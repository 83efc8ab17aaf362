"""Segmentation networks of segmentation-models-pytorch, which come without a trained decoder."""

from __future__ import annotations

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

_IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}


def _build(name: str, args: Args, pretrained: bool) -> nn.Module:
    smp = import_package("segmentation_models_pytorch")
    classes = {cls.__name__: cls for cls in smp.MODEL_ARCHITECTURES_MAPPING.values()}
    check_name("segmentation-models-pytorch", name, list(classes))
    if pretrained:
        raise ModelError(f"smp:{name} comes without a trained decoder", OWN_CHECKPOINT)
    module: nn.Module = classes[name](**{**args, "encoder_weights": None})
    return module


def _facts(module: nn.Module) -> Defaults:
    """The masks, of a model that may also classify, and the module before their activation."""
    if not comes_from(module, "segmentation_models_pytorch"):
        return {}
    fields: Defaults = {"task": "segmentation", "output": "logits"}
    head = getattr(module, "segmentation_head", None)
    if isinstance(head, nn.Sequential) and len(head) > 1:
        activation = getattr(head[-1], "activation", None)
        if isinstance(activation, (nn.Sigmoid, nn.Softmax)):
            path = f"segmentation_head.{len(head) - 2}"
            fields |= {"output": "probabilities", "logits_from": path}
    return fields


def _defaults(name: str, args: Args, pretrained: bool, module: nn.Module) -> Defaults:
    fields = _facts(module)
    channels = args.get("in_channels", 3)
    fields["input"] = {"channels": channels}
    if channels == 3:
        fields["input"] |= _IMAGENET
    return fields


SMP = Zoo(_build, _defaults, _facts)
