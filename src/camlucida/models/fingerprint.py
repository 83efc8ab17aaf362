"""Fingerprints of networks: a digest of the names and shapes of a body, whatever its head.

Number of classes, number of input channels and the grid of a positional embedding are no part of
it, for they change from one use of a network to the next.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

_COUNTER = "num_batches_tracked"
_POSITIONS = ("pos_embed", "pos_embedding")

Shapes = Mapping[str, Sequence[int]]
"""Keys of a state dict → shapes."""


@dataclass(frozen=True)
class Style:
    """What must be known of a network before its body can be looked up.

    Attributes:
        first: path of the layer that takes the image.
        heads: paths of the layers of the classes.
        parts: first names of all keys that are not of the heads.
    """

    first: str
    heads: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()

    @property
    def roots(self) -> tuple[str, ...]:
        """The first name of each head: what is replaced as a whole."""
        return tuple(dict.fromkeys(head.partition(".")[0] for head in self.heads))


def style_of(shapes: Shapes, heads: Sequence[str] = ()) -> Style:
    """The style of a network.

    Args:
        shapes: of its state dict.
        heads: paths of the layers of the classes.

    >>> style_of({"conv.weight": (8, 3, 3, 3), "fc.weight": (2, 8)}, ["fc"]).parts
    ('conv',)
    """
    roots = {head.partition(".")[0] for head in heads}
    names = dict.fromkeys(key.partition(".")[0] for key in shapes)
    parts = tuple(sorted(name for name in names if name not in roots))
    return Style(first_layer(shapes), tuple(heads), parts)


def first_layer(shapes: Shapes) -> str:
    """Path of the first convolution, or of the first layer with weights where there is none.

    Args:
        shapes: of a network.

    >>> first_layer({"norm.weight": (3,), "conv1.weight": (8, 3, 3, 3)})
    'conv1'
    """
    convolutions = [key for key, shape in shapes.items() if len(shape) >= 4]
    return next(iter(convolutions or shapes)).rpartition(".")[0]


def body_digest(shapes: Shapes, style: Style) -> str:
    """The digest of a network's body.

    Args:
        shapes: of the whole network.
        style: of the network.

    Returns:
        12 hexadecimal digits.

    >>> style = Style("conv", ("fc",), ("conv",))
    >>> grey = {"conv.weight": (8, 1, 3, 3), "fc.weight": (2, 8)}
    >>> colour = {"conv.weight": (8, 3, 3, 3), "fc.weight": (5, 8)}
    >>> body_digest(grey, style) == body_digest(colour, style)
    True
    """
    stem = f"{style.first}.weight"
    lines = []
    for key, shape in shapes.items():
        if key.partition(".")[0] in style.parts and not key.endswith(_COUNTER):
            lines.append(f"{key} {_without_uses(key, shape, key == stem)}")
    text = "\n".join(sorted(lines))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _without_uses(key: str, shape: Sequence[int], is_stem: bool) -> str:
    sizes = [str(size) for size in shape]
    if is_stem and len(sizes) > 1:
        sizes[1] = "*"
    elif key.rpartition(".")[2] in _POSITIONS and len(sizes) > 1:
        sizes[1:-1] = ["*"]
    return ",".join(sizes)


TABLE = "architectures.tsv"
"""Made by ``scripts/architecture_table.py``."""


@cache
def _table() -> dict[tuple[str, Style], dict[str, tuple[str, ...]]]:
    """Kind and style → digest → names, as the table has them."""
    text = files("camlucida.models").joinpath(TABLE).read_text("utf-8")
    table: dict[tuple[str, Style], dict[str, tuple[str, ...]]] = {}
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        kind, first, heads, parts, digest, names = line.split("\t")
        style = Style(first, tuple(heads.split()), tuple(parts.split()))
        table.setdefault((kind, style), {})[digest] = tuple(names.split())
    return table


def styles(kind: str) -> Iterable[Style]:
    """All styles of a kind of network.

    Args:
        kind: "classifier" or "encoder".
    """
    return [style for known, style in _table() if known == kind]


def named(kind: str, style: Style, shapes: Shapes) -> tuple[str, ...]:
    """Names of the networks that have the body of these shapes.

    Args:
        kind: "classifier" or "encoder".
        style: of the network.
        shapes: of the network, without a prefix.

    Returns:
        Factories (``timm:resnet18``), or encoders of segmentation-models-pytorch.
    """
    return _table()[kind, style].get(body_digest(shapes, style), ())
