"""``cl.evaluate``: measure explanations from Python, one tidy table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from torch import Tensor, nn

from camlucida.attribution.batches import scans_of
from camlucida.attribution.explained_model import ModelWithCard, stated_model
from camlucida.attribution.methods import METHODS
from camlucida.attribution.requests import TargetLike
from camlucida.core.errors import UsageError
from camlucida.core.output_spec import Task
from camlucida.core.scan import Scan
from camlucida.evaluation.maps.baselines import BASELINES, Atlas, add_to_atlas
from camlucida.evaluation.maps.choice import choose, choose_baselines
from camlucida.evaluation.maps.measure import MetricSettings, Sample, measure
from camlucida.io.annotations import boxes_of
from camlucida.metrics.annotations import Mask, as_mask
from camlucida.models import LoadedModel
from camlucida.models.layers import LayerLike, layer_name
from camlucida.models.preprocessing import unit_scale
from camlucida.models.state import unwrap

Truths = Sequence[ArrayLike | Mapping[str, ArrayLike] | None]


def evaluate(
    model: nn.Module | ModelWithCard,
    inputs: Tensor | Scan | Sequence[Scan],
    target: TargetLike | Sequence[TargetLike] | None = None,
    method: str | Sequence[str] = "gradcam",
    layer: LayerLike | Sequence[LayerLike] | None = None,
    *,
    task: Task | None = None,
    labels: Sequence[str] | None = None,
    output: str | int | None = None,
    logits_from: str | None = None,
    masks: Truths | None = None,
    patients: Sequence[str] | None = None,
    metrics: str | Sequence[str] = "default",
    baselines: str | Sequence[str] = tuple(BASELINES),
    batch_size: int | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Explain images and score the attribution maps.

    Args:
        model, target, method, layer: as in :func:`camlucida.explain`. Without a target, the labels
            that have a mask are explained, else the task's default.
        task, labels, output, logits_from: of the model's output, as there.
        inputs: a tensor (B, C, H, W), a Scan or a sequence of Scans. For the faithfulness metrics,
            images of a loaded model are altered in [0, 1], before its normalisation; those of a
            bare module are altered as they are, with 0 as black.
        masks: for each image its annotation in original pixels: a mask (H, W) for whatever label is
            explained, a mapping from label to mask, or None. Values are bool, 0/1 or 0/255.
        patients: the patient of each image; None: every image is of another patient.
        metrics: names, families, "default" or "all"; see ``camlucida metrics``.
        baselines: a name or names among ``BASELINES``; () for none.
        batch_size: altered images in one forward pass, 1 or more; None: chosen by device.
        seed: of the order of ties and of noise.

    Returns:
        One row for each image, label, method, layer, metric and model output: ``image, patient,
        label, method, layer, baseline, metric, output, value, chance, ceiling, empty, score,
        probability, synthetic``. ``value`` is NaN where the metric is undefined; ``chance`` is the
        chance level and ``ceiling`` the score of the ground truth on the grid of the layer, both in
        the unit of the metric. :func:`camlucida.evaluation.maps.summary.summarise` gives means with
        confidence intervals, ``differences`` paired tests.

    Raises:
        UsageError: an unknown metric, baseline, method or target; masks or patients that do not
            match the images; two images with one id.
        CamlucidaError: the first image that cannot be explained or scored.

    >>> import torch
    >>> net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    >>> mask = np.zeros((16, 16), bool)
    >>> mask[4:8, 4:8] = True
    >>> options = {"masks": [mask], "metrics": "hit", "baselines": "oracle"}
    >>> rows = evaluate(net, torch.rand(1, 1, 16, 16), target="1", layer="0", **options)
    >>> list(zip(rows["method"], rows["metric"], rows["chance"]))
    [('gradcam', 'hit', 0.0625), ('oracle', 'hit', 0.0625)]
    """
    scans = _scans(inputs)
    masks = _one_each(masks, scans, "masks", None)
    patients = _one_each(patients, scans, "patients", None)
    samples = [
        _sample(scan, mask, scan.id if patient is None else patient)
        for scan, mask, patient in zip(scans, masks, patients)
    ]
    module = unwrap(model if isinstance(model, nn.Module) else model.module)
    layers = [layer_name(module, item) for item in _listed(layer)] if layer is not None else []
    settings = MetricSettings(
        targets=None if target is None else tuple(_listed(target)),
        methods=tuple(dict.fromkeys(map(METHODS.canonical, _listed(method)))),
        layers=None if layer is None else tuple(layers),
        metrics=choose(_listed(metrics)),
        baselines=choose_baselines(",".join(_listed(baselines)) or "none"),
        batch_size=batch_size,
        seed=seed,
    )
    sums: dict[str, dict[str, tuple[np.ndarray, int]]] = {}
    for sample in samples:
        add_to_atlas(sums, sample.patient, sample.masks)
    unit = unit_scale(model.card.input) if isinstance(model, LoadedModel) else None
    stated = stated_model(model, task, labels, output, logits_from)
    tables = measure(stated, samples, settings, atlas=Atlas(sums), unit=unit, strict=True)
    return tables.rows


def _scans(inputs: Tensor | Scan | Sequence[Scan]) -> list[Scan]:
    if isinstance(inputs, Tensor):
        return scans_of((inputs,))
    scans = [inputs] if isinstance(inputs, Scan) else list(inputs)
    strangers = [type(scan).__name__ for scan in scans if not isinstance(scan, Scan)]
    if strangers:
        raise UsageError(
            f"inputs hold a {strangers[0]}",
            "give a tensor (B, C, H, W) or Scans; a model of several inputs can be explained, and "
            "evaluated by a module that holds the others and takes one image",
        )
    if len({scan.id for scan in scans}) < len(scans):
        raise UsageError(
            "two images have the same id",
            "give each Scan its own id: dataclasses.replace(scan, id=…)",
        )
    return scans


def _one_each(
    given: Sequence[Any] | None, scans: Sequence[Scan], name: str, default: Any
) -> Sequence[Any]:
    """One entry an image; ``default`` for each where none is given."""
    if given is None:
        return [default] * len(scans)
    if len(given) != len(scans):
        raise UsageError(f"{len(given)} {name} for {len(scans)} images", "give one an image")
    return given


def _listed(value: object) -> list:  # type: ignore[type-arg]
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _sample(scan: Scan, truth: ArrayLike | Mapping[str, ArrayLike] | None, patient: str) -> Sample:
    named: Mapping[str, ArrayLike] = {}
    if isinstance(truth, Mapping):
        named = truth
    elif truth is not None:
        named = {"": truth}
    size = scan.geometry.original
    masks: dict[str, Mask] = {
        label: as_mask(mask, size, f"{scan.id}: mask") for label, mask in named.items()
    }
    boxes = {label: boxes_of(mask) for label, mask in masks.items() if mask.ndim == 2}
    return Sample(scan, patient, masks, boxes)
