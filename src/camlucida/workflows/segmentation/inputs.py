"""What a segmentation project hands over, as a model card, layers and a cohort."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from camlucida.attribution.capture import capture
from camlucida.core.errors import LayerError, UsageError
from camlucida.core.files import write_toml
from camlucida.core.messages import Message, Value, declare
from camlucida.models import Card, LoadedModel
from camlucida.models.assumptions import RecognisedCard
from camlucida.models.checkpoint import load_state
from camlucida.models.families.unet import restates
from camlucida.models.layer_list import list_layers
from camlucida.models.recognise import find_checkpoint, recognise
from camlucida.models.segmenters import named_segmenter
from camlucida.models.state import frozen, unwrap
from camlucida.workflows.segmentation.image_choice import Images

SIZE = 640
"""Pixels a side of the model's input, where neither a card nor the user states it."""

ENCODER = "efficientnet-b5"
"""Of an architecture that the user named without its encoder."""

TARGETS = {"predicted": "region", "true": "truth", "component": "component:1"}
"""Names of targets → those of :func:`camlucida.attribution.requests.parse_target`."""

declare(
    "model_input",
    {
        "mean_std": "mean {mean:,}, standard deviation {std:,}",
        "range": "range {low:g} to {high:g}",
        "all": (
            "{height} × {width} pixels ({fit}), {channels} {channels:|channel|channels}, {scale}"
        ),
    },
)


@dataclass(frozen=True)
class Layer:
    """A layer to explain.

    Attributes:
        name: as the user wrote it.
        path: resolved, as explanations have it.
        shape: channels and grid, of one image.
    """

    name: str
    path: str
    shape: tuple[int, ...]

    @property
    def behind(self) -> bool:
        """Whether it lies in decoder or head, whose maps restate the segmentation."""
        return restates(self.path)


def target_word(word: str) -> str:
    """A target as runs take it.

    Args:
        word: predicted, true, component, component:N, pixel:ROW,COLUMN, or a label.

    Raises:
        UsageError: ``pixel`` without its place.

    >>> target_word("True"), target_word("pixel:3,4")
    ('truth', 'pixel:3,4')
    """
    plain = word.strip()
    if plain.casefold() == "pixel":
        fix = "write pixel:ROW,COLUMN, in pixels of the original image"
        raise UsageError("target 'pixel' needs its place", fix)
    return TARGETS.get(plain.casefold(), plain)


def segmentation_card(
    model_path: Path,
    *,
    model: str | None = None,
    architecture: str | None = None,
    encoder: str | None = None,
    image_size: int | None = None,
) -> RecognisedCard:
    """A card for a checkpoint: named, built from architecture and encoder, or recognised.

    Args:
        model_path: the checkpoint, or a folder with ``best_model.pth``.
        model: a card or factory; it has precedence over the rest.
        architecture: of segmentation-models-pytorch, such as UnetPlusPlus.
        encoder: its name there.
        image_size: pixels a side of the model's input; else the card's, else :data:`SIZE`.

    Raises:
        ModelError: not a checkpoint, or not recognised.
    """
    if model is not None:
        recognised = recognise(model_path, task="segmentation", model=model, size=image_size)
        recognised = recognised.update(name=recognised.card.name or Path(model).stem)
    elif architecture is not None:
        file = find_checkpoint(model_path)
        recognised = named_segmenter(load_state(file), architecture, encoder or ENCODER)
        recognised = recognised.update(checkpoint=str(file))
    else:
        recognised = recognise(model_path, task="segmentation", encoder=encoder)
    stated = model is not None or "size" in recognised.card.input.model_fields_set
    if image_size is not None or not stated:
        recognised = recognised.with_size(image_size or SIZE, given=image_size is not None)
    card = recognised.card
    return recognised.update(name=card.name or _network(card), labels=card.labels or _labels(card))


def input_of(card: Card) -> Message:
    """What goes into the model: size, channels and scale."""
    spec = card.input
    height, width = spec.height_width
    values: dict[str, Value] = {"height": height, "width": width}
    values |= {"fit": spec.fit, "channels": spec.channels, "scale": _scale(card)}
    return Message("model_input.all", values)


def layers_of(model: LoadedModel, names: Sequence[str]) -> list[Layer]:
    """Each layer as it fires on a grey image.

    Args:
        model: loaded.
        names: aliases or paths.

    Raises:
        LayerError: one that does not exist; the message lists those that do, with shapes.
    """
    spec, module = model.card.input, unwrap(model.module)
    weight = next(module.parameters())
    size = (1, spec.channels, *spec.height_width)
    grey = torch.full(size, 0.5, device=weight.device, dtype=weight.dtype)
    with frozen(module):
        try:
            forward = capture(module, (grey,), list(names), model.output_spec)
        except LayerError as error:
            shapes = ", ".join(_layer_shapes(module, grey))
            fix = f"layers with a grid (channels×rows×columns): {shapes}"
            raise LayerError(error.what, fix) from error
    return [
        Layer(name, str(layer.ref), tuple(layer.activations.shape[1:]))
        for name, layer in zip(names, forward.layers, strict=True)
    ]


def write_cohort(
    out: Path,
    card: Card,
    images: Images,
    targets: Sequence[str],
    methods: Sequence[str],
    layers: Sequence[str],
) -> Path:
    """Write ``card.toml`` and ``cohort.toml`` into ``out``; the latter's path."""
    write_toml(out / "card.toml", card.model_dump(mode="json", exclude_defaults=True))
    cohort = {
        "name": "segmentation",
        "images": [str(path.absolute()) for path in images.paths],
        "masks": None if images.masks is None else str(images.masks.absolute()),
        "model": "card.toml",
        "explain": {"target": list(targets), "method": list(methods), "layer": list(layers)},
    }
    write_toml(out / "cohort.toml", cohort)
    return out / "cohort.toml"


def _labels(card: Card) -> tuple[str, ...]:
    """Names of the output channels of a card that has none."""
    classes = card.args.get("classes")
    if not isinstance(classes, int):
        return ()
    if classes == 1:
        return ("foreground",)
    return tuple(f"class {number}" for number in range(classes))


def _network(card: Card) -> str:
    """``Unet_resnet18``: architecture and encoder."""
    architecture = card.factory.partition(":")[2]
    return f"{architecture}_{card.args.get('encoder_name', '')}".rstrip("_")


def _scale(card: Card) -> Message:
    spec = card.input
    if spec.mean is not None:
        mean = [f"{value:g}" for value in spec.mean]
        std = [f"{value:g}" for value in spec.std or (1,)]
        return Message("model_input.mean_std", {"mean": mean, "std": std})
    low, high = spec.range or (0, 1)
    return Message("model_input.range", {"low": low, "high": high})


def _layer_shapes(module: torch.nn.Module, image: torch.Tensor) -> list[str]:
    """The layers with a grid, at most two levels deep, each with its shape."""
    layers = [info for info in list_layers(module, image) if info.grid]
    shallow = [info for info in layers if info.path.count(".") < 2]
    return [f"{info.path} {'×'.join(map(str, info.shape[1:]))}" for info in shallow]
