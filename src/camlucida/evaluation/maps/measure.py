"""Images in, tidy tables out: every metric of every map of every method and baseline, one queue of altered images for all."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from camlucida.attribution.batches import DEFAULT_BATCH
from camlucida.attribution.engine import explain
from camlucida.attribution.explained_model import (
    ExplainedModel,
    ModelWithCard,
    explained_model,
    run_batch,
)
from camlucida.attribution.explanation import Explanation
from camlucida.attribution.requests import TargetLike
from camlucida.attribution.targets import Region, Target, probability_of
from camlucida.core.errors import CamlucidaError, LayerError, UsageError
from camlucida.core.messages import Message, declare
from camlucida.core.output_spec import Task
from camlucida.core.scan import Scan
from camlucida.evaluation.maps import scores as placed
from camlucida.evaluation.maps.baselines import BASELINES, Atlas, baseline_map
from camlucida.evaluation.maps.choice import BOX_METRICS, choose
from camlucida.evaluation.maps.stability import stability
from camlucida.metrics import METRICS, faithfulness, localisation
from camlucida.metrics.annotations import Floats, Mask
from camlucida.metrics.imputation import Perturbation, PerturbedImage
from camlucida.metrics.queue import Count, Done, Plan, evaluate
from camlucida.models.state import frozen

NAN = float("nan")
declare(
    "map_evaluation",
    {
        "no_label": (
            "{image}: no label is annotated or known to be positive, so no map is evaluated."
        )
    },
)

FAITHFUL = tuple(name for name, metric in METRICS.items() if metric.family == "faithfulness")
OF_PROBABILITIES = ("average_gain", "adcc")
MASKING = ("average_drop", "increase_in_confidence", "average_gain", "adcc", "drop_in_deletion")
"""All that is asked of ``fake_cam``, which exists to show that they can be gamed."""

ROW = (
    "image",
    "patient",
    "label",
    "method",
    "layer",
    "baseline",
    "metric",
    "output",
    "value",
    "chance",
    "ceiling",
)
ABOUT = ("empty", "score", "probability", "synthetic")
WORKERS = 1
"""Threads that build altered images beside the forwards."""


@dataclass(frozen=True)
class Sample:
    """One image with what is known of it.

    Attributes:
        scan: the image.
        patient: whose it is.
        masks: label → truth in original pixels; "" for a truth that names no label.
        boxes: label → (N, 4) x, y, width, height.
        regions: name → mask of a place that is worth watching: lungs, heart, a plaster.
        positives: labels that are true of it; None if unknown.
    """

    scan: Scan
    patient: str
    masks: Mapping[str, Mask] = field(default_factory=dict)
    boxes: Mapping[str, Floats] = field(default_factory=dict)
    regions: Mapping[str, Mask] = field(default_factory=dict)
    positives: tuple[str, ...] | None = None


Extra = Callable[[Sample, Explanation], Mapping[str, Tensor]]
"""Maps to score beside the baselines: from a sample and one of its explanations, name → (*grid)."""


@dataclass(frozen=True)
class MetricSettings:
    """What is asked.

    Attributes:
        targets: as in ``explain``; None: the labels that are marked or true of the image, else the task's default.
        methods, layers: as in ``explain``.
        metrics: names, from :func:`camlucida.evaluation.maps.choice.choose`.
        baselines: names among ``BASELINES``.
        threshold: of the tuned metrics.
        batch_size: altered images in one forward.
        seed: breaks ties and draws noise.
    """

    targets: tuple[TargetLike, ...] | None = None
    methods: tuple[str, ...] = ("gradcam",)
    layers: tuple[str, ...] | None = None
    metrics: tuple[str, ...] = choose()
    baselines: tuple[str, ...] = tuple(BASELINES)
    threshold: float | None = None
    batch_size: int | None = None
    seed: int = 0


@dataclass
class Tables:
    """What was measured.

    Attributes:
        rows: one an image, label, method, layer, metric and scale.
        curves: one a point of a perturbation curve.
        boxes: one an image, label, method and layer, for the metrics that pool boxes.
        failures: (image, one line) of images that could not be evaluated.
        notes: what a reader must know, a line each.
        count: of altered images and forwards.
    """

    rows: pd.DataFrame
    curves: pd.DataFrame
    boxes: pd.DataFrame
    failures: list[tuple[str, str]] = field(default_factory=list)
    notes: list[Message] = field(default_factory=list)
    count: Count = field(default_factory=Count)


@dataclass(frozen=True)
class _Map:
    """One map, for the labels that share it: its place in the tables, and what is scored."""

    method: str
    layer: str
    baseline: bool
    explanations: Mapping[int, Explanation]  # by position of the target in the image's list

    @property
    def native(self) -> Tensor:
        first = next(iter(self.explanations.values()))
        return first.map(first.grid)


def label_of(target: Target) -> str:
    """The label that a target speaks of: its own name, or that of the channel of a region."""
    return target.label or target.name if isinstance(target, Region) else target.name


def measure(
    model: nn.Module | ModelWithCard,
    samples: Iterable[Sample],
    settings: MetricSettings,
    *,
    atlas: Atlas | None = None,
    unit: tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]] | None = None,
    extra: Extra | None = None,
    strict: bool = False,
    progress: Callable[[int], object] = lambda done: None,
) -> Tables:
    """Explain and score.

    Args:
        model: a bare module or a loaded model; left as it was found.
        samples: read as they are needed.
        settings: what is asked.
        atlas: mean truths, for the baseline "average_mask".
        unit: model input → [0, 1] and back, so that images are altered before they are normalised; None: altered as they are.
        extra: more baselines of an image, made from one explanation of each label and layer: name → (*grid).
        strict: raise what costs an image, rather than note it among the failures.
        progress: called with the number of images done.

    Raises:
        UsageError, LayerError: the request fits no image at all.
    """
    asked = explained_model(model)
    session = _Session(model, asked, settings, atlas, unit, extra, strict)
    weight = next(asked.module.parameters(), None)
    batch = settings.batch_size or DEFAULT_BATCH.get(
        weight.device.type if weight is not None else "cpu", 8
    )
    with frozen(asked.module):
        for done in evaluate(
            session.plans(samples, progress),
            session.score,
            batch,
            workers=WORKERS,
            count=session.count,
        ):
            session.take(done)
    return session.tables()


class _Session:
    """One run: what the queue asks of it, and the rows that it gathers."""

    def __init__(
        self,
        model: nn.Module | ModelWithCard,
        asked: ExplainedModel,
        settings: MetricSettings,
        atlas: Atlas | None,
        unit: tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]] | None,
        extra: Extra | None,
        strict: bool,
    ) -> None:
        self.model, self.asked, self.settings, self.atlas = model, asked, settings, atlas
        self.unit, self.extra, self.strict = unit, extra, strict
        weight = next(asked.module.parameters(), None)
        self.like = weight if weight is not None and weight.is_floating_point() else torch.zeros(())
        self.count = Count()
        self.any_explained = False
        self.targets: dict[Any, list[Target]] = {}
        self.rows: list[tuple[Any, ...]] = []
        self.curves: list[tuple[Any, ...]] = []
        self.boxes: list[tuple[Any, ...]] = []
        self.chunks: list[pd.DataFrame] = []
        self.failures: list[tuple[str, str]] = []
        self.notes: list[Message] = []

    # ---- what the queue sees

    def score(self, inputs: Tensor, images: Sequence[Hashable]) -> list[Tensor]:
        """Score and probability of each target of the image an input was made from."""
        reading = run_batch(self.asked, inputs.to(self.like))
        p = reading.probabilities
        rows = []
        for i, image in enumerate(images):
            logits, shown = reading.logits[i : i + 1], None if p is None else p[i : i + 1]
            targets = self.targets[image]
            rendered = [
                probability_of(target, shown).to(logits)
                if shown is not None
                else logits.new_full((1,), NAN)
                for target in targets
            ]
            rows.append(torch.cat([*(target(logits) for target in targets), *rendered]))
        return rows

    def plans(self, samples: Iterable[Sample], progress: Callable[[int], object]) -> Iterator[Plan]:
        """Explain image after image; score what needs no model at once, and hand out the plans of what does."""
        for key, sample in enumerate(samples):
            try:
                maps = self._maps(sample)
                self.targets[key] = _targets(maps)
                self.any_explained |= bool(maps)
                plans = list(self._scored(key, sample, maps))
            except CamlucidaError as error:
                wrong_request = (
                    isinstance(error, (UsageError, LayerError)) and not self.any_explained
                )
                if self.strict or wrong_request:
                    raise
                self.failures.append((sample.scan.id, f"{sample.scan.id}: {error}"))
                plans = []
            yield from plans
            self._pack()
            progress(1)

    def take(self, done: Done) -> None:
        """Rows and curves of a finished plan."""
        sample, found = cast(tuple[Sample, _Map], done.plan.about)
        for image in [
            image for image in self.targets if image < done.plan.image
        ]:  # plans come back in order
            del self.targets[image]
        count = done.scores.shape[1] // 2
        for place, explanation in found.explanations.items():
            scale = str(explanation.provenance["score_kind"])
            columns = {scale: place}
            if scale == "logit" and not np.isnan(done.scores[:, count + place]).all():
                columns["probability"] = count + place
            for output, column in columns.items():
                for name, values in done.metrics.items():
                    if name in self.settings.metrics and (
                        output == "probability" or name not in OF_PROBABILITIES
                    ):
                        chance = 0.0 if name in ("road", "cell_insertion_deletion") else NAN
                        self._row(
                            sample,
                            found,
                            explanation,
                            name,
                            float(values[column]),
                            chance,
                            output=output,
                        )
                for curve, points in done.plan.curves.items():
                    self.curves += [
                        (
                            *self._where(sample, found, explanation),
                            curve,
                            output,
                            share,
                            done.scores[step, column],
                        )
                        for share, step in points
                    ]

    def tables(self) -> Tables:
        """All that was gathered."""
        self._pack()
        where = ["image", "patient", "label", "method", "layer", "baseline"]
        rows = (
            pd.concat(self.chunks, ignore_index=True)
            if self.chunks
            else pd.DataFrame([], columns=[*ROW, *ABOUT])
        )
        curves = pd.DataFrame(self.curves, columns=[*where, "curve", "output", "share", "value"])
        boxes = pd.DataFrame(self.boxes, columns=[*where, "found", "truth", "accuracy"])
        return Tables(rows, curves, boxes, self.failures, self.notes, self.count)

    # ---- one image

    def _maps(self, sample: Sample) -> list[_Map]:
        """Maps of the methods, then of the baselines; labels that share a map stand together."""
        wanted = known_labels(sample, self.settings, self.asked.spec.task)
        if wanted.get("truth") == [[]]:
            self.notes.append(Message("map_evaluation.no_label", {"image": sample.scan.id}))
            return []
        explanations = explain(
            self.model,
            [sample.scan],
            method=list(self.settings.methods),
            layer=self.settings.layers,
            **wanted,
        )
        targets = list(dict.fromkeys(e.target for e in explanations))
        maps = list(_grouped(explanations, targets))
        first = next(iter(self.settings.methods))
        for e_of_layer in _by_layer([e for e in explanations if e.method == first]):
            maps += _grouped(list(self._baselines(sample, e_of_layer)), targets, baseline=True)
        return maps

    def _baselines(
        self, sample: Sample, explanations: Sequence[Explanation]
    ) -> Iterator[Explanation]:
        for name in self.settings.baselines:
            for e in explanations:
                label = _label(e)
                truth = _truth(sample, label)
                prior = (
                    self.atlas.without(_truth_key(sample, label), sample.patient)
                    if self.atlas is not None
                    else None
                )
                heat = baseline_map(
                    name,
                    sample.scan.tensor,
                    e.grid,
                    sample.scan.geometry,
                    sample.scan.id,
                    truth,
                    prior,
                )
                if heat is not None:
                    yield _standing_in(e, name, heat)
        if self.extra is not None:
            for e in explanations:
                for name, heat in self.extra(sample, e).items():
                    yield _standing_in(e, name, heat)

    def _scored(self, key: Hashable, sample: Sample, maps: Sequence[_Map]) -> Iterator[Plan]:
        if not maps:
            return
        names = self.settings.metrics
        places = placed.artefact_places(sample.scan.picture(), sample.regions, names)
        best: dict[tuple[str, tuple[int, ...]], placed.Heat] = {}
        count = len(self.targets[key])
        to_unit, normalise = self.unit if self.unit is not None else (None, None)
        tensor = sample.scan.tensor
        kind = next(iter(maps[0].explanations.values())).provenance["score_kind"]
        probability = (kind == "probability",) * count + (True,) * count
        subject = PerturbedImage(
            key, to_unit(tensor) if to_unit else tensor, probability, normalise
        )
        for found in maps:
            self._without_model(sample, found, places, best)
            faithful = [
                name
                for name in names
                if name in FAITHFUL and (found.method != "fake_cam" or name in MASKING)
            ]
            if faithful:
                case = Perturbation(subject, found.native, self.settings.seed, (sample, found))
                coherency = self._coherency(sample, found, case) if "adcc" in faithful else None
                yield from faithfulness.plans(case, faithful, coherency)
        self._steady(sample, maps)

    def _without_model(
        self,
        sample: Sample,
        found: _Map,
        places: Mapping[str, Mask],
        best: dict[tuple[str, tuple[int, ...]], placed.Heat],
    ) -> None:
        """Rows of the metrics that look at the map alone."""
        names = self.settings.metrics
        heat = next(iter(found.explanations.values())).on_original().double().numpy()
        described = placed.described(found.native.double().numpy(), names)
        artefacts = placed.artefact_scores(heat, places)
        for e in found.explanations.values():
            for name, value in described.items():
                self._row(sample, found, e, name, value)
            for name, score in artefacts.items():
                self._row(sample, found, e, name, score.value, score.chance)
            label = _label(e)
            truth = _truth(sample, label)
            if truth is None:
                continue
            at = label, e.grid
            if at not in best:
                best[at] = placed.best(truth, e.grid, sample.scan.geometry)
            whole = placed.Heat.of(found.native, heat, sample.scan.geometry)
            located = placed.located(whole, truth, names, self.settings.threshold)
            chance = placed.chances(whole, truth, names, self.settings.threshold)
            ceiling = placed.best_scores(best[at], truth, names, self.settings.threshold)
            boxes = sample.boxes.get(_truth_key(sample, label))
            if boxes is not None:
                located |= placed.box_scores(heat, boxes, names)
                ceiling |= placed.box_scores(best[at].original, boxes, names)
                if set(BOX_METRICS) & set(names):
                    table = placed.found_boxes(
                        heat, boxes, 1.0 if e.probability is None else e.probability
                    )
                    self.boxes.append(
                        (
                            *self._where(sample, found, e),
                            table["found"],
                            table["truth"],
                            table["accuracy"],
                        )
                    )
            for name, value in located.items():
                self._row(
                    sample, found, e, name, value, chance.get(name, NAN), ceiling.get(name, NAN)
                )
            if "class_specificity" in names:
                others = [
                    mask
                    for other, mask in sample.masks.items()
                    if other and other != label and mask.any()
                ]
                values = [localisation.class_specificity(heat, truth, other) for other in others]
                areas = [float(truth.mean() - other.mean()) for other in others]
                if values and truth.any():
                    self._row(
                        sample,
                        found,
                        e,
                        "class_specificity",
                        float(np.mean(values)),
                        float(np.mean(areas)),
                    )

    def _coherency(self, sample: Sample, found: _Map, case: Perturbation) -> float:
        """How like the map is to the map of the image under it; a baseline that does not look at the image is like itself."""
        first = next(iter(found.explanations.values()))
        if found.baseline:
            masked = baseline_map(
                found.method,
                case.masked(),
                first.grid,
                sample.scan.geometry,
                sample.scan.id,
                None,
                None,
            )
            return faithfulness.coherency(
                case.native, masked if masked is not None else case.native
            )
        scan = replace(sample.scan, tensor=case.masked().float())
        (again,) = explain(
            self.model, [scan], target=first.explained, method=found.method, layer=found.layer
        )
        return faithfulness.coherency(case.native, again.map(again.grid))

    def _steady(self, sample: Sample, maps: Sequence[_Map]) -> None:
        """Rows of the stability metrics, of the methods alone: a baseline has no model to be unsteady with."""
        explanations = [
            e for found in maps if not found.baseline for e in found.explanations.values()
        ]
        for e, name, value in stability(
            self.model, sample.scan, explanations, self.settings.metrics, self.settings.seed
        ):
            found = next(m for m in maps if any(other is e for other in m.explanations.values()))
            self._row(sample, found, e, name, value)

    # ---- rows

    def _where(self, sample: Sample, found: _Map, e: Explanation) -> tuple[Any, ...]:
        return sample.scan.id, sample.patient, e.target, found.method, found.layer, found.baseline

    def _row(
        self,
        sample: Sample,
        found: _Map,
        e: Explanation,
        name: str,
        value: float,
        chance: float = NAN,
        ceiling: float = NAN,
        output: str = "",
    ) -> None:
        probability = NAN if e.probability is None else e.probability
        about = e.is_empty, e.score, probability, sample.scan.synthetic
        self.rows.append(
            (*self._where(sample, found, e), name, output, value, chance, ceiling, *about)
        )

    def _pack(self) -> None:
        """Rows so far as a compact frame."""
        if self.rows:
            frame = pd.DataFrame(self.rows, columns=[*ROW, *ABOUT])
            self.chunks.append(frame)
            self.rows.clear()


def known_labels(sample: Sample, settings: MetricSettings, task: Task | None) -> dict[str, Any]:
    """``target`` and ``truth`` of ``explain``: what was asked; else the labels that are marked in the image, or true of it; else
    the task's default."""
    if settings.targets is not None:
        return {"target": list(settings.targets)}
    marked = [label for label in sample.masks if label]
    known = marked or sample.positives
    if known is None or task in ("segmentation", "regression"):
        return {}
    return {"target": "truth", "truth": [list(known)]}


