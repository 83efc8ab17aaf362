"""Files that hold a network and its weights, run on PyTorch and compared with their own runtime."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from camlucida.core.errors import ModelError
from camlucida.core.messages import Message
from camlucida.models.zoo.image_processor import STATES_SCALE
from camlucida.models.zoo.package import Args, Defaults

TOLERANCE = 1e-3
"""Difference from the runtime, relative to the largest output, from which up a file is refused."""

FREE_SIDE = 224
"""What stands for a height or width that the file leaves open, in the comparison."""


@dataclass(frozen=True)
class Conversion:
    """What is known of a network that was made from a file.

    Attributes:
        difference: of its outputs from the runtime's, over the largest output.
        channels: of its images.
        height, width: of its images; None where the file leaves one open.
        codes: of the notes on the difference, and on the scale that the file does not state.
    """

    difference: float
    channels: int
    height: int | None
    width: int | None
    codes: tuple[str, str]


def model_file(name: str, args: Args, pretrained: bool) -> Path:
    """The path of a file that holds its network and its weights.

    Args:
        name: of the file.
        args, pretrained: as the card states them.

    Raises:
        ModelError: there is no such file, or the card would change what it holds.

    >>> model_file("net.onnx", {}, True)
    Traceback (most recent call last):
        ...
    camlucida.core.errors.ModelError: there is no file net.onnx
    """
    path = Path(name).expanduser()
    if not path.is_file():
        raise ModelError(f"there is no file {path}")
    if args or not pretrained:
        what = "args" if args else "checkpoint"
        raise ModelError(
            f"{path.name} holds its network and its weights: {what} cannot change them",
            f"leave {what} out of the card",
        )
    return path


def largest_difference(ours: Iterable[Tensor], theirs: Iterable[Tensor]) -> float:
    """The largest difference of an output from that of the runtime, over the largest output.

    Args:
        ours: outputs of the network.
        theirs: those of the runtime, of the same shapes and in the same order.

    Raises:
        ValueError: they are not as many.

    >>> import torch
    >>> largest_difference([torch.tensor([1.0, -4.0])], [torch.tensor([1.0, -2.0])])
    1.0
    """
    pairs = list(zip(ours, theirs, strict=True))
    largest = max(float(expected.abs().max()) for _, expected in pairs)
    most = max(float((mine - expected).abs().max()) for mine, expected in pairs)
    return most / max(largest, 1e-12)


def keep(module: nn.Module, conversion: Conversion) -> None:
    """Keep with a module what is known of its file.

    Args:
        module: made from the file.
        conversion: what is known.
    """
    vars(module)["file_conversion"] = conversion


def file_input(
    name: str, args: Args, pretrained: bool, module: nn.Module, stated: frozenset[str]
) -> Defaults:
    """Fields of ``[input]`` that a file has: size and channels, where the card leaves them open.

    Args:
        name, args, pretrained: of the file, as the card states them.
        module: made from it.
        stated: keys that the card has under ``[input]``.
    """
    conversion: Any = vars(module)["file_conversion"]
    fields: Defaults = {"channels": conversion.channels}
    size = conversion.height, conversion.width
    if None not in size and not stated & {"steps", "transform"}:
        fields["size"] = size
    return fields


def conversion_notes(module: nn.Module, stated: frozenset[str]) -> tuple[Message, ...]:
    """How near a converted network is to its file, and what the file leaves open.

    Args:
        module: any; one that was not converted has no notes.
        stated: keys that the card has under ``[input]``.

    >>> conversion_notes(nn.ReLU(), frozenset())
    ()
    """
    conversion: Conversion | None = vars(module).get("file_conversion")
    if conversion is None:
        return ()
    of_difference, of_scale = conversion.codes
    notes = [Message(of_difference, {"difference": conversion.difference})]
    if not stated & STATES_SCALE:
        notes.append(Message(of_scale))
    return tuple(notes)
