"""The viewer in a page that stands alone: its script, and the images with their maps.

The page's Content-Security-Policy names the script by its hash. Images stand in the page, or, where
they are many, in a script each beside it: a page that is opened from a folder cannot fetch a file.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import accumulate
from pathlib import Path, PurePosixPath

from markupsafe import Markup

from camlucida.core.messages import Texts
from camlucida.report.viewer.case_files import in_html, read_case
from camlucida.report.viewer.words import viewer_words

INLINED = 16
INLINED_BYTES = 48 * 2**20
"""Images, and bytes of their data, up to which all of them stand in the page."""

FOLDER = "view"
"""Of scripts that are of no use once a page has taken them in."""


@dataclass(frozen=True)
class ViewerCase:
    """An image of the viewer.

    Attributes:
        name: of the image.
        note: a line below it in the list.
        script: the file of its data, as :func:`write_case` wrote it; its name is unique in the
            page, where an image can be in several figures.
    """

    name: str
    note: str
    script: str

    @property
    def id(self) -> str:
        """Of the case in the page.

        >>> ViewerCase("film", "nodule 0.80", "view/film.js").id
        'film.js'
        """
        return PurePosixPath(self.script).name


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

    def opened_by(self, scripts: Sequence[str]) -> str:
        """Id of the case that a figure opens, the first that the page has; "" where it has none.

        Args:
            scripts: of the images that the figure shows.
        """
        ids = {case.script: case.id for case in self.cases}
        return next((ids[script] for script in scripts if script in ids), "")

    def _case(self, case: ViewerCase) -> str:
        about = {"id": case.id, "title": case.name, "note": case.note, "script": case.script}
        if not self.inlined:
            return in_html(about)
        del about["script"]
        data = read_case(self.folder / case.script)
        return f'{in_html(about)[:-1]}, "data": {data}}}'


def page_viewer(
    cases: Sequence[ViewerCase], folder: Path, kind: str = "gallery"
) -> PageViewer | None:
    """The viewer of a page in ``folder``; None without an image.

    Args:
        cases: in order; the scripts of few are taken into the page.
        folder: where the scripts are.
        kind: as of :class:`PageViewer`.
    """
    if not cases:
        return None
    return PageViewer(cases, folder, len(within_limits(cases, folder)) == len(cases), kind)


def within_limits(cases: Sequence[ViewerCase], folder: Path) -> list[ViewerCase]:
    """The first cases, as many as may stand in one page.

    Args:
        cases, folder: as of :func:`page_viewer`.
    """
    sizes = ((folder / case.script).stat().st_size for case in cases[:INLINED])
    totals = accumulate(sizes)
    return [case for case, total in zip(cases, totals) if total <= INLINED_BYTES]


def remove_taken_in(viewer: PageViewer) -> None:
    """Remove the scripts in the folder :data:`FOLDER` that a page has taken in.

    Args:
        viewer: of the page, which is written.
    """
    parent = viewer.folder / FOLDER
    if not viewer.inlined or not parent.is_dir():
        return
    for case in viewer.cases:
        if PurePosixPath(case.script).parent.name == FOLDER:
            (viewer.folder / case.script).unlink(missing_ok=True)
    if not any(parent.iterdir()):
        parent.rmdir()


@cache
def viewer_script() -> str:
    """The built viewer, which the package carries."""
    return (files("camlucida") / "web" / "static" / "viewer.js").read_text("utf-8")
