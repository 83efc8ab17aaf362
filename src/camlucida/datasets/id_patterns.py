"""Rows that each belong to several images: the pattern by which a subject names its images."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from camlucida.core.errors import UsageError
from camlucida.datasets.name_matching import NameIndex, Rows
from camlucida.io.tables import listing

ID = "{id}"
NUMBER = "{n}"

MOST_TOKENS = 24
"""Words, numbers and signs of a name among which an id is looked for."""

ENOUGH = 0.5
"""Share of the images that a pattern must fit to be taken, or to stand against another."""

CLEARLY_MORE = 3
"""How many times as many rows a pattern must use as another that fits as well."""

_TOKEN = re.compile(r"[^\W\d_]+|\d+|[\W_]")


@dataclass(frozen=True)
class IdPattern:
    """How the names of images are made of the ids of a column.

    Attributes:
        column: of the table.
        text: the pattern, such as ``{id}_{n}``.
        rows: image → rows; [] where the pattern does not fit it.
    """

    column: str
    text: str
    rows: Rows

    def distinct(self) -> int:
        """Number of ids that have an image."""
        return len({tuple(rows) for rows in self.rows.values() if rows})

    def count(self) -> int:
        """Number of images that have a row."""
        return sum(bool(rows) for rows in self.rows.values())


def find_pattern(
    cells: Mapping[str, Sequence[str]], images: Mapping[Path, Sequence[str]], where: object
) -> IdPattern | None:
    """The pattern by which most images are named; None where no pattern fits half of them.

    An id stands between signs, or between letters and digits (``{id}_{n}``, ``film{id}_*``), or
    it is the name of a folder (``{id}/*``).

    Args:
        cells: column → its cells.
        images: image → its names, longest first.
        where: the table's file, for the message.

    Raises:
        UsageError: two patterns fit, and lead to different rows, and neither uses three times as
            many rows as the other.

    >>> images = {Path(f"{name}.png"): [name] for name in ("P1_1", "P1_2", "P2_1")}
    >>> find_pattern({"id": ["P1", "P2"]}, images, "t.csv").text
    '{id}_{n}'
    """
    candidates: list[IdPattern] = []
    for column, names in cells.items():
        candidates += _patterns(column, NameIndex(names), images)
    least = ENOUGH * len(images)
    fitting = [pattern for pattern in candidates if pattern.count() >= max(least, 1)]
    if not fitting:
        return None
    best = max(fitting, key=lambda pattern: (pattern.count(), pattern.distinct()))
    for rival in fitting:
        if _agree(best.rows, rival.rows):
            continue
        if best.distinct() < CLEARLY_MORE * rival.distinct():
            raise UsageError(
                f"{where}: images may be named {best.text} by the column {best.column!r}, or "
                f"{rival.text} by {rival.column!r}",
                f"say which: --id-column {best.column} --id-pattern '{best.text}'",
            )
    return best


def pattern_rows(
    text: str, column: str, names: Sequence[str], images: Mapping[Path, Sequence[str]]
) -> IdPattern:
    """The rows of each image by a pattern that the user named.

    Args:
        text: with ``{id}`` once; ``{n}`` stands for a number and ``*`` for anything but ``/``.
        column: of the ids.
        names: its cells.
        images: image → its names, longest first.

    Raises:
        UsageError: no ``{id}`` in the pattern, or more than one.

    >>> images = {Path("film7_2.png"): ["film7_2"]}
    >>> pattern_rows("film{id}_{n}", "id", ["7"], images).rows
    {PosixPath('film7_2.png'): [0]}
    """
    if text.count(ID) != 1:
        raise UsageError(f"--id-pattern {text!r}", "write {id} once: '{id}_{n}', 'film{id}_*'")
    before, _, after = text.partition(ID)
    patterns = _expression(before), _expression(after)
    index = NameIndex(names)
    depth = text.count("/") + 1
    rows: Rows = {}
    for path, keys in images.items():
        name = "/".join(keys[0].split("/")[-depth:])
        fitting = []
        for start, end in _spans(name):
            fits = patterns[0].fullmatch(name[:start]) and patterns[1].fullmatch(name[end:])
            if fits and index.rows(name[start:end]):
                fitting.append(tuple(index.rows(name[start:end])))
        distinct = set(fitting)
        rows[path] = list(distinct.pop()) if len(distinct) == 1 else []
    return IdPattern(column, text, rows)


def _expression(text: str) -> re.Pattern[str]:
    escaped = re.escape(text).replace(re.escape(NUMBER), r"\d+").replace(r"\*", "[^/]*")
    return re.compile(escaped)


def _spans(name: str) -> Iterator[tuple[int, int]]:
    """Start and end of each run of whole tokens; a run begins and ends with a letter or digit."""
    tokens = list(_TOKEN.finditer(name))[:MOST_TOKENS]
    words = [token for token in tokens if token[0].isalnum()]
    for position, first in enumerate(words):
        for last in words[position:]:
            yield first.start(), last.end()


def _patterns(
    column: str, index: NameIndex, images: Mapping[Path, Sequence[str]]
) -> list[IdPattern]:
    """Every pattern by which any image is named."""
    by_text: dict[str, dict[Path, set[tuple[int, ...]]]] = defaultdict(lambda: defaultdict(set))
    shared = _shared_folders(images)
    for path, keys in images.items():
        stem = keys[0].rpartition("/")[2]
        for start, end in _spans(stem):
            rows = index.rows(stem[start:end])
            if rows:
                text = f"{_general(stem[:start])}{ID}{_general(stem[end:])}"
                by_text[text][path].add(tuple(rows))
        folders = keys[0].split("/")[shared:-1]
        for depth, folder in enumerate(reversed(folders)):
            rows = index.rows(folder)
            if rows:
                by_text[f"{ID}/{'*/' * depth}*"][path].add(tuple(rows))
    return [
        IdPattern(column, text, _single_rows(of_images, images))
        for text, of_images in by_text.items()
    ]


def _single_rows(
    of_images: Mapping[Path, Collection[tuple[int, ...]]], images: Collection[Path]
) -> Rows:
    """The rows of each image; [] where the pattern fits several ids."""
    rows: Rows = {}
    for path in images:
        fitting = of_images.get(path, ())
        rows[path] = list(next(iter(fitting))) if len(fitting) == 1 else []
    return rows


def _shared_folders(images: Mapping[Path, Sequence[str]]) -> int:
    """How many folders all images have in common, from the root."""
    folders = [keys[0].split("/")[:-1] for keys in images.values()]
    depth = 0
    for parts in zip(*folders):
        if len(set(parts)) > 1:
            break
        depth += 1
    return depth


def _general(text: str) -> str:
    """What stands before or after an id, for all images: signs at the edges, a number or words."""
    match = re.fullmatch(r"([\W_]*)(.*?)([\W_]*)", text, re.DOTALL)
    assert match is not None  # it fits every text
    left, core, right = match.groups()
    if not core:
        return left + right
    return f"{left}{NUMBER if core.isdigit() else '*'}{right}"


def _agree(left: Rows, right: Rows) -> bool:
    """Whether two patterns lead no image to different rows."""
    both = [path for path, rows in left.items() if rows and right.get(path)]
    return all(left[path] == right[path] for path in both)


def described(pattern: IdPattern) -> str:
    """The first images of the first id, for a note.

    Args:
        pattern: that was taken.
    """
    by_rows: dict[tuple[int, ...], list[str]] = defaultdict(list)
    for path, rows in pattern.rows.items():
        if rows:
            by_rows[tuple(rows)].append(path.name)
    return listing(next(iter(by_rows.values()), []), 2)
