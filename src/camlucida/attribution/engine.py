"""``explain``: many targets, methods and layers of a batch of images from one forward pass."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from camlucida.attribution.capture import Forward, capture, usable_layers
from camlucida.attribution.explained_model import (
    ExplainedModel,
    ModelWithCard,
    explained_model,
    logits_function,
)
from camlucida.attribution.explanation import Explanation
from camlucida.attribution.methods import METHODS, Method
from camlucida.attribution.model_output import model_outputs
from camlucida.attribution.probe import Probe
from camlucida.attribution.requests import Request, TargetLike, default_request, parse_target
from camlucida.attribution.targets import Difference, Label, Target, Truth, spec_of
from camlucida.core.errors import NoEvidenceError, TargetError, UsageError
from camlucida.core.geometry import Geometry
from camlucida.core.messages import Message, declare
from camlucida.core.output_spec import Task
from camlucida.core.scan import Scan
from camlucida.core.tensors import full
from camlucida.models.outputs import check_numbers, interpret, on_host
from camlucida.models.state import frozen

declare(
    "preprocessing",
    {
        "tensor": "given as a tensor",
    },
)

DEFAULT_BATCH = {"cpu": 8, "cuda": 32}
"""Images in one forward; on a CPU larger batches are slower, not faster."""


Inputs = Tensor | tuple[Tensor, ...] | Scan | Sequence[Scan]


def explain(
    model: nn.Module | ModelWithCard,
    inputs: Inputs,
    target: TargetLike | Sequence[TargetLike] | None = None,
    method: str | Sequence[str] = "gradcam",
    layer: str | Sequence[str] | None = None,
    *,
    task: Task | None = None,
    labels: Sequence[str] | None = None,
    truth: Sequence[Truth] | None = None,
    batch_size: int | None = None,
) -> list[Explanation]:
    """Explain scores of images.

    Args:
        model: any ``nn.Module``, or what ``load_model`` returns. Left exactly as it was found.
        inputs: a tensor (B, C, *spatial), a tuple of tensors for a model of several inputs (images first), a Scan or Scans.
        target: what to explain, or a list: see :func:`camlucida.attribution.targets.parse_target`. None: the task's default.
        method: registry name, or a list of them.
        layer: ``"auto"``, a family alias, a dotted path with indices, or a list. None: the model card's, else ``"auto"``.
        task: what the output means, for a bare module; taken from the output's shape if None.
        labels: a name an output channel, for a bare module.
        truth: of each image the true label or labels, or the true mask, for ``target="truth"``.
        batch_size: images in one forward. None: a tensor goes through in one piece, Scans by 8 (CPU) or 32 (GPU).

    Returns:
        One Explanation for each input, target, method and layer, in this order of nesting. A request can mean no target for
        an image (``above:0.5``): then it has none.

    Raises:
        UsageError, LayerError, TargetError, ModelError, NoEvidenceError: each with one line on how to mend it.
    """
    methods = [METHODS[name] for name in _listed(method)]
    card = getattr(model, "card", None)
    layers = [
        str(name)
        for name in _listed(layer if layer is not None else getattr(card, "layer", "auto"))
    ]
    requests = (
        [default_request] if target is None else [parse_target(item) for item in _listed(target)]
    )
    for name, items in (("method", methods), ("layer", layers), ("target", requests)):
        if not items:
            raise UsageError(f"the list of {name}s is empty")
    subject = explained_model(model, task, labels)
    results: list[Explanation] = []
    with frozen(subject.module):
        for batch in _batches(subject.module, inputs, batch_size, truth):
            known = (
                truth[len(batch.done) : len(batch.done) + len(batch.scans)]
                if truth is not None
                else None
            )
            results += _explain_batch(subject, batch, known, requests, methods, layers)
    return results


@dataclass(frozen=True)
class _Batch:
    tensors: tuple[Tensor, ...]
    scans: Sequence[Scan]
    done: range
    probe_batch: int


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _batches(
    module: nn.Module, inputs: Inputs, batch_size: int | None, truth: Sequence[Truth] | None
) -> Iterator[_Batch]:
    weight = next(module.parameters(), None)
    device = weight.device if weight is not None else torch.device("cpu")
    dtype = weight.dtype if weight is not None and weight.is_floating_point() else torch.float32
    default = DEFAULT_BATCH.get(device.type, 8)
    if batch_size is not None and batch_size < 1:
        raise UsageError(f"batch size is {batch_size}", "give 1 or more")
    tensors: tuple[Tensor, ...]
    if isinstance(inputs, Tensor) or (
        isinstance(inputs, tuple) and inputs and isinstance(inputs[0], Tensor)
    ):
        tensors = (inputs,) if isinstance(inputs, Tensor) else cast(tuple[Tensor, ...], inputs)
        scans = scans_of(tensors)
        size = batch_size or max(len(scans), 1)
    else:
        scans = (
            [inputs]
            if isinstance(inputs, Scan) or not isinstance(inputs, Iterable)
            else list(cast(Sequence[Scan], inputs))
        )
        wrong = [type(item).__name__ for item in scans if not isinstance(item, Scan)]
        if wrong:
            raise UsageError(
                f"inputs hold a {wrong[0]}",
                "give a tensor (B, C, H, W), or Scans: model.read(path)",
            )
        shapes = {tuple(scan.tensor.shape) for scan in scans}
        if len(shapes) > 1:
            raise UsageError(
                f"the scans have different model sizes: {sorted(shapes)}",
                "explain them one size at a time",
            )
        tensors = ()
        size = batch_size or default
    if not scans:
        raise UsageError("there is no image to explain", "inputs is empty")
    if truth is not None and len(truth) != len(scans):
        raise UsageError(
            f"truth has {len(truth)} entries for {len(scans)} images",
            "give a list of labels an image",
        )
    for start in range(0, len(scans), size):
        part = range(start, min(start + size, len(scans)))
        chosen = tuple(x[part.start : part.stop] for x in tensors)
        chosen = chosen or (torch.stack([scans[i].tensor for i in part]),)
        # A clone where inference mode made the tensor: such a tensor cannot enter a graph.
        ready = tuple(
            x.clone() if x.is_inference() else x
            for x in (
                x.detach().to(device, dtype if x.is_floating_point() else None) for x in chosen
            )
        )
        yield _Batch(ready, scans[part.start : part.stop], range(start), batch_size or default)


def scans_of(tensors: tuple[Tensor, ...]) -> list[Scan]:
    wrong = [type(item).__name__ for item in tensors if not isinstance(item, Tensor)]
    if wrong:
        raise UsageError(f"inputs hold a {wrong[0]}", "give tensors, the images (B, C, H, W) first")
    images = tensors[0]
    if images.ndim < 3 or not images.is_floating_point():
        raise UsageError(
            f"inputs have shape {tuple(images.shape)} and type {images.dtype}",
            "give a floating-point batch (B, C, H, W)",
        )
    if 0 in images.shape[1:]:
        raise UsageError(f"inputs have shape {tuple(images.shape)}: an image without pixels")
    if any(len(extra) != len(images) for extra in tensors[1:]):
        raise UsageError(
            "the inputs have different batch sizes", "the first axis of every input is the image"
        )
    geometry = Geometry.identity(images.shape[2:])
    return [
        Scan(
            image.detach(),
            None,
            geometry,
            f"input{i}",
            preprocessing=(Message("preprocessing.tensor"),),
        )
        for i, image in enumerate(images)
    ]


def _explain_batch(
    subject: ExplainedModel,
    batch: _Batch,
    truth: Sequence[Truth] | None,
    requests: Sequence[Request],
    methods: Sequence[Method],
    layers: Sequence[str],
) -> list[Explanation]:
    module, spec = subject.module, subject.spec
    record = any(method.kind == "probe" for method in methods)
    forward = capture(module, batch.tensors, layers, spec.logits_from, record)
    reading = interpret(forward.logits, forward.output, forward.final, spec, batch.tensors[0])
    check_numbers(reading, batch.scans)
    logits, about = reading.logits, reading.about
    outputs = model_outputs(reading, batch.scans, truth)
    targets = [[target for request in requests for target in request(output)] for output in outputs]
    seen = on_host(logits)
    scores = [
        [
            _score(target, (seen if isinstance(target, (Label, Difference)) else logits)[i : i + 1])
            for target in targets[i]
        ]
        for i in range(len(targets))
    ]
    rounds = max(map(len, targets))
    device_type = logits.device.type
    maps: dict[tuple[int, int, int, int], Tensor] = {}  # image, target, method, layer
    reasons: dict[tuple[int, int, int], Message] = {}
    replays: dict[tuple[int, int, int], str] = {}  # image, method, layer
    needs_gradient = any(method.kind == "gradient" for method in methods)
    with torch.autocast(device_type, enabled=False):
        for t in range(rounds if needs_gradient else 0):
            holders = [i for i in range(len(targets)) if t < len(targets[i])]
            score = _sum(logits, {i: targets[i][t] for i in holders})
            gradients = forward.gradients(score, keep_graph=t + 1 < rounds)
            for place, (captured, gradient) in enumerate(zip(forward.layers, gradients)):
                if gradient is None:
                    names = sorted({targets[i][t].name for i in holders})
                    others = usable_layers(module, batch.tensors, but=str(captured.ref))
                    raise NoEvidenceError(
                        f"the score of {', '.join(names)} does not depend on layer {captured.ref}",
                        f"choose an earlier layer, or scorecam, which needs no gradient; {others}",
                    )
                activations, gradient = full(captured.activations.detach()), full(gradient)
                some = gradient.flatten(1).any(1).tolist()
                for i in holders:
                    if not some[i]:
                        reasons[i, t, place] = Message("empty.gradient")
                for m, method in enumerate(methods):
                    if method.kind == "gradient":
                        with torch.no_grad():
                            raw = method.run(activations, gradient).cpu()
                        maps.update({(i, t, m, place): raw[i] for i in holders})
        for m, method in enumerate(methods):
            for place, captured in enumerate(forward.layers):
                if method.kind == "activation" and rounds:
                    with torch.no_grad():
                        raw = method.run(full(captured.activations.detach())).cpu()
                    maps.update(
                        {
                            (i, t, m, place): raw[i]
                            for i in range(len(targets))
                            for t in range(len(targets[i]))
                        }
                    )
    run = logits_function(subject, device_type)
    with torch.autocast(device_type, enabled=False), torch.no_grad():
        for m, method in enumerate(methods):
            for place, captured in enumerate(forward.layers):
                for i in range(len(targets) if method.kind == "probe" else 0):
                    if targets[i]:
                        reference = logits[i : i + 1].detach()
                        probe = Probe(
                            module,
                            batch.tensors,
                            captured,
                            i,
                            run,
                            targets[i],
                            reference,
                            batch.probe_batch,
                        )
                        raw = method.run(probe).cpu()
                        maps.update({(i, t, m, place): raw[t] for t in range(len(targets[i]))})
                        replays[i, m, place] = probe.replay
    return list(
        _collect(subject, batch, forward, scores, targets, methods, maps, reasons, replays, about)
    )


def _sum(logits: Tensor, targets: Mapping[int, Target]) -> Tensor:
    """Σ of the targets, image → its target; labels are gathered, for an operation an image costs a GPU more than the forward."""
    if logits.ndim == 2 and all(isinstance(target, Label) for target in targets.values()):
        labels = cast(Mapping[int, Label], targets)
        signs = logits.new_tensor([label.sign for label in labels.values()])
        return (logits[list(labels), [label.index for label in labels.values()]] * signs).sum()
    return torch.stack([target(logits[i : i + 1]).sum() for i, target in targets.items()]).sum()


def _score(target: Target, logits: Tensor) -> float:
    """The number that ``target`` makes of one image's logits (1, C, …)."""
    try:
        score = target(logits.detach())
    except (RuntimeError, LookupError, TypeError) as error:
        raise TargetError(
            f"target {target.name!r} does not fit an output of shape {tuple(logits.shape)}: {error}"
        ) from error
    if score.shape != (1,):
        raise TargetError(
            f"target {target.name!r} makes shape {tuple(score.shape)} of an output of shape {tuple(logits.shape)}",
            "a target is one number an image, (B, C, …) → (B,)",
        )
    return float(score)


