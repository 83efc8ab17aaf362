"""Layer-wise relevance propagation from the output back to a layer, by zennit's rules.

zennit attaches its rules to modules. Poolings, means, enlargements and sums that a network writes
as bare functions would pass a plain gradient, and a map would be flat where it should follow the
activations: a function mode gives them zennit's rule for what is linear without weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from camlucida.attribution.graph import Graph
from camlucida.attribution.probe import Probe
from camlucida.core.errors import NoEvidenceError, UsageError
from camlucida.core.tensors import full

LINEAR = frozenset(
    {
        *("adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d"),
        *("avg_pool1d", "avg_pool2d", "avg_pool3d", "mean", "sum", "interpolate"),
    }
)
"""Names of the functions of one tensor that are linear and have no weights."""

ADDITIONS = frozenset({"add", "add_", "__add__", "__radd__", "__iadd__"})
"""``x += y`` is ``add_``: its result is taken, where ``x.add_(y)`` may be called for its effect."""

ACTIVATIONS = frozenset(
    {
        *("relu", "relu6", "leaky_relu", "elu", "selu", "gelu", "silu", "mish", "softplus"),
        *("hardswish", "hardsigmoid", "sigmoid", "tanh"),
    }
)
"""Names of the functions that hand relevance on, as zennit has it for their modules."""

PRODUCTS = frozenset(
    {
        *("mul", "mul_", "__mul__", "__rmul__", "__imul__", "div", "div_", "__truediv__"),
        *("matmul", "__matmul__", "bmm", "mm", "einsum", "scaled_dot_product_attention"),
        *("layer_norm", "group_norm", "instance_norm"),
    }
)
"""Names of the functions that multiply activations by each other, for which there is no rule."""

LOST = 0.05
"""Share of the relevance that may be lost or gained on the way to the layer."""


class _Function(nn.Module):
    """A function as a module, for a rule to be attached to."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        """The function of ``x``."""
        return self.function(x)


class BareFunctions(TorchFunctionMode):
    """While it is active, bare linear functions, sums and activations carry zennit's rules.

    Attributes:
        products: names of the functions that ran and multiply activations by each other.
    """

    def __init__(self) -> None:
        super().__init__()
        self._rules: list[Any] = []
        self.products: set[str] = set()

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Run a function, with a rule where it needs one."""
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        rule = _rule_of(name, args, kwargs)
        if rule is not None:
            return self._ruled(rule, lambda x: func(x, *args[1:], **kwargs), args[0])
        if name in ADDITIONS and not kwargs and len(args) == 2 and _in_graph(args):
            pair = torch.stack(torch.broadcast_tensors(*args), -1)
            return self._ruled("Norm", lambda x: x.sum(-1), pair)
        if name in PRODUCTS and (name.endswith("_norm") or _several_in_graph(args)):
            self.products.add(name.strip("_"))
        return func(*args, **kwargs)

    def _ruled(self, name: str, function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
        from zennit import rules

        module, rule = _Function(function), getattr(rules, name)()
        rule.register(module)
        self._rules.append(rule)  # zennit refers to it weakly
        output: Tensor = module(x)
        return output


def _rule_of(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str | None:
    """zennit's name of the rule of a function of one tensor."""
    # A function in place may be called for its effect alone: it is left as it is.
    if kwargs.get("inplace") or not _in_graph(args[:1]):
        return None
    if name in LINEAR:
        return "Norm"
    return "Pass" if name in ACTIVATIONS else None


def _in_graph(values: tuple[Any, ...]) -> bool:
    return bool(values) and all(isinstance(x, Tensor) and x.requires_grad for x in values)


def _several_in_graph(values: tuple[Any, ...]) -> bool:
    return sum(isinstance(x, Tensor) and x.requires_grad for x in values) > 1


@contextmanager
def rules(model: nn.Module) -> Iterator[None]:
    """zennit's rules: z⁺ for convolutions, ε for linear layers, biases left out.

    Raises:
        UsageError: zennit is not installed.
    """
    try:
        from zennit.composites import EpsilonPlus
    except ModuleNotFoundError as error:
        raise UsageError(
            "relevance propagation needs zennit", "pip install 'camlucida[lrp]'"
        ) from error
    with EpsilonPlus(zero_params="bias").context(model):
        yield


def relevances(probe: Probe, starts: Callable[[Graph, int], Sequence[Tensor]]) -> Tensor:
    """The relevance of a layer's activations.

    Args:
        probe: one image.
        starts: a forward pass and the number of a target → relevances (1, C, …) of the logits, each
            followed by itself, so that none hides what another loses.

    Returns:
        (T, K, *grid), which add up to what ``starts`` gives.

    Raises:
        UsageError: zennit is not installed.
        NoEvidenceError: relevance is lost or gained on the way: the model has operations without a
            rule, or paths round the layer; or no gradient reaches the layer.
    """
    probe.check_reached()
    with rules(probe.model):
        with BareFunctions() as functions:
            passed = probe.graph(probe.inputs)
        if functions.products:
            names = ", ".join(sorted(functions.products))
            raise NoEvidenceError(
                f"the model multiplies or normalises activations by each other ({names}), and for "
                "this there is no rule of relevance propagation",
                "choose a layer behind it, or layer_integrated_gradients",
            )
        # Neither the scores nor the rules, which run their functions anew, may find rules there.
        scores = torch.stack([target(full(passed.logits)) for target in probe.targets])
        _check_scores(scores[:, 0].detach(), probe.scores)
        graph = Graph(passed.leaf, passed.logits, scores)
        totals = []
        for number in range(len(graph.scores)):
            parts = [_relevance(graph, start) for start in starts(graph, number)]
            totals.append(torch.stack(parts).sum(0))
    return torch.stack(totals)


def _check_scores(scores: Tensor, expected: Tensor) -> None:
    """The rules may change nothing of the forward pass."""
    if not torch.allclose(scores, expected, rtol=0.02, atol=1e-5):
        raise NoEvidenceError(
            "with the rules of relevance propagation this model gives another score: it adds in "
            "place and does not take the result",
            "write x = x + y, not x.add_(y), in forward, or choose layer_integrated_gradients",
        )


def _relevance(graph: Graph, start: Tensor) -> Tensor:
    """(K, *grid) of one start."""
    relevance = graph.gradient(lambda logits: (logits * start).sum())[0]
    before, after = float(start.sum()), float(relevance.sum())
    scale = max(abs(before), 1e-2 * float(start.abs().sum()))
    if abs(after - before) > LOST * scale:
        raise NoEvidenceError(
            f"of a relevance of {before:.3g} at the output {after:.3g} arrives at the layer: "
            "biases or operations without a rule take the rest, or paths round the layer",
            "choose a layer behind these through which everything passes, or "
            "layer_integrated_gradients",
        )
    return relevance
