"""One forward pass, watched: activations of chosen layers, the logits, what a replay needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from camlucida.attribution.alignment import find_misplaced
from camlucida.attribution.capture_errors import differentiating, shared_out
from camlucida.attribution.capture_inputs import find_images, image_inputs
from camlucida.attribution.graph_nodes import reaches
from camlucida.attribution.layers_without_grid import (
    no_layer,
    stacked_images,
    stacked_parts,
    without_grid,
)
from camlucida.attribution.output_reader import OutputReader, ReadOutput
from camlucida.attribution.positive_part import find_positive, known_positive
from camlucida.attribution.random_numbers import drawn_numbers
from camlucida.attribution.rectified import split_pre
from camlucida.attribution.watch import Captured, Watch
from camlucida.core.errors import LayerError
from camlucida.core.messages import Message
from camlucida.core.output_spec import OutputSpec
from camlucida.models.families import Layout
from camlucida.models.firings import Survey, merged
from camlucida.models.grids import TokenGrid, has_one_cell, is_attention
from camlucida.models.layer_list import auto_layer
from camlucida.models.layers import LayerRef, Layouts, resolve
from camlucida.models.output_choice import choose
from camlucida.models.remembered import Remembered
from camlucida.models.survey import survey

_SURVEYS: Remembered[tuple[Any, ...], Survey] = Remembered()
"""What is known of a model's layers, for each size of its input.

It is found by running the model once more, where its family does not tell.
"""

UNKNOWN = OutputSpec()
"""Nothing is known of the output."""


@dataclass
class Forward:
    """A watched forward pass.

    Attributes:
        inputs: what the model was called with; the first is the image batch.
        output: the tensor that is meant, its logits, and what lies between the two.
        layers: one a requested layer, in the order of the request.
        notes: what is to be said of the choice of a layer.
        hooked: whether the model may have put a hook on a tensor or a node behind a layer.
    """

    inputs: tuple[Tensor, ...]
    output: ReadOutput
    layers: list[Captured]
    notes: list[Message] = field(default_factory=list)
    hooked: bool = False

    @property
    def logits(self) -> Tensor:
        """What is explained, (B, C) or (B, C, *spatial): logits where there are any."""
        return self.output.logits

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
    spec: OutputSpec = UNKNOWN,
    record: bool = False,
    stated: TokenGrid | None = None,
    around: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> Forward:
    """Run the model once and capture ``layers``.

    A model of unknown family is surveyed first, once an input size.

    Call it inside :func:`camlucida.models.state.frozen`.

    Args:
        model: a plain module (see ``unwrap``).
        inputs: the image batch (B, C, *spatial), then any further inputs.
        layers: as the user wrote them. A layer that a ReLU follows is captured after it, as the
            network uses it; with ``:pre`` behind its name as it is.
        spec: what is known of the output: which of several is meant, where its logits are.
        record: keep what a tail replay needs.
        stated: what the user states of tokens whose grid cannot be traced.
        around: entered before this pass and left behind it. Passes that only find out what the
            model is do not run inside. Of several passes, the last is the one that is returned.

    Raises:
        LayerError: a layer does not exist, does not run, or has no spatial grid.
        ModelError: the model cannot run on these inputs or returns no tensor; it is not clear which
            output is meant, or whether it holds logits.
    """
    known = _Known(model, inputs, spec, stated)
    forward = _watched(known, layers, record, around)
    if forward is None:
        # Rare, and once a model and input size: the survey is remembered.
        known.survey()
        forward = _watched(known, layers, record, around)
    assert forward is not None
    return forward


def surveyed(
    model: nn.Module, inputs: tuple[Tensor, ...], spec: OutputSpec, stated: TokenGrid | None
) -> Survey:
    """What is known of a model's layers; found once an input size by running it.

    Args:
        model, inputs, spec, stated: as of :func:`capture`.
    """
    return _Known(model, inputs, spec, stated).survey()


class _Known:
    """What is known of a model's layers before it runs: by its family, or by a survey.

    Args:
        model, inputs, spec, stated: as of :func:`capture`.
    """

    def __init__(
        self,
        model: nn.Module,
        inputs: tuple[Tensor, ...],
        spec: OutputSpec = UNKNOWN,
        stated: TokenGrid | None = None,
    ) -> None:
        self.model, self.inputs = model, inputs
        self.spec, self.stated = spec, stated
        # Views of a patient can have different sizes: a grid is of one of them.
        by_size = {tuple(inputs[image].shape[1:]): image for image in image_inputs(inputs)[::-1]}
        self.images = sorted(by_size.values())
        self.families = [Layouts(model, tuple(inputs[i].shape[2:])) for i in self.images]
        self._remembered = _SURVEYS.of(model)
        sizes = tuple(tuple(x.shape[1:]) for x in inputs)
        self._key = (sizes, spec, stated)
        self._surveys = False

    @contextmanager
    def following(self) -> Iterator[None]:
        """Inside, families learn the size of the images that their network is given."""
        with ExitStack() as stack:
            for family in self.families:
                stack.enter_context(family.following())
            yield

    @property
    def surveyed(self) -> Survey | None:
        """The survey, if there has been one."""
        return self._remembered.get(self._key)

    def survey(self, whole: bool = False) -> Survey:
        """The survey; made now if there has been none.

        Args:
            whole: with the gradient of every layer.
        """
        if self.surveyed is None or (whole and self.surveyed.untested):
            self._surveys = True
            about = (self.explained, self.spec.logits_from, self.stated)
            model, inputs = self.model, self.inputs
            made = [survey(model, inputs, *about, image, whole) for image in self.images]
            self._remembered[self._key] = merged(made)
        return self._remembered[self._key]

    def forget_earlier(self) -> bool:
        """Forget a survey of an earlier image, by which a model may run other parts of it."""
        if not self._surveys:
            self._remembered.pop(self._key, None)
        return not self._surveys

    def explained(self, returned: Any, images: Tensor) -> Tensor:
        """Of what the model returns for images, the tensor that is explained."""
        return choose(returned, self.spec, images)

    def refs(self, layers: Sequence[str]) -> list[LayerRef]:
        """The layers that names mean."""
        refs = []
        for name in layers:
            ref = resolve(self.model, name)
            if name == "auto" and (ref is None or self.surveyed is not None):
                ref = auto_layer(self.model, self.survey())
            if ref is None:
                raise self._no_grid()
            refs.append(ref)
        if self.stated is not None or not all(self.families[0].covers(ref.path) for ref in refs):
            self.survey()
        return refs

    def _no_grid(self) -> LayerError:
        """Why ``auto`` has no layer."""
        firings = self.survey().firings
        stacked = stacked_images(self.model, self.inputs[0].shape, firings)
        stacked = stacked or stacked_parts(len(image_inputs(self.inputs)), firings)
        return stacked or no_layer(firings)

    def layout(self, ref: LayerRef, output: Tensor) -> Layout | None:
        """How a layer's output lies on a grid; None without one."""
        batch = len(self.inputs[0])
        layers = self.surveyed
        layout = None if layers is None else layers.layout(ref, output, batch)
        if layout is None and output.ndim and len(output) == batch and not is_attention(output):
            layouts = (family(ref.path, output) for family in self.families)
            layout = next((item for item in layouts if item is not None), None)
        return layout


