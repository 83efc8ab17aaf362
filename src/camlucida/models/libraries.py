"""Networks of known libraries, which keep places and images apart."""

from __future__ import annotations

from torch import nn

_LIBRARIES = {
    "torchvision",
    "timm",
    "torchxrayvision",
    "segmentation_models_pytorch",
    "transformers",
    "monai",
}
"""Their networks need no test."""


def is_of_a_library(model: nn.Module) -> bool:
    """Whether a network is one of a library that is known to keep places and images apart.

    Args:
        model: a plain module.

    >>> is_of_a_library(nn.Sequential())
    False
    """
    package = type(model).__module__.partition(".")[0]
    return package in _LIBRARIES and "forward" not in vars(model)


def is_inside_a_library(model: nn.Module, path: str) -> bool:
    """Whether a layer belongs to a network of a library, perhaps inside a module around it.

    Args:
        model: a plain module.
        path: of the layer.

    >>> is_inside_a_library(nn.Sequential(nn.ReLU()), "0")
    False
    """
    names = path.split(".")
    around = (".".join(names[:depth]) for depth in range(len(names) + 1))
    return any(is_of_a_library(model.get_submodule(prefix)) for prefix in around)
