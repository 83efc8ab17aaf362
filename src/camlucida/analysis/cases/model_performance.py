"""How good the models of runs are.

Their predictions become the table that a file of predictions would be read into.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

import pandas as pd

from camlucida.analysis.cases.annotations import Annotations
from camlucida.analysis.cases.outcomes import (
    both_classes,
    has_classes,
    judged_predictions,
    predicted_region,
    true_region,
)
from camlucida.core.errors import UsageError
from camlucida.core.messages import Message, Value, declare, prefixed
from camlucida.datasets.patients import NO_PATIENTS
from camlucida.datasets.prediction_file import RESERVED_COLUMNS
from camlucida.datasets.prediction_tables import PROBABILITY
from camlucida.datasets.predictions import Predictions, Task, check_predictions
from camlucida.evaluation.predictions.evaluate import Evaluated, evaluate_pairs, evaluate_table
from camlucida.evaluation.predictions.tables import PredictionSettings
from camlucida.io.tables import listing
from camlucida.metrics.segmentation import MaskPair, compare_masks
from camlucida.runs import Run
from camlucida.runs.tables import GROUP

declare(
    "notes",
    {
        "no_truth": "no ground truth is available, left out",
        "no_truth_labels": "{count} {count:|label|labels} without ground truth: {names}",
        "no_readable_mask": (
            "{count} {count:|image|images} without a readable mask of a label, left "
            "out there: {names}"
        ),
    },
)

KINDS: dict[str, Task] = {
    **dict.fromkeys(("multilabel", "binary"), "multilabel"),
    "multiclass": "multiclass",
    "regression": "regression",
}
MASKS = "give the cohort masks, in pixels of the images"
FIX = (
    "give the cohort a table with its ground truth, and run it again with --resume: nothing is "
    "computed twice"
)


_Table = tuple[int, str, pd.DataFrame]


def evaluate_runs(runs: Sequence[Run], settings: PredictionSettings | None = None) -> Evaluated:
    """Metrics of the models of runs with intervals by patient, as of a file of predictions.

    Classification and regression: see :func:`run_predictions`. Segmentation: each label's predicted
    region against its mask in original pixels; images without a mask, and the background of two or
    more channels, are left out.

    Args:
        runs: all of one task. Where runs share a model's name, their folders tell them apart.
        settings: of the figures.

    Raises:
        UsageError: no run, two or more tasks or sets of classes; a model without ground truth; no
            mask that can be read.
    """
    settings = settings or PredictionSettings()
    tables = list(_tables(runs))
    if _task(tables) == "segmentation":
        return _evaluate_masks(runs, tables, settings)
    return evaluate_table(_predictions(runs, tables), settings)


def run_predictions(runs: Sequence[Run]) -> Predictions:
    """Predictions and ground truth of all images of runs; no map is needed.

    A binary model of two labels is judged by its second, the positive one. All group columns of
    the cohort are groups.

    Raises:
        UsageError: as :func:`evaluate_runs`; masks have no such table.
    """
    tables = list(_tables(runs))
    if _task(tables) == "segmentation":
        raise UsageError("the predictions of a segmentation are masks", "use evaluate_runs")
    return _predictions(runs, tables)


def _tables(runs: Sequence[Run]) -> Iterator[_Table]:
    """(place of the run, name of the model, its rows), names made different."""
    if not runs:
        raise UsageError("no run is given", "name at least one")
    names = _names(runs)
    for place, run in enumerate(runs):
        for model, rows in run.predictions().groupby("model", sort=False):
            yield place, names[place, str(model)], rows


def _names(runs: Sequence[Run]) -> dict[tuple[int, str], str]:
    """(index of the run, model) → its name, after the run's folder or path where runs share it."""
    places = [run.folder.root.absolute() for run in runs]
    models: list[tuple[int, str]] = []
    for place, run in enumerate(runs):
        models += [(place, str(model["name"])) for model in run.about["models"]]
    for before in (
        [""] * len(runs),
        [f"{path.name}: " for path in places],
        [f"{path}: " for path in places],
    ):
        found = {(place, name): before[place] + name for place, name in models}
        if len(set(found.values())) == len(models):
            return found
    raise UsageError(f"a run is given twice: {_where(runs)}", "give each once")


def _task(tables: Sequence[_Table]) -> str:
    tasks = list(dict.fromkeys(str(rows["task"].iloc[0]) for _, _, rows in tables))
    if not tasks:
        raise UsageError(
            "the runs hold no prediction yet", "go on with them: camlucida run … --resume"
        )
    if len(tasks) > 1:
        raise UsageError(
            f"the runs are of several tasks: {', '.join(tasks)}",
            "evaluate those of one task together",
        )
    return tasks[0]


