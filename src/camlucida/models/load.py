"""From a model card to a model that is ready to be explained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from camlucida.core.errors import ModelError, UsageError, did_you_mean
from camlucida.core.messages import Message
from camlucida.core.output_spec import OutputSpec, RegionScore, TaskSource
from camlucida.core.scan import Scan
from camlucida.models.auxiliary import has_auxiliary, scaling_of_card
from camlucida.models.card import Card, is_factory, read_card, resolve_card
from camlucida.models.checkpoint import load_file, stored_outputs, weights_sha256
from camlucida.models.checkpoint_file import CheckpointFile, read_checkpoint
from camlucida.models.devices import find_device
from camlucida.models.drawn import DrawnWeights
from camlucida.models.exchanged_axes import exchange_axes
from camlucida.models.factory import build, build_unset, defaults
from camlucida.models.lazy_layers import settle
from camlucida.models.module_facts import shows_task
from camlucida.models.recognise import (
    COUNTS,
    find_checkpoint,
    is_checkpoint,
    options_of,
    recognise_file,
)
from camlucida.models.stated import Stated, stated_facts
from camlucida.models.stated_input import with_stated
from camlucida.models.transforms import input_of_transform
from camlucida.models.zoo import bundle_notes, conversion_notes, guard

_NO_MODES = "an exported program hides its layers: build the network itself and load its weights"


@dataclass(frozen=True)
class LoadedModel:
    """A model and what is known of it.

    Attributes:
        module: in eval mode, on its device.
        card: with every default filled in.
        name: the card's name, else its file's stem, else the factory.
        sha256: of the weights as loaded (:func:`~camlucida.models.checkpoint.weights_sha256`).
        card_path: None when the model was named by its factory alone.
        checkpoint: file of its weights; None without one.
        task_from: "card" where the card states the task, "module" where the model shows it; ""
            where it is a default, which the output may overrule.
        notes: what was recognised, read from the checkpoint, chosen, left out or assumed.
        options: what the checkpoint holds beside the weights, as plain data; empty without one.
    """

    module: nn.Module
    card: Card
    name: str
    sha256: str
    card_path: Path | None = None
    checkpoint: Path | None = None
    task_from: TaskSource = "card"
    notes: tuple[Message, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def output_spec(self) -> OutputSpec:
        """What the output means: task, labels, and whether it holds logits or probabilities."""
        spec = self.card.output_spec()
        if spec.task is None or not self.task_from:
            return replace(spec, task=None)
        return replace(spec, task_from=self.task_from)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """(C, *spatial) of one image or volume, as the card states it."""
        return _input_shape(self.card)

    def read(self, path: str | Path, frame: int | None = None, levels: bool = False) -> Scan:
        """Read an image and prepare it as this model was trained.

        Args:
            path: PNG, JPEG, TIFF, DICOM, …; see :func:`camlucida.io.read_image`. Of a model of
                volumes NIfTI or a folder of a DICOM series; see
                :func:`camlucida.io.volumes.read_volume`.
            frame: frame or page, or volume of a NIfTI file, counted from 0; None reads the first.
            levels: whether all grey levels of a film of more than 8 bits are kept beside its
                display.

        Returns:
            The image as model input (C, H, W) and as the picture for people; of a volume a
            :class:`~camlucida.core.volume_scan.VolumeScan`.

        Raises:
            ImageError: the file cannot be read.
        """
        from camlucida.io import read_image
        from camlucida.io.volumes import read_volume
        from camlucida.models.preprocessing import prepare, prepare_volume

        if self.card.volume is not None:
            return prepare_volume(read_volume(path, frame), self.card.volume)
        return prepare(read_image(path, frame), self.card.input, levels)


def load_model(
    card: str | Path | Card,
    *,
    factory: str | None = None,
    checkpoint: str | Path | None = None,
    checkpoint_key: str | None = None,
    output: str | int | None = None,
    region_score: RegionScore | None = None,
    transform: object | None = None,
    device: str | torch.device = "auto",
) -> LoadedModel:
    """Load a model from its card, or from a checkpoint alone, whose network is then recognised.

    Args:
        card: a TOML file; a factory such as ``torchvision:resnet50``; a checkpoint such as
            ``best.pth``; an ONNX file; or a :class:`Card`, whose paths are then relative to the
            current directory.
        factory: in place of the card's.
        checkpoint: in place of the card's.
        checkpoint_key: in place of the card's: which network of a checkpoint that holds several.
        output: in place of the card's: which of several outputs is meant, or what it holds.
        region_score: in place of the card's: "mean" or "sum" of the logits of a region.
        transform: the preprocessing, in place of the card's ``[input]``: a transform of
            torchvision, timm or MONAI, or where it is (``train.py:val_transform``).
        device: ``auto`` (CUDA, else Apple's GPU, else the CPU), or a torch device.

    Returns:
        The model on ``device``, in evaluation mode, with its card completed.

    Raises:
        UsageError: no such card, a malformed one, or no such device.
            Or ``transform`` has a step that a card does not know.
        ModelError: the model cannot be built, or its weights cannot be loaded.

    >>> from camlucida.phantom import model_cards
    >>> model = load_model(model_cards()["honest_resnet"])
    >>> model.name, model.output_spec.task
    ('honest_resnet', 'multilabel')
    """
    chosen = find_device(device)
    source = _read(card, factory, checkpoint, checkpoint_key)
    update: dict[str, Any] = {}
    if output is not None:
        update["output"] = output
    if region_score is not None:
        update["region_score"] = region_score
    read = source.card.model_copy(update=update)
    read = _with_transform(read, transform, source.base)
    name = read.name or (source.path.stem if source.path else read.factory)
    built = _built(replace(source, card=read))
    source = replace(source, file=None)
    read, module = built.card, built.module
    stated = read.input.model_fields_set | ({"volume"} if read.volume else set())
    known_fields = defaults(
        read.factory, read.args, read.checkpoint is None, module, source.base, stated
    )
    known_fields, stated_notes = with_stated(read, built.stated, known_fields)
    resolved = resolve_card(read, known_fields, name)
    _check_logits_from(module, resolved, name)
    with guard(f"{name} cannot be put into evaluation mode", _NO_MODES):
        module = module.eval()
    settle(module, _input_shape(resolved), name)
    exchanged = _exchanged(module, resolved, name)
    module = module.to(chosen)
    task_from: TaskSource = "card" if read.task else "module" if shows_task(module) else ""
    converted = conversion_notes(module, frozenset(stated))
    of_bundle = bundle_notes(read.factory, resolved.volume)
    notes = (*source.notes, *built.notes, *converted, *exchanged, *of_bundle, *stated_notes)
    unique = tuple(dict.fromkeys(notes))
    sha256 = weights_sha256(module)
    weights = _weights_path(read, source.base)
    about = (name, sha256, source.path, weights, task_from, unique, built.options)
    return LoadedModel(module, resolved, *about)


def of_images(model: LoadedModel) -> LoadedModel:
    """The model, unless it is of volumes, which this command does not take.

    Args:
        model: loaded.

    Raises:
        UsageError: its card has ``[volume]``.
    """
    if model.card.volume is not None:
        raise UsageError(
            f"{model.name} is a model of volumes, and this command is for images",
            "explain, run, evaluate, report, doctor, layers and serve take volumes",
        )
    return model


@dataclass(frozen=True)
class _Source:
    """What is to be built, and where it comes from.

    Attributes:
        card: as it was read or recognised.
        base: folder that its paths start from.
        path: its file, or the checkpoint that it was recognised from.
        notes: on what was recognised.
        bare: whether nothing but a factory was named.
        file: the checkpoint, where it was read already.
    """

    card: Card
    base: Path
    path: Path | None
    notes: tuple[Message, ...] = ()
    bare: bool = False
    file: CheckpointFile | None = None


@dataclass(frozen=True)
class _Built:
    """A module with its weights.

    Attributes:
        card: with the number of outputs that the checkpoint has.
        notes: on its weights.
        stated: what the checkpoint and the files beside it state; None without a checkpoint.
        options: what the checkpoint holds beside the weights.
    """

    module: nn.Module
    card: Card
    notes: tuple[Message, ...] = ()
    stated: Stated | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


def _weights_path(card: Card, base: Path) -> Path | None:
    """The file of a card's weights; None without one."""
    return None if card.checkpoint is None else base / Path(card.checkpoint).expanduser()


def _built(source: _Source) -> _Built:
    """The network with its weights; the checkpoint is read once, and let go."""
    card = source.card
    path = _weights_path(card, source.base)
    if path is None:
        with DrawnWeights() as drawn:
            module = build(card.factory, card.args, source.base, pretrained=True)
        note = drawn.note(module)
        return _Built(module, card, () if note is None else (note,))
    file = source.file or read_checkpoint(path)
    stated, options = stated_facts(path, file.content), options_of(file)
    return replace(_with_weights(source, file), stated=stated, options=options)


def _with_weights(source: _Source, file: CheckpointFile) -> _Built:
    card, key = source.card, source.card.checkpoint_key
    if source.bare and has_auxiliary(card.factory):
        return _with_another_head(card, file)
    module = build_unset(card.factory, card.args, source.base)
    argument = COUNTS.get(card.factory.partition(":")[0])
    if argument is None or argument in card.args:
        notes = load_file(module, file, key)
        return _Built(module, card, (*notes, *scaling_of_card(card.factory, card.args)))
    outputs = stored_outputs(module, file, key)
    if outputs is not None:
        card = card.model_copy(update={"args": {**card.args, argument: outputs}})
        module = build_unset(card.factory, card.args, source.base)
    try:
        notes = load_file(module, file, key)
    except ModelError:
        if not source.bare:
            raise
        return _with_another_head(card, file)
    if outputs is not None:
        notes = (Message("checkpoint.outputs", {"outputs": outputs}), *notes)
    return _Built(module, card, (*notes, *scaling_of_card(card.factory, card.args)))


def _with_another_head(card: Card, file: CheckpointFile) -> _Built:
    """The network that was named, with the head that the checkpoint shows.

    Raises:
        ModelError: as of loading it without.
    """
    key = card.checkpoint_key
    recognised = recognise_file(file, key=key, only=card.factory)
    stated = recognised.card
    module = build_unset(stated.factory, stated.args, Path.cwd())
    notes = load_file(module, file, key)
    update = {"factory": stated.factory, "args": stated.args}
    return _Built(module, card.model_copy(update=update), (*recognised.notes, *notes))


def _read(
    card: str | Path | Card,
    factory: str | None,
    checkpoint: str | Path | None,
    key: str | None,
) -> _Source:
    """The card, the folder that its paths start from, and its file."""
    if isinstance(card, Card):
        update: dict[str, Any] = {} if key is None else {"checkpoint_key": key}
        if factory:
            update["factory"] = factory
        if checkpoint is not None:
            update["checkpoint"] = str(checkpoint)
        return _Source(card.model_copy(update=update), Path.cwd(), None)
    if is_checkpoint(card):
        if checkpoint is not None:
            raise UsageError(f"{card} is a checkpoint already", "give one checkpoint")
        if factory is None:
            stored = read_checkpoint(find_checkpoint(card))
            recognised = recognise_file(stored, key=key)
            notes = recognised.notes
            return _Source(recognised.card, Path.cwd(), stored.path, notes, file=stored)
        card, factory, checkpoint = factory, None, find_checkpoint(card)
    if Path(card).suffix in (".onnx", ".keras") and not is_factory(str(card)):
        card = f"{Path(card).suffix[1:]}:{card}"
    read, base = read_card(card, factory, checkpoint)
    if key is not None:
        read = read.model_copy(update={"checkpoint_key": key})
    file = Path(card).expanduser()
    path = file.absolute() if file.is_file() else None
    return _Source(read, base, path, bare=path is None)


def _with_transform(card: Card, transform: object | None, base: Path) -> Card:
    """The card with the steps of a transform: the given one, or that which the card names."""
    if transform is not None:
        spec = input_of_transform(transform, _stated_channels(card), Path.cwd())
    elif card.input.transform is not None and card.input.steps is None:
        stated = card.input.model_dump(exclude_unset=True)
        spec = input_of_transform(card.input.transform, stated, base)
    else:
        return card
    return card.model_copy(update={"input": spec})


def _stated_channels(card: Card) -> dict[str, Any]:
    """Of an ``[input]`` that a transform replaces, what the transform cannot say."""
    stated = card.input.model_dump(exclude_unset=True)
    kept = ("channels", "dicom", "monochrome1", "transposed")
    return {key: stated[key] for key in kept if key in stated}


def _exchanged(module: nn.Module, card: Card, name: str) -> tuple[Message, ...]:
    """The note on rows and columns of the network, where the card has them exchanged."""
    spec = card.input
    if card.volume is not None or not spec.transposed:
        return ()
    return (exchange_axes(module, (spec.channels, *spec.height_width), name),)


def _check_logits_from(module: nn.Module, card: Card, name: str) -> None:
    paths = [path for path, _ in module.named_modules()]
    if card.logits_from is not None and card.logits_from not in paths:
        what = f"{name}: logits_from = {card.logits_from!r} is not a module of the model"
        raise ModelError(what, did_you_mean(card.logits_from, filter(None, paths)))


def _input_shape(card: Card) -> tuple[int, ...]:
    volume = card.volume
    if volume is None:
        return card.input.channels, *card.input.height_width
    if volume.slices is not None:
        return volume.voxels
    return volume.channels, *volume.voxels
