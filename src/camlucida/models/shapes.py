"""Keys and shapes of networks, of a file and as a factory builds them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from camlucida.core.errors import ModelError
from camlucida.models.checkpoint import State
from camlucida.models.factory import build_unset
from camlucida.models.key_matching import COUNTER

Shapes = dict[str, tuple[int, ...]]


def shapes_of(state: State) -> Shapes:
    """Key → shape.

    Args:
        state: the weights.
    """
    return {key: tuple(tensor.shape) for key, tensor in state.items()}


def same_shapes(built: Shapes, present: Shapes) -> bool:
    """Whether keys and shapes are the same; counters of batch norms may be missing.

    Args:
        built: of a network.
        present: of a state dict.
    """
    needed = {key: shape for key, shape in built.items() if not key.endswith(COUNTER)}
    there = {key: shape for key, shape in present.items() if not key.endswith(COUNTER)}
    return needed == there


def built_shapes(factory: str, args: Mapping[str, Any]) -> Shapes:
    """Keys and shapes of what a factory builds, without memory where it can.

    Args:
        factory, args: as of a card.

    Raises:
        ModelError: it cannot be built.
    """
    try:
        with torch.device("meta"):
            module = build_unset(factory, args, Path())
    except (RuntimeError, NotImplementedError, ModelError):
        # Some constructors compute with tensors.
        module = build_unset(factory, args, Path())
    return shapes_of(module.state_dict())
