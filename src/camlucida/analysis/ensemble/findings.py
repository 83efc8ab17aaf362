"""What the classifiers of a run say of each image, and which findings are worth a picture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import torch

from camlucida.analysis.ensemble.combine import Ensemble, combine, on_common_grid
from camlucida.attribution.explanation import Explanation
from camlucida.core.errors import UsageError, did_you_mean
from camlucida.core.scan import Scan
from camlucida.io.tables import fold
from camlucida.metrics.agreement import PAIRS, different_image_null, pearson
from camlucida.runs import Run
from camlucida.runs.read import stored_geometry

NULL_IMAGES = 30
"""Images, drawn with a fixed seed, whose maps the chance level of agreement is measured on."""


@dataclass(frozen=True)
class Choice:
    """Which findings of an image are shown.

    Attributes:
        top: of each classifier, its most probable labels.
        threshold: and every label with a probability above it.
        labels: only these, where any is given.
    """

    top: int = 3
    threshold: float = 0.5
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Finding:
    """One label of one image.

    Attributes:
        label: spelt as the first classifier that has it.
        why: it is shown: which classifiers rank it among their top, or above the threshold; asked for; marked by a reader.
        ensemble: of the classifiers that have the label and a map.
        null: mean agreement of maps of different images; NaN where there are no two images of different patients.
        pairs: of maps, that ``null`` is the mean of.
    """

    label: str
    why: str
    ensemble: Ensemble
    null: float
    pairs: int


@dataclass(frozen=True)
class EnsembleFindings:
    """The classifiers' predictions and maps of a run.

    Attributes:
        run: its models are the classifiers.
        scale: key of :data:`~camlucida.analysis.ensemble.combine.SCALES`.
    """

    run: Run
    scale: str = "share"
    _nulls: dict[str, tuple[float, int]] = field(default_factory=dict, repr=False)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Of the classifiers."""
        return tuple(model["name"] for model in self.run.about["models"])

    @cached_property
    def weights(self) -> dict[str, float]:
        """As the run's cohort has them, not normalised."""
        return {model["name"]: float(model["weight"]) for model in self.run.about["models"]}

    @cached_property
    def labels(self) -> dict[str, str]:
        """Folded name → the spelling of the first classifier that has it. Case, blanks and underscores make no difference."""
        every = [
            label
            for model in self.run.about["models"]
            for label in model["resolved"]["labels"]
            if label
        ]
        every += self.predictions["label"].tolist()
        return {fold(label): label for label in reversed(every)}

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """As :meth:`Run.predictions`."""
        return self.run.predictions()

    @cached_property
    def _maps(self) -> pd.DataFrame:
        table = self.run.explanations()
        spelt = [self.labels.get(fold(target), target) for target in table["target"]]
        return table.assign(label=spelt, number=table.index)

    def images(self) -> list[str]:
        """Those of which at least one classifier has an opinion, in the run's order."""
        return list(dict.fromkeys(self.predictions["image"]))

    def check(self, labels: Sequence[str]) -> tuple[str, ...]:
        """The labels as they are spelt here. UsageError for one that no classifier has."""
        for label in labels:
            if fold(label) not in self.labels:
                what = f"no classifier has the label {label!r}"
                raise UsageError(what, did_you_mean(label, self.labels.values(), limit=20))
        return tuple(self.labels[fold(label)] for label in labels)

    def table(self, image: str) -> pd.DataFrame:
        """One row a label: the probability of each classifier (a column each, NaN where it has no such label) and of the
        ``ensemble``, their weighted mean; most probable first."""
        rows = self.predictions[self.predictions["image"] == image]
        spelt = rows.assign(label=[self.labels[fold(label)] for label in rows["label"]])
        wide = (
            spelt.drop_duplicates(["model", "label"])
            .pivot(index="label", columns="model", values="probability")
            .reindex(columns=list(self.names))
        )
        weight = np.array([self.weights[name] for name in self.names]) * wide.notna().to_numpy()
        wide["ensemble"] = np.nansum(wide.to_numpy() * weight, axis=1) / np.where(
            weight.sum(1) > 0, weight.sum(1), np.nan
        )
        return wide.sort_values("ensemble", ascending=False, kind="stable")

    def chosen(self, image: str, choice: Choice, marked: Sequence[str] = ()) -> dict[str, str]:
        """Label → why it is shown, most probable first.

        Args:
            marked: labels that a reader marked in the image: what the classifiers missed is shown, too.
        """
        table = self.table(image)
        if choice.labels:
            return {label: "asked for" for label in table.index if label in choice.labels}
        why: dict[str, list[str]] = {label: [] for label in table.index}
        for name in self.names:
            ranked = table[name].dropna().sort_values(ascending=False, kind="stable")
            for place, (label, p) in enumerate(ranked.items(), 1):
                reasons = [f"number {place}"] * (place <= choice.top) + [
                    f"above {choice.threshold:g}"
                ] * (p > choice.threshold)
                if reasons:
                    why[str(label)].append(f"{name}: {', '.join(reasons)}")
        for label in marked:
            if label in why:
                why[label].append("marked by a reader")
        return {label: "; ".join(reasons) for label, reasons in why.items() if reasons}

    def findings(self, image: str, chosen: Mapping[str, str]) -> Iterator[Finding]:
        """The findings with their maps; one of which no classifier has a map is left out."""
        for label, why in chosen.items():
            found = {name: self.explanation(image, name, label) for name in self.names}
            if any(found.values()):
                ensemble = combine(found, self.weights, self.scale)
                yield Finding(label, why, ensemble, *self.null(label))

    def missing(self, image: str) -> dict[str, str]:
        """Classifier → why it has no opinion of the image, or which maps are missing."""
        entries = [entry for entry in self.run.entries if entry.image == image]
        reasons = {entry.model: entry.failure or entry.note for entry in entries}
        return {model: str(reason) for model, reason in reasons.items() if reason is not None}

    def null(self, label: str) -> tuple[float, int]:
        """Mean Pearson correlation of two classifiers' maps of the label in images of different patients, over all pairs of
        classifiers that have it; and of how many pairs of maps. NaN and 0 where there are none."""
        if label not in self._nulls:
            values = np.concatenate(
                [np.zeros(0), *(self._null(label, *pair) for pair in combinations(self.names, 2))]
            )
            values = values[np.isfinite(values)]
            self._nulls[label] = (
                float(values.mean()) if len(values) else float("nan"),
                len(values),
            )
        return self._nulls[label]

    def _null(
        self, label: str, first: str, second: str
    ) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        ours, theirs = self._rows(first, label), self._rows(second, label)
        shared = [image for image in ours if image in theirs]
        drawn = [
            shared[i]
            for i in np.sort(np.random.default_rng(0).permutation(len(shared))[:NULL_IMAGES])
        ]
        patients = [str(ours[image]["patient"]) for image in drawn]
        if len(set(patients)) < 2:
            return np.zeros(0)
        cells = [
            on_common_grid(self._bare(ours[image]), self._bare(theirs[image])) for image in drawn
        ]
        return different_image_null(
            *zip(*cells), similarity=pearson, patients=patients, pairs=PAIRS
        )

    def explanation(self, image: str, name: str, label: str) -> Explanation | None:
        """A classifier's map; None where it has none."""
        rows = self._maps[
            (self._maps["image"] == image)
            & (self._maps["model"] == name)
            & (self._maps["label"] == label)
        ]
        return self.run.explanation(int(rows.index[0])) if len(rows) else None

    def _rows(self, name: str, label: str) -> dict[str, dict[str, Any]]:
        """Image → the row of the classifier's map."""
        rows = self._maps[(self._maps["model"] == name) & (self._maps["label"] == label)]
        return {
            str(row["image"]): {str(key): cell for key, cell in row.items()}
            for row in rows.to_dict("records")
        }

    def _bare(self, row: Mapping[str, Any]) -> Explanation:
        """The map without its image, which takes far longer to read."""
        geometry = stored_geometry(row)
        scan = Scan(torch.zeros(1, *geometry.model), None, geometry, str(row["image"]))
        raw = self.run.raw([int(row["number"])])[0]
        return Explanation(
            raw,
            float(row["score"]),
            None,
            row["target"],
            row["method"],
            row["layer"],
            bool(row["relu"]),
            scan,
        )
