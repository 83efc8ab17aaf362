"""From a model card to a model that is ready to be explained."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from camlucida.core.errors import ModelError, UsageError, did_you_mean
from camlucida.core.output_spec import OutputSpec
from camlucida.core.scan import Scan
from camlucida.models.card import Card, read_card, resolve_card
from camlucida.models.checkpoint import load_checkpoint, weights_sha256
from camlucida.models.factory import build, defaults, optional_keys


@dataclass(frozen=True)
class LoadedModel:
    """A model and what is known of it.

    Attributes:
        module: in eval mode, on its device.
        card: with every default filled in.
        name: the card's name, else its file's stem, else the factory.
        sha256: of the weights as loaded (:func:`~camlucida.models.checkpoint.weights_sha256`).
        card_path: None when the model was named by its factory alone.
    """

    module: nn.Module
    card: Card
    name: str
    sha256: str
    card_path: Path | None = None

    @property
    def output_spec(self) -> OutputSpec:
        """What the output means."""
        return self.card.output_spec()

    def read(self, path: str | Path, frame: int | None = None) -> Scan:
        """Read an image as this model wants it."""
        from camlucida.io import read_image
        from camlucida.models.preprocessing import prepare

        return prepare(read_image(path, frame), self.card.input)


def load_model(
    card: str | Path | Card,
    *,
    factory: str | None = None,
    checkpoint: str | Path | None = None,
    device: str | torch.device = "auto",
) -> LoadedModel:
    """Load a model from its card.

    Args:
        card: a TOML file; a factory such as ``torchvision:resnet50``; or a :class:`Card`, whose
            paths are then relative to the current directory.
        factory: in place of the card's.
        checkpoint: in place of the card's.
        device: ``auto`` (CUDA, else Apple's GPU, else the CPU), or a torch device.
    """
    place = _device(device)
    read, base, path = _read(card, factory, checkpoint)
    name = read.name or (path.stem if path else read.factory)
    pretrained = read.checkpoint is None
    module = build(read.factory, read.args, base, pretrained)
    if read.checkpoint is not None:
        load_checkpoint(
            module, base / Path(read.checkpoint).expanduser(), optional_keys(read.factory)
        )
    resolved = resolve_card(read, defaults(read.factory, read.args, pretrained, module), name)
    _check_logits_from(module, resolved, name)
    module = module.to(place).eval()
    return LoadedModel(module, resolved, name, weights_sha256(module), path)


def _read(
    card: str | Path | Card, factory: str | None, checkpoint: str | Path | None
) -> tuple[Card, Path, Path | None]:
    """The card, the folder that its paths start from, and its file."""
    if isinstance(card, Card):
        given = {"factory": factory, "checkpoint": None if checkpoint is None else str(checkpoint)}
        return (
            card.model_copy(update={key: value for key, value in given.items() if value}),
            Path.cwd(),
            None,
        )
    read, base = read_card(card, factory, checkpoint)
    file = Path(card).expanduser()
    return read, base, file.absolute() if file.is_file() else None


def _check_logits_from(module: nn.Module, card: Card, name: str) -> None:
    known = dict(module.named_modules())
    if card.logits_from is not None and card.logits_from not in known:
        what = f"{name}: logits_from = {card.logits_from!r} is not a module of the model"
        raise ModelError(what, did_you_mean(card.logits_from, [key for key in known if key]))


def _device(asked: str | torch.device) -> torch.device:
    """``auto``, or a device that this machine has."""
    if str(asked) == "auto":
        return torch.device(
            "cuda"
            if torch.cuda.is_available()
            else "mps"
            if torch.backends.mps.is_available()
            else "cpu"
        )
    try:
        device = torch.device(asked)
    except RuntimeError as error:
        raise UsageError(
            f"unknown device {asked!r}", 'known: "auto", "cpu", "cuda", "cuda:1", "mps"'
        ) from error
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        what = (
            f"device {str(asked)!r} asked for, but PyTorch sees {torch.cuda.device_count()} CUDA "
            "devices"
        )
        raise UsageError(what, 'use "cpu" or "auto", or install PyTorch with CUDA')
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise UsageError('device "mps" asked for, but there is none here', 'use "cpu" or "auto"')
    return device