def _standing_in(e: Explanation, name: str, heat: Tensor) -> Explanation:
    """The explanation with another map, (*grid), in place of its own."""
    empty = None if bool(heat.any()) else Message("empty.zero")
    return replace(e, raw=heat, method=name, relu=False, empty_reason=empty)


def _label(e: Explanation) -> str:
    return label_of(e.explained) if e.explained is not None else e.target


def _truth_key(sample: Sample, label: str) -> str:
    return label if label in sample.masks else ""


def _truth(sample: Sample, label: str) -> Mask | None:
    return sample.masks.get(_truth_key(sample, label))


def _targets(maps: Sequence[_Map]) -> list[Target]:
    """The targets of an image, in the order of their positions."""
    by_place = {place: e.explained for found in maps for place, e in found.explanations.items()}
    return [target for _, target in sorted(by_place.items()) if target is not None]


def _by_layer(explanations: Sequence[Explanation]) -> Iterator[list[Explanation]]:
    for layer in dict.fromkeys(e.layer for e in explanations):
        yield [e for e in explanations if e.layer == layer]


def _grouped(
    explanations: Sequence[Explanation], targets: Sequence[str], baseline: bool = False
) -> Iterator[_Map]:
    """One :class:`_Map` for all labels whose maps are equal: it is altered once."""
    rest = list(explanations)
    while rest:
        first = rest[0]
        same = [
            e
            for e in rest
            if (e.method, e.layer) == (first.method, first.layer) and torch.equal(e.raw, first.raw)
        ]
        rest = [e for e in rest if not any(e is other for other in same)]
        yield _Map(first.method, first.layer, baseline, {targets.index(e.target): e for e in same})
