"""The data of a report: plain tables, each built once from the runs by :func:`gather`."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from math import isfinite
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd

from camlucida.analysis.cases.annotations import Annotations
from camlucida.analysis.cases.attribution_table import COLUMNS, attribution_table
from camlucida.analysis.cases.case_table import case_table
from camlucida.analysis.cases.model_performance import evaluate_runs
from camlucida.analysis.comparison import BY, Comparison, compare
from camlucida.analysis.selection import Selected, select
from camlucida.attribution.explanation import Explanation
from camlucida.core.errors import CamlucidaError, UsageError
from camlucida.core.messages import Message, declare
from camlucida.datasets.predictions import Predictions
from camlucida.evaluation.predictions.tables import PredictionSettings
from camlucida.metrics.annotations import Floats, Mask
from camlucida.report.evaluations import Evaluation, read_evaluations
from camlucida.runs import Run
from camlucida.runs.read import stored_geometry

declare(
    "report_data",
    {
        "maps": "the measures of the maps",
        "performance": "the performance of the models",
        "comparison": "the comparison by {by}",
        "evaluations": "the stored evaluations",
        "lost": "{what} could not be computed: {error}",
    },
)

RULES = {
    "regression": ("best", "worst", "median", "random:1:seed=0"),
    "segmentation": ("best", "worst", "median", "random:1:seed=0"),
    "multiclass": ("per-class:1", "best", "worst", "random:1:seed=0", "low-evidence"),
}
"""Task → rules by which its cases are chosen, where none are requested."""

OTHER_RULES = ("outcomes", "best", "worst", "random:1:seed=0", "low-evidence")

SERIES = ["run", "model", "method", "layer"]
"""What the maps of one series have in common."""

T = TypeVar("T")


@dataclass(frozen=True)
class SeriesRows:
    """The maps of one model, method and layer.

    Attributes:
        name: for people: as much as tells it from the others.
        run: index of the run.
        model: its name in the run.
        rows: index labels of ``ReportData.cases``.
    """

    name: str
    run: int
    model: str
    rows: list[Any]


@dataclass(frozen=True)
class Performance:
    """How good the models of one task are.

    Attributes:
        task: of all of them; a binary one is a multi-label one of one label.
        figures: columns of :class:`~camlucida.metrics.score_table.Row`.
        predictions: what was evaluated; None for masks.
        notes: of the evaluation.
    """

    task: str
    figures: pd.DataFrame
    predictions: Predictions | None
    notes: tuple[Message, ...]


@dataclass(frozen=True)
class ReportData:
    """Everything that the sections of a report take their numbers from.

    An image that is in several runs, by its id and file, is one image.

    Attributes:
        runs: at least one.
        folder: the report's; figures are written below it.
        names: what each run is called: its folder's name, or its path where two have the same.
        error_threshold: of a regression: errors from here up are high; None: the median.
        predictions: one row a run, image, model and label, with ``run``, the index of the run.
        images: one row an image of the cohorts, computed or not: run, image, path, patient, split,
            mask, box, group_*; ``has_mask``, ``has_box``: whether there is one of any label;
            ``patient_known``: whether its cohort has patients (else each image counts as one).
        truth: one row an image and label: image, path, patient, task, label, truth, synthetic.
        cases: one row a map, see :func:`~camlucida.analysis.cases.case_table.case_table`.
        measured: ``cases`` with the columns of the heat table.
        cells: of each case: height, width of a cell of the map in original pixels, ``mm`` its
            longer side; NaN where unknown.
        problems: a line for each mask or table of boxes that cannot be read.
        performance: of the models, by task; no task without ground truth.
        not_evaluated: why the performance of some runs is not there.
        all_series: in the order of the runs.
        tasks: task → its rows of ``cases``; tasks have no loss in common.
        chosen: task → the cases of it that are shown, rule by rule.
        comparisons: one for each thing that varies between the maps of a task, alone.
        evaluations: what ``camlucida evaluate`` wrote in the folders of the runs.
        annotations: (index of the run, model) → its masks and boxes.
        failures: what could not be computed; the report goes on without it.
    """

    runs: tuple[Run, ...]
    folder: Path
    names: tuple[str, ...]
    error_threshold: float | None
    predictions: pd.DataFrame
    images: pd.DataFrame
    truth: pd.DataFrame
    cases: pd.DataFrame
    measured: pd.DataFrame
    cells: pd.DataFrame
    problems: tuple[str, ...]
    performance: tuple[Performance, ...]
    not_evaluated: tuple[str, ...]
    all_series: tuple[SeriesRows, ...]
    tasks: Mapping[str, pd.DataFrame]
    chosen: Mapping[str, Sequence[Selected]]
    comparisons: tuple[Comparison, ...]
    evaluations: tuple[Evaluation, ...]
    annotations: Mapping[tuple[int, str], Annotations]
    failures: tuple[Message, ...] = ()

    @property
    def heat(self) -> pd.DataFrame:
        """The columns of ``measured`` that say what the heat of each map does."""
        return self.measured[COLUMNS]

    @property
    def patients_known(self) -> bool:
        """Whether the patient of every image is known."""
        return bool(self.images["patient_known"].all())

    @property
    def has_truth(self) -> bool:
        """Whether there is ground truth for any image."""
        return bool(self.truth["truth"].notna().any()) or bool(self.performance)

    @property
    def selected(self) -> list[Selected]:
        """The cases that are shown, rule by rule, task by task."""
        return list(chain.from_iterable(self.chosen.values()))

    def explanation(self, run: int, number: int) -> Explanation:
        """The stored map of a row of ``cases``, by its ``run`` and ``explanation``."""
        return self.runs[run].explanation(number)

    def map_of(self, row: Any) -> Explanation:
        """The stored map of a case (index label)."""
        case = self.cases.loc[row]
        return self.explanation(int(case["run"]), int(case["explanation"]))

    def mask(self, row: Any) -> Mask | None:
        """(H, W) ground truth of a case (index label), original pixels; None where there is none.

        It is that of the case's label.
        """
        size = self._size(row)
        if size is None:
            return None
        case = self.cases.loc[row]
        annotations = self.annotations[int(case["run"]), str(case["model"])]
        return annotations.mask(case.to_dict(), str(case["label"]), size)

    def boxes(self, row: Any) -> Floats | None:
        """(N, 4) x, y, width, height of the label of a case, in original pixels; None without."""
        size = self._size(row)
        if size is None:
            return None
        case = self.cases.loc[row]
        annotations = self.annotations[int(case["run"]), str(case["model"])]
        return annotations.boxes(case.to_dict(), str(case["label"]), size)

    def _size(self, row: Any) -> tuple[int, int] | None:
        """(H, W) of the image of a case; None for a volume."""
        case = self.cases.loc[row]
        stored = self.runs[int(case["run"])].explanations().iloc[int(case["explanation"])]
        original = stored["original"]
        return (int(original[0]), int(original[1])) if len(original) == 2 else None


def gather(
    runs: Sequence[Run],
    folder: Path,
    rules: Sequence[str] = (),
    error_threshold: float | None = None,
    settings: PredictionSettings | None = None,
    progress: Callable[..., object] | None = None,
) -> ReportData:
    """Compute every table of a report.

    What fails with an error of the inputs is left out, and is in ``failures``.

    Args:
        runs: at least one.
        folder: of the report.
        rules: of the selection of cases; by task if empty.
        error_threshold: of a regression: from where up an absolute error is high.
        settings: of the figures of predictions.
        progress: called with what is done, as a bar of progress wants it.
    """
    runs = tuple(runs)
    failures: list[Message] = []
    names = run_names(runs)
    predictions = _numbered([run.predictions() for run in runs])
    annotations = _annotations(runs, predictions)
    cases = case_table(runs)
    heat = _tried(
        Message("report_data.maps"),
        lambda: attribution_table(runs, cases, progress),
        pd.DataFrame(float("nan"), index=cases.index, columns=COLUMNS),
        failures,
    )
    unread = [*cases.attrs.get("problems", []), *heat.attrs.get("problems", [])]
    tasks = cases_by_task(cases, predictions)
    performance, not_evaluated = _performance(runs, settings or PredictionSettings(), failures)
    no_evaluations: list[Evaluation] = []
    evaluations = _tried(
        Message("report_data.evaluations"),
        lambda: list(read_evaluations(runs)),
        no_evaluations,
        failures,
    )
    return ReportData(
        runs=runs,
        folder=folder,
        names=names,
        error_threshold=error_threshold,
        predictions=predictions,
        images=_images(runs, annotations),
        truth=_truth(predictions),
        cases=cases,
        measured=cases.join(heat),
        cells=_cells(runs, cases),
        problems=tuple(dict.fromkeys(unread)),  # both look at a segmentation's masks
        performance=performance,
        not_evaluated=not_evaluated,
        all_series=series_of(cases, names),
        tasks=tasks,
        chosen={task: _select(task, rows, heat, rules) for task, rows in tasks.items()},
        comparisons=_comparisons(runs, tasks, heat, failures),
        evaluations=tuple(evaluations),
        annotations=annotations,
        failures=tuple(failures),
    )


def _tried(what: Message, make: Callable[[], T], without: T, failures: list[Message]) -> T:
    """A part of the data, or what stands for it where it cannot be made."""
    try:
        return make()
    except CamlucidaError as error:
        failures.append(Message("report_data.lost", {"what": what, "error": str(error)}))
        return without


def run_names(runs: Sequence[Run]) -> tuple[str, ...]:
    """The names of the runs' folders, or their paths where two folders have the same name."""
    paths = [run.folder.root.absolute() for run in runs]
    short = [path.name for path in paths]
    return tuple(short if len(set(short)) == len(short) else map(str, paths))


