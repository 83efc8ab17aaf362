"""The forward pass of a batch, with all that its methods need of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from torch import Tensor

from camlucida.attribution.attention_record import AttentionRecord, recording
from camlucida.attribution.capture import Forward, capture
from camlucida.attribution.explained_model import ExplainedModel
from camlucida.attribution.methods import Method


def forward_pass(
    model: ExplainedModel,
    inputs: tuple[Tensor, ...],
    layers: Sequence[str],
    methods: Sequence[Method],
) -> tuple[Forward, AttentionRecord | None]:
    """Run the model once. Attention is recorded only where a method is made of it.

    Args:
        model: that is run, frozen.
        inputs: the image batch (B, C, *spatial), then any further inputs.
        layers: to be captured, as they were requested.
        methods: that are made of this pass.

    Raises:
        CamlucidaError: as of :func:`~camlucida.attribution.capture.capture`.
    """
    kinds = {method.kind for method in methods}
    about = layers, model.spec, "probe" in kinds, model.tokens
    if "attention" not in kinds:
        return capture(model.module, inputs, *about), None
    records: list[AttentionRecord] = []

    @contextmanager
    def kept() -> Iterator[None]:
        with recording(model.module) as record:
            records.append(record)
            yield

    return capture(model.module, inputs, *about, kept), records[-1]
