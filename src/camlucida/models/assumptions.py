"""A model card made for a checkpoint that comes without one, and what had to be assumed for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from camlucida.core.messages import Message, Value, declare
from camlucida.models.card import Card
from camlucida.models.preprocessing.spec import InputSpec
from camlucida.models.stated import Stated

declare(
    "recognised",
    {
        "whole": (
            "recognised from its keys and shapes: {network}, {outputs} {outputs:|output|outputs}"
        ),
        "head_at": (
            "recognised from its keys and shapes: {network} with its head at '{head}', "
            "{outputs} {outputs:|output|outputs}"
        ),
        "head_beside": (
            "recognised from its keys and shapes: {network} with its head '{head}' beside it, "
            "{outputs} {outputs:|output|outputs}"
        ),
        "children": (
            "recognised from the order and shapes of its weights: the children of {network} in a "
            "Sequential, with the head '{head}', {outputs} {outputs:|output|outputs}"
        ),
        "under": "{network} under '{name}'",
        "encoder": (
            "recognised from its keys and shapes: {network} with encoder {encoder}, "
            "{outputs} {outputs:|output|outputs}"
        ),
        "named": "built as named: {network} with encoder {encoder}",
        "preprocessing": "preprocessing as stated in {source}",
        "fitted": (
            "preprocessing recovered from the stored predictions, which it reproduces: {pipeline} "
            "(mean error {error}, {images} {images:|image|images})"
        ),
    },
)
declare(
    "assumed",
    {
        "relu": "{layers}: no weights there, so its kind cannot be known; taken for a ReLU",
        "dropout": (
            "{layers:,}: no weights there; taken for a dropout, which does nothing outside training"
        ),
        "mean": (
            "the mean over positions is taken before the head: no weights there, so it cannot be "
            "known"
        ),
        "transform_input": (
            "{network} taken as training from ImageNet's weights leaves it: it scales its input "
            "again (transform_input = true in the card's args); false, if it was trained by timm "
            "or from random weights"
        ),
        "no_transform_input": (
            "{network} built without the second scaling of its input, as the card does not say; "
            "transform_input = true in its args, if training began from ImageNet's weights of "
            "torchvision, else false"
        ),
        "activation": (
            "the activation after the last layer with weights cannot be known: "
            "the output is taken for logits, or for the value itself"
        ),
        "preprocessing": (
            "preprocessing assumed, not known: {height} × {width} pixels, "
            "{channels} {channels:|channel|channels}, {scale}"
        ),
        "preprocessing_but_size": (
            "preprocessing: {height} × {width} pixels as given; assumed, not known: "
            "{channels} {channels:|channel|channels}, {scale}"
        ),
        "imagenet": "ImageNet mean and standard deviation",
        "package": "the mean and standard deviation of the package's weights",
        "size": "image size assumed, not known: {height} × {width} pixels",
        "unit": "black 0, white 1",
        "symmetric": "black −1, white 1",
    },
)

ACTIVATION = Message("assumed.activation")

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Mean and standard deviation, red, green and blue."""

_PREPROCESSING = ("assumed.preprocessing", "assumed.preprocessing_but_size")


def taken_for_relu(layers: Sequence[str]) -> Message:
    """The note on activations of which the checkpoint holds nothing, by their names.

    >>> str(taken_for_relu(["fc.1"]))
    'fc.1: no weights there, so its kind cannot be known; taken for a ReLU'
    """
    return Message("assumed.relu", {"layers": list(layers)})


def taken_for_dropout(layers: Sequence[str]) -> Message:
    """The note on layers without weights that are taken for dropout, by their names.

    >>> str(taken_for_dropout(["fc.2"]))
    'fc.2: no weights there; taken for a dropout, which does nothing outside training'
    """
    return Message("assumed.dropout", {"layers": list(layers)})


