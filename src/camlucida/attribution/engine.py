"""``explain``: many targets, methods and layers of a batch of images from one forward pass."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import torch
from torch import nn

from camlucida.attribution.batches import Batch, Inputs, batches
from camlucida.attribution.capture_errors import InPlaceError, MixedBatchError, values_kept
from camlucida.attribution.capture_inputs import image_inputs, no_picture
from camlucida.attribution.detection import box_jobs
from camlucida.attribution.explained_batch import BatchMaps, ExplainedBatch, MapKey
from camlucida.attribution.explained_model import (
    ExplainedModel,
    ModelWithCard,
    explained_model,
    plain_module,
)
from camlucida.attribution.explanation import Explanation
from camlucida.attribution.forward_pass import forward_pass
from camlucida.attribution.input_probe import INPUT
from camlucida.attribution.layer_provenance import layer_provenance
from camlucida.attribution.methods import EVERY, METHODS, Method, method_names
from camlucida.attribution.mixed_batches import unmixed
from camlucida.attribution.model_output import model_outputs
from camlucida.attribution.requests import Request, TargetLike, default_request, parse_target
from camlucida.attribution.samples import all_maps
from camlucida.attribution.steps import Progress, unreported
from camlucida.attribution.target_scores import target_scores
from camlucida.attribution.targets import Target, Truth, spec_of
from camlucida.core.errors import CamlucidaError, NoEvidenceError, UsageError
from camlucida.core.output_spec import RegionScore, Task
from camlucida.models.detectors import is_detector
from camlucida.models.grids import token_grid
from camlucida.models.layers import LayerLike, layer_name
from camlucida.models.outputs import check_numbers, interpret
from camlucida.models.state import frozen


def explain(
    model: nn.Module | ModelWithCard,
    inputs: Inputs,
    target: TargetLike | Sequence[TargetLike] | None = None,
    method: str | Sequence[str] = "gradcam",
    layer: LayerLike | Sequence[LayerLike] | None = None,
    *,
    task: Task | None = None,
    labels: Sequence[str] | None = None,
    grid: Sequence[int] | None = None,
    prefix: int | None = None,
    output: str | int | None = None,
    logits_from: str | None = None,
    region_score: RegionScore | None = None,
    truth: Sequence[Truth] | None = None,
    batch_size: int | None = None,
    progress: Progress = unreported,
) -> list[Explanation]:
    """Explain scores of images.

    Args:
        model: any ``nn.Module``, or what ``load_model`` returns. Left exactly as it was.
        inputs: a tensor (B, C, *spatial), a tuple of tensors for a model of several inputs (images
            first), a Scan or Scans.
        target: what to explain, or a list: see
            :func:`camlucida.attribution.requests.parse_target`. None: the task's default.
        method: registry name, or a list of them. ``"all"``: every method that fits the model, but
            slow ones and baselines; ``provenance["left_out"]`` has the others, with the reason.
        layer: ``"auto"``, a family alias, a dotted path with indices, a module of the model, or a
            list of these. None: the model card's, else ``"auto"``.
        task: what the output means; None takes it from the card or the module, else guesses it from
            the output's shape. ``provenance["task_from"]`` says which.
        labels: a name an output channel; None takes the card's or the module's.
        grid: of a transformer whose tokens cannot be traced, the cells an axis, rows first. None:
            the card's, else traced.
        prefix: number of class and register tokens before the cells. None: the card's, else traced.
        output: which of several outputs is meant, by name or index; or "probabilities" for a model
            that returns them in a way that cannot be undone (they are then explained themselves).
        logits_from: path of the module whose output is the logits; "" takes the output as it is.
        region_score: of a region of a segmentation, the "mean" of its logits or their "sum". None:
            the card's, else the mean.
        truth: of each image the true label or labels, or the true mask or label → mask, for
            ``target="truth"``.
        batch_size: images in one forward. None: a tensor goes through in one piece, Scans by 8
            (CPU) or 32 (GPU).
        progress: called during each map of a method that needs many forward passes, with the
            number of altered images that were run, and of those that will be.

    Returns:
        One Explanation for each input, target, method and layer, in this order of nesting. A
        request can mean no target for an image (``above:0.5``): then it has none.

    Raises:
        UsageError: an unknown method, target or label; inputs of the wrong kind.
        LayerError: the layer does not exist, does not run, or has no spatial grid.
        TargetError: the target does not fit the model's output.
        ModelError: the model cannot run on the inputs, or its output is not finite.
        NoEvidenceError: the score does not depend on the layer, or the method is undefined for it.

    >>> net = nn.Sequential(nn.Conv2d(1, 2, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    >>> explanations = explain(net, torch.rand(1, 1, 4, 4), [0, 1], "hirescam", layer="0")
    >>> [(e.target, e.grid) for e in explanations]
    [('0', (4, 4)), ('1', (4, 4))]
    """
    requested = _listed(method)
    methods = [METHODS[name] for name in method_names(requested)]
    job = replace(_job(model, methods, layer, target), progress=progress)
    tokens = token_grid(grid, prefix)
    about = explained_model(model, task, labels, tokens, output, logits_from, region_score)
    run = _explain_fitting if EVERY in requested else _explain
    return run(about, inputs, job, truth, batch_size)


def explain_by(
    model: nn.Module | ModelWithCard,
    inputs: Inputs,
    method: Method,
    target: TargetLike | Sequence[TargetLike] | None = None,
    layer: LayerLike | Sequence[LayerLike] | None = None,
) -> list[Explanation]:
    """:func:`explain` by a method that need not be registered.

    Args:
        model: as in :func:`explain`.
        inputs: as in :func:`explain`; tensors go through in one piece, Scans by 8 (CPU) or 32
            (GPU).
        method: the method itself, such as a variant made with ``dataclasses.replace``.
        target: as in :func:`explain`.
        layer: as in :func:`explain`.

    Returns:
        One Explanation for each input, target and layer, in this order of nesting.

    Raises:
        CamlucidaError: as :func:`explain`.

    >>> from dataclasses import replace
    >>> absolute = replace(METHODS["hirescam"], run=lambda a, g: (a * g).abs().sum(1))
    >>> net = nn.Sequential(nn.Conv2d(1, 2, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    >>> (e,) = explain_by(net, torch.rand(1, 1, 4, 4), absolute, target=0, layer="0")
    >>> e.grid, bool((e.raw < 0).any())
    ((4, 4), False)
    """
    job = _job(model, [method], layer, target)
    return _explain(explained_model(model), inputs, job)


def _job(
    model: nn.Module | ModelWithCard,
    methods: Sequence[Method],
    layer: LayerLike | Sequence[LayerLike] | None,
    target: TargetLike | Sequence[TargetLike] | None,
) -> _Job:
    card = getattr(model, "card", None)
    requested_layer = getattr(card, "layer", "auto") if layer is None else layer
    module = plain_module(model)
    layers = [layer_name(module, item) for item in _listed(requested_layer)]
    requests: list[Request] = [default_request]
    if target is not None:
        requests = [parse_target(item) for item in _listed(target)]
    job = _Job(methods, layers, requests)
    for name, items in (("method", job.methods), ("layer", job.layers), ("target", job.requests)):
        if not items:
            raise UsageError(f"the list of {name}s is empty")
    return job


def _explain(
    explained: ExplainedModel,
    inputs: Inputs,
    job: _Job,
    truth: Sequence[Truth] | None = None,
    batch_size: int | None = None,
) -> list[Explanation]:
    results: list[Explanation] = []
    detects = is_detector(explained.module)
    with frozen(explained.module):
        for batch in batches(explained.module, inputs, 1 if detects else batch_size, truth):
            each = _explain_boxes if detects else _explain_batch
            results += each(explained, batch, job)
    return results


def _explain_boxes(model: ExplainedModel, batch: Batch, job: _Job) -> list[Explanation]:
    """Boxes of one image, in the order in which they were requested."""
    results: dict[tuple[str, str, str], Explanation] = {}
    places: dict[str, int] = {}
    for boxes in box_jobs(model, batch, job.requests, job.layers):
        places = {name: place for place, name in enumerate(boxes.order)}
        part = replace(job, layers=boxes.layers, requests=[boxes.request])
        for each in boxes.described(_explain_batch(boxes.model, boxes.batch, part)):
            results[each.target, each.method, each.layer] = each
    return sorted(results.values(), key=lambda each: places[each.target])


def _explain_fitting(
    explained: ExplainedModel,
    inputs: Inputs,
    job: _Job,
    truth: Sequence[Truth] | None = None,
    batch_size: int | None = None,
) -> list[Explanation]:
    """As :func:`_explain`, without the methods that do not fit the model."""
    left_out: dict[str, CamlucidaError] = {}
    made = _explain(explained, inputs, replace(job, left_out=left_out), truth, batch_size)
    results = [explanation for explanation in made if explanation.method not in left_out]
    if left_out and not results:
        raise list(left_out.values())[-1]
    reasons = {name: str(error) for name, error in left_out.items()}
    for explanation in results:
        explanation.provenance["left_out"] = reasons
    return results


def _explain_batch(model: ExplainedModel, batch: Batch, job: _Job) -> list[Explanation]:
    try:
        return _explain_once(model, batch, job)
    except InPlaceError:
        # Rare, and twice the memory: only for models that overwrite what the gradient needs.
        with values_kept():
            return _explain_once(model, batch, job)
    except MixedBatchError:
        if len(batch.scans) == 1:
            raise
        results: list[Explanation] = []
        for single in batch.singles():
            results += _explain_batch(model, single, job)
        return results


@dataclass(frozen=True)
class _Job:
    methods: Sequence[Method]
    layers: Sequence[str]
    requests: Sequence[Request]
    left_out: dict[str, CamlucidaError] | None = None
    progress: Progress = unreported

    @property
    def captured(self) -> list[str]:
        """The layers that have to be captured.

        Raises:
            UsageError: a method that works at a layer has none.
        """
        layered = [method.name for method in self.methods if method.at_layer]
        if not layered:
            return []
        layers = [layer for layer in self.layers if layer != INPUT]
        if not layers:
            raise UsageError(
                f"{layered[0]} makes its map at a layer of the model, and {INPUT} is none",
                "name a layer, or auto",
            )
        return layers


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _explain_once(model: ExplainedModel, batch: Batch, job: _Job) -> list[Explanation]:
    spec = model.spec
    forward, attention = forward_pass(model, batch.tensors, job.captured, job.methods)
    read, images = forward.output, batch.tensors[0]
    output = interpret(read.logits, read.output, read.final, spec, images)
    check_numbers(output, batch.scans)
    batch = unmixed(model, batch, job.methods, forward)
    targets: list[list[Target]] = []
    for image_output in model_outputs(output, batch.scans, batch.truth):
        requested = (request(image_output) for request in job.requests)
        targets.append(list(chain.from_iterable(requested)))
    explained = ExplainedBatch(
        model, batch, forward, output, targets, job.progress, attention, job.left_out
    )
    return explanations_of(explained, job.methods)


def explanations_of(explained: ExplainedBatch, methods: Sequence[Method]) -> list[Explanation]:
    """The explanations of a batch after its forward pass.

    Args:
        explained: the batch, with the targets of each image.
        methods: by which the maps are made.

    Returns:
        One for each image, target, method and layer, in this order of nesting.

    Raises:
        CamlucidaError: as of :func:`explain`.
    """
    # Before the maps: a target that does not fit is an error before any backward pass.
    scores = target_scores(explained)
    maps = all_maps(explained, methods)
    for method in methods:
        with explained.fitting(method):
            _check_finite(explained, maps, method)
    return list(_explanations(explained, scores, maps, explained.remaining(methods)))


def _check_finite(explained: ExplainedBatch, maps: BatchMaps, method: Method) -> None:
    """Whether every cell of a method's maps is a number.

    Raises:
        NoEvidenceError: one is not.
    """
    keys = [key for key in maps.raw if key.method == method.name]
    cells = [maps.raw[key].flatten() for key in keys]
    if not cells or bool(torch.cat(cells).isfinite().all()):
        return
    key = next(key for key, raw in zip(keys, cells) if not bool(raw.isfinite().all()))
    layer = explained.forward.layers[key.layer].name if method.at_layer else INPUT
    target = explained.targets[key.image][key.target].name
    raise NoEvidenceError(
        f"{explained.batch.scans[key.image].id}: the map of {method.name} at {layer} for {target} "
        "is not finite",
        "run the model in float32",
    )


def _explanations(
    explained: ExplainedBatch,
    scores: Sequence[Sequence[float]],
    maps: BatchMaps,
    methods: Sequence[Method],
) -> Iterator[Explanation]:
    """In order of image, target, method and layer."""
    for i, targets in enumerate(explained.targets):
        for t, score in enumerate(scores[i]):
            for method in methods:
                for index in explained.layers(method):
                    key = MapKey(i, t, method.name, index)
                    yield _explanation(explained, key, method, targets[t], score, maps)


def _explanation(
    explained: ExplainedBatch,
    key: MapKey,
    method: Method,
    target: Target,
    score: float,
    maps: BatchMaps,
) -> Explanation:
    captured = explained.forward.layers[key.layer] if method.at_layer else None
    scan = explained.batch.scan(key.image, (0,) if captured is None else captured.images)
    notes = [*explained.forward.notes, *explained.output.notes]
    if key in maps.cautions:
        notes.append(maps.cautions[key])
    if notes:
        scan = replace(scan, warnings=(*scan.warnings, *notes))
    layer = INPUT if captured is None else captured.name
    raw = maps.raw[key].clone()  # its memory alone: the batch's map would be kept alive whole
    about = explained.output.about
    provenance = {
        **explained.model.provenance,
        **about,
        "method": method.title,
        "paper": method.paper,
        "class_specific": method.class_specific,
        # A method in score units has those of this score: "logit", "probability" or "value".
        "unit": about["score_kind"] if method.unit == "score" else method.unit,
        "preprocessing": list(scan.preprocessing),
        "source": scan.source,
    }
    provenance |= maps.about(key)
    if captured is not None:
        several = len(image_inputs(explained.batch.tensors)) > 1
        provenance.update(layer_provenance(captured, several))
    return Explanation(
        raw=raw,
        score=score,
        probability=target.probability,
        target=target.name,
        method=method.name,
        layer=layer,
        relu=method.relu,
        scan=scan,
        empty_reason=maps.empty_reason(key, method),
        provenance=provenance,
        spec=spec_of(target),
        explained=target,
        scaled_output=getattr(target, "scaled_output", None),
        no_picture=None if captured is None else no_picture(captured),
    )