def _watched(
    known: _Known,
    layers: Sequence[str],
    record: bool,
    around: Callable[[], AbstractContextManager[object]],
) -> Forward | None:
    """The forward pass; None where a survey has to come first."""
    names, pre = zip(*map(split_pre, layers)) if layers else ((), ())
    refs = known.refs(names)
    graph = torch.is_grad_enabled()
    reader = OutputReader(known.model, known.inputs[0], known.spec, graph)
    positive = known_positive(known.model)
    watch = Watch(known.model, known.inputs, refs, known.layout, reader, record, positive)
    device = known.inputs[0].device
    with around(), known.following(), drawn_numbers(device) as drawn:
        returned = watch.run()
    missing = [(name, ref) for name, ref in zip(names, refs) if ref not in watch.captured]
    if missing and known.forget_earlier():
        return None
    if missing:
        raise _not_captured(*missing[0], watch, known)
    output = reader.read(returned)
    if output is None:  # once a model: its final activation has to be followed
        return _watched(known, layers, record, around)
    captured = [watch.as_used(ref, raw, output.logits) for ref, raw in zip(refs, pre)]
    pairs = zip(refs, captured)
    if find_positive(known.model, known.inputs, pairs, output.logits, known.explained):
        return _watched(known, layers, record, around)  # once a model and layer
    autos = [layer for name, layer in zip(names, captured) if name == "auto"]
    if known.surveyed is None and not _all_reach(output.logits, autos):
        return None
    find_images(known.model, known.inputs, captured)
    misplaced = find_misplaced(known.model, known.inputs, captured)
    notes = [*_notes(known, autos, captured), *misplaced, *drawn]
    return Forward(known.inputs, output, captured, notes, watch.rectifiers.hooked)


def _all_reach(score: Tensor, layers: Sequence[Captured]) -> bool:
    return all(reaches(score, layer.activations) for layer in layers)


