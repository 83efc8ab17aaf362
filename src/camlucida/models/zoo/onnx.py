"""ONNX files, converted to PyTorch by onnx2torch and compared with ONNX Runtime."""

from __future__ import annotations

import warnings
from pathlib import Path
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
from camlucida.models.zoo.linear_pairs import join_linear_layers
from camlucida.models.zoo.package import Args, Zoo, guard, import_package

declare(
    "onnx",
    {
        "converted": (
            "converted from ONNX to PyTorch; its outputs differ from those of ONNX Runtime by at "
            "most {difference:.1e} of the largest"
        ),
        "scale": (
            "an ONNX file does not say how images are prepared: grey levels from 0 to 1 are "
            "assumed; write range, or mean and std, under [input] of a card"
        ),
    },
)

_FREE_BATCH = 2
"""Images of the comparison, where the file leaves their number open."""


class ChannelsLast(nn.Module):
    """A network of images (B, H, W, C), as Keras has them, for images (B, C, H, W).

    >>> ChannelsLast(nn.Identity())(torch.zeros(1, 3, 4, 5)).shape
    torch.Size([1, 4, 5, 3])
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Any:
        """(B, C, H, W) → what the network returns."""
        return self.network(images.movedim(1, -1))


def _build(name: str, args: Args, pretrained: bool) -> nn.Module:
    path = model_file(name, args, pretrained)
    onnx = import_package("onnx", "onnx")
    converter = import_package("onnx2torch", "onnx")
    with guard(f"{path.name} is damaged, or no ONNX file", "export it again"):
        model = onnx.load(str(path))
    # The converter slices by a list, of which PyTorch warns in every forward pass.
    warnings.filterwarnings(
        "ignore", "Using a non-tuple sequence", UserWarning, r"onnx2torch\.node_converters\.slice"
    )
    shape = _input_shape(model, path.name)
    _fold_identities(model)
    model = _with_norm_shapes(onnx, model)
    try:
        network = converter.convert(model).eval()
    except NotImplementedError as error:
        raise ModelError(
            f"{path.name} cannot be converted: {error}", "export it with another opset, such as 17"
        ) from error
    join_linear_layers(network)
    module: nn.Module = network if _channels_first(shape) else ChannelsLast(network)
    difference = _difference(module, path, shape)
    if not difference <= TOLERANCE:
        raise ModelError(
            f"{path.name}: the converted network differs from ONNX Runtime by {difference:.1e} of "
            "its largest output",
            "explain the network that the file was exported from",
        )
    _, *sides = shape
    channels, height, width = sides if _channels_first(shape) else (sides[-1], *sides[:-1])
    codes = ("onnx.converted", "onnx.scale")
    keep(module, Conversion(difference, channels or 0, height, width, codes))
    return module


def _input_shape(model: Any, name: str) -> tuple[int | None, ...]:
    """Of the only input: batch, channels, height and width, in the file's order; None is free."""
    weights = {weight.name for weight in model.graph.initializer}
    inputs = [each for each in model.graph.input if each.name not in weights]
    if len(inputs) != 1:
        names = ", ".join(each.name for each in inputs)
        raise ModelError(f"{name} has {len(inputs)} inputs ({names}), not one of images")
    dims = inputs[0].type.tensor_type.shape.dim
    shape = tuple(int(dim.dim_value) or None for dim in dims)
    if len(shape) != 4:
        raise ModelError(f"{name} takes inputs of {len(shape)} axes, not images (B, C, H, W)")
    if shape[1] not in (1, 3) and shape[3] not in (1, 3):
        raise ModelError(f"{name} takes images of shape {shape}, of neither 1 nor 3 channels")
    return shape


def _channels_first(shape: tuple[int | None, ...]) -> bool:
    return shape[1] in (1, 3)


def _fold_identities(model: Any) -> None:
    """Read through the copies by which exporters share weights: the converter knows none."""
    results = {output.name for output in model.graph.output}
    originals: dict[str, str] = {}
    kept = []
    for node in model.graph.node:
        for i, name in enumerate(node.input):
            node.input[i] = originals.get(name, name)
        if node.op_type == "Identity" and node.output[0] not in results:
            originals[node.output[0]] = node.input[0]
        else:
            kept.append(node)
    del model.graph.node[:]
    model.graph.node.extend(kept)


def _with_norm_shapes(onnx: Any, model: Any) -> Any:
    """The model with the normalised axes of each layer norm, which the converter asks for.

    Behind a reshape by computed sizes they are not inferred; the weights of the norm show them.
    """
    if all(node.op_type != "LayerNormalization" for node in model.graph.node):
        return model
    inferred = onnx.shape_inference.infer_shapes(model)
    graph = inferred.graph
    weights = {weight.name: list(weight.dims) for weight in graph.initializer}
    shapes = {info.name: info.type.tensor_type.shape.dim for info in graph.value_info}
    for node in graph.node:
        if node.op_type != "LayerNormalization" or len(node.input) < 2:
            continue
        sides = weights.get(node.input[1], ())
        axes = list(shapes.get(node.input[0], ()))[-len(sides) :] if sides else []
        for axis, side in zip(axes, sides):
            axis.dim_value = side
    return inferred


def _difference(module: nn.Module, path: Path, shape: tuple[int | None, ...]) -> float:
    """The largest difference of an output from that of ONNX Runtime, over the largest output."""
    runtime = import_package("onnxruntime", "onnx")
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    batch, *others = shape
    sizes = [batch or _FREE_BATCH, *(side or FREE_SIDE for side in others)]
    given = torch.rand(sizes, generator=torch.Generator().manual_seed(0))
    expected = session.run(None, {session.get_inputs()[0].name: given.numpy()})
    images = given if _channels_first(shape) else given.movedim(-1, 1)
    with torch.no_grad():
        ours = tensors_of(module(images)).values()
    return largest_difference(ours, map(torch.from_numpy, expected))


ONNX = Zoo(_build, inputs=file_input)
