"""From a model card to a model that is ready to be explained."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from camlucida.core.errors import ModelError, UsageError, did_you_mean
from camlucida.core.output_spec import OutputSpec, RegionScore, TaskSource
from camlucida.core.scan import Scan
from camlucida.models.card import Card, read_card, resolve_card
from camlucida.models.checkpoint import load_checkpoint, weights_sha256
from camlucida.models.factory import build, defaults
from camlucida.models.module_facts import shows_task


@dataclass(frozen=True)
class LoadedModel:
    """A model and what is known of it.

    Attributes:
        module: in eval mode, on its device.
        card: with every default filled in.
        name: the card's name, else its file's stem, else the factory.
        sha256: of the weights as loaded (:func:`~camlucida.models.checkpoint.weights_sha256`).
        card_path: None when the model was named by its factory alone.
        task_from: "card" where the card states the task, "module" where the model shows it; ""
            where it is a default, which the output may overrule.
    """

    module: nn.Module
    card: Card
    name: str
    sha256: str
    card_path: Path | None = None
    task_from: TaskSource = "card"

    @property
    def output_spec(self) -> OutputSpec:
        """What the output means: task, labels, and whether it holds logits or probabilities."""
        spec = self.card.output_spec()
        if spec.task is None or not self.task_from:
            return replace(spec, task=None)
        return replace(spec, task_from=self.task_from)

    def read(self, path: str | Path, frame: int | None = None) -> Scan:
        """Read an image and prepare it as this model was trained.

        Args:
            path: PNG, JPEG, TIFF, DICOM, …; see :func:`camlucida.io.read_image`.
            frame: frame or page, counted from 0; None reads the first.

        Returns:
            The image as model input (C, H, W) and as the picture for people.

        Raises:
            ImageError: the file cannot be read.
        """
        from camlucida.io import read_image
        from camlucida.models.preprocessing import prepare

        return prepare(read_image(path, frame), self.card.input)


def load_model(
    card: str | Path | Card,
    *,
    factory: str | None = None,
    checkpoint: str | Path | None = None,
    output: str | int | None = None,
    region_score: RegionScore | None = None,
    device: str | torch.device = "auto",
) -> LoadedModel:
    """Load a model from its card.

    Args:
        card: a TOML file; a factory such as ``torchvision:resnet50``; or a :class:`Card`, whose
            paths are then relative to the current directory.
        factory: in place of the card's.
        checkpoint: in place of the card's.
        output: in place of the card's: which of several outputs is meant, or what it holds.
        region_score: in place of the card's: "mean" or "sum" of the logits of a region.
        device: ``auto`` (CUDA, else Apple's GPU, else the CPU), or a torch device.

    Returns:
        The model on ``device``, in evaluation mode, with its card completed.

    Raises:
        UsageError: no such card, a malformed one, or no such device.
        ModelError: the model cannot be built, or its weights cannot be loaded.

    >>> from camlucida.phantom import model_cards
    >>> model = load_model(model_cards()["honest_resnet"])
    >>> model.name, model.output_spec.task
    ('honest_resnet', 'multilabel')
    """
    chosen = _device(device)
    read, base, path = _read(card, factory, checkpoint)
    if output is not None:
        read = read.model_copy(update={"output": output})
    if region_score is not None:
        read = read.model_copy(update={"region_score": region_score})
    name = read.name or (path.stem if path else read.factory)
    pretrained = read.checkpoint is None
    module = build(read.factory, read.args, base, pretrained)
    if read.checkpoint is not None:
        load_checkpoint(module, base / Path(read.checkpoint).expanduser())
    known_fields = defaults(read.factory, read.args, pretrained, module)
    resolved = resolve_card(read, known_fields, name)
    _check_logits_from(module, resolved, name)
    module = module.to(chosen).eval()
    source: TaskSource = "card" if read.task else "module" if shows_task(module) else ""
    return LoadedModel(module, resolved, name, weights_sha256(module), path, source)


def _read(
    card: str | Path | Card, factory: str | None, checkpoint: str | Path | None
) -> tuple[Card, Path, Path | None]:
    """The card, the folder that its paths start from, and its file."""
    if isinstance(card, Card):
        update = {}
        if factory:
            update["factory"] = factory
        if checkpoint is not None:
            update["checkpoint"] = str(checkpoint)
        return card.model_copy(update=update), Path.cwd(), None
    read, base = read_card(card, factory, checkpoint)
    file = Path(card).expanduser()
    return read, base, file.absolute() if file.is_file() else None


def _check_logits_from(module: nn.Module, card: Card, name: str) -> None:
    paths = [path for path, _ in module.named_modules()]
    if card.logits_from is not None and card.logits_from not in paths:
        what = f"{name}: logits_from = {card.logits_from!r} is not a module of the model"
        raise ModelError(what, did_you_mean(card.logits_from, filter(None, paths)))


def _device(name: str | torch.device) -> torch.device:
    """``auto``, or a device that this machine has."""
    if str(name) == "auto":
        return _best_device()
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UsageError(
            f"unknown device {name!r}", 'known: "auto", "cpu", "cuda", "cuda:1", "mps"'
        ) from error
    count = torch.cuda.device_count()
    if device.type == "cuda" and (device.index or 0) >= count:
        raise UsageError(
            f"device {str(name)!r} requested, but PyTorch sees {count} CUDA devices",
            'use "cpu" or "auto", or install PyTorch with CUDA',
        )
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise UsageError('device "mps" requested, but there is none here', 'use "cpu" or "auto"')
    return device


def _best_device() -> torch.device:
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
