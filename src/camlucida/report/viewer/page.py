"""The viewer in a page that stands alone: its script, and the images with their maps.

The page's Content-Security-Policy names the script by its hash. Images stand in the page, or, where
they are many, in a script each beside it: a page that is opened from a folder cannot fetch a file.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from markupsafe import Markup

from camlucida.attribution.explanation import Explanation
from camlucida.core.files import write_bytes
from camlucida.core.messages import Texts
from camlucida.report.viewer.data import Samples, film_data, maps_data
from camlucida.report.viewer.words import viewer_words

INLINED = 16
"""Images up to which all of them stand in the page."""


_CALL = "camlucidaViewer.deliver("
_END = ");\n"


@dataclass(frozen=True)
class ViewerCase:
    """An image of the viewer.

    Attributes:
        name: of the image.
        note: a line below it in the list.
        script: the file of its data, as :func:`write_case` wrote it.
        key: unique in the page where the name is not: an image can be in several figures.
    """

    name: str
    note: str
    script: str
    key: str = ""

    @property
    def id(self) -> str:
        """Of the case in the page."""
        return self.key or self.name


@dataclass(frozen=True)
class PageViewer:
    """The viewer of a page.

    Attributes:
        cases: in order.
        folder: of the page; scripts are relative to it.
        inlined: whether the page holds the data of all images.
        kind: "gallery" stands first and fills the window; "dialog" opens from the figures.
    """

    cases: Sequence[ViewerCase]
    folder: Path
    inlined: bool
    kind: str = "gallery"

    @property
    def policy(self) -> str:
        """What the page's Content-Security-Policy says of scripts."""
        digest = hashlib.sha256(viewer_script().encode()).digest()
        source = f"script-src 'sha256-{base64.b64encode(digest).decode()}'"
        # The script that the hash names may load those of the images; no other may run.
        return source if self.inlined else f"{source} 'strict-dynamic'"

    @property
    def script(self) -> Markup:
        """The program."""
        return Markup(viewer_script())

    def data(self, texts: Texts) -> Markup:
        """Words and images as JSON that no parser of HTML takes for a tag.

        Args:
            texts: of the page's language.
        """
        cases = ",".join(self._case(case) for case in self.cases)
        words = in_html(viewer_words(texts))
        return Markup(f'{{"words": {words}, "cases": [{cases}]}}')

    def _case(self, case: ViewerCase) -> str:
        about = {"id": case.id, "title": case.name, "note": case.note, "script": case.script}
        if not self.inlined:
            return in_html(about)
        del about["script"]
        data = read_case(self.folder / case.script, case.name)
        return f'{in_html(about)[:-1]}, "data": {data}}}'


def page_viewer(cases: Sequence[ViewerCase], folder: Path) -> PageViewer | None:
    """The viewer of a page in ``folder``; None without an image.

    Args:
        cases: in order; the scripts of few are taken into the page.
        folder: where the scripts are.
    """
    return PageViewer(cases, folder, len(cases) <= INLINED) if cases else None


@dataclass(frozen=True)
class CaseFile:
    """An image of the viewer, to be written as a script beside a page, in any process.

    Attributes:
        path: of the script.
        name: of the image.
        film: its samples.
        about: the rest of the data.
    """

    path: Path
    name: str
    film: Samples
    about: Mapping[str, Any]


def case_file(
    path: Path,
    explanations: Sequence[Explanation],
    colormap: str | None = None,
    outlines: Sequence[dict[str, Any]] = (),
) -> CaseFile:
    """The explanations of an image for the viewer.

    Args:
        path: of the script.
        explanations: as in :func:`camlucida.report.viewer.viewer_data`.
        colormap: the one to begin with.
        outlines: as there.
    """
    scan = explanations[0].scan
    about = maps_data(explanations, outlines=outlines, colormap=colormap)
    return CaseFile(path, scan.id, scan.picture(), about)


def write_case(case: CaseFile) -> None:
    """Write the data of an image as a script beside a page.

    Raises:
        OSError: the system refuses the folder or the file.
    """
    data = {"film": film_data(case.film, case.name), **case.about}
    write_bytes(case.path, f"{_begin(case.name)}{in_html(data)}{_END}".encode())


def read_case(path: Path, name: str) -> str:
    """The data of a script that :func:`write_case` wrote, as JSON."""
    return path.read_text("utf-8").removeprefix(_begin(name)).removesuffix(_END)


def image_of(path: Path) -> str:
    """The name of the image in a script that :func:`write_case` wrote."""
    begin = path.read_text("utf-8").removeprefix(_CALL)
    return str(json.JSONDecoder().raw_decode(begin)[0])


def remove_cases(cases: Sequence[ViewerCase], folder: Path) -> None:
    """Remove the scripts that a page has taken in, and their folder where nothing else is in it."""
    parents = set()
    for case in cases:
        path = folder / case.script
        path.unlink(missing_ok=True)
        parents.add(path.parent)
    for parent in parents - {folder}:
        if not any(parent.iterdir()):
            parent.rmdir()


def in_html(value: object) -> str:
    """JSON that holds no ``<``, so that no text in it ends a script or begins a comment.

    >>> in_html({"a": "</script>"})
    '{"a": "\\\\u003c/script>"}'
    """
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


@cache
def viewer_script() -> str:
    """The built viewer, which the package carries."""
    return (files("camlucida") / "web" / "static" / "viewer.js").read_text("utf-8")


def _begin(name: str) -> str:
    return f"{_CALL}{in_html(name)}, "
