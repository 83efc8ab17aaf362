"""What a report is about."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from camlucida.analysis.cases.annotations import Annotations
from camlucida.analysis.cases.attribution_table import attribution_table
from camlucida.analysis.cases.case_table import case_table
from camlucida.analysis.cases.model_performance import evaluate_runs
from camlucida.analysis.comparison import BY, Comparison, compare
from camlucida.analysis.selection import Selected, select
from camlucida.attribution.explanation import Explanation
from camlucida.attribution.stages import Stages, grad_cam_stages
from camlucida.core.errors import UsageError
from camlucida.core.messages import Message
from camlucida.datasets.predictions import Predictions
from camlucida.evaluation.predictions.tables import PredictionSettings
from camlucida.metrics.annotations import Floats, Mask
from camlucida.models import load_model
from camlucida.runs import Run
from camlucida.runs.read import stored_geometry

RULES = {
    "regression": ("best", "worst", "median", "random:1:seed=0"),
    "segmentation": ("best", "worst", "median", "random:1:seed=0"),
    "multiclass": ("per-class:1", "best", "worst", "random:1:seed=0", "low-evidence"),
}
"""Task → rules by which its cases are chosen, where none are asked for."""

OTHER_RULES = ("outcomes", "best", "worst", "random:1:seed=0", "low-evidence")


@dataclass(frozen=True)
class MapSeries:
    """The maps of one model, method and layer.

    Attributes:
        name: for people: as much as tells it from the others.
        run: place in ``Study.runs``.
        model: its name in the run.
        rows: index labels of ``Study.cases``.
    """

    name: str
    run: int
    model: str
    rows: list[Any]


@dataclass(frozen=True)
class Judged:
    """How good the models of one task are.

    Attributes:
        task: of all of them; a binary one is a multi-label one of one label.
        figures: columns of :class:`~camlucida.metrics.score_table.Row`.
        predictions: what was judged; None for masks.
        notes: one line each.
    """

    task: str
    figures: pd.DataFrame
    predictions: Predictions | None
    notes: tuple[Message, ...]


@dataclass(frozen=True)
class Study:
    """Runs that are reported together. An image that is in several of them, by its id and file, is one image.

    Attributes:
        runs: at least one.
        folder: the report's; pictures are written below it.
        rules: of the selection of cases; by task if empty.
        error_threshold: of a regression: from where up an absolute error is high; the median without it.
        settings: of the figures of predictions.
        progress: called with what is done, as a bar of progress wants it.
    """

    runs: tuple[Run, ...]
    folder: Path
    rules: tuple[str, ...] = ()
    error_threshold: float | None = None
    settings: PredictionSettings = field(default_factory=PredictionSettings)
    progress: Callable[..., object] = field(
        default=lambda done=1, total=None: None, repr=False, compare=False
    )

    @cached_property
    def names(self) -> tuple[str, ...]:
        """What each run is called: its folder's name, or its path where two folders have the same."""
        places = [run.folder.root.absolute() for run in self.runs]
        short = [place.name for place in places]
        return tuple(short if len(set(short)) == len(short) else map(str, places))

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """One row a run, image, model and label: :meth:`Run.predictions`, and ``run``, the run's place in ``runs``."""
        return pd.concat(
            [run.predictions().assign(run=at) for at, run in enumerate(self.runs)],
            ignore_index=True,
        )

    @cached_property
    def images(self) -> pd.DataFrame:
        """One row an image of the cohorts, computed or not: run, image, path, patient, split, mask, box, group_*."""
        asked = "SELECT * EXCLUDE (model, positives, unknown, value) FROM cohort"
        tables = [run.query(asked).assign(run=at) for at, run in enumerate(self.runs)]
        return pd.concat(tables, ignore_index=True).drop_duplicates(
            ["image", "path"], ignore_index=True
        )

    @cached_property
    def marked(self) -> pd.DataFrame:
        """Of each of ``images``: ``mask`` and ``box``, whether there is one of any label."""
        marks = {
            at: self._marks(at, str(run.about["models"][0]["name"]))
            for at, run in enumerate(self.runs)
        }
        rows = [
            {str(name): value for name, value in row.items()}
            for row in self.images.to_dict("records")
        ]
        found = [(marks[row["run"]].has_mask(row), marks[row["run"]].has_box(row)) for row in rows]
        return pd.DataFrame(found, columns=["mask", "box"], index=self.images.index)

    @cached_property
    def truth(self) -> pd.DataFrame:
        """One row an image and label that a model was asked for: image, path, patient, task, label, truth, synthetic."""
        columns = ["image", "path", "patient", "task", "label", "truth", "synthetic"]
        return self.predictions[columns].drop_duplicates(
            ["image", "path", "task", "label"], ignore_index=True
        )

    @cached_property
    def cases(self) -> pd.DataFrame:
        """One row a map: :func:`~camlucida.cases.case_table`."""
        return case_table(self.runs)

    @cached_property
    def measured(self) -> pd.DataFrame:
        """``cases`` with what the heat of each does: :func:`~camlucida.cases.attribution_table`."""
        heat = attribution_table(self.runs, self.cases, self.progress)
        whole = self.cases.join(heat)
        found = dict.fromkeys(
            [*self.cases.attrs["problems"], *heat.attrs["problems"]]
        )  # both look at a segmentation's masks
        whole.attrs = {"problems": list(found)}
        return whole

    @cached_property
    def heat(self) -> pd.DataFrame:
        """The heat's columns alone."""
        return self.measured.drop(columns=list(self.cases.columns))

    @property
    def patients_known(self) -> bool:
        """Whether every table says whose its images are; else each image counts as a patient."""
        return all(run.about["patients_known"] for run in self.runs)

    @cached_property
    def unowned(self) -> pd.Series:
        """Of each of ``images``, whether its table says of no image whose it is."""
        unknown = [not run.about["patients_known"] for run in self.runs]
        return self.images["run"].map(dict(enumerate(unknown))).astype(bool)

    @property
    def judged(self) -> list[Judged]:
        """How good the models are, by task; a task of which no truth is known is not among them."""
        return self._evaluated[0]

    @property
    def unjudged(self) -> list[str]:
        """Why runs could not be evaluated, one line each."""
        return self._evaluated[1]

    @cached_property
    def _evaluated(self) -> tuple[list[Judged], list[str]]:
        found: list[Judged] = []
        refused: list[str] = []
        for runs in self._of_one_question():
            try:
                evaluated = evaluate_runs(runs, self.settings)
            except UsageError as error:
                refused.append(error.what)
                continue
            task = str(runs[0].predictions()["task"].iloc[0])
            kind = task if evaluated.predictions is None else evaluated.predictions.task
            found.append(Judged(kind, evaluated.figures, evaluated.predictions, evaluated.notes))
        return found, refused

    def _of_one_question(self) -> list[list[Run]]:
        """Runs of the same task, and of the same classes where one of them is predicted: what can stand in one table."""
        groups: dict[tuple[str, ...], list[Run]] = {}
        for run in self.runs:
            rows = run.predictions()
            task = str(rows["task"].iloc[0])
            classes = sorted(set(rows["label"])) if task == "multiclass" else []
            groups.setdefault((task, *classes), []).append(run)
        return list(groups.values())

    @cached_property
    def cells(self) -> pd.DataFrame:
        """Of each case: ``height``, ``width`` of a cell of the map in original pixels, ``mm`` its longer side; NaN if unknown."""
        parts = [self._cells_of(at) for at in sorted(set(self.cases["run"]))]
        return pd.concat(parts).reindex(self.cases.index)

    def _cells_of(self, at: int) -> pd.DataFrame:
        cases = self.cases[self.cases["run"] == at]
        rows = self.runs[at].explanations().iloc[cases["explanation"].tolist()]
        sides = [stored_geometry(row).cell(row["grid"]) for row in rows.to_dict("records")]
        spacing = [self._spacing(str(path)) for path in cases["path"]]
        longest = [
            max(n * step for n, step in zip(side, steps))
            if steps and len(side) == 2
            else float("nan")
            for side, steps in zip(sides, spacing)
        ]
        ends = [(side[-2], side[-1]) for side in sides]
        table = {
            "height": [end[0] for end in ends],
            "width": [end[1] for end in ends],
            "mm": longest,
        }
        return pd.DataFrame(table, index=cases.index)

    @cached_property
    def _spacings(self) -> dict[str, list[float] | None]:
        return {}

    def _spacing(self, path: str) -> list[float] | None:
        """Millimetres of a pixel (down, across) by the file's header; None where it says nothing."""
        if path not in self._spacings:
            self._spacings[path] = pixel_spacing(Path(path))
        return self._spacings[path]

    @cached_property
    def all_series(self) -> tuple[MapSeries, ...]:
        """The maps of each model, method and layer, in the order of the runs."""
        keys = ["run", "model", "method", "layer"]
        groups = list(self.cases.groupby(keys, sort=False))
        several = {key: self.cases[key].nunique() > 1 for key in ("model", "method")}
        layers = bool((self.cases.groupby(["run", "model"])["layer"].nunique() > 1).any())
        same_name = self.cases.drop_duplicates(["run", "model"])["model"].duplicated().any()
        found: list[MapSeries] = []
        for _, rows in groups:
            run, model, method, layer = (rows[key].iloc[0] for key in keys)
            parts = [self.names[run]] if same_name else []
            parts += [str(model)] if several["model"] or same_name or len(groups) == 1 else []
            parts += [str(method)] if several["method"] else []
            parts += [str(layer)] if layers else []
            found.append(
                MapSeries(", ".join(parts) or str(model), int(run), str(model), list(rows.index))
            )
        return tuple(found)

    @cached_property
    def tasks(self) -> dict[str, pd.DataFrame]:
        """Task → its rows of ``cases``: cases of several tasks have no loss and no answer in common."""
        parts = {str(task): rows.copy() for task, rows in self.cases.groupby("task", sort=False)}
        asked = ["run", "image", "model"]
        for task, rows in parts.items():
            predicted = self.predictions[self.predictions["task"] == task][asked].drop_duplicates()
            rows.attrs = {
                **self.cases.attrs,
                "without_map": len(predicted) - len(rows[asked].drop_duplicates()),
            }
        return parts

    @cached_property
    def chosen(self) -> dict[str, list[Selected]]:
        """Task → the cases of it that are shown, rule by rule."""
        return {task: self._select(task, cases) for task, cases in self.tasks.items()}

    def _select(self, task: str, cases: pd.DataFrame) -> list[Selected]:
        rules = list(self.rules or RULES.get(task, OTHER_RULES))
        if not self.rules:
            rules += ["disagreement"] if len(cases[["run", "model"]].drop_duplicates()) > 1 else []
        return select(cases, rules, self.heat)

    @property
    def selected(self) -> list[Selected]:
        """The cases that are shown, rule by rule, task by task."""
        return [found for of_task in self.chosen.values() for found in of_task]

    @cached_property
    def comparisons(self) -> list[Comparison]:
        """Each thing that varies between the maps of a task, and nothing else with it; "model" only where no other word fits."""
        return [found for cases in self.tasks.values() for found in self._compared(cases)]

    def _compared(self, cases: pd.DataFrame) -> list[Comparison]:
        found: list[Comparison] = []
        for by in BY:
            if by == "model" and any(c.by in ("seed", "fold") for c in found):
                continue
            if by == "architecture" and any(c.by == "model" for c in found):
                continue
            try:
                found.append(compare(self.runs, cases, self.heat.loc[cases.index], by))
            except UsageError:
                continue  # nothing varies in this alone
        return found

    def explanation(self, run: int, number: int) -> Explanation:
        """The stored map of a row of ``cases``, by its ``run`` and ``explanation``."""
        return self.runs[run].explanation(number)

    def stages(self, case: Any) -> Stages:
        """The steps of Grad-CAM on a case, with the model of its run.

        Raises:
            CamlucidaError: the model or the image is not there any more, or is another.
        """
        described = next(
            m for m in self.runs[int(case["run"])].about["models"] if m["name"] == case["model"]
        )
        model = load_model(described["card"], checkpoint=described["checkpoint"], device="cpu")
        scan = self.explanation(int(case["run"]), int(case["explanation"])).scan
        if model.sha256 != described["sha256"] or scan.display is None:
            raise UsageError(
                f"the model or the image of {case['image']} is not that of the run any more"
            )
        return grad_cam_stages(
            model, scan, str(case["label"] or case["target"]), str(case["layer"])
        )

    def mask(self, row: Any) -> Mask | None:
        """(H, W) truth of the label of a case (index label), in original pixels; None where there is none."""
        case = self.cases.loc[row]
        marks = self._marks(int(case["run"]), str(case["model"]))
        original = (
            self.runs[int(case["run"])].explanations().iloc[int(case["explanation"])]["original"]
        )
        if len(original) != 2:
            return None
        return marks.mask(case.to_dict(), str(case["label"]), (int(original[0]), int(original[1])))

    def boxes(self, row: Any) -> Floats | None:
        """(N, 4) x, y, width, height of the label of a case, in original pixels; None where no box is known."""
        case = self.cases.loc[row]
        original = (
            self.runs[int(case["run"])].explanations().iloc[int(case["explanation"])]["original"]
        )
        if len(original) != 2:
            return None
        marks = self._marks(int(case["run"]), str(case["model"]))
        return marks.boxes(case.to_dict(), str(case["label"]), (int(original[0]), int(original[1])))

    def _marks(self, at: int, model: str) -> Annotations:
        key = (at, model)
        if key not in self._kept_marks:
            resolved = next(
                m["resolved"] for m in self.runs[at].about["models"] if m["name"] == model
            )
            labels = [label for label in resolved["labels"] if label]
            said = self.runs[at].predictions()
            task = next(
                iter(said["task"][said["model"] == model]), ""
            )  # none where every image failed
            self._kept_marks[key] = Annotations(self.runs[at], labels, task, [])
        return self._kept_marks[key]

    @cached_property
    def _kept_marks(self) -> dict[tuple[int, str], Annotations]:
        return {}


def pixel_spacing(path: Path) -> list[float] | None:
    """Millimetres of a pixel (down, across) by a DICOM file's header; None for other files and where it says nothing."""
    import pydicom
    from pydicom.errors import InvalidDicomError

    try:
        header = pydicom.dcmread(
            path, stop_before_pixels=True, specific_tags=["PixelSpacing", "ImagerPixelSpacing"]
        )
    except (InvalidDicomError, OSError):
        return None
    for keyword in ("PixelSpacing", "ImagerPixelSpacing"):
        spacing = header.get(keyword)
        if spacing and len(spacing) == 2:
            return [float(step) for step in spacing]
    return None