def _numbered(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Tables of the runs under each other, with ``run``, the index of the run."""
    numbered = [table.assign(run=index) for index, table in enumerate(tables)]
    return pd.concat(numbered, ignore_index=True)


def _images(
    runs: Sequence[Run], annotations: Mapping[tuple[int, str], Annotations]
) -> pd.DataFrame:
    columns = "SELECT * EXCLUDE (model, positives, unknown, value) FROM cohort"
    images = _numbered([run.query(columns) for run in runs])
    images = images.drop_duplicates(["image", "path"], ignore_index=True)
    first_model = [str(run.about["models"][0]["name"]) for run in runs]
    has_mask: list[bool] = []
    has_box: list[bool] = []
    for row in images.to_dict("records"):
        image = {str(name): value for name, value in row.items()}
        index = int(image["run"])
        has_mask.append(annotations[index, first_model[index]].has_mask(image))
        has_box.append(annotations[index, first_model[index]].has_box(image))
    known = {index: bool(run.about["patients_known"]) for index, run in enumerate(runs)}
    patient_known = images["run"].map(known).astype(bool)
    return images.assign(has_mask=has_mask, has_box=has_box, patient_known=patient_known)


def _truth(predictions: pd.DataFrame) -> pd.DataFrame:
    columns = ["image", "path", "patient", "task", "label", "truth", "synthetic"]
    keys = ["image", "path", "task", "label"]
    return predictions[columns].drop_duplicates(keys, ignore_index=True)


def _annotations(
    runs: Sequence[Run], predictions: pd.DataFrame
) -> dict[tuple[int, str], Annotations]:
    shared: dict[Hashable, Annotations] = {}
    by_model: dict[tuple[int, str], Annotations] = {}
    for index, run in enumerate(runs):
        rows = predictions[predictions["run"] == index]
        for model in run.about["models"]:
            name = str(model["name"])
            labels = [label for label in model["resolved"]["labels"] if label]
            # A model has no task here where every image failed.
            task = next(iter(rows["task"][rows["model"] == name]), "")
            # Models that share annotations have the same object, so that a file is read once.
            key = run.about["masks"], run.about["boxes"], tuple(labels), task
            if key not in shared:
                shared[key] = Annotations(run, labels, task, [])
            by_model[index, name] = shared[key]
    return by_model


def _performance(
    runs: Sequence[Run], settings: PredictionSettings, failures: list[Message]
) -> tuple[tuple[Performance, ...], tuple[str, ...]]:
    """How good the models are by task, and why that of some is unknown."""
    performance: list[Performance] = []
    reasons: list[str] = []
    for group in _comparable(runs):
        try:
            evaluated = evaluate_runs(group, settings)
        except UsageError as error:  # such as no ground truth: no failure
            reasons.append(error.what)
            continue
        except CamlucidaError as error:
            what = Message("report_data.performance")
            failures.append(Message("report_data.lost", {"what": what, "error": str(error)}))
            continue
        task = str(group[0].predictions()["task"].iloc[0])
        if evaluated.predictions is not None:
            task = evaluated.predictions.task
        performance.append(
            Performance(task, evaluated.figures, evaluated.predictions, evaluated.notes)
        )
    return tuple(performance), tuple(reasons)


def _comparable(runs: Sequence[Run]) -> list[list[Run]]:
    """Runs of the same task, and of the same classes: what can stand in one table."""
    groups: dict[tuple[str, ...], list[Run]] = {}
    for run in runs:
        rows = run.predictions()
        task = str(rows["task"].iloc[0])
        classes = sorted(set(rows["label"])) if task == "multiclass" else []
        groups.setdefault((task, *classes), []).append(run)
    return list(groups.values())


def _cells(runs: Sequence[Run], cases: pd.DataFrame) -> pd.DataFrame:
    """Size of a cell of each map, in original pixels and millimetres."""
    spacing = {path: pixel_spacing(Path(path)) for path in dict.fromkeys(map(str, cases["path"]))}
    rows: dict[Any, tuple[float, float, float]] = {}
    for index in cases["run"].drop_duplicates().tolist():
        of_run = cases[cases["run"] == index]
        stored = runs[index].explanations()
        for case, number, path in zip(of_run.index, of_run["explanation"], of_run["path"]):
            row = stored.iloc[int(number)].to_dict()
            sides = stored_geometry(row).cell(row["grid"])
            rows[case] = (sides[-2], sides[-1], _longer_side(sides, spacing[str(path)]))
    table = pd.DataFrame.from_dict(rows, orient="index", columns=["height", "width", "mm"])
    return table.reindex(cases.index)


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


def _select(
    task: str, cases: pd.DataFrame, heat: pd.DataFrame, requested: Sequence[str]
) -> list[Selected]:
    rules = list(requested or RULES.get(task, OTHER_RULES))
    models = len(cases[["run", "model"]].drop_duplicates())
    if not requested and models > 1:
        rules.append("disagreement")
    return select(cases, rules, heat)


def _comparisons(
    runs: Sequence[Run],
    tasks: Mapping[str, pd.DataFrame],
    heat: pd.DataFrame,
    failures: list[Message],
) -> tuple[Comparison, ...]:
    """One for each thing that varies alone; "model" only where no narrower word fits."""
    comparisons: list[Comparison] = []
    for cases in tasks.values():
        compared: list[str] = []
        for by in BY:
            if by == "model" and {"seed", "fold"} & set(compared):
                continue
            if by == "architecture" and "model" in compared:
                continue
            comparison = _compared(runs, cases, heat.loc[cases.index], by, failures)
            if comparison is not None:
                comparisons.append(comparison)
                compared.append(by)
    return tuple(comparisons)


def _compared(
    runs: Sequence[Run], cases: pd.DataFrame, heat: pd.DataFrame, by: str, failures: list[Message]
) -> Comparison | None:
    try:
        return compare(runs, cases, heat, by)
    except UsageError:
        return None  # nothing varies in this alone
    except CamlucidaError as error:
        what = Message("report_data.comparison", {"by": Message(f"words.{by}")})
        failures.append(Message("report_data.lost", {"what": what, "error": str(error)}))
        return None


def pixel_spacing(path: Path) -> list[float] | None:
    """Millimetres of a pixel (down, across) by the header of a DICOM file.

    None for other files, and where the header does not give it.
    """
    import pydicom
    from pydicom.errors import InvalidDicomError

    keywords = ("PixelSpacing", "ImagerPixelSpacing")
    try:
        header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=list(keywords))
    except (InvalidDicomError, OSError):
        return None
    for keyword in keywords:
        spacing = header.get(keyword)
        if spacing and len(spacing) == 2:
            steps = [float(step) for step in spacing]
            return steps if all(map(isfinite, steps)) else None
    return None
