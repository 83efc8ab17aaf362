"""Files of Keras (.keras), run by Keras itself on PyTorch, layer by layer."""

from __future__ import annotations

import importlib
import json
import os
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from camlucida.core.errors import ModelError
from camlucida.core.messages import declare
from camlucida.models.output_choice import tensors_of
from camlucida.models.zoo.converted import (
    FREE_SIDE,
    TOLERANCE,
    Conversion,
    file_input,
    keep,
    largest_difference,
    model_file,
)
from camlucida.models.zoo.package import Args, Zoo, guard, import_package

declare(
    "keras",
    {
        "replayed": (
            "run by Keras on PyTorch, layer by layer; its outputs differ from those of the whole "
            "model in Keras by at most {difference:.1e} of the largest"
        ),
        "scale": (
            "a Keras file does not say how images are prepared before its first layer: grey levels "
            "from 0 to 1 are assumed; write range, or mean and std, under [input] of a card"
        ),
    },
)


class KerasLayer(nn.Module):
    """A layer of Keras, whose images have channels last, for images (B, C, H, W).

    Args:
        layer: of Keras, built.
    """

    def __init__(self, layer: Any) -> None:
        super().__init__()
        self._layer = [layer]  # in a list: it would be a module of its own, channels last
        self.weights = layer.torch_params if isinstance(layer, nn.Module) else nn.ParameterDict()

    def forward(self, *args: Any, **options: Any) -> Any:
        """What the layer returns, channels first."""
        return _moved(self._layer[0](*_moved(args, 1, -1), **options), -1, 1)


class KerasNetwork(nn.Module):
    """The graph of a Keras model as modules of PyTorch, for images (B, C, H, W).

    Args:
        model: of Keras, functional; models inside of it are networks of their own.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        graph = getattr(model, "_functional", model)
        if not hasattr(graph, "_run_through_graph"):
            raise ModelError(
                f"{type(model).__name__} is no functional or sequential model of Keras, and its "
                "layers cannot be found",
                "build it of layers by keras.Sequential or keras.Model(inputs, outputs)",
            )
        self._graph = [graph]  # in a list: its layers would be modules twice
        operations = [each for each in graph.operations if not _is_input(each)]
        self.layers = nn.ModuleDict({_key(each): _module(each) for each in operations})

    def forward(self, images: Tensor, **options: Any) -> Any:
        """(B, C, H, W) → what the model returns, channels first where it is an image.

        Args:
            images: the input.
            options: by which Keras calls a model inside of another; its layers have them already.
        """
        return self._graph[0]._run_through_graph(images, lambda each: self.layers[_key(each)])


def _is_input(operation: Any) -> bool:
    return type(operation).__name__ == "InputLayer"


def _key(operation: Any) -> str:
    return str(operation.name).replace(".", "_")


def _module(operation: Any) -> nn.Module:
    if getattr(operation, "data_format", None) == "channels_first":
        raise ModelError(
            f"layer {operation.name} has its channels first, which is not read",
            "build the model with data_format channels_last, as is Keras's default",
        )
    inner = getattr(operation, "_functional", operation)
    return KerasNetwork(inner) if hasattr(inner, "_run_through_graph") else KerasLayer(operation)


def _moved(value: Any, source: int, to: int) -> Any:
    """Tensors of four axes, in whatever lists and tuples, with one axis moved."""
    if isinstance(value, Tensor):
        return value.movedim(source, to) if value.ndim == 4 else value
    if isinstance(value, (list, tuple)):
        return type(value)([_moved(item, source, to) for item in value])
    return value


def _build(name: str, args: Args, pretrained: bool) -> nn.Module:
    path = model_file(name, args, pretrained)
    _check_classes(path)
    keras = _keras_on_torch()
    with guard(f"{path.name} cannot be read by Keras"):
        model = keras.saving.load_model(str(path), compile=False, safe_mode=True)
    inputs = getattr(model, "inputs", None) or []
    if len(inputs) != 1 or len(inputs[0].shape) != 4:
        shapes = ", ".join(str(tuple(each.shape)) for each in inputs) or "unknown"
        raise ModelError(f"{path.name} takes inputs {shapes}, not one of images (B, H, W, C)")
    network = KerasNetwork(model).eval()
    difference = _difference(network, model)
    if not difference <= TOLERANCE:
        raise ModelError(
            f"{path.name}: the network, layer by layer, differs from Keras by {difference:.1e} of "
            "its largest output",
            'export it: model.export("net.onnx", format="onnx")',
        )
    _, height, width, channels = inputs[0].shape
    codes = ("keras.replayed", "keras.scale")
    keep(network, Conversion(difference, channels, height, width, codes))
    return network


def _check_classes(path: Path) -> None:
    """Refuse what would run code of the file's: it may name any class, and hold functions."""
    what = f"{path.name} is damaged, or no file of Keras 3"
    with guard(what, "save it again as .keras"), zipfile.ZipFile(path) as archive:
        config = json.loads(archive.read("config.json"))
    for each in _objects(config):
        module, kind = str(each.get("module") or "keras"), str(each.get("class_name"))
        if module.split(".")[0] != "keras" or kind in ("Lambda", "__lambda__", "function"):
            raise ModelError(
                f"{path.name} has a {kind} of {module}, which is code: files are read as data",
                "build it of Keras's own layers",
            )


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    """Every description of an object in a configuration."""
    if isinstance(value, dict):
        if "class_name" in value:
            yield value
        for item in value.values():
            yield from _objects(item)
    if isinstance(value, list):
        for item in value:
            yield from _objects(item)


def _keras_on_torch() -> ModuleType:
    """Keras, with PyTorch behind it.

    Raises:
        ModelError: it is not installed, or runs on another framework already.
    """
    if "keras" not in sys.modules:
        before = os.environ.get("KERAS_BACKEND")
        os.environ["KERAS_BACKEND"] = "torch"
        try:
            import_package("keras", "keras")
        finally:
            os.environ.pop("KERAS_BACKEND")
            os.environ.update({} if before is None else {"KERAS_BACKEND": before})
    keras = importlib.import_module("keras")
    backend = keras.backend.backend()
    if backend != "torch":
        raise ModelError(
            f"Keras runs on {backend} in this process, and maps are made on PyTorch",
            "set KERAS_BACKEND=torch before Keras is imported",
        )
    return keras


@torch.no_grad()
def _difference(network: nn.Module, model: Any) -> float:
    """The largest difference of an output from that of Keras, over the largest output."""
    _, height, width, channels = model.inputs[0].shape
    sizes = (2, height or FREE_SIDE, width or FREE_SIDE, channels)
    images = torch.rand(sizes, generator=torch.Generator().manual_seed(0))
    ours = tensors_of(network(images.movedim(-1, 1))).values()
    theirs = tensors_of(model(images, training=False)).values()
    return largest_difference((_moved(mine, 1, -1) for mine in ours), theirs)


KERAS = Zoo(_build, inputs=file_input)
