"""Scripts beside a page, an image each, written and read in any process.

What stands here needs no network's library: a worker process that writes begins at once.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from camlucida.core.files import write_bytes
from camlucida.core.film_units import FilmUnits
from camlucida.report.viewer.encode import Samples, film_data

_CALL = "camlucidaViewer.deliver("
_END = ");\n"


@dataclass(frozen=True)
class CaseFile:
    """An image of the viewer, to be written as a script beside a page, in any process.

    Attributes:
        path: of the script.
        name: of the image.
        film: its samples.
        about: the rest of the data.
        window: samples that are black and white at first; all that the bits can hold if None.
        units: as of :func:`~camlucida.report.viewer.encode.film_data`.
    """

    path: Path
    name: str
    film: Samples
    about: Mapping[str, Any]
    window: tuple[float, float] | None = None
    units: FilmUnits | None = None


def write_case(case: CaseFile, rows: bytes | None = None) -> None:
    """Write the data of an image as a script beside a page.

    Args:
        case: the image.
        rows: of its film, as :func:`camlucida.report.viewer.encode.film_data` takes them.

    Raises:
        OSError: the system refuses the folder or the file.
    """
    film = film_data(case.film, case.name, case.window, rows=rows, units=case.units)
    samples = film.pop("data")  # most of the file, and base64, in which nothing is to be escaped
    begin = f'{_begin(case.path)}{{"film": {in_html(film)[:-1]}, "data": "'
    write_bytes(case.path, f'{begin}{samples}"}}, {in_html(case.about)[1:]}{_END}'.encode())


def read_case(path: Path) -> str:
    """The data of a script that :func:`write_case` wrote, as JSON."""
    return path.read_text("utf-8").removeprefix(_begin(path)).removesuffix(_END)


def in_html(value: object) -> str:
    """JSON that holds no ``<``, so that no text in it ends a script or begins a comment.

    >>> in_html({"a": "</script>"})
    '{"a": "\\\\u003c/script>"}'
    """
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _begin(path: Path) -> str:
    """A script delivers its data under the name of its file, for two may be of one image."""
    return f"{_CALL}{in_html(path.name)}, "
