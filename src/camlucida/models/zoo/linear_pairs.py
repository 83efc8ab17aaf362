"""Linear layers of a converted ONNX file.

Exporters write a linear layer of tokens as a product with a matrix, then a sum with a vector. As
two operations it is not known for what it is: ``auto`` would take it for a layer of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, fx, nn

_PRODUCT, _SUM = "OnnxMatMul", "OnnxBinaryMathOperation"


def join_linear_layers(network: fx.GraphModule) -> None:
    """Put a linear layer in place of each product with a matrix, and of the bias that follows it.

    The layer has the name of the product.

    Args:
        network: as onnx2torch made it, which is changed.
    """
    products = [node for node in network.graph.nodes if _type(network, node) == _PRODUCT]
    for node in products:
        given, matrix = node.args
        weight = _constant(network, matrix)
        if weight is None or weight.ndim != 2 or _constant(network, given) is not None:
            continue
        added = _bias(network, node, len(weight.T))
        _put(network, node, weight, added)
    network.graph.lint()
    network.recompile()


def _put(
    network: fx.GraphModule,
    product: fx.Node,
    weight: Tensor,
    added: tuple[fx.Node, fx.Node, Tensor] | None,
) -> None:
    """A linear layer in place of a product with ``weight`` (inputs, outputs), and of a sum."""
    inputs, outputs = weight.shape
    layer = nn.Linear(inputs, outputs, added is not None, dtype=weight.dtype)
    layer.weight.data = weight.detach().T.contiguous()
    given, matrix = product.all_input_nodes
    product.args = (given,)
    constants = [matrix]
    if added is not None:
        total, bias, values = added
        layer.bias.data = values.detach().clone()
        total.replace_all_uses_with(product)
        network.graph.erase_node(total)
        network.delete_submodule(str(total.target))
        constants.append(bias)
    network.delete_submodule(str(product.target))
    network.add_submodule(str(product.target), layer)
    for constant in constants:
        _drop(network, constant)


def _bias(
    network: fx.GraphModule, product: fx.Node, outputs: int
) -> tuple[fx.Node, fx.Node, Tensor] | None:
    """The sum with a vector, if a product has no other use; the vector, and its values."""
    users = list(product.users)
    if len(users) != 1 or _type(network, users[0]) != _SUM:
        return None
    total = users[0]
    operation: Any = network.get_submodule(str(total.target))
    if operation.math_op_function is not torch.add or operation.broadcast is not None:
        return None
    for other in total.all_input_nodes:
        values = _constant(network, other)
        if values is not None and values.shape == (outputs,):
            return total, other, values
    return None


def _type(network: fx.GraphModule, node: fx.Node) -> str:
    if node.op != "call_module":
        return ""
    return type(network.get_submodule(str(node.target))).__name__


def _constant(network: fx.GraphModule, node: Any) -> Tensor | None:
    """The values of a node that stands for numbers of the file; None of another."""
    if not isinstance(node, fx.Node) or node.op != "get_attr":
        return None
    owner, _, name = str(node.target).rpartition(".")
    values = getattr(network.get_submodule(owner), name)
    return values if isinstance(values, Tensor) else None


def _drop(network: fx.GraphModule, constant: fx.Node) -> None:
    """Remove numbers that nothing uses any more: the layer has a copy."""
    if constant.users:
        return
    network.graph.erase_node(constant)
    target = str(constant.target)
    if target not in _named(network):
        owner, _, name = target.rpartition(".")
        delattr(network.get_submodule(owner), name)


def _named(network: fx.GraphModule) -> Iterator[str]:
    return (str(node.target) for node in network.graph.nodes if node.op == "get_attr")
