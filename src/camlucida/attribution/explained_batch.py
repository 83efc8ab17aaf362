"""A batch that is explained, after its forward pass, and the maps that are made of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor

from camlucida.attribution.attention_record import AttentionRecord
from camlucida.attribution.batches import Batch
from camlucida.attribution.capture import Forward
from camlucida.attribution.explained_model import ExplainedModel
from camlucida.attribution.methods import Method
from camlucida.attribution.methods.base import Contrast
from camlucida.attribution.steps import Progress, unreported
from camlucida.attribution.targets import Label, Target
from camlucida.core.errors import CamlucidaError, LayerError, NoEvidenceError
from camlucida.core.messages import Message
from camlucida.models.outputs import BatchOutput, on_host


@dataclass(frozen=True)
class ExplainedBatch:
    """A batch after its forward pass, with what is to be explained of each image.

    Attributes:
        model: that was run.
        batch: its images.
        forward: with the captured layers.
        output: interpreted.
        targets: of each image; images can have different numbers of them.
        progress: of methods that need many forward passes, map by map.
        attention: of the same forward pass, where it was kept.
        left_out: methods that do not fit the model → why; None where that is an error.
    """

    model: ExplainedModel
    batch: Batch
    forward: Forward
    output: BatchOutput
    targets: Sequence[Sequence[Target]]
    progress: Progress = unreported
    attention: AttentionRecord | None = None
    left_out: dict[str, CamlucidaError] | None = None

    @property
    def rounds(self) -> int:
        """Most targets that an image has: so many backward passes are needed."""
        return max(map(len, self.targets))

    def layers(self, method: Method) -> Sequence[int]:
        """Numbers of the layers at which a method makes a map.

        Args:
            method: one of the pixels makes one map, whatever the layers.
        """
        return range(len(self.forward.layers)) if method.at_layer else [INPUT_INDEX]

    @contextmanager
    def fitting(self, *methods: Method) -> Iterator[None]:
        """Inside, maps are made; methods that do not fit the model are left out, where they may be.

        Args:
            methods: all of which are left out for an error inside.

        Raises:
            NoEvidenceError: a method does not fit, and is not to be left out.
            LayerError: as above; of a gradient or activation method in any case, for its layer is
                that of the others.
        """
        try:
            yield
        except (NoEvidenceError, LayerError) as error:
            of_layer = any(method.kind in ("gradient", "activation") for method in methods)
            if self.left_out is None or (isinstance(error, LayerError) and of_layer):
                raise
            self.left_out.update((method.name, error) for method in methods)

    def remaining(self, methods: Sequence[Method]) -> list[Method]:
        """Those of methods that are not left out so far.

        Args:
            methods: as of :meth:`fitting`.
        """
        return [method for method in methods if method.name not in (self.left_out or ())]

    def contrasted(self, contrast: Contrast) -> ExplainedBatch:
        """The batch with other targets in the place of its own, and nothing kept of the others'.

        Args:
            contrast: as of :class:`~camlucida.attribution.methods.Method`.
        """
        logits = on_host(self.output.logits.detach())
        targets = []
        for of_image, own in zip(logits, self.targets):
            targets.append([contrast(target, of_image) for target in own])
        kept = self.forward
        forward = Forward(kept.inputs, kept.output, kept.layers, kept.notes, kept.hooked)
        return replace(self, targets=targets, forward=forward)

    def having(self, target: int) -> dict[int, Target]:
        """Image → its ``target``-th target, of the images that have so many."""
        numbered = enumerate(self.targets)
        return {image: targets[target] for image, targets in numbered if target < len(targets)}


INPUT_INDEX = -1
"""Number of the layer of a map of the image's pixels."""


class MapKey(NamedTuple):
    """Which map: number of the image, of its target and of the layer; name of the method."""

    image: int
    target: int
    method: str
    layer: int


@dataclass
class BatchMaps:
    """What the methods made of a batch.

    Attributes:
        raw: (*grid) signed maps, on the CPU.
        zero_gradients: maps whose gradient is zero everywhere.
        replays: (image, method, layer) → how a perturbation method replayed the model.
        precisions: (image, method, layer) → of which precision scores are, where some are rounded.
        blocks: (image, method) → the blocks whose attention a map is made of, in order.
        products: (image, method) → the layers whose maps a method of pixels multiplied.
        independent: layers that the score does not depend on, as far as methods without a gradient
            are concerned: their maps are zero.
        broken: layers that the score depends on, although no gradient reaches them.
        cautions: what is to be said of a map where its method is not defined as in its paper.
    """

    raw: dict[MapKey, Tensor] = field(default_factory=dict)
    zero_gradients: set[MapKey] = field(default_factory=set)
    replays: dict[tuple[int, str, int], str] = field(default_factory=dict)
    precisions: dict[tuple[int, str, int], dict[str, float]] = field(default_factory=dict)
    blocks: dict[tuple[int, str], tuple[str, ...]] = field(default_factory=dict)
    products: dict[tuple[int, str], tuple[str, ...]] = field(default_factory=dict)
    independent: set[int] = field(default_factory=set)
    broken: set[int] = field(default_factory=set)
    cautions: dict[MapKey, Message] = field(default_factory=dict)

    def note(
        self, rows: Mapping[MapKey, int], method: Method, made: Tensor, *evidence: Tensor
    ) -> None:
        """Keep what is to be said of maps.

        Args:
            rows: of maps of one layer, their rows in what follows.
            method: by which they were made.
            made: the maps themselves, as the method returned them.
            evidence: activations, and gradients of a gradient method.
        """
        if method.caution is None:
            return
        messages = method.caution(made, *evidence)
        for key, row in rows.items():
            message = messages[row]
            if message is not None:
                self.cautions[key] = message

    def about(self, key: MapKey) -> dict[str, Any]:
        """What a record says of how a map was made.

        Args:
            key: of the map.

        Returns:
            ``replay``, ``precision``, ``attention_blocks`` and ``fused``, where there are any.
        """
        of_layer = key.image, key.method, key.layer
        of_image = key.image, key.method
        about: dict[str, Any] = {
            "replay": self.replays.get(of_layer),
            "precision": self.precisions.get(of_layer),
            "attention_blocks": list(self.blocks.get(of_image, ())),
        }
        if of_image in self.products:
            about["fused"] = {"how": "product", "layers": list(self.products[of_image])}
        return {name: value for name, value in about.items() if value}

    def empty_reason(self, key: MapKey, method: Method) -> Message | None:
        """Why a map has no evidence; None if it has some.

        Args:
            key: of the map.
            method: by which it was made.
        """
        raw = self.raw[key]
        if bool((raw.relu() if method.relu else raw).any()):
            return None
        if method.kind != "gradient" and key.layer in self.independent:
            return Message("empty.independent")
        if key in self.zero_gradients:
            return Message("empty.gradient")
        return Message("empty.target" if method.relu else "empty.zero")


def sum_of_targets(logits: Tensor, targets: Mapping[int, Target]) -> Tensor:
    """Σ of the targets, image → its target, as a scalar.

    Labels are gathered at once: on a GPU, one operation an image costs more than the forward pass.
    """
    if logits.ndim == 2 and all(isinstance(target, Label) for target in targets.values()):
        labels = cast(Mapping[int, Label], targets)
        signs = logits.new_tensor([label.sign for label in labels.values()])
        channels = [label.index for label in labels.values()]
        return (logits[list(labels), channels] * signs).sum()
    return torch.stack([target(logits[i : i + 1]).sum() for i, target in targets.items()]).sum()
