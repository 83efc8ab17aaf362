"""The tables of a report that follow from the records of its runs: images, ground truth, cells."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any

import pandas as pd

from camlucida.analysis.cases.annotations import Annotations, background_label
from camlucida.io.keyed_files import actual_path
from camlucida.report.data import SERIES, SeriesRows
from camlucida.runs import Run
from camlucida.runs.stored_scan import stored_geometry

CELL_COLUMNS = ["depth", "height", "width", "mm"]


def run_names(runs: Sequence[Run]) -> tuple[str, ...]:
    """The names of the runs' folders, or their paths where two folders have the same name."""
    paths = [run.folder.root.absolute() for run in runs]
    short = [path.name for path in paths]
    return tuple(short if len(set(short)) == len(short) else map(str, paths))


def stacked(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Tables of the runs under each other, with ``run``, the index of the run."""
    numbered = [table.assign(run=index) for index, table in enumerate(tables)]
    return pd.concat(numbered, ignore_index=True)


def image_table(
    runs: Sequence[Run], annotations: Mapping[tuple[int, str], Annotations]
) -> pd.DataFrame:
    """One row an image of the cohorts; see :class:`~camlucida.report.data.ReportData`."""
    columns = "SELECT * EXCLUDE (model, positives, unknown, value) FROM cohort"
    images = stacked([run.query(columns) for run in runs])
    images = images.drop_duplicates(["image", "path"], ignore_index=True)
    first_model = [str(run.about["models"][0]["name"]) for run in runs]
    has_mask: list[bool] = []
    has_box: list[bool] = []
    for row in images.to_dict("records"):
        image = {str(name): value for name, value in row.items()}
        index = int(image["run"])
        has_mask.append(annotations[index, first_model[index]].has_mask(image))
        has_box.append(annotations[index, first_model[index]].has_box(image))
    has_patients = {index: bool(run.about["patients_known"]) for index, run in enumerate(runs)}
    patient_known = images["run"].map(has_patients).astype(bool)
    return images.assign(has_mask=has_mask, has_box=has_box, patient_known=patient_known)


def truth_table(predictions: pd.DataFrame) -> pd.DataFrame:
    """One row an image and label; see :class:`~camlucida.report.data.ReportData`."""
    columns = ["image", "path", "patient", "task", "label", "truth", "synthetic"]
    # The same image in another run or by another model has the same ground truth.
    keys = ["image", "path", "task", "label"]
    return predictions[columns].drop_duplicates(keys, ignore_index=True)


def annotations_of(
    runs: Sequence[Run], predictions: pd.DataFrame
) -> dict[tuple[int, str], Annotations]:
    """(index of the run, model) → its masks and boxes."""
    shared: dict[Hashable, Annotations] = {}
    by_model: dict[tuple[int, str], Annotations] = {}
    for index, run in enumerate(runs):
        rows = predictions[predictions["run"] == index]
        for model in run.about["models"]:
            name = str(model["name"])
            labels = [label for label in model["resolved"]["labels"] if label]
            # A model has no task here where every image failed.
            of_model = rows[rows["model"] == name]
            task = next(iter(of_model["task"]), "")
            background = background_label(of_model)
            # Models that share annotations have the same object, so that a file is read once.
            key = run.about["masks"], run.about["boxes"], tuple(labels), task, background
            if key not in shared:
                shared[key] = Annotations(run, labels, task, [], background)
            by_model[index, name] = shared[key]
    return by_model


def cell_table(runs: Sequence[Run], cases: pd.DataFrame) -> pd.DataFrame:
    """Size of a cell of each map, in original pixels and millimetres; depth of volumes alone."""
    spacing = {path: pixel_spacing(Path(path)) for path in dict.fromkeys(map(str, cases["path"]))}
    rows: dict[Any, tuple[float, ...]] = {}
    for index in cases["run"].drop_duplicates().tolist():
        of_run = cases[cases["run"] == index]
        stored = runs[index].explanations()
        for case, number, path in zip(of_run.index, of_run["explanation"], of_run["path"]):
            row = stored.iloc[int(number)].to_dict()
            sides = stored_geometry(row).cell(row["grid"])
            depth = sides[-3] if len(sides) == 3 else float("nan")
            longer = _longer_side(sides, spacing[str(path)])
            rows[case] = (depth, sides[-2], sides[-1], longer)
    table = pd.DataFrame.from_dict(rows, orient="index", columns=CELL_COLUMNS)
    return table.reindex(cases.index)


def no_cells(cases: pd.DataFrame) -> pd.DataFrame:
    """The table of cells where it was not requested: all NaN."""
    return pd.DataFrame(float("nan"), index=cases.index, columns=CELL_COLUMNS)


def _longer_side(sides: Sequence[float], spacing: Sequence[float] | None) -> float:
    """In millimetres; NaN where the spacing is unknown."""
    if not spacing or len(sides) != 2:
        return float("nan")
    return max(side * step for side, step in zip(sides, spacing))


def series_of(cases: pd.DataFrame, names: Sequence[str]) -> tuple[SeriesRows, ...]:
    """The maps of each model, method and layer; each named by what tells it from the others.

    Args:
        cases: with ``run``, ``model``, ``method``, ``layer``.
        names: of the runs.

    >>> methods = ["gradcam", "layercam"]
    >>> cases = pd.DataFrame({"run": 0, "model": "a", "method": methods, "layer": "last"})
    >>> [series.name for series in series_of(cases, ["run"])]
    ['gradcam', 'layercam']
    """
    groups = list(cases.groupby(SERIES, sort=False))
    vary = {key: cases[key].nunique() > 1 for key in ("model", "method")}
    layers_vary = bool((cases.groupby(["run", "model"])["layer"].nunique() > 1).any())
    same_name = bool(cases.drop_duplicates(["run", "model"])["model"].duplicated().any())
    name_model = vary["model"] or same_name or len(groups) == 1
    all_series: list[SeriesRows] = []
    for _, rows in groups:
        run, model, method, layer = (rows[key].iloc[0] for key in SERIES)
        parts = [names[run]] if same_name else []
        parts += [str(model)] if name_model else []
        parts += [str(method)] if vary["method"] else []
        parts += [str(layer)] if layers_vary else []
        name = ", ".join(parts) or str(model)
        all_series.append(SeriesRows(name, int(run), str(model), list(rows.index)))
    return tuple(all_series)


def cases_by_task(cases: pd.DataFrame, predictions: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Task → its cases; ``attrs["without_map"]`` counts its predictions that have no map."""
    keys = ["run", "image", "model"]
    tasks: dict[str, pd.DataFrame] = {}
    for task, rows in cases.groupby("task", sort=False):
        predicted = predictions[predictions["task"] == task][keys].drop_duplicates()
        without = len(predicted) - len(rows[keys].drop_duplicates())
        of_task = rows.copy()
        of_task.attrs = {**cases.attrs, "without_map": without}
        tasks[str(task)] = of_task
    return tasks


def pixel_spacing(path: Path) -> list[float] | None:
    """Millimetres of a pixel (down, across) by the header of a DICOM file.

    Args:
        path: of any file.

    Returns:
        ``PixelSpacing``, else ``ImagerPixelSpacing``; None for other files, and where the header
        gives neither.
    """
    # Here: importing pydicom takes long, and most cohorts have no DICOM files.
    import pydicom
    from pydicom.errors import InvalidDicomError

    keywords = ("PixelSpacing", "ImagerPixelSpacing")
    try:
        header = pydicom.dcmread(
            actual_path(path), stop_before_pixels=True, specific_tags=list(keywords)
        )
    except (InvalidDicomError, OSError):
        return None
    # ImagerPixelSpacing is that at the detector: the body part is magnified, so it comes second.
    for keyword in keywords:
        spacing = header.get(keyword)
        if spacing and len(spacing) == 2:
            steps = [float(step) for step in spacing]
            return steps if all(map(isfinite, steps)) else None
    return None
