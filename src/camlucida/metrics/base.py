"""What a metric says of itself: direction, range, chance level, cost, source. The metric is a plain function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from camlucida.core.registry import Registry

Family = Literal[
    "faithfulness", "localisation", "agreement", "sanity", "stability", "description", "artefact"
]
Direction = Literal["higher", "lower", "none"]


@dataclass(frozen=True)
class Metric:
    """One registered metric.

    Attributes:
        name: what the user types.
        title: the field's own name.
        family: what question it answers.
        run: the function; its docstring gives arguments, formula and errors.
        direction: which end is better; "none" for a description.
        range: smallest and largest possible value, None where unbounded.
        chance: what a map that knows nothing scores, in words.
        cost: forward passes an image, label and method, in words.
        source: authors, year, equation.
    """

    name: str
    title: str
    family: Family
    run: Callable[..., Any]
    direction: Direction
    range: tuple[float | None, float | None]
    chance: str
    cost: str
    source: str

    @property
    def range_text(self) -> str:
        """ "0 to 1", "0 or more", "any"."""
        low, high = self.range
        if low is None:
            return "any" if high is None else f"{high:g} or less"
        return f"{low:g} or more" if high is None else f"{low:g} to {high:g}"


METRICS: Registry[Metric] = Registry("metric")

F = TypeVar("F", bound=Callable[..., Any])


def metric(
    name: str,
    title: str,
    family: Family,
    *,
    direction: Direction,
    range: tuple[float | None, float | None],
    chance: str,
    cost: str = "none",
    source: str,
) -> Callable[[F], F]:
    """Register a function as a metric; see :class:`Metric` for the arguments."""

    def register(run: F) -> F:
        METRICS.add(name, Metric(name, title, family, run, direction, range, chance, cost, source))
        return run

    return register
