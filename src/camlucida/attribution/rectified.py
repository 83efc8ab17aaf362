"""Layers before their ReLU: where a network rectifies a layer's output, and what it uses then.

The output of a DenseNet's last normalisation, or of a convolution before ``F.relu``, is signed; the
network uses its positive part alone. The methods were written for that part, A ≥ 0, and their maps
are those of a ``nn.ReLU`` module in the same position.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from camlucida.attribution.graph_nodes import may_hook
from camlucida.core.messages import declare
from camlucida.core.tensors import version
from camlucida.models.families import Layout

# In a table of its own: a report words the layer, not this note.
declare(
    "activation",
    {
        "rectified": (
            "{layer} is explained after its {activation}, as the network uses it "
            "({layer}:pre explains it before)"
        )
    },
)

PRE = ":pre"
"""Behind a layer's name: its output as it is, before a ReLU that follows."""

_Bounds = tuple[float, float | None]


def split_pre(name: str) -> tuple[str, bool]:
    """A layer's name without :data:`PRE`, and whether it was there.

    Args:
        name: as the user wrote it.

    >>> split_pre("features.norm5:pre"), split_pre("auto")
    (('features.norm5', True), ('auto', False))
    """
    return name.removesuffix(PRE), name.endswith(PRE)


@dataclass(frozen=True)
class Rectified:
    """A layer's output behind its ReLU.

    Attributes:
        activation: "relu"; "relu6" and the like where it has an upper bound too.
        activations: (B, K, *grid), part of the graph that leads to the scores.
    """

    activation: str
    activations: Tensor


def positive_part(activations: Tensor) -> tuple[Rectified, Tensor]:
    """The positive part of activations, and what the network goes on with instead of them.

    The second is the first where that is positive, and else a number just above 0, on which any
    operation that keeps the positive part has its gradient from the right.

    Args:
        activations: (B, K, *grid), of which the network uses the positive part alone.

    >>> used, onward = positive_part(torch.tensor([[[-2.0, 3.0]]]))
    >>> used.activations.tolist(), bool((onward > 0).all())
    ([[[0.0, 3.0]]], True)
    """
    kept = activations.relu()
    is_zero = (kept.detach() <= 0).to(kept.dtype)
    return Rectified("relu", kept), kept + _tiny(kept.dtype) * is_zero


def _tiny(dtype: torch.dtype) -> float:
    """A number just above 0, and above what layers behind scale to a subnormal number.

    With those a convolution takes a hundred times as long on many processors.

    >>> _tiny(torch.float32) < 1e-25, _tiny(torch.float16) < 1e-4
    (True, True)
    """
    about = torch.finfo(dtype)
    has_room = about.max > 2.0**100
    return about.tiny * 2.0**40 if has_room else about.tiny


@dataclass
class _Chain:
    """An output on its way to a ReLU; a container may hand on what its last module returned.

    Attributes:
        tensor: what the network works on now.
        layout: of the captured layer.
        keys: of the layers that returned it.
        nodes: of the graph, one a capture.
        results: bounds → what the ReLU of these bounds made of it.
        rectifiers: nodes of these ReLUs.
        version: of ``tensor``, which an operation in place makes another.
    """

    tensor: Tensor
    layout: Layout
    keys: list[Hashable]
    nodes: list[Any]
    results: dict[_Bounds, Rectified] = field(default_factory=dict)
    rectifiers: list[Any] = field(default_factory=list)
    version: int = 0


