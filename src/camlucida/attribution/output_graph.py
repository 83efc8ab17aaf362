"""What the autograd graph says of how an output came about: by a sigmoid, a softmax, a tanh."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import chain
from typing import Any

from torch import Tensor

_ENDS = {
    "SigmoidBackward": "sigmoid",
    "SoftmaxBackward": "softmax",
    "LogSoftmaxBackward": "log_softmax",
    "LogSigmoidBackward": "logsigmoid",
    "HardsigmoidBackward": "hardsigmoid",
}
HIDDEN = "a layer"
"""What :func:`probabilities_in` calls the beginning of a graph: what came before is not in it."""

_THROUGH_NAMES = """
View UnsafeView Reshape Squeeze Unsqueeze Permute Transpose T Clone Copy ToCopy Select Slice
Index IndexSelect Split SplitWithSizes Unbind Expand Alias AsStrided Flip Roll Cat Stack Mul Add
Sub Rsub Div Pow Sqrt Neg Exp Log Log1P Mean Sum Max Min Amax Amin Prod Topk Sort Maximum
Cumprod Cumsum Cummax Median Minimum Where MaskedFill Clamp ClampMin ClampMax IndexPut
IndexPutImpl CopySlices Gather Scatter ConstantPadNd Round NanToNum Logsumexp UpsampleBilinear2D
UpsampleNearest2D UpsampleBicubic2D UpsampleTrilinear3D UpsampleNearest3D UpsampleLinear1D
AvgPool2D AvgPool3D AdaptiveAvgPool2D AdaptiveMaxPool2D MaxPool2DWithIndices Square Reciprocal
CopyBackwards
"""
_THROUGH = frozenset(_THROUGH_NAMES.split())
_LIMIT = 256


_BOUNDED_NODES = {
    "Tanh": "tanh",
    "Softplus": "softplus",
    "Hardsigmoid": "hardsigmoid",
    "Erf": "erf",
    "Atan": "atan",
}
_RECTIFIERS = {
    "Relu": "relu",
    "Elu": "elu",
    "Gelu": "gelu",
    "Silu": "silu",
    "Mish": "mish",
    "Hardswish": "hardswish",
    "Exp": "exp",
}
"""Bounded on one side near 0, whatever they are multiplied by: no sigmoid of them is below ½."""
_DISTANCES = {"Abs": "abs", "Sqrt": "sqrt", "Pow": "an even power"}
"""Never below 0; the negative of a distance is a logit nevertheless."""
_RESHAPING_NAMES = """
View UnsafeView Reshape Squeeze Unsqueeze Permute Transpose T Clone Copy ToCopy Select Slice
Alias AsStrided Cat Stack Expand
"""
_RESHAPING = frozenset(_RESHAPING_NAMES.split())
_NARROW = 2.0
"""Widest range of a clamp that is an activation (0 to 1, −1 to 1); a wider one limits logits."""


def bounded_end(output: Tensor) -> str:
    """The bounded activation or rectifier at the end of a model, by the graph of its output.

    Args:
        output: with its graph.

    Returns:
        Its name, of those that are not undone; "" for none, or where there is no graph.

    >>> import torch
    >>> x = torch.zeros(1, 2, requires_grad=True)
    >>> bounded_end(x.tanh().squeeze(0)), bounded_end(x.clamp(0, 1)), bounded_end(30 * x.tanh())
    ('tanh', 'clamp to [0, 1]', '')
    >>> bounded_end(2 * x.relu()), bounded_end(x.clamp(min=0)), bounded_end(x.clamp(-10, 10))
    ('relu', 'clamp from 0', '')
    >>> bounded_end(1 / (1 + (-x).exp())), bounded_end(x**2), bounded_end(-(x**2))
    ('1 / (1 + exp)', 'an even power', '')
    """
    node: Any = output.grad_fn
    scale = 1.0
    while node is not None:
        end = _end(node, scale)
        if end is not None:
            return end
        name = _operation(node)
        following = [other for other, _ in node.next_functions if other is not None]
        if name in _SHIFTING and len(following) == 1:
            scale *= _factor(node, name)
        elif name not in _RESHAPING:
            return ""
        node = following[0] if following else None
    return ""


def _end(node: Any, scale: float) -> str | None:
    """The bounded activation that an operation is, by what follows it.

    Args:
        node: of the operation.
        scale: by what its result is multiplied.

    Returns:
        "" where its result can be logits; None where what comes before decides.
    """
    name = _operation(node)
    if name in _RECTIFIERS:
        return _RECTIFIERS[name]
    if _is_logistic(node):
        return "1 / (1 + exp)"
    if name in _DISTANCES and (name != "Pow" or node._saved_exponent % 2 == 0):
        return _DISTANCES[name] if scale > 0 else ""
    if name in _BOUNDED_NODES or _is_softsign(node):
        # A factor above 1 makes room for logits, which are only limited then.
        return _BOUNDED_NODES.get(name, "softsign") if abs(scale) <= 1 else ""
    return _narrow_clamp(node) if name in ("Clamp", "Hardtanh") else None


_SHIFTING = ("Add", "Sub", "Rsub", "Neg", "Mul", "Div")


def _operation(node: Any) -> str:
    return type(node).__name__.rstrip("0123456789").removesuffix("Backward")


def _factor(node: Any, name: str) -> float:
    """By what a number that is no part of the graph multiplies; infinite where it is no number."""
    if name not in ("Mul", "Div"):
        return -1.0 if name in ("Neg", "Rsub") else 1.0
    number = node._saved_other
    if number is None or number.numel() != 1:
        return float("inf")
    value = float(number)
    return value if name == "Mul" else 1 / math.copysign(max(abs(value), 1e-12), value)


def _is_softsign(node: Any) -> bool:
    """Whether an operation is the division of x ÷ (1 + |x|)."""
    if _operation(node) != "Div" or len(node.next_functions) != 2:
        return False
    (above, _), (below, _) = node.next_functions
    if below is None or _operation(below) != "Add":
        return False
    inner = below.next_functions[0][0]
    return inner is not None and _operation(inner) == "Abs" and inner.next_functions[0][0] is above


def _is_logistic(node: Any) -> bool:
    """Whether an operation divides by a sum of which one term is an exponential."""
    name = _operation(node)
    if name == "Div" and len(node.next_functions) == 2:
        below = node.next_functions[1][0]
    elif name == "Reciprocal" or (name == "Pow" and node._saved_exponent < 0):
        below = node.next_functions[0][0]
    else:
        return False
    terms = below.next_functions if below is not None and _operation(below) == "Add" else ()
    return any(term is not None and _operation(term) == "Exp" for term, _ in terms)


def _narrow_clamp(node: Any) -> str:
    """A clamp or hardtanh to a range that no logits would be limited to; "" for a wider one."""
    suffix = "" if hasattr(node, "_saved_min") else "_val"
    low = getattr(node, f"_saved_min{suffix}", None)
    high = getattr(node, f"_saved_max{suffix}", None)
    if high is None:
        return f"clamp from {low:g}" if low is not None and low >= 0 else ""
    if low is None or (low < 0 and high - low > _NARROW):
        return ""
    return f"clamp to [{low:g}, {high:g}]"


def probabilities_in(output: Tensor) -> list[str] | None:
    """Whether an output is made of nothing but sigmoids and softmaxes, by the graph that made it.

    Args:
        output: with its graph.

    Returns:
        The activation, then the operations after it, first to last; :data:`HIDDEN` for an
        activation that may lie before the captured layer, where the graph begins. None where the
        last layer with weights comes first on some path, or where there is no graph.

    >>> import torch
    >>> x = torch.zeros(1, 2, requires_grad=True)
    >>> probabilities_in(x.sigmoid().mean(1)), probabilities_in(x.tanh() * x.sigmoid())
    (['sigmoid', 'mean'], None)
    """
    if output.grad_fn is None:
        return None
    steps: list[str] = []
    pending, seen = [output.grad_fn], {output.grad_fn}
    ends: dict[str, None] = {}
    while pending:
        node = pending.pop()
        name = type(node).__name__.rstrip("0123456789")
        if name in _ENDS or name == "AccumulateGrad":
            ends[_ENDS.get(name, HIDDEN)] = None
            continue
        operation = _operation(node)
        if operation not in _THROUGH or len(seen) > _LIMIT:
            return None
        steps.append(operation.lower())
        for following, _ in node.next_functions:
            if following is not None and following not in seen:
                seen.add(following)
                pending.append(following)
    return [*ends, *dict.fromkeys(reversed(steps))] if ends else None


_WEIGHTED = frozenset(["Addmm", "Addmv", "Mm", "Mv", "Bmm", "Baddbmm", "Linear", "Convolution"])


def ends_in_weights(output: Tensor) -> bool:
    """Whether a layer with weights gave the output, which then has no bounds.

    Args:
        output: with its graph; without one it is unknown, and False.

    >>> import torch
    >>> x, weight = torch.zeros(1, 2, requires_grad=True), torch.ones(2, 3)
    >>> ends_in_weights((x @ weight).unsqueeze(0)), ends_in_weights(x.sigmoid() @ weight)
    (True, False)
    """
    ends = _before_reshaping([output.grad_fn])
    if not all(_operation(node) in _WEIGHTED for node in ends):
        return False
    # Probabilities that a matrix adds up are probabilities.
    inner = list(chain.from_iterable(map(_inputs, ends)))
    return not any(_operation(node) in ("Sigmoid", "Softmax") for node in _before_reshaping(inner))


def _before_reshaping(nodes: Sequence[Any]) -> list[Any]:
    """What gave these results, before their axes were only arranged in another way."""
    pending, ends = list(nodes), []
    while pending:
        node = pending.pop()
        if _operation(node) in _RESHAPING:
            pending += _inputs(node)
        else:
            ends.append(node)
    return ends


def _inputs(node: Any) -> list[Any]:
    return [following for following, _ in node.next_functions]