def _predictions(runs: Sequence[Run], tables: Sequence[_Table]) -> Predictions:
    task, notes = _task(tables), _notes(runs)
    frames: list[pd.DataFrame] = []
    labels: dict[str, tuple[str, ...]] = {}
    columns = chain.from_iterable(rows.columns for _, _, rows in tables)
    groups = list(dict.fromkeys(column for column in columns if column.startswith(GROUP)))
    for _, model, rows in tables:
        base = _with_groups(rows, model, groups)
        tidy, known = _tidy(task, tuple(dict.fromkeys(rows["label"])), rows, base)
        if tidy["truth"].replace("", None).notna().any():
            frames.append(tidy)
            labels[model] = known
        else:
            notes.append(prefixed(str(model), Message("notes.no_truth")))
    if not frames:
        raise UsageError(f"{_where(runs)}: the truth of no image is known", FIX)
    if task == "multiclass" and len(set(labels.values())) > 1:
        raise UsageError(
            "the runs are of several sets of classes", "evaluate those of one set together"
        )
    whole = pd.concat(frames, ignore_index=True)
    every = tuple(dict.fromkeys(chain.from_iterable(labels.values())))
    kind = KINDS[task]
    if kind == "multilabel":
        notes += _labels_without_truth(whole, every)
    synthetic = any(bool(rows["synthetic"].any()) for _, _, rows in tables)
    found = Predictions(kind, whole, every, tuple(map(_group, groups)), tuple(notes), synthetic)
    return check_predictions(found, _where(runs), FIX)


def _with_groups(rows: pd.DataFrame, model: str, groups: Sequence[str]) -> pd.DataFrame:
    """Image, patient, model, and the groups of the cohort; "" where a run has no such group."""
    base = rows[["image", "patient"]].assign(model=model)
    for column in groups:
        base[_group(column)] = rows[column].fillna("").astype(str) if column in rows else ""
    return base


def _labels_without_truth(whole: pd.DataFrame, labels: Sequence[str]) -> list[Message]:
    silent = [label for label in labels if whole["truth"][whole["label"] == label].isna().all()]
    if not silent:
        return []
    values: dict[str, Value] = {"count": len(silent), "names": listing(silent, 20)}
    return [Message("notes.no_truth_labels", values)]


def _tidy(
    task: str, labels: tuple[str, ...], rows: pd.DataFrame, base: pd.DataFrame
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Of one model, as :mod:`camlucida.datasets.predictions` has it, and its labels there."""
    if task == "regression":
        return base.assign(
            value=rows["value"], truth=rows["truth"] if len(labels) == 1 else float("nan")
        ), ()
    if task == "multiclass":
        said = judged_predictions(rows, task, labels).set_axis(rows.index)
        base = base.assign(truth=said["true_class"], predicted=said["predicted"]).drop_duplicates(
            "image"
        )
        wide = rows.pivot(index="image", columns="label", values="probability").loc[
            base["image"], list(labels)
        ]
        return base.assign(**{PROBABILITY + name: wide[name].to_numpy() for name in labels}), labels
    if has_classes(task, labels):
        rows = both_classes(rows)
        rows, labels = rows[rows["label"] == labels[-1]], labels[-1:]
    return base.loc[rows.index].join(rows[["label", "logit", "probability", "truth"]]), labels


def _evaluate_masks(
    runs: Sequence[Run], tables: Sequence[_Table], settings: PredictionSettings
) -> Evaluated:
    notes, errors = _notes(runs), list[str]()
    missing: list[str] = []

    def pairs() -> Iterator[MaskPair]:
        for place, model, rows in tables:
            labels = tuple(dict.fromkeys(rows["label"]))
            annotations = Annotations(runs[place], labels, "segmentation", errors)
            shown = rows[rows["label"] != labels[0]] if len(labels) > 1 else rows
            for record in shown.to_dict("records"):
                row = {str(name): value for name, value in record.items()}
                truth, prediction = true_region(row, annotations), predicted_region(row)
                if truth is None or prediction is None:
                    missing.append(row["image"])
                else:
                    yield MaskPair(
                        row["image"], row["patient"], row["label"], truth, prediction, model
                    )

    rows = compare_masks(pairs())
    if rows.empty:
        raise UsageError(
            f"{_where(runs)}: there is no mask to compare with{f': {errors[0]}' if errors else ''}",
            MASKS,
        )
    if missing:
        images = list(dict.fromkeys(missing))
        notes.append(
            Message("notes.no_readable_mask", {"count": len(images), "names": listing(images)})
        )
    return evaluate_pairs(rows, settings, notes, errors)


def _notes(runs: Sequence[Run]) -> list[Message]:
    return [] if all(run.about["patients_known"] for run in runs) else [NO_PATIENTS]


def _where(runs: Sequence[Run]) -> str:
    return " and ".join(str(run.folder.root) for run in runs)


def _group(column: str) -> str:
    name = column.removeprefix(GROUP)
    return column if name in RESERVED_COLUMNS or name.startswith(PROBABILITY) else name
