"""The cases that a rule chooses from, one row a case, and the words for them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

LOSSES = {
    "multilabel": "|truth − probability|",
    "binary": "|truth − probability|",
    "multiclass": "1 − probability of the true class",
    "regression": "|error|",
    "segmentation": "1 − Dice",
}
"""Task → what ``loss`` is."""

MODEL = ["run", "model"]
VOICE = [*MODEL, "method", "layer"]
CALLS = ("positive", "negative", "")


@dataclass(frozen=True)
class Pool:
    """A case table and, for the rules that look at it, its heat table."""

    cases: pd.DataFrame
    heat: pd.DataFrame | None = None

    def candidates(self, by_label: bool = False) -> pd.DataFrame:
        """One row a case: an image and a label, or for classes an image.

        Of an image that several models explain, the first one's maps; of those the first method and layer; of those of several
        classes that of the predicted class, else of the true one.

        Args:
            by_label: also for classes an image and a label.
        """
        cases, classes = self.cases, of_classes(self.cases)
        label = cases["label"].where(cases["label"] != "", cases["target"])
        told = np.select([cases["label"] == cases["predicted"], cases["label"] == cases["true_class"]], [0, 1], 2)
        model, voice = (cases.groupby(keys, sort=False, dropna=False).ngroup() for keys in (MODEL, VOICE))
        frame = cases.assign(
            _case=label if by_label else label.where(~classes, ""),
            _voice=voice,
            _told=np.where(classes, told, 0),
            _row=range(len(cases)),
        )
        frame = frame[model == model.groupby(cases["path"]).transform("min")]
        frame = frame.sort_values(["_voice", "_told", "_row"]).drop_duplicates(["path", "_case"]).sort_values("_row")
        return frame.drop(columns=["_case", "_voice", "_told", "_row"])

    @property
    def loss(self) -> str:
        """What the loss of these cases is; "" for several tasks, whose losses cannot be compared."""
        tasks = self.cases["task"].unique()
        return LOSSES[str(tasks[0])] if len(tasks) == 1 else ""

    def judged(self, by_label: bool = False) -> pd.DataFrame:
        """The candidates whose loss is known; none of several tasks."""
        frame = self.candidates(by_label)
        return frame[frame["loss"].notna()] if self.loss else frame[:0]

    @property
    def unjudged(self) -> str:
        """Why no case is judged."""
        if self.cases.empty:
            return "none: there is no case"
        if not self.loss:
            return f"none: the losses of several tasks ({', '.join(self.cases['task'].unique())}) cannot be compared"
        return "none: no case has a known truth"

    def aside(self, chosen_from: pd.DataFrame, candidates: pd.DataFrame | None = None, ties: bool = True) -> str:
        """What else a reader must know of the cases, as further clauses of a sentence.

        Args:
            chosen_from: what the rule chose from.
            candidates: all cases, where those without a known truth were left out.
            ties: whether the rule puts equal cases in the order of their names.
        """
        clauses = [*(["equal ones by image name"] if ties else []), *self._clauses(chosen_from, candidates)]
        return "".join(f"; {clause}" for clause in clauses)

    def _clauses(self, chosen_from: pd.DataFrame, candidates: pd.DataFrame | None) -> Iterator[str]:
        if chosen_from["path"].duplicated().any():
            yield "a case is an image and a label"
        voices, used = (frame[VOICE].drop_duplicates() for frame in (self.cases, chosen_from))
        if len(used) == 1 and len(voices) > 1:
            first = used.iloc[0]
            yield f"each by its map of {first['model']}, {first['method']} at {first['layer']}"
        elif len(voices) > 1:
            yield "each by its first map, in the order of runs, models, methods and layers"
        unknown = 0 if candidates is None else len(candidates) - len(chosen_from)
        if unknown:
            yield f"{unknown} more without a known truth are not among them"
        without = int(self.cases.attrs.get("without_map", 0))
        if without:
            yield f"{without} predictions that have no map are not among them"


def of_classes(cases: pd.DataFrame) -> pd.Series:
    """Whether each row is of a task in which exactly one class is predicted."""
    named = (cases["task"] == "binary") & ~cases["predicted"].isin(CALLS)
    return named | (cases["task"] == "multiclass")


def first(frame: pd.DataFrame, order: ArrayLike, count: int) -> pd.DataFrame:
    """The ``count`` rows of the smallest ``order``; equal ones by image, label and path."""
    ranked = frame.assign(_order=np.asarray(order, float)).sort_values(["_order", "image", "label", "path"], kind="stable")
    return ranked.drop(columns="_order")[:count]


def share(count: int, total: int, what: str = "case") -> str:
    """ "the 3 of 41 cases"; where fewer exist than are asked for, that too."""
    plural = "" if total == 1 else "s"
    short = f" ({count} were asked for)" if count > total else ""
    return f"the {min(count, total)} of {total} {what}{plural}{short}"


def numbered(name: str, count: int) -> list[str]:
    """ "worst" for one, "worst 1", "worst 2", … for several."""
    return [name] if count == 1 else [f"{name} {i}" for i in range(1, count + 1)]