@dataclass(frozen=True)
class RecognisedCard:
    """A card made for a checkpoint.

    Attributes:
        card: builds the model.
        outputs: that the model has; None if unknown.
        notes: what the checkpoint was recognised as, then what is assumed.
        options: what the checkpoint holds beside its weights, as plain values.
    """

    card: Card
    outputs: int | None
    notes: tuple[Message, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)

    def update(self, **fields: object) -> RecognisedCard:
        """The same with other values of some of the card's fields."""
        return replace(self, card=self.card.model_copy(update=fields))

    def with_size(self, size: int, *, given: bool) -> RecognisedCard:
        """Another input size, in pixels a side.

        Args:
            size: height and width.
            given: whether the caller knows it; False where it is assumed as the rest is.
        """
        spec = self.card.input.model_copy(update={"size": size})
        assumed = assumed_preprocessing(self.notes)
        if assumed is None:
            return self.update(input=spec)
        height, width = spec.height_width
        code = "assumed.preprocessing_but_size" if given else "assumed.preprocessing"
        note = Message(code, {**assumed.values, "height": height, "width": width})
        return self._with_preprocessing(spec, note)

    def with_input(self, spec: InputSpec, source: str) -> RecognisedCard:
        """The preprocessing as another file states it, in place of an assumed one.

        Args:
            spec: the preprocessing.
            source: name of the file.
        """
        return self._with_preprocessing(
            spec, Message("recognised.preprocessing", {"source": source})
        )

    def with_fitted(self, spec: InputSpec, values: Mapping[str, Value]) -> RecognisedCard:
        """The preprocessing that reproduces stored predictions, in place of an assumed one.

        Args:
            spec: the preprocessing.
            values: pipeline, error and images, of the note.
        """
        return self._with_preprocessing(spec, Message("recognised.fitted", values))

    def with_stated(self, stated: Stated) -> RecognisedCard:
        """With what the checkpoint and the files beside it state, in place of assumptions.

        Args:
            stated: facts with their sources.
        """
        card = self.card
        fields = _scale_and_size(card.input, stated)
        kinds = ["size"] if "size" in fields else []
        if "mean" in fields:
            kinds += ["mean", "std"]
        update: dict[str, object] = {}
        labels = stated.value("labels")
        if labels is not None and len(labels) == self.outputs and not card.labels:
            update["labels"] = labels
            kinds.append("labels")
        if card.task is None and stated.value("task") is not None:
            update["task"] = stated.value("task")
            kinds.append("task")
        spec = _updated(card.input, fields)
        assumed = assumed_preprocessing(self.notes)
        notes = [note for note in self.notes if note.code not in _PREPROCESSING]
        notes += stated.notes(kinds)
        if assumed is not None and kinds:
            notes += _still_assumed(spec, fields, assumed)
        elif assumed is not None:
            notes.append(assumed)
        return replace(self.update(**update, input=spec), notes=tuple(notes))

    def _with_preprocessing(self, spec: InputSpec, note: Message) -> RecognisedCard:
        others = tuple(other for other in self.notes if other.code not in _PREPROCESSING)
        return replace(self.update(input=spec), notes=(*others, note))


def _scale_and_size(spec: InputSpec, stated: Stated) -> dict[str, Any]:
    """What is stated and can be: a mean is one number for each channel of the weights."""
    fields = dict(stated.input_fields)
    fields.pop("channels", None)
    if len(fields.get("mean", ())) not in (0, spec.channels):
        fields.pop("mean")
        fields.pop("std")
    return fields


def _updated(spec: InputSpec, fields: Mapping[str, Any]) -> InputSpec:
    if "mean" in fields:
        spec = spec.model_copy(update={"range": None})
    return spec.model_copy(update=dict(fields))


def _still_assumed(spec: InputSpec, fields: Mapping[str, Any], assumed: Message) -> list[Message]:
    """The assumption that is left once some fields are stated."""
    height, width = spec.height_width
    values = {**assumed.values, "height": height, "width": width}
    if "size" in fields and "mean" in fields:
        return []
    if "size" in fields:
        return [Message("assumed.preprocessing_but_size", values)]
    if "mean" in fields:
        return [Message("assumed.size", {"height": height, "width": width})]
    return [assumed]


def assumed_preprocessing(notes: Sequence[Message]) -> Message | None:
    """The note that says that preprocessing is assumed; None where it is known.

    >>> assumed_preprocessing([ACTIVATION]) is None
    True
    """
    return next((note for note in notes if note.code in _PREPROCESSING), None)


def assumes_size(notes: Sequence[Message]) -> bool:
    """Whether the notes say that the size of the input is assumed.

    >>> assumes_size([usual_input(1)[1]]), assumes_size([ACTIVATION])
    (True, False)
    """
    return any(note.code in ("assumed.preprocessing", "assumed.size") for note in notes)


def usual_input(channels: int) -> tuple[InputSpec, Message]:
    """The preprocessing that ImageNet's networks are usually trained with, and the note of it.

    >>> spec, note = usual_input(1)
    >>> str(note)
    'preprocessing assumed, not known: 224 × 224 pixels, 1 channel, black 0, white 1'
    """
    if channels == 3:
        spec = InputSpec(mean=IMAGENET[0], std=IMAGENET[1])
        return spec, preprocessing_note(spec, "imagenet")
    spec = InputSpec(channels=1)
    return spec, preprocessing_note(spec, "unit")


def preprocessing_note(spec: InputSpec, scale: str) -> Message:
    """The note that a preprocessing is assumed.

    Args:
        spec: the preprocessing.
        scale: of its values: "imagenet", "unit" or "symmetric".
    """
    height, width = spec.height_width
    values = {"height": height, "width": width, "channels": spec.channels}
    return Message("assumed.preprocessing", {**values, "scale": Message(f"assumed.{scale}")})
