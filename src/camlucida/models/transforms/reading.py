"""What a pipeline of transforms has stated so far, and how an unknown step is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, NoReturn

from camlucida.core.errors import UsageError

Backend = Literal["pillow", "levels", "floats"]

WRITE_STEPS = "write the preprocessing as steps = […] under [input] of the card"


@dataclass
class Reading:
    """A pipeline while it is read.

    Attributes:
        where: the pipeline, for messages.
        backend: what an image is at this point: Pillow's, a tensor of 0–255, or of numbers.
        steps: read so far, as a card has them.
        fields: other keys of ``[input]``.
        transposed: whether rows and columns have changed places.
    """

    where: str
    backend: Backend = "pillow"
    steps: list[dict[str, Any]] = field(default_factory=list)
    fields: dict[str, Any] = field(default_factory=dict)
    transposed: bool = False

    def add(self, do: str, **settings: Any) -> None:
        """One more step."""
        self.steps.append({"do": do, **settings})

    def normalise(self, mean: Any, std: Any) -> None:
        """Minus mean, over std, each a number or a sequence."""
        means, stds = numbers(mean), numbers(std)
        if len(means) == 3:
            self.fields["channels"] = 3
        self.add("normalise", mean=means, std=stds)

    def channels(self, count: int) -> None:
        """A grey image of 1 or 3 channels, of whatever came."""
        self.fields |= {"channels": count, "grey": "itu", "always_grey": count == 3}

    def refuse(self, transform: object, why: str = "", fix: str = WRITE_STEPS) -> NoReturn:
        """Refuse a transform by its name.

        Raises:
            UsageError: always.
        """
        name = name_of(transform)
        reason = why or "is not a step that a card knows"
        raise UsageError(f"{self.where}: {name} {reason}", fix)


Reader = Callable[[Reading, Any], None]


def name_of(transform: object) -> str:
    """The name of a transform's class, or of a function.

    >>> name_of(len), name_of(3)
    ('len', 'int')
    """
    named = getattr(transform, "__name__", None)
    return named if isinstance(named, str) else type(transform).__name__


def package_of(transform: object) -> str:
    """The package that a transform's class is of.

    >>> package_of(3)
    'builtins'
    """
    return type(transform).__module__.partition(".")[0]


def numbers(values: Any) -> list[float]:
    """A number, sequence, array or tensor as a list.

    >>> numbers(0.5), numbers((1, 2))
    ([0.5], [1.0, 2.0])
    """
    if hasattr(values, "tolist"):
        values = values.tolist()
    if isinstance(values, (int, float)):
        return [float(values)]
    return [float(value) for value in values]


def pair(size: Any) -> list[int]:
    """A size of one or two numbers as two.

    >>> pair(224), pair([224]), pair((224, 160))
    ([224, 224], [224, 224], [224, 160])
    """
    sizes = [int(side) for side in numbers(size)]
    return sizes * 2 if len(sizes) == 1 else sizes
