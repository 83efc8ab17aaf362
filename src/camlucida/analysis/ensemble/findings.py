"""What the classifiers of a run predict of each image, and which findings are shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from camlucida.analysis.ensemble.combine import Ensemble, combine, on_common_grid
from camlucida.analysis.ensemble.members import is_evidence
from camlucida.attribution.explanation import Explanation
from camlucida.core.errors import UsageError, did_you_mean
from camlucida.core.messages import Message, Value, chain, declare, quoted
from camlucida.core.scan import Scan
from camlucida.io.tables import fold
from camlucida.metrics.agreement import PAIRS, different_image_null, pearson
from camlucida.metrics.multilabel import DECISION_THRESHOLD, decision_values
from camlucida.runs import Run
from camlucida.runs.stored_scan import stored_geometry

declare(
    "shown",
    {
        "requested": "requested",
        "rank": "{classifier}: number {rank}",
        "threshold": "{classifier}: above {threshold:g}",
        "rank_and_threshold": "{classifier}: number {rank}, above {threshold:g}",
        "annotated": "marked by a reader",
    },
)

NULL_IMAGES = 30
"""Images, drawn with a fixed seed, whose maps the chance level of agreement is measured on."""

NAN = float("nan")
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class FindingChoice:
    """Which findings of an image are shown.

    Attributes:
        top: of each classifier, its most probable labels.
        threshold: and every label with a probability above it, or with an output above it that
            the classifier scales so that 0.5 is its operating point.
        labels: only these, where any is given.
    """

    top: int = 3
    threshold: float = DECISION_THRESHOLD
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class EnsembleFinding:
    """One label of one image.

    Attributes:
        label: spelt as by the first classifier that has it.
        reason: why it is shown: requested, its rank or probability in a classifier, or marked by a
            reader.
        ensemble: of the classifiers that have the label and a map.
        null: mean agreement of maps of different patients' images; NaN where there are no two.
        pairs: of maps, that ``null`` is the mean of.
    """

    label: str
    reason: Message
    ensemble: Ensemble
    null: float
    pairs: int


@dataclass(frozen=True)
class EnsembleFindings:
    """The classifiers' predictions and maps of a run.

    Attributes:
        run: its models are the classifiers.
        scale: one of :data:`~camlucida.analysis.ensemble.combine.SCALES`.
        weighting: one of :data:`~camlucida.analysis.ensemble.members.WEIGHTINGS`.
    """

    run: Run
    scale: str = "share"
    weighting: str = "probability"
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
        """Folded name → the spelling of the first classifier that has it.

        Case, blanks and underscores make no difference.
        """
        spellings: list[str] = []
        for model in self.run.about["models"]:
            spellings += filter(None, model["resolved"]["labels"])
        spellings += self.predictions["label"].tolist()
        # Of equal keys the last one stays, so the first spelling comes last.
        return {fold(label): label for label in reversed(spellings)}

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """As :meth:`Run.predictions`, with ``decided``: see :meth:`decisions`."""
        rows = self.run.predictions()
        return rows.assign(decided=decision_values(rows))

    def images(self) -> list[str]:
        """Those that at least one classifier predicts, in the run's order."""
        return list(dict.fromkeys(self.predictions["image"]))

    def check(self, labels: Sequence[str]) -> tuple[str, ...]:
        """The labels as they are spelt here.

        Raises:
            UsageError: no classifier has one of them.
        """
        for label in labels:
            if fold(label) not in self.labels:
                what = f"no classifier has the label {label!r}"
                raise UsageError(what, did_you_mean(label, self.labels.values(), limit=20))
        return tuple(self.labels[fold(label)] for label in labels)

    def table(self, image: str) -> pd.DataFrame:
        """The probabilities of an image, a row a label, in the order of :meth:`decisions`.

        Returns:
            A column each classifier, NaN where it has no such label, and ``ensemble``, their
            weighted mean. The index is the labels.
        """
        return self._wide(image, "probability").reindex(self.decisions(image).index)

    def decisions(self, image: str) -> pd.DataFrame:
        """What labels are ordered by and thresholds compared with, the highest mean first.

        That is the probability, or the output that a classifier scales so that 0.5 is its operating
        point.

        Returns:
            As :meth:`table`.
        """
        wide = self._wide(image, "decided")
        return wide.sort_values("ensemble", ascending=False, kind="stable")

    def _wide(self, image: str, column: str) -> pd.DataFrame:
        """A column of the predictions by label and classifier, and its weighted mean."""
        rows = self.predictions[self.predictions["image"] == image]
        spelt = rows.assign(label=[self.labels[fold(label)] for label in rows["label"]])
        unique = spelt.drop_duplicates(["model", "label"])
        wide = unique.pivot(index="label", columns="model", values=column)
        wide = wide.reindex(columns=list(self.names))
        of_models = np.array([self.weights[name] for name in self.names])
        weights = of_models * wide.notna().to_numpy()
        total = weights.sum(1)
        sums = np.nansum(wide.to_numpy() * weights, axis=1)
        wide["ensemble"] = sums / np.where(total > 0, total, np.nan)
        return wide

    def chosen(
        self, image: str, choice: FindingChoice, annotated: Sequence[str] = ()
    ) -> dict[str, Message]:
        """Label → why it is shown, most probable first.

        Args:
            image: of the run.
            choice: which findings are shown.
            annotated: labels that a reader marked in the image, so that what the classifiers missed
                is shown, too.
        """
        table = self.decisions(image)
        if choice.labels:
            requested = Message("shown.requested")
            return {str(label): requested for label in table.index if label in choice.labels}
        reasons: dict[str, list[Message]] = {str(label): [] for label in table.index}
        for name in self.names:
            for label, reason in _reasons(name, table[name], choice):
                reasons[label].append(reason)
        for label in annotated:
            if label in reasons:
                reasons[label].append(Message("shown.annotated"))
        return {label: chain("words.clause", why) for label, why in reasons.items() if why}

    def findings(self, image: str, chosen: Mapping[str, Message]) -> Iterator[EnsembleFinding]:
        """The findings with their maps; one of which no classifier has a map is left out.

        Args:
            image: of the run.
            chosen: label → why it is shown, as of :meth:`chosen`.
        """
        for label, reason in chosen.items():
            maps = {name: self.explanation(image, name, label) for name in self.names}
            if any(maps.values()):
                ensemble = combine(maps, self.weights, self.scale, self.weighting)
                yield EnsembleFinding(label, reason, ensemble, *self.null(label))

    def missing(self, image: str) -> dict[str, Message]:
        """Classifier → why it has no prediction of the image, or which maps are missing."""
        reasons: dict[str, Message] = {}
        of_image = [entry for entry in self.run.entries if entry.image == image]
        for entry in of_image:
            if entry.failure is not None:
                reasons[entry.model] = quoted(str(entry.failure))
            elif entry.note is not None:
                reasons[entry.model] = entry.note
        return reasons

    def null(self, label: str) -> tuple[float, int]:
        """The chance level of agreement, and how many pairs of maps it is the mean of.

        Mean Pearson correlation of two classifiers' maps of the label in images of different
        patients, over all pairs of classifiers that have it; maps without evidence are left out, as
        they are of the agreement. NaN and 0 where there are none.
        """
        if label not in self._nulls:
            of_pairs = [np.zeros(0)]
            for first, second in combinations(self.names, 2):
                of_pairs.append(self._null(label, first, second))
            values = np.concatenate(of_pairs)
            # A constant map has no correlation.
            values = values[np.isfinite(values)]
            mean = float(values.mean()) if len(values) else NAN
            self._nulls[label] = mean, len(values)
        return self._nulls[label]

    def explanation(
        self, image: str, name: str, label: str, levels: bool = False
    ) -> Explanation | None:
        """A classifier's map; None where it has none.

        Args:
            image: of the run.
            name: of the classifier.
            label: as it is spelt here.
            levels: as of :meth:`camlucida.runs.Run.explanation`.
        """
        maps = self._maps_of(name, label)
        rows = maps[maps["image"] == image]
        if rows.empty:
            return None
        return self.run.explanation(int(rows.index[0]), levels)

    @cached_property
    def _maps(self) -> pd.DataFrame:
        table = self.run.explanations()
        spelt = [self.labels.get(fold(target), target) for target in table["target"]]
        return table.assign(label=spelt, number=table.index)

    def _maps_of(self, name: str, label: str) -> pd.DataFrame:
        maps = self._maps
        wanted = (maps["model"] == name) & (maps["label"] == label)
        return maps[wanted]

    def _null(self, label: str, first: str, second: str) -> Floats:
        """Correlations of two classifiers' maps of different patients' images."""
        of_first = self._rows(first, label)
        of_second = self._rows(second, label)
        shared = [image for image in of_first if image in of_second]
        drawn = np.random.default_rng(0).permutation(len(shared))[:NULL_IMAGES]
        images = [shared[index] for index in np.sort(drawn)]
        patients = [str(of_first[image]["patient"]) for image in images]
        firsts, seconds, owners = [], [], []
        for image, patient in zip(images, patients):
            a = self._without_image(of_first[image])
            b = self._without_image(of_second[image])
            if is_evidence(a) and is_evidence(b):
                cells = on_common_grid(a, b)
                firsts.append(cells[0])
                seconds.append(cells[1])
                owners.append(patient)
        if len(set(owners)) < 2:
            return np.zeros(0)
        return different_image_null(
            firsts, seconds, similarity=pearson, patients=owners, pairs=PAIRS
        )

    def _rows(self, name: str, label: str) -> dict[str, dict[str, Any]]:
        """Image → the row of the classifier's map."""
        rows: dict[str, dict[str, Any]] = {}
        for record in self._maps_of(name, label).to_dict("records"):
            rows[str(record["image"])] = {str(key): cell for key, cell in record.items()}
        return rows

    def _without_image(self, row: Mapping[str, Any]) -> Explanation:
        """The map without its image, which takes far longer to read."""
        geometry = stored_geometry(row)
        scan = Scan(torch.zeros(1, *geometry.model), None, geometry, str(row["image"]))
        return Explanation(
            raw=self.run.raw([int(row["number"])])[0],
            score=float(row["score"]),
            probability=None,
            target=row["target"],
            method=row["method"],
            layer=row["layer"],
            relu=bool(row["relu"]),
            scan=scan,
            provenance={"unit": row["unit"]},
        )


def _reasons(name: str, decided: pd.Series, choice: FindingChoice) -> Iterator[tuple[str, Message]]:
    """Labels that a classifier ranks high enough, or calls probable enough."""
    ranked = decided.dropna().sort_values(ascending=False, kind="stable")
    for rank, (label, value) in enumerate(ranked.items(), 1):
        numbers: dict[str, Value] = {}
        if rank <= choice.top:
            numbers["rank"] = rank
        if value > choice.threshold:
            numbers["threshold"] = choice.threshold
        if numbers:
            code = "_and_".join(numbers)
            values = {"classifier": name, **numbers}
            yield str(label), Message(f"shown.{code}", values)
