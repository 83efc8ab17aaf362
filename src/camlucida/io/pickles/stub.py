"""What stands for an object of a class that is not built: its name, and its state as data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any


@dataclass(frozen=True)
class ClassName:
    """A class or function that a pickle names; it is never imported.

    Attributes:
        name: dotted, ``torch.nn.modules.linear.Linear``.
    """

    name: str


@dataclass(eq=False, repr=False, slots=True)
class Stub:
    """An object of a class that is not built.

    Attributes:
        name: of its class or of the function that would have made it.
        args: that these would have been called with.
        state: its attributes.
        items: of a subclass of a dictionary.
        elements: of a subclass of a list or set.
    """

    name: str
    args: tuple[Any, ...] = ()
    state: dict[Any, Any] = field(default_factory=dict)
    items: dict[Any, Any] = field(default_factory=dict)
    elements: list[Any] = field(default_factory=list)

    def __repr__(self) -> str:
        # Not its content, which may hold itself.
        return f"Stub({self.name!r})"


_OMEGACONF = "omegaconf."
_CONTENT, _VALUE = "_content", "_val"
_MAX_BYTES = 2**16
"""Of an array that is given as numbers."""


def as_mapping(value: object) -> Mapping[Any, Any] | None:
    """The named values of a dictionary, or of an object that is a namespace in all but name.

    Args:
        value: from a pickle.

    Returns:
        The dictionary itself; the items of a subclass of it (``AttributeDict``); the attributes of
        any other object (``argparse.Namespace``, a dataclass); None for all else.

    >>> as_mapping(Stub("argparse.Namespace", state={"lr": 0.1}))
    {'lr': 0.1}
    >>> as_mapping([1]) is None
    True
    """
    if isinstance(value, Mapping):
        return value
    if not isinstance(value, Stub):
        return None
    content = value.state.get(_CONTENT)
    if value.name.startswith(_OMEGACONF):
        return content if isinstance(content, Mapping) else None
    return value.items or value.state or None


def as_list(value: object) -> list[Any] | None:
    """The elements of a list, tuple or set, or of an object that is one in all but name.

    Args:
        value: from a pickle.

    >>> as_list((1, 2)), as_list("text") is None
    ([1, 2], True)
    """
    if isinstance(value, (list, tuple, set, frozenset)):
        return list(value)
    if not isinstance(value, Stub):
        return None
    content = value.state.get(_CONTENT)
    if value.name.startswith(_OMEGACONF) and isinstance(content, list):
        return list(content)
    return list(value.elements) or None


def plain(value: object, depth: int = 6) -> Any:
    """A value of JSON's kinds: what can be used of a configuration in a pickle.

    Args:
        value: from a pickle.
        depth: of nesting that is followed.

    Returns:
        Dictionaries, lists, text, numbers, booleans and None. Objects are what :func:`as_mapping`
        or :func:`as_list` makes of them; None stands for all else.

    >>> plain({"size": (256, 256), "name": Stub("pkg.Name", ("resnet18",))})
    {'size': [256, 256], 'name': 'resnet18'}
    """
    return _plain(value, depth, _Budget())


class _Budget:
    """Bounds the work on values that hold each other many times."""

    def __init__(self) -> None:
        self.left = 100_000

    def spent(self) -> bool:
        self.left -= 1
        return self.left < 0


def _plain(value: object, depth: int, budget: _Budget) -> Any:
    if isinstance(value, Stub) and _VALUE in value.state:
        value = value.state[_VALUE]  # a leaf of omegaconf
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if depth <= 0 or budget.spent():
        return None
    mapping = as_mapping(value)
    if mapping is not None:
        return dict(_plain_items(mapping, depth, budget))
    elements = as_list(value)
    if elements is not None:
        return [_plain(element, depth - 1, budget) for element in elements]
    if isinstance(value, Stub) and len(value.args) == 1:
        return _plain(value.args[0], depth - 1, budget)  # an Enum's value
    return _scalar(value)


def _plain_items(
    mapping: Mapping[Any, Any], depth: int, budget: _Budget
) -> Iterator[tuple[str, Any]]:
    for key, item in mapping.items():
        if isinstance(key, (str, int, float)):
            yield str(key), _plain(item, depth - 1, budget)


def _scalar(value: object) -> Any:
    """Names, dates, and scalars and short lists of NumPy and PyTorch, as text and numbers."""
    if isinstance(value, ClassName):
        return value.name.rpartition(".")[2]
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    convert = getattr(value, "tolist", None)
    bytes_held = getattr(value, "nbytes", None)
    if convert is None or not isinstance(bytes_held, int) or bytes_held > _MAX_BYTES:
        return None
    if sum(length > 1 for length in getattr(value, "shape", ())) > 1:
        return None  # weights, or the state of an optimiser: far too slow as lists of numbers
    return convert()
