"""How good the models of runs are.

Their predictions become the table that a file of predictions would be read into.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

import pandas as pd

from camlucida.analysis.cases.annotations import Annotations, background_label
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
from camlucida.datasets.prediction_tables import PROBABILITY, operating_point_notes
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
    region against its mask in original pixels; images without a mask, and the background of
    channels that exclude each other, are left out.

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
    """(index of the run, name of the model, its rows), names made different."""
    if not runs:
        raise UsageError("no run is given", "name at least one")
    names = _names(runs)
    for index, run in enumerate(runs):
        for model, rows in run.predictions().groupby("model", sort=False):
            yield index, names[index, str(model)], rows


def _names(runs: Sequence[Run]) -> dict[tuple[int, str], str]:
    """(index of the run, model) → its name, after the run's folder or path where runs share it."""
    paths = [run.folder.root.absolute() for run in runs]
    models: list[tuple[int, str]] = []
    for index, run in enumerate(runs):
        models += [(index, str(model["name"])) for model in run.about["models"]]
    for prefixes in (
        [""] * len(runs),
        [f"{path.name}: " for path in paths],
        [f"{path}: " for path in paths],
    ):
        names = {(index, name): prefixes[index] + name for index, name in models}
        if len(set(names.values())) == len(models):
            return names
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
        model_labels = tuple(dict.fromkeys(rows["label"]))
        tidy, tidy_labels = _tidy(task, model_labels, rows, base)
        if tidy["truth"].replace("", None).notna().any():
            frames.append(tidy)
            labels[model] = tidy_labels
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
        notes += [*_labels_without_truth(whole, every), *operating_point_notes(whole)]
    synthetic = any(bool(rows["synthetic"].any()) for _, _, rows in tables)
    predictions = Predictions(
        task=kind,
        frame=whole,
        labels=every,
        groups=tuple(map(_group, groups)),
        notes=tuple(notes),
        synthetic=synthetic,
    )
    return check_predictions(predictions, _where(runs), FIX)


def _with_groups(rows: pd.DataFrame, model: str, groups: Sequence[str]) -> pd.DataFrame:
    """Image, patient, model, and the groups of the cohort; "" where a run has no such group."""
    base = rows[["image", "patient"]].assign(model=model)
    for column in groups:
        # Runs of other cohorts may lack the column.
        cells = rows[column].fillna("").astype(str) if column in rows else ""
        base[_group(column)] = cells
    return base


def _labels_without_truth(whole: pd.DataFrame, labels: Sequence[str]) -> list[Message]:
    unjudged = []
    for label in labels:
        truth = whole["truth"][whole["label"] == label]
        if truth.isna().all():
            unjudged.append(label)
    if not unjudged:
        return []
    values: dict[str, Value] = {"count": len(unjudged), "names": listing(unjudged, 20)}
    return [Message("notes.no_truth_labels", values)]


def _tidy(
    task: str, labels: tuple[str, ...], rows: pd.DataFrame, base: pd.DataFrame
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Of one model, as :mod:`camlucida.datasets.predictions` has it, and its labels there."""
    if task == "regression":
        # A cohort has one value an image, and does not state to which output it belongs.
        truth = rows["truth"] if len(labels) == 1 else float("nan")
        return base.assign(value=rows["value"], truth=truth), ()
    if task == "multiclass":
        judged = judged_predictions(rows, task, labels).set_axis(rows.index)
        base = base.assign(truth=judged["true_class"], predicted=judged["predicted"])
        base = base.drop_duplicates("image")
        wide = rows.pivot(index="image", columns="label", values="probability")
        wide = wide.loc[base["image"], list(labels)]
        probabilities = {PROBABILITY + name: wide[name].to_numpy() for name in labels}
        return base.assign(**probabilities), labels
    if has_classes(task, labels):
        rows = both_classes(rows)
        labels = labels[-1:]
        rows = rows[rows["label"] == labels[0]]
    columns = rows[["label", "logit", "probability", "scaled_output", "truth"]]
    return base.loc[rows.index].join(columns), labels


def _evaluate_masks(
    runs: Sequence[Run], tables: Sequence[_Table], settings: PredictionSettings
) -> Evaluated:
    notes, errors = _notes(runs), list[str]()
    missing: list[str] = []

    def pairs() -> Iterator[MaskPair]:
        for index, model, rows in tables:
            labels = tuple(dict.fromkeys(rows["label"]))
            background = background_label(rows)
            annotations = Annotations(runs[index], labels, "segmentation", errors, background)
            foreground = rows[rows["label"] != background]
            for record in foreground.to_dict("records"):
                row = {str(name): value for name, value in record.items()}
                truth = true_region(row, annotations)
                prediction = predicted_region(row)
                if truth is None or prediction is None:
                    missing.append(row["image"])
                else:
                    yield MaskPair(
                        row["image"], row["patient"], row["label"], truth, prediction, model
                    )

    rows = compare_masks(pairs())
    if rows.empty:
        what = f"{_where(runs)}: there is no mask to compare with"
        if errors:
            what = f"{what}: {errors[0]}"
        raise UsageError(what, MASKS)
    if missing:
        images = list(dict.fromkeys(missing))
        values: dict[str, Value] = {"count": len(images), "names": listing(images)}
        notes.append(Message("notes.no_readable_mask", values))
    return evaluate_pairs(rows, settings, notes, errors)


def _notes(runs: Sequence[Run]) -> list[Message]:
    return [] if all(run.about["patients_known"] for run in runs) else [NO_PATIENTS]


def _where(runs: Sequence[Run]) -> str:
    return " and ".join(str(run.folder.root) for run in runs)


def _group(column: str) -> str:
    name = column.removeprefix(GROUP)
    return column if name in RESERVED_COLUMNS or name.startswith(PROBABILITY) else name
