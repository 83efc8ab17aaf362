"""The forward pass of a batch, with all that its methods need of it, as fast as it can be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext

from torch import Tensor

from camlucida.attribution.attention_record import AttentionRecord, recording
from camlucida.attribution.attention_start import first_on_graph
from camlucida.attribution.capture import Forward, capture, run_output, surveyed
from camlucida.attribution.explained_model import ExplainedModel
from camlucida.attribution.layers_without_grid import added_up, frames_first
from camlucida.attribution.memory_order import in_fastest_order
from camlucida.attribution.methods import Method
from camlucida.attribution.second_order import without_fused_attention
from camlucida.models.detectors import FollowedBoxes


def forward_pass(
    model: ExplainedModel,
    inputs: tuple[Tensor, ...],
    layers: Sequence[str],
    methods: Sequence[Method],
) -> tuple[Forward, AttentionRecord | None]:
    """Run the model once. Attention is recorded only where a method is made of it.

    Where a method needs second derivatives, attention is not fused.

    Args:
        model: that is run, frozen.
        inputs: the image batch (B, C, *spatial), then any further inputs.
        layers: to be captured, as they were requested.
        methods: that are made of this pass.

    Raises:
        CamlucidaError: as of :func:`~camlucida.attribution.capture.capture`.
    """
    frames = frames_first(model.module, inputs[0].shape)
    if frames is not None:
        raise frames
    inputs = ordered_inputs(model, inputs)
    kinds = {method.kind for method in methods}
    if "input" in kinds and inputs[0].ndim == 5:
        firings = surveyed(model.module, inputs, model.spec, model.tokens).firings
        error = added_up(model.module, inputs[0].shape, firings)
        if error is not None:
            raise error
    about = layers, model.spec, "probe" in kinds, model.tokens
    if "attention" not in kinds:
        curved = any(method.second_order for method in methods)
        around = without_fused_attention if curved else nullcontext
        return capture(model.module, inputs, *about, around), None
    records: list[AttentionRecord] = []
    start = first_on_graph(model, inputs, methods)

    @contextmanager
    def kept() -> Iterator[None]:
        with recording(model.module, start) as record:
            records.append(record)
            yield

    return capture(model.module, inputs, *about, kept), records[-1]


def ordered_inputs(model: ExplainedModel, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """The same inputs, images in another order of memory where the model is faster with it.

    A detector chooses its boxes by numbers that hardly differ: its images stay as they are.

    Args:
        model: that will be run, frozen.
        inputs: the image batch (B, C, *spatial), then any further inputs.
    """
    if isinstance(model.module, FollowedBoxes):
        return inputs
    images, others = inputs[0], inputs[1:]

    def logits(images: Tensor) -> Tensor:
        rows = (x[: len(images)] if x.ndim else x for x in others)
        return run_output(model.module, (images, *rows), model.spec).logits

    return in_fastest_order(model.module, images, logits), *others