def _unit(method: Method, about: Mapping[str, Any]) -> str:
    """Of the map: "logit", "probability" or "value" for a method in score units, else what the method says."""
    return str(about["score_kind"]) if method.unit == "score" else method.unit


def _collect(
    subject: ExplainedModel,
    batch: _Batch,
    forward: Forward,
    scores: Sequence[Sequence[float]],
    targets: Sequence[Sequence[Target]],
    methods: Sequence[Method],
    maps: dict[tuple[int, int, int, int], Tensor],
    reasons: dict[tuple[int, int, int], Message],
    replays: dict[tuple[int, int, int], str],
    about: dict[str, Any],
) -> Iterator[Explanation]:
    for i, scan in enumerate(batch.scans):
        for t, target in enumerate(targets[i]):
            for m, method in enumerate(methods):
                for place, captured in enumerate(forward.layers):
                    raw = maps[i, t, m, place].clone()
                    name = f"{method.name} at {captured.ref}"
                    if not bool(torch.isfinite(raw).all()):
                        raise NoEvidenceError(
                            f"{scan.id}: the map of {name} for {target.name} is not finite",
                            "run the model in float32",
                        )
                    reason: Message | None = None
                    if not bool((raw.relu() if method.relu else raw).any()):
                        reason = reasons.get((i, t, place)) if method.kind == "gradient" else None
                        reason = reason or Message("empty.target" if method.relu else "empty.zero")
                    yield Explanation(
                        raw=raw,
                        score=scores[i][t],
                        probability=target.probability,
                        target=target.name,
                        method=method.name,
                        layer=str(captured.ref),
                        relu=method.relu,
                        scan=scan,
                        empty_reason=reason,
                        provenance=subject.provenance
                        | about
                        | ({"replay": replay} if (replay := replays.get((i, m, place))) else {})
                        | {
                            "method": method.title,
                            "paper": method.paper,
                            "class_specific": method.class_specific,
                            "unit": _unit(method, about),
                        }
                        | {"preprocessing": list(scan.preprocessing), "source": scan.source},
                        spec=spec_of(target),
                        explained=target,
                    )
