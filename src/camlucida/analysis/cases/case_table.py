"""One table of all maps of one or more runs, with predictions and ground truth."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from camlucida.analysis.cases.annotations import Annotations, background_label
from camlucida.analysis.cases.names import architecture
from camlucida.analysis.cases.outcomes import has_classes, judged_predictions
from camlucida.runs import Run
from camlucida.runs.tables import GROUP

COLUMNS = [
    "run",
    "explanation",
    "image",
    "path",
    "patient",
    "split",
    "model",
    "architecture",
    "seed",
    "fold",
    "weight",
    "task",
    "target",
    "target_kind",
    "target_other",
    "target_sign",
    "target_source",
    "label",
    "method",
    "layer",
    "grid",
    "score",
    "score_kind",
    "probability",
    "value",
    "truth",
    "predicted",
    "true_class",
    "outcome",
    "correct",
    "error",
    "loss",
    "dice",
    "low",
    "high",
    "empty_reason",
    "mask",
    "box",
    "synthetic",
]
"""Columns of :func:`case_table`; after them the groups of the cohort, as ``group_NAME``."""

TEXTS = ("patient", "split", "predicted", "true_class", "outcome", "empty_reason")


def case_table(runs: Sequence[Run]) -> pd.DataFrame:
    """One row a map, with the model's prediction and the ground truth. No model is run.

    The rows are in the order of the runs and of their explanations. Columns: :data:`COLUMNS`, then
    ``group_…``. Blank text is "".

    - ``run``, ``explanation``: index in ``runs``, and the argument of its ``explanation()``.
    - ``label``: label, class or output that the target is of, "" if none; ``target_…`` is the
      target as data (:class:`~camlucida.attribution.targets.TargetSpec`).
    - ``probability`` of this label (segmentation: of the target's region); ``value`` of a
      regression.
    - ``truth`` of this label (1, 0), or the true value of a regression; of a segmentation whether
      its mask has a pixel. NaN where it is unknown, and for a regression of two or more outputs,
      since a cohort has one value.
    - ``predicted``: multi-class, and binary of two labels: the most probable class; otherwise
      "positive" or "negative" at :data:`~camlucida.analysis.cases.outcomes.THRESHOLD`.
      ``true_class``: where exactly one is known to be true.
    - ``outcome`` of the label, against all others: TP, FP, FN or TN; "" where it is unknown.
      ``correct``: True, False or None.
    - ``error`` = value − truth. ``loss``: |truth − probability| of the label; multi-class 1 −
      probability of the true class; |error|; segmentation 1 − ``dice`` of the label's predicted
      region against its mask in original pixels (NaN if both are empty). Smaller is better.
    - ``low``, ``high`` of the signed map; ``mask`` a path or None, ``box`` (x, y, width, height) or
      None.

    Args:
        runs: one or more.

    Returns:
        The table. Its ``attrs``: ``problems``, a line for each mask that cannot be read;
        ``without_map``, the number of images and models with a prediction and no map (a
        segmentation without a predicted region).
    """
    problems: list[str] = []
    tables = [_of_run(number, run, problems) for number, run in enumerate(runs)]
    groups: dict[str, None] = {}
    for table in tables:
        groups |= dict.fromkeys(name for name in table.columns if name.startswith(GROUP))
    without = sum(int(table.attrs.pop("without_map")) for table in tables)
    whole = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
    whole = whole.reindex(columns=[*COLUMNS, *groups])
    for name in (*TEXTS, *groups):
        whole[name] = _texts(whole[name])
    whole.attrs = {"problems": problems, "without_map": without}
    return whole


def _of_run(number: int, run: Run, problems: list[str]) -> pd.DataFrame:
    maps, predictions = run.explanations(), run.predictions()
    maps.insert(0, "explanation", range(len(maps)))
    maps.insert(0, "run", number)
    models = {model["name"]: model for model in run.about["models"]}
    parts = []
    for name, part in maps.groupby("model", sort=False):
        of_model = predictions[predictions["model"] == name]
        parts.append(_of_model(part, of_model, models[str(name)], run, problems))
    table = maps
    if parts:
        table = pd.concat(parts).sort_values("explanation", ignore_index=True)
    table["grid"] = _objects(tuple(map(int, grid)) for grid in table["grid"])
    table["mask"] = _objects(path if isinstance(path, str) else None for path in table["mask"])
    table["box"] = _objects(
        tuple(map(float, box)) if isinstance(box, (list, np.ndarray)) else None
        for box in table["box"]
    )
    pairs = ["image", "model"]
    predicted = predictions[pairs].drop_duplicates()
    explained = maps[pairs].drop_duplicates()
    table.attrs = {"without_map": len(predicted) - len(explained)}
    return table


def _of_model(
    maps: pd.DataFrame,
    predictions: pd.DataFrame,
    model: Mapping[str, Any],
    run: Run,
    problems: list[str],
) -> pd.DataFrame:
    """The maps of one model, with its predictions, judged."""
    task = str(predictions["task"].iloc[0])
    labels = list(dict.fromkeys(predictions["label"]))
    annotations = None
    if task == "segmentation":
        background = background_label(predictions)
        annotations = Annotations(run, labels, task, problems, background)
    cases = maps.reset_index(drop=True).rename(columns={"probability": "of_target"})
    cases["task"] = task
    cases["weight"] = float(model["weight"])
    cases["label"] = cases["target_label"].where(cases["target_label"].isin(labels), "")
    cases["architecture"] = architecture(model["resolved"])
    for name in ("seed", "fold"):
        cases[name] = _objects([model[name]] * len(cases))
    # A class is judged among all of them. Of other labels only those with a map are judged, since
    # a region costs reading a mask.
    if not has_classes(task, labels):
        predictions = predictions.merge(cases[["image", "label"]].drop_duplicates())
    judged = judged_predictions(predictions, task, labels, annotations)
    cases = cases.merge(judged, on=["image", "label"], how="left", validate="many_to_one")
    # The merge leaves NaN, which is true, where a case has no prediction.
    cases["correct"] = _objects(
        value if isinstance(value, bool) else None for value in cases["correct"]
    )
    if task == "segmentation":
        return cases.assign(probability=cases["of_target"])
    return cases


def _texts(column: pd.Series) -> pd.Series:
    return column.astype(object).where(column.notna(), "").astype(str)


def _objects(values: Iterable[Any]) -> pd.Series:
    """A column that keeps tuples and None as they are."""
    return pd.Series(list(values), dtype=object)
