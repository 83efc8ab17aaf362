"""A model card for a checkpoint that comes without one: from its keys and shapes, or from a card or factory that is named."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from camlucida.core.errors import ModelError, UsageError
from camlucida.core.output_spec import Task
from camlucida.models.backbones import PREPROCESSING, classifiers
from camlucida.models.card import Card, InputSpec, factory_file, is_factory, read_card
from camlucida.models.checkpoint import layouts, load_state
from camlucida.models.segmenters import segmenters
from camlucida.models.zoo import ZOO

NAMES = ("best_model.pth", "best_model.pt")
"""What training scripts call the checkpoint that they keep; the first that is there is taken."""


def find_checkpoint(path: str | Path) -> Path:
    """The checkpoint itself, or the :data:`NAMES` of a folder.

    Raises:
        ModelError: a folder without one.
    """
    path = Path(path).expanduser().absolute()
    if not path.is_dir():
        return path
    found = next((path / name for name in NAMES if (path / name).is_file()), None)
    if found is None:
        there = sorted(
            file.name
            for file in path.iterdir()
            if file.suffix in (".pth", ".pt", ".safetensors", ".ckpt")
        )
        what = f"{path} has no {' or '.join(NAMES)}"
        raise ModelError(
            what,
            f"name the file: {', '.join(there[:5])}" if there else "there is no checkpoint in it",
        )
    return found


def recognise(
    checkpoint: str | Path,
    *,
    task: Task,
    outputs: int | None = None,
    model: str | Path | None = None,
    encoder: str | None = None,
    size: int | None = None,
) -> Card:
    """A card for a checkpoint: absolute paths, the task as given, no labels, its ``description`` says what is assumed.

    Args:
        checkpoint: a file of weights (see :func:`~camlucida.models.checkpoint.load_state`), or a folder with one of
            :data:`NAMES`.
        task: what the caller knows the model to be for.
        outputs: how many the caller needs; None takes what the file has.
        model: a card, or a factory such as ``timm:tf_efficientnet_b0``, in place of recognising.
        encoder: of a segmentation model, as segmentation-models-pytorch names it.
        size: of the input, height and width in pixels; None takes that of the card, or the usual one.

    Raises:
        ModelError: unreadable, not recognised, or of another number of outputs.
    """
    file = find_checkpoint(checkpoint)
    state = load_state(file)
    if model is not None:
        named = _named(model, file, task, outputs if outputs is not None else _outputs(state))
        return (
            named
            if size is None
            else named.model_copy(update={"input": named.input.model_copy(update={"size": size})})
        )
    kinds = (
        segmenters(layout, encoder) if task == "segmentation" else classifiers(layout)
        for layout in _bare_first(state)
    )
    found = next((match for matches in kinds for match in matches), None)
    if found is None:
        raise _unknown(file, state, task)
    card, there = found
    if outputs is not None and there != outputs:
        raise ModelError(
            f"{file} has {there} outputs, not {outputs}", "is it the checkpoint of this task?"
        )
    card = card.model_copy(update={"checkpoint": str(file), "task": task})
    return card if size is None else _of_size(card, size)


def _of_size(card: Card, size: int) -> Card:
    """A recognised card whose input's size is known; its description says so."""
    spec = card.input.model_copy(update={"size": size})
    known, given = (" × ".join(map(str, each.height_width)) for each in (card.input, spec))
    usual, words = f"ASSUMED, not known: {known}, ", f"{given} as given; ASSUMED, not known: "
    return card.model_copy(
        update={"input": spec, "description": card.description.replace(usual, words)}
    )


def with_input(card: Card, spec: InputSpec, source: str) -> Card:
    """A recognised card whose preprocessing is known; its description says by whom, in place of what was assumed."""
    kept = [
        part for part in [card.description.rpartition(PREPROCESSING)[0].removesuffix("; ")] if part
    ]
    said = "; ".join([*kept, f"{PREPROCESSING}as {source} states it"])
    return card.model_copy(update={"input": spec, "description": said})


def _bare_first(state: dict[str, Tensor]) -> list[dict[str, Tensor]]:
    """The layouts of a state, last those with one name before all keys: DataParallel or Lightning may have put it there."""
    return sorted(
        layouts(state), key=lambda layout: len({key.partition(".")[0] for key in layout}) == 1
    )


def _named(model: str | Path, file: Path, task: Task, outputs: int | None) -> Card:
    """The card that the caller named, with paths that hold anywhere."""
    card, base = read_card(model, checkpoint=file)
    if card.task not in (None, task):
        raise UsageError(
            f"{model} is a {card.task} model, not one for {task}", "name a card of this task"
        )
    own = factory_file(card.factory)
    update: dict[str, Any] = {"task": task}
    if own is not None:
        update["factory"] = f"{base / own[0]}:{own[1]}"
    prefix = card.factory.partition(":")[0]
    if prefix in ZOO and is_factory(str(model)) and outputs is not None:
        update["args"] = {"classes" if prefix == "smp" else "num_classes": outputs}
    return card.model_copy(update=update)


def _outputs(state: Mapping[str, Tensor]) -> int | None:
    """Rows of the last weight that has more than one axis."""
    rows = [
        int(tensor.shape[0])
        for key, tensor in state.items()
        if tensor.ndim > 1 and key.endswith("weight")
    ]
    return rows[-1] if rows else None


def _unknown(file: Path, state: Mapping[str, Tensor], task: Task) -> ModelError:
    keys = [f"{key} {tuple(tensor.shape)}" for key, tensor in list(state.items())[:3]]
    kinds = (
        "U-Net, U-Net++"
        if task == "segmentation"
        else "ResNet-18/34/50/101, DenseNet-121, EfficientNet-B0"
    )
    what = f"{file} is no model that can be recognised ({kinds}): its {len(state)} keys begin with {', '.join(keys)}"
    own = "--architecture FPN --encoder resnet34, or " if task == "segmentation" else ""
    return ModelError(what, f"say what builds it: give {own}--model CARD")
