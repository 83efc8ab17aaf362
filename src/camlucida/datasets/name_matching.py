"""Rows of a table and images whose names differ: in folder, case, or zeros that were lost.

Nothing is joined by likeness: every way here leaves one name for an image, or none.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from pathlib import Path

from camlucida.datasets.image_names import bare_name

Rows = dict[Path, list[int]]
"""Image file → rows that name it, from 0."""

Keys = Mapping[Path, Sequence[str]]
"""Image file → names that it may have, longest first (``image_keys``)."""

_WHOLE = re.compile(r"\d+(\.0+)?")


def same_letters(name: str) -> str:
    """A name without regard to letter case and to how accents are encoded.

    Args:
        name: of an image.

    >>> same_letters("FILM_a") == same_letters("film_A")
    True
    """
    return unicodedata.normalize("NFC", name).casefold()


@dataclass(frozen=True)
class NameIndex:
    """The names in a column of a table, by all that they may be looked up by.

    Attributes:
        names: one a row, as :func:`~camlucida.datasets.image_names.bare_name` writes them.
    """

    names: Sequence[str]

    @cached_property
    def exact(self) -> dict[str, list[int]]:
        """Name → rows."""
        rows: dict[str, list[int]] = defaultdict(list)
        for row, name in enumerate(self.names):
            if name:
                rows[name].append(row)
        return dict(rows)

    @cached_property
    def folded(self) -> dict[str, list[int]]:
        """Name without regard to case → rows, where the column spells it one way only."""
        spelt: dict[str, list[str]] = defaultdict(list)
        for name in self.exact:
            spelt[same_letters(name)].append(name)
        single = {key: names[0] for key, names in spelt.items() if len(names) == 1}
        return {key: self.exact[name] for key, name in single.items()}

    @cached_property
    def numbers(self) -> dict[int, list[int]]:
        """Number → rows, of a column of numbers none of which kept a leading zero; else empty."""
        rows: dict[int, list[int]] = defaultdict(list)
        for name, of_name in self.exact.items():
            has_zero = len(name) > 1 and name.startswith("0") and not name.startswith("0.")
            if not _WHOLE.fullmatch(name) or has_zero:
                return {}
            rows[int(name.partition(".")[0])] += of_name
        return dict(rows)

    def rows(self, text: str) -> list[int]:
        """The rows that a part of an image's name means: as it is, by case, or by its number.

        Args:
            text: the part.

        Returns:
            Their numbers from 0; [] for none.

        >>> NameIndex(["P1", "p2"]).rows("p1"), NameIndex(["7", "12"]).rows("007")
        ([0], [0])
        """
        if text in self.exact:
            return self.exact[text]
        if same_letters(text) in self.folded:
            return self.folded[same_letters(text)]
        if text.isascii() and text.isdigit() and len(text) < 20:
            return self.numbers.get(int(text), [])
        return []


@dataclass(frozen=True)
class NameMatch:
    """The rows of each image, and in which way they were found.

    Attributes:
        rows: image file → rows, from 0; [] where none names it.
        by_case: images whose names differ in case or accents from the table's.
        by_number: images whose names have leading zeros that the table's have not.
        folder: that the names of the table were compared without; "" for none.
        by_file_name: whether names were compared by their last part alone.
    """

    rows: Rows
    by_case: list[Path] = field(default_factory=list)
    by_number: list[Path] = field(default_factory=list)
    folder: str = ""
    by_file_name: bool = False

    @property
    def count(self) -> int:
        """Images that have a row."""
        return sum(bool(rows) for rows in self.rows.values())


def match_names(names: Sequence[str], keys: Keys, *, exact_only: bool = False) -> NameMatch:
    """Find the rows of each image by its name.

    First the names as they are, then without the folders that all of them begin with, then by
    the file's name alone where no two have the same. The first of these ways that finds any row is
    taken. Within it, an image that no name fits exactly may be found by a name of other letter
    case, or by one that lost its leading zeros, where each is the only one.

    Args:
        names: cells of the table.
        keys: of the images.
        exact_only: without case, zeros and the file's name alone.

    >>> match = match_names(["old/p1/a.png"], {Path("new/p1/a.dcm"): ["new/p1/a", "p1/a", "a"]})
    >>> match.rows, match.folder
    ({PosixPath('new/p1/a.dcm'): [0]}, 'old')
    """
    last = NameMatch({path: [] for path in keys})
    for bare, folder, by_file_name in _spellings(names, keys):
        if exact_only and by_file_name:
            continue
        rows = _exact_rows(bare, keys)
        _keep_same_suffix(rows, names)
        match = NameMatch(rows, folder=folder, by_file_name=by_file_name)
        if not exact_only:
            _add_other_spellings(match, NameIndex(bare), keys)
        if match.count:
            return match
    return last


def _spellings(names: Sequence[str], keys: Keys) -> Iterator[tuple[list[str], str, bool]]:
    """The names of the table in each way they are compared; the folder left out; by file alone."""
    bare = [bare_name(name) for name in names]
    yield bare, "", False
    common = _common_folder([name for name in bare if "/" in name])
    absolute = any(name.replace("\\", "/").startswith("/") for name in names)
    for length in range(1, len(common) + 1):
        folder = "/".join(common[:length]) + "/"
        shortened = [name.removeprefix(folder) for name in bare]
        yield shortened, f"{'/' * absolute}{folder[:-1]}", False
    alone = [name.rpartition("/")[2] for name in bare]
    if alone != bare and _identifies(alone, bare) and _identifies_images(keys):
        yield alone, "", True


def _common_folder(names: Sequence[str]) -> list[str]:
    """The parts of the folder that all names begin with."""
    folders = [name.split("/")[:-1] for name in names]
    common = []
    for parts in zip(*folders):
        if len(set(parts)) > 1:
            break
        common.append(parts[0])
    return common


def _identifies(short: Sequence[str], whole: Sequence[str]) -> bool:
    """Whether no two different names have the same short one."""
    pairs = {(same_letters(name), full) for name, full in zip(short, whole)}
    return len(pairs) == len({name for name, _ in pairs})


def _identifies_images(keys: Keys) -> bool:
    stems = [same_letters(_stem(names)) for names in keys.values()]
    return len(set(stems)) == len(stems)


def _stem(keys: Sequence[str]) -> str:
    return keys[0].rpartition("/")[2]


def _exact_rows(bare: Sequence[str], keys: Keys) -> Rows:
    exact = NameIndex(bare).exact
    rows: Rows = {}
    for path, names in keys.items():
        # The names stand longest first, so that ``p1/view1`` wins over a bare ``view1``.
        fitting = (name for name in names if name in exact)
        name = next(fitting, None)
        rows[path] = [] if name is None else list(exact[name])
    return rows


def _keep_same_suffix(rows: Rows, names: Sequence[str]) -> None:
    """Of images that differ in their suffix alone, leave a row to the one whose suffix it has."""
    images: dict[int, list[Path]] = defaultdict(list)
    for path, of_path in rows.items():
        for row in of_path:
            images[row].append(path)
    for row, paths in images.items():
        name = names[row].replace("\\", "/").rpartition("/")[2]
        same = [path for path in paths if path.name == name]
        if len(paths) > 1 and len(same) == 1:
            for path in paths:
                if path != same[0]:
                    rows[path].remove(row)


def _add_other_spellings(match: NameMatch, index: NameIndex, keys: Keys) -> None:
    """Rows of other case, or without zeros, for images that have none; rows in use stay."""
    used = set(chain.from_iterable(match.rows.values()))
    free = [path for path, rows in match.rows.items() if not rows]
    by_case = {}
    for path in free:
        fitting = (name for name in map(same_letters, keys[path]) if name in index.folded)
        name = next(fitting, None)
        if name is not None and not used & set(index.folded[name]):
            by_case[path] = name
    claims = Counter(by_case.values())
    for path, name in by_case.items():
        # Film.png and FILM.png would both be the row film.
        if claims[name] == 1:
            match.rows[path] += index.folded[name]
            match.by_case.append(path)
    _add_numbers(match, index, keys, used)


def _add_numbers(match: NameMatch, index: NameIndex, keys: Keys, used: set[int]) -> None:
    """Rows whose number is that of one image alone, for images that have no row."""
    free = [path for path, rows in match.rows.items() if not rows]
    numbers = Counter(_number(names) for names in keys.values())
    for path in free:
        number = _number(keys[path])
        rows = [] if number is None else index.numbers.get(number, [])
        # 01.png and 001.png would have the same number.
        if rows and numbers[number] == 1 and not used & set(rows):
            match.rows[path] += rows
            match.by_number.append(path)


def _number(keys: Sequence[str]) -> int | None:
    stem = _stem(keys)
    is_number = stem.isascii() and stem.isdigit() and len(stem) < 20
    return int(stem) if is_number else None
