"""The cases of a comparison for the viewer: each film once, with the maps of every map series."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from camlucida.analysis.comparison.verdict import verdict_name
from camlucida.attribution.explanation import Explanation
from camlucida.core.files import slug, unique
from camlucida.core.messages import Message, chain, declare
from camlucida.figures.consistency import CasePanel, ShownCase
from camlucida.report.document import View
from camlucida.report.viewer.case_files import write_case
from camlucida.report.viewer.data import case_file, has_film

declare("viewer_panels", {"verdict": "{label}: {verdict}"})


def write_panels(panels: Sequence[CasePanel], folder: Path, prefix: str) -> list[tuple[View, ...]]:
    """Write the images of panels for the viewer, each once for all panels.

    Args:
        panels: of one comparison.
        folder: of the page.
        prefix: of the files, relative to ``folder``.

    Returns:
        The images of each panel in the order of its cases; without those over which no map lies,
        and those whose files are gone.
    """
    cases: dict[str, list[tuple[CasePanel, ShownCase]]] = {}
    for panel in panels:
        for case in panel.cases:
            cases.setdefault(str(case.case["image"]), []).append((panel, case))
    views: dict[str, View] = {}
    taken: set[str] = set()
    for image, shown in cases.items():
        maps = list(_named_maps(shown))
        if not maps or not has_film(maps[0].scan):
            continue
        file = f"{prefix}{slug(unique(image, taken))}.js"
        write_case(case_file(folder / file, maps))
        verdicts = [_verdict(case) for _, case in shown]
        views[image] = View(file, maps[0].scan.id, chain("words.clause", verdicts))
    return [_views_of(panel, views) for panel in panels]


def with_name(explanation: Explanation, name: str) -> Explanation:
    """The explanation with a name before its method, as the viewer lists maps of several models.

    Args:
        explanation: of one of them.
        name: of the model, or of what else differs.

    >>> from camlucida.attribution.explanation import _example
    >>> with_name(_example(), "seed 1").method
    'seed 1 · gradcam'
    """
    return replace(explanation, method=f"{name} · {explanation.method}")


def _named_maps(shown: Sequence[tuple[CasePanel, ShownCase]]) -> Iterator[Explanation]:
    """The maps of one image, under the names of their series."""
    for panel, case in shown:
        for row, explanation in zip(case.rows, case.stored):
            if explanation.no_picture is None:
                yield with_name(explanation, panel.headings[row["series"]])


def _verdict(case: ShownCase) -> Message:
    verdict = verdict_name(case.case["verdict"])
    return Message("viewer_panels.verdict", {"label": case.case["label"], "verdict": verdict})


def _views_of(panel: CasePanel, views: dict[str, View]) -> tuple[View, ...]:
    images = dict.fromkeys(str(case.case["image"]) for case in panel.cases)
    return tuple(views[image] for image in images if image in views)
