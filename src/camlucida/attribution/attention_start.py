"""From which attention on a forward pass needs a graph, for maps that are made without gradients.

A rollout multiplies attentions, and asks the graph only which rows the score reads behind the last.
Which attentions of a model these are, the first pass shows by a graph of all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from camlucida.attribution.attention_record import AttentionRecord
from camlucida.attribution.explained_model import ExplainedModel
from camlucida.attribution.graph_nodes import reaches
from camlucida.attribution.methods import Method
from camlucida.models.remembered import Remembered


@dataclass(frozen=True)
class _Known:
    """The attentions of a forward pass.

    Attributes:
        shapes: of all, without the axis of the images.
        numbers: of those that a map is made of.
    """

    shapes: Sequence[tuple[int, ...]]
    numbers: Sequence[int]


_KNOWN: Remembered[object, _Known] = Remembered()
"""A hash of the model's parts, the sizes of its inputs and what is known of its output → what a
pass with a graph of all attentions has shown."""


def first_on_graph(
    model: ExplainedModel, inputs: tuple[Tensor, ...], methods: Sequence[Method]
) -> int:
    """The number of the attention at which the graph of a pass may start.

    Args:
        model: that will be run.
        inputs: the image batch (B, C, *spatial), then any further inputs.
        methods: that will be made of the pass.

    Returns:
        0 where a method of attention needs gradients, or the model is not known yet.
    """
    known = _KNOWN.of(model.module).get(_key(model, inputs))
    of_label = any(method.kind == "attention" and method.class_specific for method in methods)
    return 0 if known is None or of_label else known.numbers[-1]


def remember(
    model: ExplainedModel,
    inputs: tuple[Tensor, ...],
    record: AttentionRecord,
    layers: Sequence[Tensor],
) -> None:
    """Remember the attentions that a map is made of.

    Args:
        model, inputs: as of :func:`first_on_graph`.
        record: of a pass with a graph of all attentions.
        layers: the probabilities of those that a map is made of.
    """
    chosen = set(map(id, layers))
    numbers = [n for n, other in enumerate(record.probabilities) if id(other) in chosen]
    known = _Known(_shapes(record), numbers)
    _KNOWN.of(model.module)[_key(model, inputs)] = known


def remembered(
    model: ExplainedModel, inputs: tuple[Tensor, ...], record: AttentionRecord, logits: Tensor
) -> Sequence[Tensor] | None:
    """The attentions that a map is made of, in a pass whose graph starts at the last of them.

    Args:
        model, inputs: as of :func:`first_on_graph`.
        record: of the pass.
        logits: of the pass.

    Returns:
        Their probabilities; None where the pass is not as the one that is remembered.
    """
    known = _KNOWN.of(model.module).get(_key(model, inputs))
    if known is None or known.shapes != _shapes(record):
        return None
    layers = [record.probabilities[number] for number in known.numbers]
    return layers if reaches(logits, layers[-1]) else None


def _shapes(record: AttentionRecord) -> Sequence[tuple[int, ...]]:
    return [tuple(layer.shape[1:]) for layer in record.probabilities]


def _key(model: ExplainedModel, inputs: tuple[Tensor, ...]) -> object:
    sizes = tuple(tuple(x.shape[1:]) for x in inputs)
    return sizes, model.spec