class Rectifiers(TorchFunctionMode):
    """Notices the ReLU that follows a captured layer, be it a module, a function or a method.

    As a context manager around a forward pass. The ReLU itself is run, and what it makes is kept:
    the gradient with respect to that can be other than zero where the layer's output is negative.

    Attributes:
        hooked: whether the model may have put a hook on a tensor or a node of the graph, which can
            change a gradient on its way.
    """

    def __init__(self) -> None:
        super().__init__()
        self._chains: list[_Chain] = []
        self.hooked = False

    def watch(self, key: Hashable, before: Tensor, onward: Tensor, layout: Layout) -> None:
        """Look for a ReLU of ``onward``.

        Args:
            key: of the captured layer, unique in the forward pass.
            before: what the layer's module returned.
            onward: what goes on instead of it, in the graph.
            layout: of the layer.
        """
        with torch._C.DisableTorchFunction():  # it is not the model that takes this node
            node = onward.grad_fn
        chain = self._of(before)
        if chain is None:
            chain = _Chain(onward, layout, [key], [node], version=version(onward))
            self._chains.append(chain)
            return
        chain.tensor, chain.layout, chain.version = onward, layout, version(onward)
        chain.keys.append(key)
        chain.nodes.append(node)

    def result(self, key: Hashable, logits: Tensor) -> Rectified | None:
        """What the network uses of a layer's output, where that is its positive part alone.

        Args:
            key: as given to :meth:`watch`.
            logits: of the forward pass.

        Returns:
            None where no ReLU follows, or the logits also depend on the output by another way.
        """
        chain = next((chain for chain in self._chains if key in chain.keys), None)
        if chain is None or len(chain.results) != 1:
            return None
        allowed = {*chain.nodes, *chain.rectifiers}
        if not users(logits, set(chain.nodes)) <= allowed:
            return None
        (rectified,) = chain.results.values()
        return rectified

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Run a function of PyTorch; a ReLU of a watched tensor is kept."""
        options = dict(kwargs or {})
        first = args[0] if args else options.get("input")
        self.hooked = self.hooked or may_hook(func)
        chain = self._of(first) if self._chains else None
        if chain is None:
            return func(*args, **options)
        name = getattr(func, "__name__", "")
        bounds = _bounds(name.strip("_"), args[1:], options)
        if bounds is None:
            return func(*args, **options)
        in_place = name.endswith("_") or bool(options.get("inplace"))
        return _rectify(chain, bounds, in_place)

    def _of(self, tensor: Any) -> _Chain | None:
        chains = (chain for chain in self._chains if chain.tensor is tensor)
        return next((chain for chain in chains if version(tensor) == chain.version), None)


@torch.enable_grad()  # a model may run its frozen part under no_grad
def _rectify(chain: _Chain, bounds: _Bounds, in_place: bool) -> Tensor:
    """Run the ReLU, keep what it makes, and give what the network goes on with."""
    signed = chain.tensor
    _, ceiling = bounds
    after = torch.relu(signed) if ceiling is None else F.hardtanh(signed, 0.0, ceiling)
    if bounds not in chain.results:
        chain.rectifiers.append(after.grad_fn)
        name = "relu" if ceiling is None else f"relu{ceiling:g}"
        chain.results[bounds] = Rectified(name, chain.layout.to_grid(after))
    # A second ReLU of the same tensor makes the same numbers: one gradient for both.
    kept = chain.results[bounds].activations
    onward = chain.layout.from_grid(kept, after)
    if not in_place:
        # As for a layer: an operation in place must not touch what is kept.
        return onward.clone() if onward.data_ptr() == kept.data_ptr() else onward
    # The network may go on with the tensor itself, not with what the ReLU returns.
    signed.copy_(onward)
    chain.rectifiers.append(signed.grad_fn)
    return signed


def _bounds(name: str, args: Sequence[Any], options: Mapping[str, Any]) -> _Bounds | None:
    """The bounds of a function that is a ReLU; None for another."""
    if "out" in options:
        return None
    if name in ("relu", "relu6"):
        return 0.0, 6.0 if name == "relu6" else None
    if name == "threshold":
        both = _values(args, options, threshold=None, value=None)
        return (0.0, None) if both == [0, 0] else None
    names = {"hardtanh": ("min_val", "max_val"), "clamp_min": ("min", "max")}
    names |= dict.fromkeys(("clamp", "clip"), ("min", "max"))
    if name not in names:
        return None
    low, high = _values(args, options, **dict.fromkeys(names[name]))
    return _above_zero(low, 1.0 if high is None and name == "hardtanh" else high)


def _above_zero(low: Any, high: Any) -> _Bounds | None:
    """Bounds from 0 up; None for others, and for tensors."""
    if not isinstance(low, (int, float)) or low != 0:
        return None
    if high is None:
        return 0.0, None
    return (0.0, float(high)) if isinstance(high, (int, float)) and high > 0 else None


def _values(args: Sequence[Any], options: Mapping[str, Any], **defaults: Any) -> list[Any]:
    """The values of named parameters, given in order or by name."""
    given = dict(zip(defaults, args))
    return [options.get(name, given.get(name, default)) for name, default in defaults.items()]


def users(logits: Tensor, nodes: set[Any]) -> set[Any]:
    """The nodes of the graph of ``logits`` that take the result of one of ``nodes``.

    Args:
        logits: whose graph is searched.
        nodes: of a graph.

    >>> x = torch.ones(2, requires_grad=True)
    >>> y = x.exp()
    >>> len(users(y.sum() * 2, {y.grad_fn})), users(x.sum(), {y.grad_fn})
    (1, set())
    """
    users: set[Any] = set()
    seen: set[Any] = set()
    pending = [logits.grad_fn]
    while pending:
        node = pending.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        following = [other for other, _ in node.next_functions]
        if not nodes.isdisjoint(following):
            users.add(node)
        pending += following
    return users
