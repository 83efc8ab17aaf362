"""Texts for clients name files, and not the folders of this machine in which they are."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from camlucida.web.settings import Settings

_STOP = r"\s/\\'\"`<>|(),;:"
# The folders before a file's name; addresses of this server and of others are none.
_FOLDERS = re.compile(
    rf"(?<![\w.~/\\-])(?!/api/)(?:~|[A-Za-z]:)?(?:[/\\][^{_STOP}]+)+[/\\](?=[^{_STOP}])"
)


def without_folders(text: str, known: Iterable[str] = ()) -> str:
    """A text whose files are named without their folders.

    Args:
        text: for people.
        known: folders that may be in it; they may have blanks in their names.

    >>> without_folders("cannot read /home/anna/models/card.toml: no weights (see GET /api/models)")
    'cannot read card.toml: no weights (see GET /api/models)'
    >>> without_folders("/my films/a.png is gone", ["/my films"])
    'a.png is gone'
    """
    for folder in sorted(known, key=len, reverse=True):
        text = text.replace(f"{folder}/", "").replace(f"{folder}\\", "")
    return _FOLDERS.sub("", text)


def error_without_folders(error: Mapping[str, str], known: Iterable[str]) -> dict[str, str]:
    """An error as plain data whose texts name no folder.

    Args:
        error: code, what and fix.
        known: as of :func:`without_folders`.
    """
    folders = list(known)
    return {name: without_folders(text, folders) for name, text in error.items()}


def notes_without_folders(answer: dict[str, Any], known: Iterable[str]) -> dict[str, Any]:
    """An answer of the models' process whose notes name no folder.

    Args:
        answer: may have ``notes``.
        known: as of :func:`without_folders`.
    """
    if "notes" not in answer:
        return answer
    folders = list(known)
    return answer | {"notes": [without_folders(note, folders) for note in answer["notes"]]}


def folders_of(settings: Settings) -> frozenset[str]:
    """The folders of what a server was started with.

    Args:
        settings: of the server.
    """
    sources = [entry.source for entry in settings.models]
    checkpoints = [str(entry.options.get("checkpoint", "")) for entry in settings.models]
    files = [*sources, *checkpoints, *map(str, settings.runs.values())]
    files += [str(film.path) for film in settings.films]
    absolute = [Path(file).absolute() for file in files if file]
    parents = {str(path.parent) for path in absolute}
    return frozenset({*parents, *map(str, settings.runs.values()), str(settings.state.absolute())})
