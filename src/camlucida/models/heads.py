"""The layers of a head, as far as its weights tell."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

from torch import Tensor

from camlucida.core.messages import Message
from camlucida.models.assumptions import taken_for_dropout, taken_for_relu
from camlucida.models.checkpoint import State


@dataclass(frozen=True)
class Head:
    """Layers of a head as :func:`camlucida.models.wrapped.build` takes them.

    Attributes:
        layers: one layer, or a Sequential's.
        outputs: of the last layer with weights.
        notes: what the weights cannot say and is assumed.
        inside: path of the layers in the head, where it is a module around them.
    """

    layers: str | list[str]
    outputs: int
    notes: tuple[Message, ...] = ()
    inside: str = ""

    @property
    def inputs(self) -> int:
        """Features that the first layer with weights takes.

        >>> Head(["Identity", "Linear 528 32", "ReLU", "Linear 32 1"], 1).inputs
        528
        """
        layers = [self.layers] if isinstance(self.layers, str) else self.layers
        first = next(layer for layer in layers if " " in layer)
        return int(first.split()[1])


def read_head(state: State, name: str, *, inner: bool = False) -> Head | None:
    """The head whose keys begin with ``name.``.

    Args:
        state: the weights.
        name: path of the head.
        inner: whether other layers follow: then it may end in a norm.

    Returns:
        One Linear layer, or a Sequential of Linear and norm layers; None for another head.

    >>> import torch
    >>> state = {"fc.weight": torch.zeros(3, 512), "fc.bias": torch.zeros(3)}
    >>> read_head(state, "fc").layers
    'Linear 512 3'
    """
    path = path_of_layers(state, name)
    inside = path.removeprefix(name).removeprefix(".")
    prefix = f"{path}."
    weights = {}
    for key, tensor in state.items():
        if key.startswith(prefix):
            weights[key.removeprefix(prefix)] = tensor
    if "weight" in weights and set(weights) <= {"weight", "bias"}:
        layer = _layer(weights)
        if layer is None or not layer.startswith("Linear"):
            return None
        return Head(layer, int(weights["weight"].shape[0]), inside=inside)
    parts = _by_index(weights)
    head = None if parts is None else _sequential(parts, path, inner)
    return None if head is None else replace(head, inside=inside)


def path_of_layers(state: State, name: str) -> str:
    """Path of what holds the layers of a head: the head itself, or a module alone inside it.

    Args:
        state: the weights.
        name: path of the head.

    >>> import torch
    >>> path_of_layers({"head.net.1.weight": torch.zeros(3, 512)}, "head")
    'head.net'
    """
    while True:
        prefix = f"{name}."
        behind = [key.removeprefix(prefix) for key in state if key.startswith(prefix)]
        firsts = {key.partition(".")[0] for key in behind}
        first = firsts.pop() if len(firsts) == 1 else ""
        if not first or first.isdecimal() or first in behind:
            return name
        name = f"{prefix}{first}"


def _by_index(weights: State) -> dict[int, dict[str, Tensor]] | None:
    """Index in the Sequential → its weights by name; None where a key has no index."""
    parts: dict[int, dict[str, Tensor]] = {}
    for key, tensor in weights.items():
        match = re.fullmatch(r"(\d+)\.(\w+)", key)
        if match is None:
            return None
        index, kind = match.groups()
        part = parts.setdefault(int(index), {})
        part[kind] = tensor
    return parts


def _sequential(parts: Mapping[int, State], name: str, inner: bool) -> Head | None:
    with_weights: dict[int, str] = {}
    for index, part in sorted(parts.items()):
        layer = _layer(part)
        if layer is None:
            return None
        with_weights[index] = layer
    linear = [index for index, layer in with_weights.items() if layer.startswith("Linear")]
    last = max(with_weights, default=0)
    if not linear or (linear[-1] != last and not inner):
        return None
    layers = [with_weights.get(index, "Identity") for index in range(last + 1)]
    gaps = [_first_gap(with_weights, low, high) for low, high in pairwise(linear)]
    activations = [gap for gap in gaps if gap is not None]
    for index in activations:
        layers[index] = "ReLU"
    outputs = int(parts[linear[-1]]["weight"].shape[0])
    return Head(layers, outputs, _notes(name, layers, activations))


def _layer(part: State) -> str | None:
    """The layer that has these weights."""
    weight = part.get("weight")
    if weight is None:
        return None
    if weight.ndim == 2:
        outputs, inputs = weight.shape
        words = f"Linear {inputs} {outputs}"
        return words if "bias" in part else f"{words} 0"
    if weight.ndim != 1 or "bias" not in part:
        return None
    # Only a batch norm keeps running statistics.
    kind = "BatchNorm1d" if "running_mean" in part else "LayerNorm"
    return f"{kind} {len(weight)}"


def _first_gap(with_weights: Mapping[int, str], low: int, high: int) -> int | None:
    """The first index between two Linear layers without weights; None where there is none."""
    for index in range(low + 1, high):
        if index not in with_weights:
            return index
    return None


def _notes(name: str, layers: list[str], activations: list[int]) -> tuple[Message, ...]:
    notes = []
    if activations:
        relus = [f"{name}.{index}" for index in activations]
        notes.append(taken_for_relu(relus))
    idle = [f"{name}.{index}" for index, layer in enumerate(layers) if layer == "Identity"]
    if idle:
        notes.append(taken_for_dropout(idle))
    return tuple(notes)
