"""Names of numbered classes, as the files beside annotations give them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from camlucida.core.errors import UsageError

_LISTS = ("classes.txt", "obj.names", "labels.txt", "class_names.txt")
"""Files with a name a line, the first of class 0."""

_YAML = ("data.yaml", "data.yml", "dataset.yaml", "dataset.yml")
_JSON = ("dataset.json", "labels.json", "label_map.json", "classes.json", "class_names.json")

FILES = frozenset((*_LISTS, *_YAML, *_JSON))
"""Names of files that name classes."""


def class_names(folders: Iterable[Path]) -> tuple[dict[int, str], Path | None]:
    """Names of classes, and the file that gives them, the first there is.

    Args:
        folders: where such a file may lie, the nearest first.

    Raises:
        UsageError: it is there and gives no names.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     _ = Path(folder, "classes.txt").write_text("Mass\\nNodule\\n")
    ...     class_names([Path(folder)])[0]
    {0: 'Mass', 1: 'Nodule'}
    """
    for folder in folders:
        for name in (*_YAML, *_LISTS, *_JSON):
            path = folder / name
            if path.is_file():
                return _read(path), path
    return {}, None


def parse_class_names(words: Sequence[str]) -> dict[int, str]:
    """Names of classes of texts such as ``1=mass``.

    Args:
        words: of the option ``--mask-label``.

    Raises:
        UsageError: no number before "=", no name after it, or a number twice.

    >>> parse_class_names(["1=mass", "2=nodule"])
    {1: 'mass', 2: 'nodule'}
    """
    names: dict[int, str] = {}
    for word in words:
        number, _, name = (part.strip() for part in word.partition("="))
        if not number.isdecimal() or not name or int(number) in names:
            raise UsageError(f"--mask-label {word}", "write VALUE=NAME once a value: 1=mass")
        names[int(number)] = name
    return names


def _read(path: Path) -> dict[int, str]:
    try:
        text = path.read_text("utf-8-sig")
        if path.name in _LISTS:
            lines = [line.strip() for line in text.splitlines()]
            return dict(enumerate(line for line in lines if line))
        return _named(_document(path, text))
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise UsageError(
            f"{path} gives no names of classes: {type(error).__name__}",
            "write names: [mass, nodule], or {1: mass}",
        ) from error


def _document(path: Path, text: str) -> Any:
    if path.name in _JSON:
        document = json.loads(text)
    else:
        import yaml

        try:
            document = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise ValueError from error
    for key in ("names", "labels", "classes"):
        if isinstance(document, dict) and isinstance(document.get(key), (dict, list)):
            return document[key]
    return document


def _named(content: Any) -> dict[int, str]:
    """Of a list, of {0: name}, or, as nnU-Net's, of {name: 0}."""
    if isinstance(content, list):
        return {number: str(name) for number, name in enumerate(content)}
    if not isinstance(content, Mapping) or not content:
        raise ValueError("neither list nor mapping")
    if all(str(key).isdecimal() for key in content):
        return {int(key): str(name) for key, name in content.items()}
    return {int(number): str(name) for name, number in content.items()}
