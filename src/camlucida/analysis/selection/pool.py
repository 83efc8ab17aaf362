"""The cases that a rule chooses from, one row a case, and what is said of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from camlucida.core.messages import Message, Value, chain, declare

declare(
    "losses",
    {
        "multilabel": "|truth − probability|",
        "binary": "|truth − probability|",
        "multiclass": "1 − probability of the true class",
        "regression": "|error|",
        "segmentation": "1 − Dice",
    },
)

declare(
    "selection",
    {
        "requested": " ({count} requested)",
        "equal": "ties by image name",
        "of_labels": "a case is one image and one label",
        "by_map": "each case by the map of {model}, {method} at {layer}",
        "by_first_map": (
            "each case by its first map, in the order of runs, models, methods and layers"
        ),
        "without_truth": "{count} {count:|case|cases} without ground truth excluded",
        "without_map": "{count} {count:|prediction|predictions} without a map excluded",
        "none_there": "none: there are no cases",
        "none_judged": "none: no case has ground truth",
        "none_of_one_task": "none: losses of different tasks ({tasks:,}) cannot be compared",
    },
)

declare(
    "roles",
    {
        "numbered": "{role} {number}",
    },
)

MODEL = ["run", "model"]
SERIES = [*MODEL, "method", "layer"]
CALLS = ("positive", "negative", "")


@dataclass(frozen=True)
class Pool:
    """A case table and, for the rules that look at it, its heat table."""

    cases: pd.DataFrame
    heat: pd.DataFrame | None = None

    def candidates(self, by_label: bool = False) -> pd.DataFrame:
        """One row a case: an image and a label, or for classes an image.

        Of an image that two or more models explain, the first one's maps; of those the first method
        and layer; of maps of two or more classes that of the predicted class, or the true one.

        Args:
            by_label: also for classes an image and a label.
        """
        # Every rule begins with them, most more than once.
        if by_label not in self._candidates:
            self._candidates[by_label] = self._find_candidates(by_label)
        return self._candidates[by_label].copy()

    @cached_property
    def _candidates(self) -> dict[bool, pd.DataFrame]:
        return {}

    def _find_candidates(self, by_label: bool) -> pd.DataFrame:
        cases, classes = self.cases, of_classes(self.cases)
        label = cases["label"].where(cases["label"] != "", cases["target"])
        rank = np.select(
            [cases["label"] == cases["predicted"], cases["label"] == cases["true_class"]], [0, 1], 2
        )
        model, series = (
            cases.groupby(keys, sort=False, dropna=False).ngroup() for keys in (MODEL, SERIES)
        )
        frame = cases.assign(
            _case=label if by_label else label.where(~classes, ""),
            _series=series,
            _rank=np.where(classes, rank, 0),
            _row=range(len(cases)),
        )
        frame = frame[model == model.groupby(cases["path"]).transform("min")]
        frame = (
            frame.sort_values(["_series", "_rank", "_row"])
            .drop_duplicates(["path", "_case"])
            .sort_values("_row")
        )
        return frame.drop(columns=["_case", "_series", "_rank", "_row"])

    @property
    def loss(self) -> Message | None:
        """What the loss is; None for cases of two or more tasks: their losses do not compare."""
        tasks = self.cases["task"].unique()
        return Message(f"losses.{tasks[0]}") if len(tasks) == 1 else None

    def judged(self, by_label: bool = False) -> pd.DataFrame:
        """The candidates whose loss is known; none of several tasks."""
        frame = self.candidates(by_label)
        return frame[frame["loss"].notna()] if self.loss else frame[:0]

    @property
    def unjudged(self) -> Message:
        """Why no case is judged."""
        if self.cases.empty:
            return Message("selection.none_there")
        if not self.loss:
            return Message(
                "selection.none_of_one_task", {"tasks": [*map(str, self.cases["task"].unique())]}
            )
        return Message("selection.none_judged")

    def whole(
        self,
        description: Message,
        chosen_from: pd.DataFrame,
        candidates: pd.DataFrame | None = None,
        ties: bool = True,
    ) -> Message:
        """The description with what else a reader must know of the cases, as further clauses.

        Args:
            description: what was chosen.
            chosen_from: what the rule chose from.
            candidates: all cases, where those without a known truth were left out.
            ties: whether the rule puts equal cases in the order of their names.
        """
        equal = [Message("selection.equal")] if ties else []
        return chain("words.clause", [description, *equal, *self._clauses(chosen_from, candidates)])

    def _clauses(
        self, chosen_from: pd.DataFrame, candidates: pd.DataFrame | None
    ) -> Iterator[Message]:
        if chosen_from["path"].duplicated().any():
            yield Message("selection.of_labels")
        all_series, used = (frame[SERIES].drop_duplicates() for frame in (self.cases, chosen_from))
        if len(used) == 1 and len(all_series) > 1:
            yield Message(
                "selection.by_map",
                {key: str(used.iloc[0][key]) for key in ("model", "method", "layer")},
            )
        elif len(all_series) > 1:
            yield Message("selection.by_first_map")
        unknown = 0 if candidates is None else len(candidates) - len(chosen_from)
        if unknown:
            yield Message("selection.without_truth", {"count": unknown})
        without = int(self.cases.attrs.get("without_map", 0))
        if without:
            yield Message("selection.without_map", {"count": without})


def of_classes(cases: pd.DataFrame) -> pd.Series:
    """Whether each row is of a task in which exactly one class is predicted."""
    named = (cases["task"] == "binary") & ~cases["predicted"].isin(CALLS)
    return named | (cases["task"] == "multiclass")


def first(frame: pd.DataFrame, order: ArrayLike, count: int) -> pd.DataFrame:
    """The ``count`` rows of the smallest ``order``; equal ones by image, label and path."""
    ranked = frame.assign(_order=np.asarray(order, float)).sort_values(
        ["_order", "image", "label", "path"], kind="stable"
    )
    return ranked.drop(columns="_order")[:count]


def share(count: int, total: int) -> dict[str, Value]:
    """Values that each description has: cases chosen, of how many, and whether too few exist."""
    short = (
        Message("selection.requested", {"count": count})
        if count > total
        else Message("words.nothing")
    )
    return {"chosen": min(count, total), "cases": total, "short": short}


def numbered(role: Message, count: int) -> list[Message]:
    """ "worst" for one, "worst 1", "worst 2", … for several."""
    return (
        [role]
        if count == 1
        else [Message("roles.numbered", {"role": role, "number": i}) for i in range(1, count + 1)]
    )
