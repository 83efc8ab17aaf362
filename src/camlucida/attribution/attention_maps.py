"""Maps of a transformer's attention: of all images of a batch from its one forward pass."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

from torch import Tensor

from camlucida.attribution.attention_record import AttentionRecord, recording
from camlucida.attribution.attention_rows import gradient_by_rows
from camlucida.attribution.attention_start import remember, remembered
from camlucida.attribution.capture import surveyed
from camlucida.attribution.capture_inputs import image_inputs
from camlucida.attribution.explained_batch import (
    INPUT_INDEX,
    BatchMaps,
    ExplainedBatch,
    MapKey,
    sum_of_targets,
)
from camlucida.attribution.explained_model import ModelRuns
from camlucida.attribution.methods import Method
from camlucida.attribution.probe import replaced
from camlucida.attribution.targets import Target
from camlucida.attribution.token_attention import (
    TokenAttention,
    attention_layers,
    gradients_by,
    heads_apart,
)
from camlucida.attribution.token_cells import Cells, token_cells
from camlucida.attribution.transformer_blocks import Block
from camlucida.core.errors import LayerError, NoEvidenceError


def attention_maps(
    explained: ExplainedBatch, methods: Sequence[Method], run: ModelRuns, maps: BatchMaps
) -> None:
    """Add the maps of methods of attention to those of a batch.

    The attention of the batch's own forward pass is used where it was recorded. Where the heads of
    one image cannot be separated from those of another, the images run one by one.

    Args:
        explained: the batch.
        methods: of kind "attention".
        run: the model.
        maps: to which these are added.

    Raises:
        NoEvidenceError: the model runs no self-attention, or one that is not of all tokens; or the
            cells of its tokens cannot be traced.
        LayerError: the model takes several images.
    """
    tensors = explained.batch.tensors
    if len(image_inputs(tensors)) > 1:
        raise LayerError(
            "this model takes several images, and maps of attention are made for models of one",
            "choose a method that works at a layer, as gradcam",
        )
    rows = [i for i, targets in enumerate(explained.targets) if targets]
    if not rows:
        return
    logits = explained.output.logits
    together = _own_pass(explained, run) or _attended(explained, range(len(logits)), run)
    if heads_apart(together.layers, len(logits)):
        passes = [together]
    else:
        passes = [_attended(explained, [i], run) for i in rows]
    for each in passes:
        _add(each, methods, maps)


def _own_pass(explained: ExplainedBatch, run: ModelRuns) -> _Pass | None:
    """The batch's own forward pass, if its attention was recorded."""
    record, logits = explained.attention, explained.output.logits
    if record is None:
        return None
    about = explained.model, explained.batch.tensors, record
    layers: Sequence[Tensor] | None
    if record.start:
        layers = remembered(*about, logits)
    else:
        layers = attention_layers(record.probabilities, logits)
        remember(*about, layers)
    if layers is None:
        return None
    every = range(len(logits))
    return _Pass(explained, run, every, explained.batch.tensors, logits, layers, record)


@dataclass(frozen=True)
class _Pass:
    """A forward pass of some images of a batch.

    Attributes:
        explained: the batch.
        run: the model.
        rows: numbers of the images in the batch.
        tensors: what the model was called with.
        logits: (B, C, …) of the graph.
        layers: attention probabilities, parts of the graph.
        record: in which they are, with the modules around them.
    """

    explained: ExplainedBatch
    run: ModelRuns
    rows: Sequence[int]
    tensors: tuple[Tensor, ...]
    logits: Tensor
    layers: Sequence[Tensor]
    record: AttentionRecord

    def having(self, target: int) -> dict[int, Target]:
        """Number of the image in this pass → its ``target``-th target."""
        having = self.explained.having(target)
        return {n: having[row] for n, row in enumerate(self.rows) if row in having}

    @property
    def whole(self) -> _Pass:
        """A pass of the same images with a graph of all attentions: itself, unless it has less."""
        return self._again if self.record.start else self

    @cached_property
    def _again(self) -> _Pass:
        return _attended(self.explained, self.rows, self.run)

    def gradients(self, targets: Mapping[int, Target]) -> Sequence[Tensor]:
        """The gradient by each layer of the sum of the targets' scores."""
        score = sum_of_targets(self.whole.logits, targets)
        return gradients_by(score, self.whole.layers)

    @cached_property
    def logits_behind(self) -> list[Tensor]:
        """Of each layer but the last, the logits that the head gives the tokens behind its block.

        Raises:
            NoEvidenceError: the blocks are not modules that follow each other.
        """
        stubs = self.record.blocks.skipping(self.layers)
        if stubs is None:
            raise NoEvidenceError(
                "legrad has the head read the tokens behind each block, and the blocks of this "
                "transformer are not modules that follow each other",
                "choose gradient_rollout",
            )
        logits = []
        for of_layer in stubs:
            with replaced(self.explained.model.module, of_layer):
                logits.append(self.run.logits(*self.tensors))
        return logits

    def own_gradients(self, targets: Mapping[int, Target]) -> Iterator[Tensor]:
        """The gradient by each layer of the sum of the targets' scores behind its block."""
        whole = self.whole
        logits = [*whole.logits_behind, whole.logits]
        blocks = whole.record.blocks.around(whole.layers)
        for of_layer, layer, block in zip(logits, whole.layers, blocks):
            yield whole._own_gradient(sum_of_targets(of_layer, targets), layer, block)

    def _own_gradient(self, score: Tensor, layer: Tensor, block: Block | None) -> Tensor:
        weighted = self.record.weighted(layer)
        gradient = None
        if block is not None and weighted is not None:
            (by_tokens,) = gradients_by(score, [block.tokens])
            about = (block.tokens, block.given, layer, weighted)
            gradient = gradient_by_rows(*about, by_tokens)
        return gradients_by(score, [layer])[0] if gradient is None else gradient


def _attended(explained: ExplainedBatch, rows: Sequence[int], run: ModelRuns) -> _Pass:
    """A forward pass of some images, whose attention is recorded."""
    tensors = tuple(x[list(rows)] for x in explained.batch.tensors)
    with recording(explained.model.module) as record:
        logits = run.logits(*tensors)
    layers = attention_layers(record.probabilities, logits)
    return _Pass(explained, run, rows, tensors, logits, layers, record)


def _add(attended: _Pass, methods: Sequence[Method], maps: BatchMaps) -> None:
    explained = attended.explained
    cells = _cells(explained, attended.layers[-1].shape[-1])
    for t in range(explained.rounds):
        having = attended.having(t)
        if not having:
            continue
        score = sum_of_targets(attended.logits, having)
        gradients = partial(attended.gradients, having)
        own = partial(attended.own_gradients, having)
        attention = TokenAttention(attended.layers, score, cells, gradients, own)
        blocks = attended.record.blocks.paths(attended.layers)
        for method in explained.remaining(methods):
            with explained.fitting(method):
                raw = method.run(attention).detach().cpu()
                names = {n: MapKey(attended.rows[n], t, method.name, INPUT_INDEX) for n in having}
                maps.raw.update({key: raw[n] for n, key in names.items()})
                maps.blocks |= {(key.image, method.name): blocks for key in names.values()}


def _cells(explained: ExplainedBatch, count: int) -> Cells:
    """How numbers of tokens lie in the image."""
    model = explained.model
    survey = surveyed(model.module, explained.batch.tensors, model.spec, model.tokens)
    cells = token_cells(survey, count)
    if cells is None:
        raise NoEvidenceError(
            f"where the {count} tokens of this model's attention lie in the image cannot be traced",
            "state grid= (and prefix=)",
        )
    return cells
