"""Models that cannot be explained as they are, each with one line that says why."""

from __future__ import annotations

import weakref

import torch
from torch import fx, nn
from torch.nn.parameter import is_lazy

from camlucida.core.errors import ModelError
from camlucida.models.families.base import class_is

_CHECKED: weakref.WeakSet[nn.Module] = weakref.WeakSet()
"""Models that were looked through: on a large one that takes as long as a layer."""


def check_explainable(model: nn.Module) -> None:
    """Refuse a model whose layers hold no numbers, or give no gradients.

    Args:
        model: any.

    Raises:
        ModelError: a TorchScript module, an exported program, a statically quantised one, an SSD,
            or one whose weights are not there yet (lazy modules before their first call, the meta
            device).

    >>> check_explainable(nn.LazyLinear(2))
    Traceback (most recent call last):
        ...
    camlucida.core.errors.ModelError: the model has lazy layers whose sizes are not known yet \
(run it once on an image before it is explained)
    """
    if isinstance(model, torch.jit.ScriptModule):
        raise ModelError(
            "a TorchScript model hides its layers", "explain the Python module it was made from"
        )
    if model in _CHECKED:
        return
    if isinstance(model, fx.GraphModule) and not _calls_modules(model):
        raise ModelError(
            "an exported program runs operations, and hides the layers that they were",
            "explain the Python module it was made from",
        )
    if class_is(model, "torchvision", "SSD"):
        raise ModelError(
            "the boxes of an SSD are not followed to their scores",
            "of torchvision FasterRCNN, RetinaNet, FCOS and what inherits from these are explained",
        )
    for parameter in model.parameters():
        if is_lazy(parameter):
            raise ModelError(
                "the model has lazy layers whose sizes are not known yet",
                "run it once on an image before it is explained",
            )
        if parameter.is_meta:
            raise ModelError(
                "the model is on the meta device: its weights were never loaded", "load them first"
            )
    if any(map(is_quantised_map, model.modules())):
        raise ModelError(
            "a statically quantised model has feature maps of whole numbers, and no gradients",
            "explain the model before its conversion",
        )
    _CHECKED.add(model)


def _calls_modules(program: fx.GraphModule) -> bool:
    nodes = (node for node in program.graph.nodes if node.op == "call_module")
    called = (program.get_submodule(str(node.target)) for node in nodes)
    # An exported program checks the shapes of its inputs in a module.
    return any(not type(module).__module__.startswith("torch.export.") for module in called)


def is_quantised_map(module: nn.Module) -> bool:
    """Whether a module is a convolution of whole numbers.

    >>> is_quantised_map(nn.Conv2d(1, 1, 1))
    False
    """
    is_quantised = type(module).__module__.startswith("torch.ao.nn.quantized.")
    return is_quantised and "Conv" in type(module).__name__


QUANTISED = "a quantised linear layer lies behind it"
"""Why no gradient comes to what lies before such a head."""


def has_quantised_head(model: nn.Module) -> bool:
    """Whether a linear layer is quantised dynamically: it runs, and lets no gradient through.

    >>> has_quantised_head(nn.Linear(1, 1))
    False
    """
    prefix = "torch.ao.nn.quantized."
    return any(type(module).__module__.startswith(prefix) for module in model.modules())
