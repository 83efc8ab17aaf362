"""``cl.evaluate``: measure explanations from Python, one tidy table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from torch import nn

from camlucida.attribution.batches import Inputs, cases_of
from camlucida.attribution.explained_model import (
    ExplainedModel,
    ModelWithCard,
    explained_model,
    plain_module,
    stated_model,
)
from camlucida.attribution.methods import EVERY, method_names
from camlucida.attribution.requests import TargetLike
from camlucida.core.errors import UsageError
from camlucida.core.messages import Message
from camlucida.core.output_spec import Task
from camlucida.core.scan import Scan
from camlucida.evaluation.maps.across_images import AcrossImages
from camlucida.evaluation.maps.baselines import BASELINES, Atlas, add_to_atlas
from camlucida.evaluation.maps.choice import choose, choose_baselines
from camlucida.evaluation.maps.held_inputs import HELD, SeenInput, held_model, seen_inputs
from camlucida.evaluation.maps.measurable import for_detector, for_volumes, with_rows
from camlucida.evaluation.maps.measure import (
    MetricSettings,
    Sample,
    Tables,
    UnitScale,
    measure,
)
from camlucida.evaluation.maps.model_maps import ModelMaps
from camlucida.evaluation.maps.rows import TableBuilder
from camlucida.io.annotations import boxes_of
from camlucida.metrics.annotations import Mask, as_mask
from camlucida.metrics.queue import Count
from camlucida.models import LoadedModel
from camlucida.models.layers import LayerLike, layer_name
from camlucida.models.preprocessing import unit_scale

Truths = Sequence[ArrayLike | Mapping[str, ArrayLike] | None]


def evaluate(
    model: nn.Module | ModelWithCard,
    inputs: Inputs,
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
        inputs: a tensor (B, C, H, W), a Scan or a sequence of Scans; of a model of several inputs a
            tuple of tensors, or a sequence of tuples of Scans, one an image. Then the input that
            the layer sees is altered, and the others are held. For the faithfulness metrics,
            images of a loaded model are altered in [0, 1], before its normalisation; those of a
            bare module are altered as they are, with 0 as black.
        masks: for each image its annotation in original pixels (of several inputs, of the one that
            the layer sees): a mask (H, W) for whatever label is
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
        confidence intervals, ``differences`` paired tests. ``attrs["notes"]`` lists, as texts, what
        a reader must know, such as why a metric has no value.

    Raises:
        UsageError: an unknown metric, baseline, method or target; only metrics whose test is of all
            maps together, as the randomisation of weights; masks or patients that do not match the
            images; two images with one id.
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
    cases = _cases(inputs)
    masks = _one_each(masks, cases, "masks", None)
    patients = _one_each(patients, cases, "patients", None)
    module = plain_module(model)
    layers = [layer_name(module, item) for item in _listed(layer)] if layer is not None else []
    settings = MetricSettings(
        targets=None if target is None else tuple(_listed(target)),
        methods=tuple(method_names(_listed(method))),
        layers=None if layer is None else tuple(layers),
        metrics=choose(_listed(metrics)),
        baselines=choose_baselines(",".join(_listed(baselines)) or "none"),
        batch_size=batch_size,
        seed=seed,
    )
    settings, left_out = with_rows(settings)
    stated = stated_model(model, task, labels, output, logits_from)
    if len(cases[0]) > 1:
        layer_of_card = getattr(getattr(model, "card", None), "layer", "auto")
        requested = settings.layers or (layer_of_card,)
        rows = _evaluate_each_input(stated, cases, masks, patients, settings, requested)
        rows.attrs["notes"] = [*map(str, left_out), *rows.attrs["notes"]]
        return rows
    unit = _unit(model)
    scans = [case[0] for case in cases]
    settings, notes = _measurable(settings, scans, module)
    samples = list(map(_sample, scans, masks, patients))
    atlas = _atlas(samples)
    maps = ModelMaps(stated) if EVERY in _listed(method) else None
    tables = measure(stated, samples, settings, maps=maps, atlas=atlas, unit=unit, strict=True)
    tables.notes[:0] = [*left_out, *notes]
    return _with_notes(tables)


def _measurable(
    settings: MetricSettings, scans: Sequence[Scan], module: nn.Module
) -> tuple[MetricSettings, list[Message]]:
    """The settings without the metrics that are not defined here, and notes on these."""
    settings, notes = for_detector(settings, module)
    if any(len(scan.geometry.model) == 3 for scan in scans):
        settings, of_volumes = for_volumes(settings)
        notes = [*notes, *of_volumes]
    return settings, notes


def _unit(model: nn.Module | ModelWithCard) -> UnitScale | None:
    if not isinstance(model, LoadedModel):
        return None
    return unit_scale(model.card.volume or model.card.input)


def _evaluate_each_input(
    stated: nn.Module | ModelWithCard,
    cases: Sequence[tuple[Scan, ...]],
    masks: Sequence[Any],
    patients: Sequence[Any],
    settings: MetricSettings,
    layers: Sequence[str],
) -> pd.DataFrame:
    explained = explained_model(stated)
    tensors = tuple(scan.tensor[None] for scan in cases[0])
    across = AcrossImages(settings.metrics)
    tables: list[Tables] = []
    for seen in seen_inputs(explained, tensors, layers):
        tables += _evaluate_held(explained, seen, cases, masks, patients, settings, across)
    return _joined(tables, explained, across)


def _evaluate_held(
    explained: ExplainedModel,
    seen: SeenInput,
    cases: Sequence[tuple[Scan, ...]],
    masks: Sequence[Any],
    patients: Sequence[Any],
    settings: MetricSettings,
    across: AcrossImages,
) -> Iterator[Tables]:
    """What is measured of each image at the layers that see one input, the other inputs held."""
    scans = [replace(case[seen.position], id=case[0].id) for case in cases]
    samples = list(map(_sample, scans, masks, patients))
    atlas = _atlas(samples)
    layers = tuple(f"{HELD}.{layer}" for layer in seen.layers)
    of_layers = replace(settings, layers=layers)
    for case, sample in zip(cases, samples):
        inputs = [scan.tensor[None] for scan in case]
        model = held_model(explained, inputs, seen.position)
        yield measure(model, [sample], of_layers, atlas=atlas, strict=True, across=across.part())


def _joined(
    tables: Sequence[Tables], explained: ExplainedModel, across: AcrossImages
) -> pd.DataFrame:
    """The rows of all images, with those of the metrics that need all of them."""
    builder = TableBuilder()
    for columns, name, score in across.scores(explained.module):
        builder.add(columns, name, score)
    notes = chain(*(each.notes for each in tables), across.notes())
    last = builder.tables([], list(dict.fromkeys(notes)), Count())
    # An empty frame has no types: joined, it would make a column of flags one of objects.
    parts = [each.rows for each in (*tables, last) if len(each.rows)]
    rows = pd.concat(parts or [last.rows], ignore_index=True)
    last.rows = rows.assign(layer=rows["layer"].str.removeprefix(f"{HELD}."))
    return _with_notes(last)


def _with_notes(tables: Tables) -> pd.DataFrame:
    tables.rows.attrs["notes"] = [str(note) for note in tables.notes]
    return tables.rows


def _atlas(samples: Sequence[Sample]) -> Atlas:
    sums: dict[str, dict[str, tuple[np.ndarray, int]]] = {}
    for sample in samples:
        add_to_atlas(sums, sample.patient, sample.masks)
    return Atlas(sums)


def _cases(inputs: Inputs) -> list[tuple[Scan, ...]]:
    """Of each image the scan of each input."""
    cases = cases_of(inputs)
    if len({case[0].id for case in cases}) < len(cases):
        raise UsageError(
            "two images have the same id",
            "give each Scan its own id: dataclasses.replace(scan, id=…)",
        )
    return cases


def _one_each(
    given: Sequence[Any] | None, scans: Sequence[tuple[Scan, ...]], name: str, default: Any
) -> Sequence[Any]:
    """One entry an image; ``default`` for each where none is given."""
    if given is None:
        return [default] * len(scans)
    if len(given) != len(scans):
        raise UsageError(f"{len(given)} {name} for {len(scans)} images", "give one an image")
    return given


def _listed(value: object) -> list:  # type: ignore[type-arg]
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _sample(
    scan: Scan, truth: ArrayLike | Mapping[str, ArrayLike] | None, patient: str | None
) -> Sample:
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
    return Sample(scan, scan.id if patient is None else patient, masks, boxes)
