"""A product and a sum of an ONNX file are the linear layer that they were; no others are."""

import warnings

import numpy as np
import pytest
import timm
import torch
from torch import nn

from camlucida import explain, load_model
from camlucida.models.zoo.linear_pairs import join_linear_layers
from tests.support import nets
from tests.support.onnx_files import onnx

WEIGHTS = {"w": (4, 5), "b": (5,), "v": (5, 5), "wide": (1, 5), "cube": (2, 4, 5)}


def converted(*nodes, output="y"):
    """(1, 3, 4) → what the nodes make of it, by ONNX Runtime and as a network."""
    package = onnx()
    import onnx2torch
    import onnxruntime

    helper, kind = package.helper, package.TensorProto.FLOAT
    generator = np.random.default_rng(0)
    stored = [
        package.numpy_helper.from_array(generator.normal(size=shape).astype(np.float32), name)
        for name, shape in WEIGHTS.items()
    ]
    made = [helper.make_node(kind_, [*inputs], [name], name=name) for kind_, inputs, name in nodes]
    ends = [
        helper.make_tensor_value_info(name, kind, shape)
        for name, shape in (("x", [1, 3, 4]), (output, None))
    ]
    graph = helper.make_graph(made, "net", ends[:1], ends[1:], stored)
    opset = [helper.make_opsetid("", 17)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=8)
    x = generator.normal(size=(1, 3, 4)).astype(np.float32)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    (expected,) = session.run(None, {"x": x})
    network = onnx2torch.convert(model).eval()
    join_linear_layers(network)
    torch.testing.assert_close(network(torch.from_numpy(x)), torch.from_numpy(expected))
    return network


def linear(network):
    return [m for m in network.modules() if isinstance(m, nn.Linear)]


@pytest.mark.parametrize("inputs", ["pb", "bp"])
def test_a_product_and_its_bias(inputs):
    network = converted(("MatMul", "xw", "p"), ("Add", inputs, "y"))
    (layer,) = linear(network)
    assert (layer.in_features, layer.out_features) == (4, 5)
    assert dict(network.named_modules())["p"] is layer
    assert layer.bias is not None
    assert not hasattr(network, "y")


def test_a_product_without_a_bias():
    (layer,) = linear(converted(("MatMul", "xw", "y")))
    assert layer.bias is None


def test_a_matrix_that_two_layers_share():
    nodes = [("MatMul", "xw", "p"), ("MatMul", "pv", "q"), ("MatMul", "qv", "r")]
    network = converted(*nodes, ("Add", "rb", "s"), ("Add", "sb", "y"))
    assert [layer.bias is None for layer in linear(network)] == [True, True, False]


@pytest.mark.parametrize(
    ("nodes", "layers"),
    [
        # The product is used twice: the sum is no part of the layer.
        ([("MatMul", "xw", "p"), ("Add", "pb", "s"), ("Mul", "sp", "y")], 1),
        ([("MatMul", "xw", "p"), ("Mul", "pb", "y")], 1),
        ([("MatMul", "xw", "p"), ("Sub", "bp", "y")], 1),
        ([("MatMul", "xw", "p"), ("Add", ["p", "wide"], "y")], 1),
        ([("MatMul", ["x", "cube"], "y")], 0),
        ([("MatMul", "wv", "p"), ("MatMul", "xp", "y")], 0),
    ],
    ids=["used twice", "product", "difference", "a bias of two axes", "a stack", "not constant"],
)
def test_what_is_no_linear_layer_stays(nodes, layers):
    found = linear(converted(*nodes))
    assert len(found) == layers
    assert all(layer.bias is None for layer in found)


def test_auto_takes_the_layer_of_the_transformer_that_was_exported(tmp_path):
    onnx()
    torch.manual_seed(0)
    small = {"img_size": 32, "depth": 2, "embed_dim": 24, "num_heads": 2, "num_classes": 3}
    net = timm.create_model("vit_tiny_patch16_224", **small, patch_size=8).eval()
    path, images = tmp_path / "vit.onnx", nets.images(1, 3, 32, 32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter is deprecated, and its files remain
        torch.onnx.export(net, images, str(path), dynamo=False, opset_version=17)
        ours = explain(load_model(path, device="cpu"), images, 1, "hirescam")[0]
    expected = explain(net, images, 1, "hirescam")[0]
    assert expected.layer == "blocks.1.norm1"
    assert ours.layer == "blocks/blocks/1/norm1/LayerNormalization"
    torch.testing.assert_close(ours.raw, expected.raw, rtol=1e-3, atol=1e-6)