def _notes(known: _Known, autos: Sequence[Captured], captured: Sequence[Captured]) -> list[Message]:
    """What is to be said of the layers, and of that which ``auto`` took among them."""
    partial = _partial(known, captured)
    of_auto = _notes_of_auto(known, autos)
    if partial:
        of_auto = [note for note in of_auto if note.code != "layer.branched"]
    return [*of_auto, *partial]


def _notes_of_auto(known: _Known, autos: Sequence[Captured]) -> list[Message]:
    layers = known.surveyed
    if layers is None or layers.auto is None:
        return []
    chosen = layers.auto.ref
    if all(layer.ref != chosen for layer in autos):
        return []
    notes = [] if layers.note is None else [layers.note]
    usual = resolve(known.model, "auto")
    if layers.branched and usual is None:  # the layer of a family is the one that its users mean
        notes.append(Message("layer.branched", {"layer": str(chosen)}))
    firing = next((firing for firing in layers.firings if firing.ref == usual), None)
    if firing is not None and has_one_cell(firing.shape):
        values = {"layer": str(chosen), "usual": str(usual)}
        notes.append(Message("layer.one_cell", values))
    return notes


def _partial(known: _Known, layers: Sequence[Captured]) -> list[Message]:
    """What is to be said of layers that run several times on one image."""
    if len(image_inputs(known.inputs)) > 1:
        return []  # an earlier call may be of another image
    partial = {str(layer.ref): layer.call + 1 for layer in layers if layer.partial}
    return [Message("layer.calls", {"layer": ref, "calls": partial[ref]}) for ref in partial]


def gradient_reaches(
    model: nn.Module,
    forward: Forward,
    layer: Captured,
    spec: OutputSpec = UNKNOWN,
    stated: TokenGrid | None = None,
) -> bool:
    """Whether the gradient of any score reaches the cells of a captured layer.

    Call it inside :func:`camlucida.models.state.frozen`.

    Args:
        model: a plain module.
        forward: in which the layer was captured.
        layer: one of its layers.
        spec, stated: as of :func:`capture`.
    """
    if not reaches(forward.logits, layer.activations):
        return False
    if layer.output is None or not layer.is_tokens:
        return True
    # Tokens can be on the score's path by their class token alone.
    known = _Known(model, forward.inputs, spec, stated)
    layers = known.survey()
    if layer.ref in layers.untested:
        layers = known.survey(whole=True)
    firings = layers.firings
    return all(firing.connected is not False for firing in firings if firing.ref == layer.ref)


def run_output(
    model: nn.Module, inputs: tuple[Tensor, ...], spec: OutputSpec = UNKNOWN
) -> ReadOutput:
    """Run the model without capturing a layer.

    Args:
        model: a plain module.
        inputs: the image batch (B, C, *spatial), then any further inputs.
        spec: as in :func:`capture`.

    Raises:
        ModelError: as of :func:`capture`.
    """
    reader = OutputReader(model, inputs[0], spec, graph=False)
    output = reader.read(Watch(model, inputs, [], _no_layout, reader, False).run())
    return run_output(model, inputs, spec) if output is None else output


def _no_layout(ref: LayerRef, output: Tensor) -> None:
    return None


def usable_layers(
    model: nn.Module, inputs: tuple[Tensor, ...], but: str = "", spec: OutputSpec = UNKNOWN
) -> str:
    """The last layers with a grid that a score depends on, as the hint of an error.

    Args:
        model: a plain module.
        inputs: the image batch (B, C, *spatial), then any further inputs.
        but: the layer that failed, left out.
        spec: as of :func:`capture`.
    """
    firings = _Known(model, inputs, spec).survey(whole=True).firings
    with_grid = [firing for firing in firings if firing.cells and str(firing.ref) != but]
    connected = [firing for firing in with_grid if firing.connected]
    paths = [str(firing.ref) for firing in connected or with_grid]
    last_first = ", ".join(reversed(paths[-5:]))
    return f"layers with a grid, last first: {last_first or 'none'}"


def _not_captured(name: str, ref: LayerRef, watch: Watch, known: _Known) -> LayerError:
    shape, images = watch.gridless.get(str(ref), ()), len(known.inputs[0])
    if shape and shape[0] < images:
        return shared_out(name, shape[0], images)
    fix = usable_layers(watch.model, watch.inputs, spec=known.spec)
    if str(ref) not in watch.gridless:
        return LayerError(f"layer {name!r} exists but does not run in the forward pass", fix)
    firings = known.survey().firings
    stacked = stacked_images(known.model, known.inputs[0].shape, firings)
    return stacked or without_grid(name, ref, watch.gridless[str(ref)], firings, fix)
