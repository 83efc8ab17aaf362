"""Images in, tidy tables out: every metric of every map of every method and baseline.

The altered images of all metrics and maps stand in one queue, and equal ones are run once.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

import numpy as np
from torch import Tensor, nn

from camlucida.attribution.batches import DEFAULT_BATCH
from camlucida.attribution.engine import explain
from camlucida.attribution.explained_model import (
    ExplainedModel,
    ModelWithCard,
    explained_model,
)
from camlucida.attribution.explanation import Explanation
from camlucida.attribution.targets import Target, decision_thresholds
from camlucida.core.errors import CamlucidaError, EmptyRegionError, LayerError, UsageError
from camlucida.core.failures import Failure
from camlucida.core.messages import Message, Value, declare, quoted
from camlucida.evaluation.maps import scores
from camlucida.evaluation.maps.across_images import AcrossImages
from camlucida.evaluation.maps.altered_maps import altered_scores
from camlucida.evaluation.maps.annotation_scores import AnnotationScores
from camlucida.evaluation.maps.baselines import Atlas, baseline_map
from camlucida.evaluation.maps.choice import with_inputs
from camlucida.evaluation.maps.maps import EvaluatedMap, Extra, maps_of, targets_of
from camlucida.evaluation.maps.model_maps import MapSource, ModelMaps
from camlucida.evaluation.maps.rows import TableBuilder, Tables
from camlucida.evaluation.maps.samples import MetricSettings, Sample, known_labels, label_of
from camlucida.evaluation.maps.scores import NAN, Heat, Score
from camlucida.evaluation.maps.specificity import SpecificityScores
from camlucida.evaluation.maps.stability import stability_scores
from camlucida.evaluation.maps.target_scores import target_scores
from camlucida.evaluation.maps.zones import ZONE, Origin, image_zones, origin_note
from camlucida.io.tables import listing
from camlucida.metrics import METRICS, faithfulness
from camlucida.metrics.annotations import Mask
from camlucida.metrics.imputation import Perturbation, PerturbedImage
from camlucida.metrics.queue import Count, Done, Plan, evaluate
from camlucida.models.state import frozen

__all__ = ["Extra", "MetricSettings", "Sample", "Tables", "known_labels", "label_of", "measure"]

declare(
    "map_evaluation",
    {
        "no_label": (
            "{image}: no label is annotated or known to be positive, so no map is evaluated."
        ),
        "empty_region": "{count} {count:|image|images} without a map: {reason} ({names}).",
    },
)

WORKERS = 1
"""Threads that build altered images beside the forward passes."""

UnitScale = tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]
"""Model input → [0, 1], and back."""


def measure(
    model: nn.Module | ModelWithCard,
    samples: Iterable[Sample],
    settings: MetricSettings,
    *,
    maps: MapSource | None = None,
    atlas: Atlas | None = None,
    unit: UnitScale | None = None,
    extra: Extra | None = None,
    strict: bool = False,
    progress: Callable[[int], object] = lambda done: None,
    across: AcrossImages | None = None,
) -> Tables:
    """Explain images and score the maps.

    Args:
        model: a bare module or a loaded model; left as it was found.
        samples: the images with their annotations, read as they are needed.
        settings: what is measured.
        maps: where the maps come from; None: the model explains each image.
        atlas: mean annotations, for the baseline "average_mask".
        unit: so that images are altered in [0, 1], before they are normalised; None: as they are.
        extra: more baselines of an image, made from one explanation of each label and layer.
        strict: raise the error of an image that fails, instead of adding it to the failures, and of
            a method that does not fit, instead of leaving it out.
        progress: called with 1 after each image.
        across: what is gathered of all images; None: of these alone.

    Returns:
        The tables of all images; see :class:`~camlucida.evaluation.maps.rows.Tables`.

    Raises:
        UsageError, LayerError: the request fits no image at all.
    """
    explained = explained_model(model)
    session = _Session(
        model,
        explained,
        settings,
        maps or ModelMaps(model, strict),
        atlas,
        unit,
        extra,
        strict,
        across or AcrossImages(settings.metrics),
    )
    weight = next(explained.module.parameters(), None)
    device = "cpu" if weight is None else weight.device.type
    batch = settings.batch_size or DEFAULT_BATCH.get(device, 8)
    plans = session.plans(samples, progress)
    with frozen(explained.module):
        for done in evaluate(plans, session.score, batch, workers=WORKERS, count=session.count):
            session.take(done)
    return session.tables()


@dataclass
class _Session:
    """One evaluation: what the queue needs of it, and the rows that it gathers."""

    model: nn.Module | ModelWithCard
    explained: ExplainedModel
    settings: MetricSettings
    maps: MapSource
    atlas: Atlas | None
    unit: UnitScale | None
    extra: Extra | None
    strict: bool
    across: AcrossImages
    count: Count = field(default_factory=Count)
    any_explained: bool = False
    targets: dict[Any, list[Target]] = field(default_factory=dict)
    builder: TableBuilder = field(default_factory=TableBuilder)
    failures: list[Failure] = field(default_factory=list)
    notes: list[Message] = field(default_factory=list)
    empty: dict[str, list[str]] = field(default_factory=dict)
    zone_origins: list[Origin] = field(default_factory=list)

    # ---- what the queue sees

    def score(self, inputs: Tensor, images: Sequence[Hashable]) -> list[Tensor]:
        """Score, then probability, of each target of the image that an input was made from."""
        return target_scores(self.explained, inputs, [self.targets[image] for image in images])

    def plans(self, samples: Iterable[Sample], progress: Callable[[int], object]) -> Iterator[Plan]:
        """Image after image: score what needs no model at once, hand out the plans of the rest."""
        for key, sample in enumerate(samples):
            yield from self._plans_of(key, sample)
            self.builder.pack()
            progress(1)

    def _plans_of(self, key: int, sample: Sample) -> list[Plan]:
        """The plans of one image; none of one that fails."""
        try:
            maps = self._maps(sample)
            self.targets[key] = targets_of(maps)
            self.any_explained |= bool(maps)
            return list(self._scored(key, sample, maps))
        except EmptyRegionError as error:
            self.any_explained = True  # the request fits; this image has no such region
            self.empty.setdefault(error.what, []).append(sample.scan.id)
            return []
        except CamlucidaError as error:
            of_request = isinstance(error, (UsageError, LayerError))
            if self.strict or (of_request and not self.any_explained):
                raise
            self.failures.append(Failure.of(sample.scan.id, error, named=True))
            return []

    def take(self, done: Done) -> None:
        """Rows and curves of a finished plan."""
        sample, each = cast(tuple[Sample, EvaluatedMap], done.plan.about)
        # Plans come back in order, so that what came before this image is done with.
        finished = [image for image in self.targets if image < done.plan.image]
        for image in finished:
            del self.targets[image]
        undefined = done.plan.undefined
        reasons = {} if undefined is None else undefined(done.scores)
        for position, explanation in each.explanations.items():
            for output, column in _outputs(explanation, position, done).items():
                self._take_scores(sample, each, explanation, done, output, column)
                at = (output, column)
                self.across.add_reasons(sample.scan.id, explanation.target, reasons, at)
                for name, points in done.plan.curves.items():
                    values = [(share, done.scores[step, column]) for share, step in points]
                    curve = (name, output)
                    self.builder.curve(sample, each, explanation, curve, values)

    def _take_scores(
        self,
        sample: Sample,
        each: EvaluatedMap,
        explanation: Explanation,
        done: Done,
        output: str,
        column: int,
    ) -> None:
        for name, values in done.metrics.items():
            metric = METRICS[name]
            fits = output == "probability" or not metric.only_probability
            if name in self.settings.metrics and fits:
                chance = NAN if metric.chance_level is None else metric.chance_level()
                score = Score(float(values[column]), chance)
                self.builder.score(sample, each, explanation, name, score, output)

    def tables(self) -> Tables:
        """All that was gathered, with the rows of the metrics of many images."""
        for columns, name, score in self.across.scores(self.model):
            self.builder.add(columns, name, score)
        notes = [*self.notes, *map(_empty_region, self.empty.items())]
        notes += [*origin_note(self.zone_origins), *self.across.notes()]
        if isinstance(self.maps, ModelMaps):
            notes += self.maps.notes()
        return self.builder.tables(self.failures, notes, self.count)

    # ---- one image

    def _maps(self, sample: Sample) -> list[EvaluatedMap]:
        """The maps of the methods and the baselines."""
        explanations = self.maps.explanations(sample, self.settings)
        wanted = known_labels(sample, self.settings, self.explained.spec.task)
        if wanted.get("truth") == [[]]:
            self.notes.append(Message("map_evaluation.no_label", {"image": sample.scan.id}))
        return maps_of(sample, explanations, self.settings.baselines, self.atlas, self.extra)

    def _scored(
        self, key: Hashable, sample: Sample, maps: Sequence[EvaluatedMap]
    ) -> Iterator[Plan]:
        """Rows of what needs no model, the plans of the faithfulness metrics, rows of stability."""
        if not maps:
            return
        names = self.settings.metrics
        picture = sample.scan.picture()
        regions = scores.artefact_regions(picture, sample.regions, names)
        if ZONE in names:
            zones, origin = image_zones(picture, sample.scan.source, sample.regions)
            regions |= {f"{ZONE}:{name}": mask for name, mask in zones.items()}
            self.zone_origins.append(origin)
        annotation = AnnotationScores(sample, self.settings)
        specificity = SpecificityScores(sample, self.settings)
        faithful = with_inputs("altered images", among=names)
        image = self._perturbed_image(key, sample, maps) if faithful else None
        for each in maps:
            self.builder.show_layer(each)
            self._score_without_model(sample, each, regions, annotation, specificity)
            wanted = [name for name in faithful if _measured(each, name)]
            if image is not None and wanted:
                about = (sample, each)
                perturbation = Perturbation(image, each.native, self.settings.seed, about)
                coherency = None
                if "adcc" in wanted:
                    coherency = self._coherency(sample, each, perturbation)
                yield from faithfulness.plans(perturbation, wanted, coherency)
        for each, explanation, name, score in specificity.scores():
            self.builder.score(sample, each, explanation, name, score)
        self._score_stability(sample, maps)

    def _perturbed_image(
        self, key: Hashable, sample: Sample, maps: Sequence[EvaluatedMap]
    ) -> PerturbedImage:
        to_unit, normalise = self.unit if self.unit is not None else (None, None)
        tensor = sample.scan.tensor
        targets = self.targets[cast(int, key)]
        thresholds = 2 * decision_thresholds(targets, self.explained.spec.operating_points)
        kind = maps[0].first.provenance["score_kind"]
        probability = (kind == "probability",) * len(targets) + (True,) * len(targets)
        if to_unit is not None:
            tensor = to_unit(tensor)
        return PerturbedImage(key, tensor, probability, normalise, thresholds)

    def _score_without_model(
        self,
        sample: Sample,
        each: EvaluatedMap,
        regions: Mapping[str, Mask],
        annotation: AnnotationScores,
        specificity: SpecificityScores,
    ) -> None:
        """Rows of the metrics that look at the map alone."""
        names = self.settings.metrics
        native, scan = each.native, sample.scan
        original = each.first.on_original().double().numpy()
        heat = Heat.of(native, original, scan.geometry)
        of_map = scores.description_scores(native.double().numpy(), names)
        of_map |= scores.artefact_scores(original, regions)
        for explanation in each.explanations.values():
            of_label = of_map | annotation.scores(explanation, heat)
            for name, score in of_label.items():
                self.builder.score(sample, each, explanation, name, score)
            boxes = annotation.boxes(explanation, heat)
            if boxes is not None:
                self.builder.boxes(sample, each, explanation, boxes)
            self.across.add_map(sample, each, explanation)
        specificity.add(each, heat)

    def _coherency(self, sample: Sample, each: EvaluatedMap, perturbation: Perturbation) -> float:
        """Similarity of the map to that of the image under it.

        A baseline that does not look at the image is identical to itself.
        """
        if each.baseline:
            scan = sample.scan
            masked = baseline_map(
                each.method,
                perturbation.masked(),
                each.first.grid,
                scan.geometry,
                scan.id,
                None,
                None,
            )
            of_masked = perturbation.native if masked is None else masked
            return faithfulness.coherency(perturbation.native, of_masked)
        scan = replace(sample.scan, tensor=perturbation.masked().float())
        target = each.first.explained
        (again,) = explain(self.model, [scan], target=target, method=each.method, layer=each.layer)
        of_masked = again.map(again.grid)
        return faithfulness.coherency(perturbation.native, of_masked)

    def _score_stability(self, sample: Sample, maps: Sequence[EvaluatedMap]) -> None:
        """Rows of the stability metrics, of the methods alone.

        A baseline does not use the model.
        """
        owners: list[tuple[Explanation, EvaluatedMap]] = []
        for each in maps:
            if not each.baseline:
                owners += [(explanation, each) for explanation in each.explanations.values()]
        explanations = [explanation for explanation, _ in owners]
        names, seed = self.settings.metrics, self.settings.seed
        for scores_of in (stability_scores, altered_scores):
            scored = scores_of(self.model, sample.scan, explanations, names, seed)
            for explanation, name, score in scored:
                each = next(owner for other, owner in owners if other is explanation)
                self.builder.score(sample, each, explanation, name, score)
        self.across.add_image(sample, owners)


def _empty_region(images_of_reason: tuple[str, list[str]]) -> Message:
    reason, images = images_of_reason
    values: dict[str, Value] = {
        "reason": quoted(reason),
        "count": len(images),
        "names": listing(images),
    }
    return Message("map_evaluation.empty_region", values)


def _measured(each: EvaluatedMap, name: str) -> bool:
    """Whether a faithfulness metric is of interest: "fake_cam" only shows which can be gamed."""
    return each.method != "fake_cam" or faithfulness.gamed_by_all_ones(name)


def _outputs(explanation: Explanation, position: int, done: Done) -> dict[str, int]:
    """Model output → column of the scores that is of this target."""
    count = done.scores.shape[1] // 2
    kind = str(explanation.provenance["score_kind"])
    columns = {kind: position}
    if kind == "logit" and not np.isnan(done.scores[:, count + position]).all():
        columns["probability"] = count + position
    return columns
