"""The probes of a batch's layers and pixels, and whether scores depend on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import torch
from torch import Tensor

from camlucida.attribution.capture import gradient_reaches, usable_layers
from camlucida.attribution.capture_breaks import altered, where_gradient_stops
from camlucida.attribution.capture_inputs import image_inputs
from camlucida.attribution.explained_batch import ExplainedBatch
from camlucida.attribution.explained_model import ExplainedModel, ModelRuns
from camlucida.attribution.graph_nodes import reaches
from camlucida.attribution.input_probe import InputProbe
from camlucida.attribution.probe import Probe
from camlucida.attribution.steps import Steps
from camlucida.attribution.targets import Target
from camlucida.attribution.watch import Captured
from camlucida.core.errors import CamlucidaError, LayerError, NoEvidenceError
from camlucida.models.unexplainable import QUANTISED, has_quantised_head


def unreached_layers(explained: ExplainedBatch) -> tuple[set[int], set[int]]:
    """The layers that no gradient reaches, which a method without one would not notice.

    Args:
        explained: the batch; at least one of its images has a target.

    Returns:
        Those that no score depends on, and those that scores depend on.
    """
    image = next(i for i, targets in enumerate(explained.targets) if targets)
    model, forward = explained.model, explained.forward
    independent: set[int] = set()
    broken: set[int] = set()
    for index, layer in enumerate(forward.layers):
        if not gradient_reaches(model.module, forward, layer, model.spec, model.tokens):
            probe = layer_probe(explained, index, image, _runs(explained))
            kind = broken if _depends(probe) else independent
            kind.add(index)
    return independent, broken


def pixel_probe(explained: ExplainedBatch, i: int, run: ModelRuns) -> InputProbe:
    """The probe of the pixels of an image.

    Args:
        explained: the batch.
        i: number of the image.
        run: the model.

    Raises:
        LayerError: the model takes several images.
    """
    model, tensors = explained.model, explained.batch.tensors
    if len(image_inputs(tensors)) > 1:
        raise LayerError(
            "this model takes several images, and maps of pixels are made for models of one",
            "choose a method that works at a layer, as gradcam",
        )
    others = [x[i : i + 1] for x in tensors[1:]]

    def logits(images: Tensor) -> Tensor:
        repeated = (x.expand(len(images), *x.shape[1:]) for x in others)
        return run.logits(images, *repeated)

    def coarsest(most: int, image: Tensor) -> tuple[list[Captured], Tensor]:
        layers, logits = run.coarsest_layers(most, image, *others)
        reached = [layer for layer in layers if reaches(logits, layer.activations)]
        for layer in layers:
            if not reaches(logits, layer.activations):
                _check_independent(explained, layer, i, (image, *others), bool(reached))
        return reached, logits

    probe = InputProbe(
        tensors[0][i : i + 1],
        logits,
        explained.targets[i],
        explained.output.logits[i : i + 1].detach(),
        explained.batch.probe_size,
        model.module,
        tuple(others),
        coarsest,
    )
    probe.steps = Steps(explained.progress)
    return probe


def layer_probe(
    explained: ExplainedBatch, index: int, i: int, run: ModelRuns, broken: bool = False
) -> Probe:
    """The probe of a layer and an image.

    Args:
        explained: the batch.
        index: number of the layer.
        i: number of the image.
        run: the model.
        broken: whether no gradient reaches the layer, although the score depends on it.
    """
    layer = explained.forward.layers[index]
    probe = Probe(
        explained.model.module,
        explained.batch.tensors,
        layer,
        i,
        run.logits,
        explained.targets[i],
        explained.output.logits[i : i + 1].detach(),
        explained.batch.probe_size,
        partial(run.captured, layer.name),
        partial(pixel_probe, explained, i, run),
        partial(why_unreached, explained, index, {i: explained.targets[i][0]}) if broken else None,
    )
    probe.steps = Steps(explained.progress)
    probe.rounded = run.rounded(explained.batch.tensors[0])
    return probe


def why_unreached(
    explained: ExplainedBatch, index: int, targets: Mapping[int, Target]
) -> NoEvidenceError:
    """Why the score has no gradient at a layer: independence, or a broken graph.

    Args:
        explained: the batch.
        index: number of the layer.
        targets: image → target, whose score has none.

    Returns:
        The error, to be raised.
    """
    probe = layer_probe(explained, index, next(iter(targets)), _runs(explained))
    layer, tensors = explained.forward.layers[index], explained.batch.tensors
    return _refusal(explained.model, layer, tensors, list(targets.values()), _depends(probe))


def _check_independent(
    explained: ExplainedBatch,
    layer: Captured,
    i: int,
    tensors: tuple[Tensor, ...],
    may_be: bool,
) -> None:
    """Refuse a layer that no gradient reaches.

    Args:
        explained: the batch.
        layer: of the image's own forward pass.
        i: number of the image.
        tensors: what the model takes, of this image.
        may_be: whether the score may be independent of the layer, as of one beside its way.

    Raises:
        NoEvidenceError: as of :func:`why_unreached`.
    """
    run, targets = _runs(explained), explained.targets[i]
    logits = explained.output.logits[i : i + 1].detach()
    size = explained.batch.probe_size
    capture, pixels = partial(run.captured, layer.name), partial(pixel_probe, explained, i, run)
    parts = (explained.model.module, tensors, layer, 0, run.logits, targets, logits)
    probe = Probe(*parts, size, capture, pixels)
    depends = _depends(probe)
    if depends or not may_be:
        error = _refusal(explained.model, layer, tensors, targets[:1], depends)
        if not depends:
            raise error
        others = "choose gradcam_pp, whose map is of one layer, at a layer behind it"
        raise NoEvidenceError(error.what, f"take it out of forward, or {others}")


def _refusal(
    model: ExplainedModel,
    layer: Captured,
    tensors: tuple[Tensor, ...],
    targets: Sequence[Target],
    depends: bool,
) -> NoEvidenceError:
    names = ", ".join(sorted({target.name for target in targets}))
    module = model.module
    others = usable_layers(module, tensors, str(layer.ref), model.spec)
    what = f"the score of {names} does not depend on layer {layer.ref}"
    if not depends:
        return NoEvidenceError(what, f"choose one that it depends on; {others}")
    choose = "choose an earlier layer"
    where = where_gradient_stops(module, tensors, layer)
    if not where and has_quantised_head(module):
        where = QUANTISED
    if where:
        what = (
            f"the gradient of {names} does not reach layer {layer.ref}, on which the score "
            f"depends: {where}"
        )
        choose = "take it out of forward, or choose a layer behind it"
    return NoEvidenceError(what, f"{choose}, or scorecam, which needs no gradient; {others}")


@torch.no_grad()
def _depends(probe: Probe) -> bool:
    """Whether other activations of the layer change the score, whatever autograd says."""
    # Beside the scores of the activations as they are, not those of this pass: its dropout is off
    # again.
    both = torch.cat([probe.activations, altered(probe.activations)])
    try:
        scores = probe.score_tail(both)
    except CamlucidaError:
        return False
    return not torch.allclose(scores[:, 0], scores[:, 1])


def _runs(explained: ExplainedBatch) -> ModelRuns:
    return ModelRuns(explained.model, explained.output.logits.device.type)
