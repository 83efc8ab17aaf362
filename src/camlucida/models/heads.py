"""What a head's weights say of its layers, and what they leave open."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor


@dataclass(frozen=True)
class Head:
    """Layers of a head as :func:`camlucida.models.wrapped.build` takes them.

    Attributes:
        layers: one layer, or a Sequential's.
        outputs: of the last layer with weights.
        notes: what the weights cannot say and is assumed.
    """

    layers: str | list[str]
    outputs: int
    notes: tuple[str, ...] = ()


def read_head(state: Mapping[str, Tensor], name: str) -> Head | None:
    """The head whose keys begin with ``name.``: one Linear, or a Sequential of Linear and norm layers; None for another."""
    keys = {
        key.removeprefix(f"{name}."): tensor
        for key, tensor in state.items()
        if key.startswith(f"{name}.")
    }
    if set(keys) == {"weight", "bias"}:
        layer = _with_weights(keys)
        return (
            None
            if layer is None or not layer.startswith("Linear")
            else Head(layer, int(keys["weight"].shape[0]))
        )
    parts: dict[int, dict[str, Tensor]] = {}
    for key, tensor in keys.items():
        found = re.fullmatch(r"(\d+)\.(\w+)", key)
        if found is None:
            return None
        parts.setdefault(int(found[1]), {})[found[2]] = tensor
    known = {index: _with_weights(part) for index, part in sorted(parts.items())}
    named = {index: layer for index, layer in known.items() if layer is not None}
    linear = [index for index, layer in named.items() if layer.startswith("Linear")]
    if not linear or len(named) < len(known) or linear[-1] != max(named):
        return None
    layers = [named.get(index, "Identity") for index in range(linear[-1] + 1)]
    activations = [gap for low, high in pairwise(linear) for gap in _first_gap(named, low, high)]
    for index in activations:
        layers[index] = "ReLU"
    return Head(
        layers, int(parts[linear[-1]]["weight"].shape[0]), _notes(name, layers, activations)
    )


def _with_weights(part: Mapping[str, Tensor]) -> str | None:
    """The layer that has these weights."""
    weight = part.get("weight")
    if weight is None or "bias" not in part:
        return None
    if weight.ndim == 2:
        return f"Linear {weight.shape[1]} {weight.shape[0]}"
    if weight.ndim != 1:
        return None
    return f"BatchNorm1d {len(weight)}" if "running_mean" in part else f"LayerNorm {len(weight)}"


def _first_gap(named: Mapping[int, str], low: int, high: int) -> list[int]:
    """The first place between two Linear layers that has no weights; [] where they follow on each other."""
    return [index for index in range(low + 1, high) if index not in named][:1]


def _notes(name: str, layers: list[str], activations: list[int]) -> tuple[str, ...]:
    notes = []
    if activations:
        where = " and ".join(f"{name}.{index}" for index in activations)
        notes.append(f"{where}: no weights there, so its kind cannot be known; taken for a ReLU")
    idle = [f"{name}.{index}" for index, layer in enumerate(layers) if layer == "Identity"]
    if idle:
        notes.append(
            f"{', '.join(idle)}: no weights there; taken for a dropout, which does nothing outside training"
        )
    return tuple(notes)
