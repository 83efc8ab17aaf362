"""A head that takes further features, such as sex or age, beside those of the image.

No image file has them. They are held at one value for every image, their mean, which is said.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from camlucida.core.messages import Message, Value, declare
from camlucida.models.assumptions import taken_for_relu
from camlucida.models.checkpoint import State
from camlucida.models.heads import Head, read_head
from camlucida.models.stated import Stated

declare(
    "fusion",
    {
        "held": (
            "the head '{head}' takes {count} further {count:|feature|features} beside those of the "
            "image: held at {value} FOR EVERY IMAGE, the mean read from {source}"
        ),
        "held_at_zero": (
            "the head '{head}' takes {count} further {count:|feature|features} beside those of the "
            "image: held at 0 FOR EVERY IMAGE, the mean of standardised features, as no mean is "
            "stated; other values: features = […] in the args of the card"
        ),
        "order": (
            "the further features are taken to come after those of the image, which no checkpoint "
            "states"
        ),
    },
)


@dataclass(frozen=True)
class Fusion:
    """What follows a backbone that is not alone.

    Attributes:
        head: over the features of the image and the further ones.
        at: its name.
        values: of the further features, the same for every image.
        branch: name of the layers that the further features pass; "" where there are none.
        layers: of the branch.
        notes: what is held, and what is assumed.
    """

    head: Head
    at: str
    values: tuple[float, ...]
    branch: str = ""
    layers: tuple[str, ...] = ()
    notes: tuple[Message, ...] = ()


def read_fusion(state: State, names: Sequence[str], width: int, stated: Stated) -> Fusion | None:
    """The head and the branch of further features beside a backbone.

    Args:
        state: the weights.
        names: of what is beside the backbone: a head, or a head and a branch, in any order.
        width: features of the image.
        stated: what the file and its neighbours state, the means of the features among it.

    Returns:
        None where the head takes the features of the image alone, or is another one.

    >>> import torch
    >>> state = {"fc.weight": torch.zeros(1, 514), "fc.bias": torch.zeros(1)}
    >>> read_fusion(state, ["fc"], 512, Stated()).values
    (0.0, 0.0)
    """
    if len(names) == 1:
        head = _direct(state, names[0])
        count = 0 if head is None else head.inputs - width
        return _held(head, names[0], count, stated) if head is not None and count > 0 else None
    if len(names) != 2:
        return None
    for branch_name, head_name in (names, names[::-1]):
        branch, head = _direct(state, branch_name, inner=True), _direct(state, head_name)
        if branch is not None and head is not None and head.inputs == width + branch.outputs:
            return _held(head, head_name, branch.inputs, stated, branch_name, branch)
    return None


def _direct(state: State, name: str, *, inner: bool = False) -> Head | None:
    """The head whose layers no module is around."""
    head = read_head(state, name, inner=inner)
    return None if head is None or head.inside else head


def _held(
    head: Head,
    at: str,
    count: int,
    stated: Stated,
    branch_name: str = "",
    branch: Head | None = None,
) -> Fusion:
    means = stated.value("features")
    values: tuple[float, ...] = (0.0,) * count
    about: dict[str, Value] = {"head": at, "count": count}
    code = "fusion.held_at_zero"
    if means is not None and len(means) == count:
        values, code = means, "fusion.held"
        shown = ", ".join(f"{mean:g}" for mean in means)
        about |= {"value": shown, "source": stated.facts["features"].source}
    notes = [Message(code, about), Message("fusion.order")]
    layers: tuple[str, ...] = ()
    if branch is not None and isinstance(branch.layers, list):
        # A Sequential of one layer would be none: an activation follows the last one.
        layers = (*branch.layers, "ReLU")
        notes += [*branch.notes, taken_for_relu([f"{branch_name}.{len(layers) - 1}"])]
    elif branch is not None:
        layers = (str(branch.layers),)
    return Fusion(head, at, values, branch_name, layers, tuple(notes))
