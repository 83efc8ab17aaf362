"""One forward pass, watched: activations of chosen layers, the logits, what a replay needs."""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from camlucida.attribution.capture_errors import differentiating
from camlucida.attribution.watch import Captured, Watch
from camlucida.core.errors import LayerError
from camlucida.models.layers import LayerRef, list_layers, resolve

_DISCOVERED: weakref.WeakKeyDictionary[nn.Module, dict[tuple[int, ...], LayerRef]] = (
    weakref.WeakKeyDictionary()
)
"""The ``auto`` layer of models of unknown family, an input size each.

It is found by running the model; the next capture then cuts there alone.
"""


@dataclass
class Forward:
    """A watched forward pass.

    Attributes:
        inputs: what the model was called with; the first is the image batch.
        output: the model's main output tensor.
        logits: what is explained, (B, C) or (B, C, *spatial): the logits where there are any, else
            the output.
        final: class name of the final sigmoid or softmax module that the logits were taken before,
            "" if none.
        layers: one a requested layer, in the order of the request.
    """

    inputs: tuple[Tensor, ...]
    output: Tensor
    logits: Tensor
    final: str
    layers: list[Captured]

    def gradients(self, score: Tensor, keep_graph: bool) -> list[Tensor | None]:
        """∂score/∂activations of each layer.

        Args:
            score: a scalar of this pass's graph.
            keep_graph: whether another backward pass follows.

        Returns:
            (B, K, *grid) each; None where the score does not depend on the layer.

        Raises:
            ModelError: the model's graph cannot be differentiated.
        """
        if not score.requires_grad:
            return [None] * len(self.layers)
        activations = [layer.activations for layer in self.layers]
        with differentiating():
            gradients = torch.autograd.grad(
                score, activations, retain_graph=keep_graph, allow_unused=True
            )
        return list(gradients)


def capture(
    model: nn.Module,
    inputs: tuple[Tensor, ...],
    layers: Sequence[str],
    logits_from: str | None = None,
    record: bool = False,
) -> Forward:
    """Run the model once and capture ``layers``.

    Call it inside :func:`camlucida.models.state.frozen`.

    Args:
        model: a plain module (see ``unwrap``).
        inputs: the image batch (B, C, *spatial), then any further inputs.
        layers: as the user wrote them; ``auto`` on an unknown family is found in this same pass.
        logits_from: path of the module whose output is the logits; None to look for a final sigmoid
            or softmax module, "" to take the output as it is.
        record: keep what a tail replay needs.

    Raises:
        LayerError: a layer does not exist, does not run, or has no spatial grid.
        ModelError: the model cannot run on these inputs or returns no tensor.
    """
    size = tuple(inputs[0].shape[1:])
    remembered = _DISCOVERED.setdefault(model, {})
    refs = [
        remembered[size] if name == "auto" and size in remembered else resolve(model, name)
        for name in layers
    ]
    watch = Watch(model, inputs, refs, logits_from, record)
    output = watch.run()
    _check_requested(layers, refs, watch)
    # Rare, and once a model and input size: the layer is remembered.
    if _auto_failed(refs, output, watch):
        remembered[size] = _auto_by_running(model, inputs)
        names = [str(remembered[size]) if name == "auto" else name for name in layers]
        return capture(model, inputs, names, logits_from, record)
    if watch.discovered is not None:
        remembered[size] = watch.discovered
    final_refs = [ref or watch.discovered for ref in refs]
    captured = [watch.captured[ref] for ref in final_refs if ref is not None]
    _check_one_image(inputs, captured, watch.calls)
    return Forward(inputs, output, *watch.logits(output), layers=captured)


def run_output(
    model: nn.Module, inputs: tuple[Tensor, ...], logits_from: str | None = None
) -> tuple[Tensor, Tensor, str]:
    """Run the model without capturing a layer.

    Args:
        model: a plain module.
        inputs: the image batch (B, C, *spatial), then any further inputs.
        logits_from: as in :func:`capture`.

    Returns:
        The logits, the model's main output, and the class name of the final module that the logits
        were taken before ("" if none).

    Raises:
        ModelError: the model returns no tensor, or ``logits_from`` names no module that runs.
    """
    watch = Watch(model, inputs, [], logits_from, False)
    output = watch.run()
    logits, final = watch.logits(output)
    return logits, output, final


def _check_requested(layers: Sequence[str], refs: Sequence[LayerRef | None], watch: Watch) -> None:
    """LayerError for a layer that was named and not captured."""
    for name, ref in zip(layers, refs):
        if ref is not None and ref not in watch.captured and name != "auto":
            raise _not_captured(name, ref, watch)


def _auto_failed(refs: Sequence[LayerRef | None], output: Tensor, watch: Watch) -> bool:
    """Whether ``auto`` has to be found in a run of its own.

    So it is where the model does not use its family's layer; where no layer with a grid fired; and
    of a dense output, where the last layer with a grid is the output itself.
    """
    unused = any(ref is not None and ref not in watch.captured for ref in refs)
    nothing = None in refs and watch.discovered is None
    images = watch.inputs[0]
    dense = watch.discovered is not None and output.ndim == images.ndim and output.ndim > 2
    return unused or nothing or dense


def _auto_by_running(model: nn.Module, inputs: tuple[Tensor, ...]) -> LayerRef:
    path = next((info.path for info in list_layers(model, *inputs) if info.auto), None)
    if path is None:
        raise LayerError(
            "no layer of this model has a spatial grid",
            "a class activation map needs one; see `camlucida layers`",
        )
    base, bracket, index = path.partition("[")
    return LayerRef(base, int(index.rstrip("]")) if bracket else None)


def _check_one_image(
    inputs: tuple[Tensor, ...], layers: Sequence[Captured], calls: Mapping[str, int]
) -> None:
    """LayerError where a layer may have seen another input image last than the first.

    The map would then not be of the image it is laid over.
    """
    images = sum(x.ndim == inputs[0].ndim for x in inputs)
    for layer in layers:
        runs = calls[layer.ref.path]
        if images > 1 and runs > 1:
            raise LayerError(
                f"layer {layer.ref} runs {runs} times and the model takes {images} images: "
                "which one it sees is not known",
                "name a layer that runs once (`calls` in `camlucida layers`), "
                "or give the other image a copy.deepcopy of it",
            )


def usable_layers(model: nn.Module, inputs: tuple[Tensor, ...], but: str = "") -> str:
    """The last layers with a grid, as the hint of an error.

    Args:
        model: a plain module.
        inputs: the image batch (B, C, *spatial), then any further inputs.
        but: the layer that failed, left out.
    """
    infos = list_layers(model, *inputs)
    paths = [info.path for info in infos if info.grid and info.path != but]
    last_first = ", ".join(reversed(paths[-5:]))
    return f"layers with a grid, last first: {last_first or 'none'}"


def _not_captured(name: str, ref: LayerRef, watch: Watch) -> LayerError:
    fix = usable_layers(watch.model, watch.inputs)
    if str(ref) not in watch.gridless:
        return LayerError(f"layer {name!r} exists but does not run in the forward pass", fix)
    shape = watch.gridless[str(ref)]
    return LayerError(
        f"layer {name!r} has no spatial grid (its output is {shape or 'no tensor'})", fix
    )
