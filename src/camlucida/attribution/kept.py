"""One image after its forward pass, explained again and again: no label costs another forward."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace

from torch import Tensor

from camlucida.attribution.batches import Batch, batches
from camlucida.attribution.capture import Forward, capture
from camlucida.attribution.capture_errors import InPlaceError, values_kept
from camlucida.attribution.engine import explanations_of
from camlucida.attribution.explained_batch import ExplainedBatch
from camlucida.attribution.explained_model import ExplainedModel
from camlucida.attribution.explanation import Explanation
from camlucida.attribution.forward_pass import ordered_inputs
from camlucida.attribution.graph_nodes import reaches
from camlucida.attribution.methods import METHODS
from camlucida.attribution.model_output import ModelOutput, model_outputs
from camlucida.attribution.requests import TargetLike, parse_target
from camlucida.attribution.steps import Progress, unreported
from camlucida.attribution.targets import Target, target_identity
from camlucida.attribution.watch import Captured
from camlucida.core.errors import TargetError
from camlucida.core.messages import Message
from camlucida.core.scan import Scan
from camlucida.models.outputs import BatchOutput, check_numbers, interpret
from camlucida.models.state import frozen

GRADIENTS = 64
"""Gradients that are kept of an image, one a target and layer; the oldest goes first."""


@dataclass
class _KeptForward(Forward):
    """A forward pass of one layer, whose gradient is computed once a target.

    Attributes:
        gradient: of the one target, as soon as it is known; empty before.
        later: layers that run after this one, which the same backward pass serves.
        of_later: their gradients, as soon as they are known.
    """

    gradient: list[Tensor | None] = field(default_factory=list)
    later: list[Captured] = field(default_factory=list)
    of_later: list[Tensor | None] = field(default_factory=list)

    def gradients(self, score: Tensor, keep_graph: bool) -> list[Tensor | None]:
        """As of :class:`Forward`; the graph is kept."""
        if not self.gradient:
            whole = Forward(self.inputs, self.output, [*self.layers, *self.later])
            own, *of_later = whole.gradients(score, keep_graph=True)
            self.gradient, self.of_later = [own], of_later
        return self.gradient


@dataclass
class KeptImage:
    """An image whose forward pass is kept, with the graph that leads to its scores.

    The first map of a label at a kept layer costs one backward pass, which gives the gradients of
    the kept layers behind it as well. Every other method needs none.

    Attributes:
        model: that was run.
        batch: of this one image.
        forward: with the layers that are kept.
        output: interpreted.
        names: of the kept layers as they were requested, in the order of ``forward.layers``.
        safe: whether copies are kept of what an in-place operation would overwrite.
        gradients: (target, layer) → gradient, the last :data:`GRADIENTS` of them.
    """

    model: ExplainedModel
    batch: Batch
    forward: Forward
    output: BatchOutput
    names: list[str] = field(default_factory=list)
    safe: bool = False
    gradients: dict[Hashable, list[Tensor | None]] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, model: ExplainedModel, scan: Scan, layers: Sequence[str] = ("auto",)) -> KeptImage:
        """Run the model on an image, and keep the pass.

        Args:
            model: to be explained.
            scan: the image, prepared for it.
            layers: to keep, as a user writes them.

        Raises:
            CamlucidaError: as of :func:`~camlucida.attribution.engine.explain`.

        >>> from torch import nn, rand
        >>> from camlucida.attribution.batches import scans_of
        >>> from camlucida.attribution.explained_model import explained_model
        >>> net = nn.Sequential(nn.Conv2d(1, 2, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        >>> (scan,) = scans_of((rand(1, 1, 4, 4),))
        >>> kept = KeptImage.of(explained_model(net), scan, ["0"])
        >>> [kept.explain(label, "hirescam", "0").target for label in (0, 1)]
        ['0', '1']
        """
        (batch,) = batches(model.module, [scan])
        return cls._run(model, batch, list(dict.fromkeys(layers)), safe=False)

    @classmethod
    def _run(cls, model: ExplainedModel, batch: Batch, layers: list[str], safe: bool) -> KeptImage:
        if safe:
            with values_kept():
                return replace(cls._run(model, batch, layers, safe=False), safe=True)
        with frozen(model.module):
            inputs = ordered_inputs(model, batch.tensors)
            forward = capture(model.module, inputs, layers, model.spec, True, model.tokens)
        read = forward.output
        output = interpret(read.logits, read.output, read.final, model.spec, batch.tensors[0])
        check_numbers(output, batch.scans)
        return cls(model, batch, forward, output, layers)

    @property
    def image_output(self) -> ModelOutput:
        """What the model put out for the image."""
        (output,) = model_outputs(self.output, self.batch.scans)
        return output

    def targets(self, request: TargetLike) -> Sequence[Target]:
        """The targets that a request means in this image.

        Args:
            request: as of :func:`~camlucida.attribution.requests.parse_target`.

        Raises:
            TargetError: the request does not fit the model or the image.
        """
        return parse_target(request)(self.image_output)

    def explain(
        self, target: TargetLike, method: str, layer: str, progress: Progress = unreported
    ) -> Explanation:
        """One map. A layer that is not kept costs another forward pass, and is then kept.

        Args:
            target: of which the first that it means is explained.
            method: registry name.
            layer: as a user writes it.
            progress: of a method that needs many forward passes.

        Raises:
            CamlucidaError: as of :func:`~camlucida.attribution.engine.explain`.
        """
        self.keep([layer])
        try:
            return self._explain(target, method, layer, progress)
        except InPlaceError:
            # Rare, and once an image: its forward pass is made again, with copies.
            self._replace(self._run(self.model, self.batch, self.names, safe=True))
            return self._explain(target, method, layer, progress)

    def _explain(
        self, target: TargetLike, method: str, layer: str, progress: Progress
    ) -> Explanation:
        chosen = list(self.targets(target))[:1]
        key = (*map(target_identity, chosen), layer)
        gradient = self.gradients.pop(key, [])
        kept = self.forward
        captured = kept.layers[self.names.index(layer)]
        later = {} if gradient else self._later(captured, key[:-1])
        forward = _KeptForward(
            kept.inputs,
            kept.output,
            [captured],
            _notes_of(captured, kept.notes),
            kept.hooked,
            gradient,
            list(later.values()),
        )
        explained = ExplainedBatch(self.model, self.batch, forward, self.output, [chosen], progress)
        with frozen(self.model.module):
            explanations = explanations_of(explained, [METHODS[method]])
        # Of those that one pass gave, the one that was requested goes last.
        for of_layer, of_later in zip(later, forward.of_later):
            self.gradients[of_layer] = [of_later]
        self.gradients[key] = forward.gradient
        for oldest in [*self.gradients][:-GRADIENTS]:
            del self.gradients[oldest]
        if not explanations:
            raise TargetError(f"target {target!r} means nothing in this image")
        return explanations[0]

    def _later(self, captured: Captured, target: tuple[Hashable, ...]) -> dict[Hashable, Captured]:
        """The kept layers behind one whose gradient for a target is not known yet."""
        return {
            (*target, name): layer
            for name, layer in zip(self.names, self.forward.layers)
            if (*target, name) not in self.gradients
            and layer is not captured
            and reaches(layer.activations, captured.activations)
        }

    def keep(self, layers: Sequence[str]) -> None:
        """Keep further layers. It costs one forward pass, where one is not kept yet.

        Args:
            layers: as a user writes them.

        Raises:
            CamlucidaError: as of :func:`~camlucida.attribution.engine.explain`.
        """
        names = list(dict.fromkeys([*self.names, *layers]))
        if names != self.names:
            self._replace(self._run(self.model, self.batch, names, self.safe))

    def _replace(self, other: KeptImage) -> None:
        self.forward, self.output = other.forward, other.output
        self.names, self.safe = other.names, other.safe
        self.gradients = {}


def _notes_of(captured: Captured, notes: Sequence[Message]) -> list[Message]:
    """The notes of a pass without those on the place of its other layers, each once."""
    kept: list[Message] = []
    for note in notes:
        of_other = note.code.startswith("misplaced.") and note.values["layer"] != str(captured.ref)
        if not of_other and note not in kept:
            kept.append(note)
    return kept
