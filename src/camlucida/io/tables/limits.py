"""What a table may be at most, and the names that its columns must have."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from camlucida.core.errors import UsageError
from camlucida.io.image import MAX_BYTES


def check_bytes(path: Path, size: int, verb: str = "has") -> None:
    """Refuse a table that is larger than :data:`~camlucida.io.image.MAX_BYTES`.

    Args:
        path: of the table, for the message.
        size: in bytes.
        verb: what it does with that many bytes: "has", "inflates to".

    Raises:
        UsageError: it is larger.

    >>> check_bytes(Path("a.csv"), 1000)
    """
    if size > MAX_BYTES:
        raise UsageError(
            f"{path} {verb} {size:,} bytes; the limit is {MAX_BYTES:,}", "split the table"
        )


def check_names(path: Path, names: Sequence[str]) -> None:
    """Check that no two columns have one name.

    Args:
        path: of the table, for the message.
        names: of its columns.

    Raises:
        UsageError: two have.

    >>> check_names(Path("a.csv"), ["image", "age"])
    """
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        quoted = ", ".join(map(repr, twice))
        raise UsageError(
            f"{path} has more than one column named {quoted}", "rename or remove one of them"
        )
