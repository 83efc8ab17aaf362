"""Small ONNX files, and the same networks in PyTorch."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn


def onnx() -> Any:
    pytest.importorskip("onnx2torch", reason="ONNX, an optional extra")
    return pytest.importorskip("onnx", reason="ONNX, an optional extra")


class Net(nn.Module):
    """Two convolutions, the mean over positions and a linear head; or a sigmoid after it."""

    def __init__(self, channels: int = 3) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Conv2d(channels, 4, 3, stride=2, padding=1)
        self.second = nn.Conv2d(4, 4, 3, stride=2, padding=1)
        self.head = nn.Linear(4, 3)
        self.second.bias = self.first.bias

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) → (B, 3)."""
        x = self.second(self.first(x).relu()).relu()
        return self.head(x.mean((2, 3)))


def write(
    path: Path,
    net: Net,
    size: tuple[Any, Any] = ("h", "w"),
    *,
    channels_last: bool = False,
    sigmoid: bool = False,
    twice: bool = False,
) -> Path:
    """The network as a file, whose second convolution has a copy of the first one's bias.

    Args:
        path: of the file.
        net: the network.
        size: height and width of the input; a name leaves it open.
        channels_last: whether it takes images (B, H, W, C), as those of Keras do.
        sigmoid: whether it ends in one.
        twice: whether it has a second input.
    """
    package = onnx()
    helper, kind = package.helper, package.TensorProto.FLOAT
    weights = {key: value.detach().numpy() for key, value in net.state_dict().items()}
    weights["second.bias"] = weights["first.bias"]
    stored = [
        package.numpy_helper.from_array(np.ascontiguousarray(value), key)
        for key, value in weights.items()
        if key != "second.bias"
    ]
    conv = {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}
    begin = "image"
    nodes = []
    if channels_last:
        nodes.append(helper.make_node("Transpose", ["image"], ["nchw"], perm=[0, 3, 1, 2]))
        begin = "nchw"
    node = helper.make_node
    nodes += [
        node("Identity", ["first.bias"], ["second.bias"]),
        node("Conv", [begin, "first.weight", "first.bias"], ["a"], name="first", **conv),
        node("Relu", ["a"], ["b"], name="relu1"),
        node("Conv", ["b", "second.weight", "second.bias"], ["c"], name="second", **conv),
        node("Relu", ["c"], ["d"], name="relu2"),
        node("GlobalAveragePool", ["d"], ["e"], name="pool"),
        node("Flatten", ["e"], ["f"], name="flat"),
        node("Gemm", ["f", "head.weight", "head.bias"], ["logits"], name="head", transB=1),
    ]
    last = "logits"
    if sigmoid:
        nodes.append(node("Sigmoid", ["logits"], ["p"], name="sigmoid"))
        last = "p"
    channels = net.first.in_channels
    shape = ["n", *size, channels] if channels_last else ["n", channels, *size]
    inputs = [helper.make_tensor_value_info("image", kind, shape)]
    if twice:
        inputs.append(helper.make_tensor_value_info("age", kind, ["n", 1]))
    outputs = [helper.make_tensor_value_info(last, kind, ["n", 3])]
    graph = helper.make_graph(nodes, "net", inputs, outputs, stored)
    opset = [helper.make_opsetid("", 17)]
    package.save(helper.make_model(graph, opset_imports=opset, ir_version=8), str(path))
    return path
