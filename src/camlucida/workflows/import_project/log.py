"""What an import recognised, and what it does not use: a message each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from camlucida.core.messages import Message, Value
from camlucida.io.tables import listing


@dataclass
class ImportLog:
    """Messages in the order of the search.

    Attributes:
        folder: of the project; names of files start from it.
        recognised: what is used, and from what it was recognised.
        unused: what was seen and is not used, and why.
    """

    folder: Path
    recognised: list[Message] = field(default_factory=list)
    unused: list[Message] = field(default_factory=list)

    def name(self, path: Path) -> str:
        """A path as it is shown: from the project's folder.

        >>> ImportLog(Path("/p")).name(Path("/p/data/a.csv"))
        'data/a.csv'
        """
        inside = path.is_relative_to(self.folder)
        return path.relative_to(self.folder).as_posix() if inside else str(path)

    def names(self, paths: Iterable[Path]) -> str:
        """Some paths as they are shown."""
        return listing(map(self.name, paths))

    def use(self, code: str, **values: Value) -> None:
        """Add what is used; ``code`` without its table."""
        self.recognised.append(Message(f"imported.{code}", values))

    def leave(self, code: str, **values: Value) -> None:
        """Add what is not used; ``code`` without its table."""
        self.unused.append(Message(f"not_imported.{code}", values))
