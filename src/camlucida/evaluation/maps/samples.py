"""One image with its annotations, and which of its labels are explained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from camlucida.attribution.explanation import Explanation
from camlucida.attribution.requests import TargetLike
from camlucida.core.output_spec import Task
from camlucida.core.scan import Scan
from camlucida.evaluation.maps.baselines import BASELINES
from camlucida.evaluation.maps.choice import choose
from camlucida.metrics.annotations import Floats, Mask


@dataclass(frozen=True)
class Sample:
    """One image with its annotations.

    Attributes:
        scan: the image.
        patient: whose it is.
        masks: label → annotated mask in original pixels; "" for a mask that names no label.
        boxes: label → (N, 4) x, y, width, height.
        regions: name → mask of a region of interest, such as lungs, heart or a plaster.
        positives: labels that are true of it; None if unknown.
        readers: label → reader → mask, where the ground truth tells readers apart.
        reader_rows: of all images; scores of maps against readers are added here.
    """

    scan: Scan
    patient: str
    masks: Mapping[str, Mask] = field(default_factory=dict)
    boxes: Mapping[str, Floats] = field(default_factory=dict)
    regions: Mapping[str, Mask] = field(default_factory=dict)
    positives: tuple[str, ...] | None = None
    readers: Mapping[str, Mapping[str, Mask]] = field(default_factory=dict)
    reader_rows: list[dict[str, Any]] = field(default_factory=list)

    def annotation_key(self, label: str) -> str:
        """The label under which its annotation stands.

        Its name, else "" (an annotation of any label).
        """
        return label if label in self.masks else ""

    def mask(self, label: str) -> Mask | None:
        """The annotated mask of a label, (*original); None where there is none."""
        return self.masks.get(self.annotation_key(label))


@dataclass(frozen=True)
class MetricSettings:
    """What is measured.

    Attributes:
        targets: as in ``explain``; None: see :func:`known_labels`.
        methods, layers: as in ``explain``.
        metrics: names, from :func:`camlucida.evaluation.maps.choice.choose`.
        baselines: names among ``BASELINES``.
        threshold: of the tuned metrics, in [0, 1].
        batch_size: altered images in one forward pass.
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

    @property
    def options(self) -> dict[str, Any]:
        """What metrics may take as keywords."""
        return {"threshold": self.threshold}


def known_labels(sample: Sample, settings: MetricSettings, task: Task | None) -> dict[str, Any]:
    """``target`` and ``truth`` of ``explain`` for one image.

    The targets of the settings; else the labels that are annotated in the image; else those that
    are true of it; else the task's default.

    >>> import torch
    >>> from camlucida.core.geometry import Geometry
    >>> scan = Scan(torch.zeros(1, 4, 4), None, Geometry.identity((4, 4)), "a")
    >>> known_labels(Sample(scan, "p", positives=("nodule",)), MetricSettings(), "multilabel")
    {'target': 'truth', 'truth': [['nodule']]}
    """
    if settings.targets is not None:
        return {"target": list(settings.targets)}
    annotated = [label for label in sample.masks if label]
    labels = annotated or sample.positives
    if labels is None or task in ("segmentation", "regression"):
        return {}
    return {"target": "truth", "truth": [list(labels)]}


def label_of(explanation: Explanation) -> str:
    """The label of an explanation's target: of a region that of its channel, of a detector's box
    that of its class, else its own name.
    """
    if explanation.detection is not None:
        return explanation.detection.name
    spec = explanation.spec
    return spec.label if spec.kind == "region" and spec.label else explanation.target
