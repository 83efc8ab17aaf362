"""What the server may call in the process of the models."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from camlucida.web.alignment import Align, film_alignment
from camlucida.web.change import film_change
from camlucida.web.export import Kind, export_cases, export_report
from camlucida.web.inference import Inference


def align_films(
    inference: Inference, film: str, folder: str, other: str, align: Align
) -> dict[str, Any]:
    """How the film in a folder, ``other``, lies on another; no model runs."""
    return film_alignment(Path(folder), Path(other), align)


def write_cases(
    inference: Inference, run: str, numbers: Sequence[int], write: Sequence[Kind], path: str
) -> dict[str, Any]:
    """Write the stored maps of a run's cases into a ZIP file; no model runs."""
    export_cases(Path(path), Path(run), numbers, inference.step, write)
    return {"name": "camlucida.zip"}


def write_run_report(inference: Inference, run: str, path: str) -> dict[str, Any]:
    """Write the report of a run; no model runs."""
    export_report(Path(path), Path(run))
    return {"name": "report.html"}


CALLS: Mapping[str, Callable[..., dict[str, Any]]] = {
    "ahead": Inference.ahead,
    "describe": Inference.describe,
    "findings": Inference.findings,
    "map": Inference.map,
    "forget": Inference.forget,
    "region": Inference.region,
    "occlusion": Inference.occlusion,
    "curve": Inference.curve,
    "align": align_films,
    "change": film_change,
    "figure": Inference.figure,
    "export": Inference.export,
    "cases": write_cases,
    "report": write_run_report,
}
"""By name; of each the first argument holds the models and films."""
