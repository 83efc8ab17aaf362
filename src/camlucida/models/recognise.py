"""A model card for a checkpoint without one: from its keys and shapes, or from what is named."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from torch import Tensor

from camlucida.core.errors import ModelError, UsageError
from camlucida.core.output_spec import Task
from camlucida.models.assumptions import RecognisedCard
from camlucida.models.backbones import classifiers
from camlucida.models.card import Card, factory_file, is_factory, read_card
from camlucida.models.checkpoint import State, layouts, load_state
from camlucida.models.segmenters import segmenters
from camlucida.models.zoo import ZOO

CHECKPOINT_NAMES = ("best_model.pth", "best_model.pt")
"""What training scripts call the checkpoint that they keep; the first that exists is taken."""

_SUFFIXES = (".pth", ".pt", ".safetensors", ".ckpt")


def find_checkpoint(path: str | Path) -> Path:
    """The checkpoint itself, or the :data:`CHECKPOINT_NAMES` of a folder.

    Args:
        path: of a file, which need not exist, or of a folder.

    Returns:
        An absolute path.

    Raises:
        ModelError: a folder without one.
    """
    path = Path(path).expanduser().absolute()
    if not path.is_dir():
        return path
    for name in CHECKPOINT_NAMES:
        if (path / name).is_file():
            return path / name
    others = sorted(file.name for file in path.iterdir() if file.suffix in _SUFFIXES)
    raise ModelError(
        f"{path} has no {' or '.join(CHECKPOINT_NAMES)}",
        f"name the file: {', '.join(others[:5])}" if others else "there is no checkpoint in it",
    )


def recognise(
    checkpoint: str | Path,
    *,
    task: Task,
    outputs: int | None = None,
    model: str | Path | None = None,
    encoder: str | None = None,
    size: int | None = None,
) -> RecognisedCard:
    """A card for a checkpoint, with absolute paths and the task as given, without labels.

    Args:
        checkpoint: a file of weights (see :func:`~camlucida.models.checkpoint.load_state`), or a
            folder with one of :data:`CHECKPOINT_NAMES`.
        task: of the model.
        outputs: how many the caller needs; None takes what the file has.
        model: a card, or a factory such as ``timm:tf_efficientnet_b0``, in place of recognising.
        encoder: of a segmentation model, as segmentation-models-pytorch names it.
        size: of the input, height and width in pixels; None takes that of the card, or the usual
            one.

    Returns:
        The card with notes of what is assumed; no notes where ``model`` is named.

    Raises:
        ModelError: unreadable, not recognised, or of another number of outputs.
        UsageError: ``model`` is no card, or one for another task.
    """
    file = find_checkpoint(checkpoint)
    state = load_state(file)
    if model is not None:
        count = outputs if outputs is not None else _outputs(state)
        recognised = RecognisedCard(_named(model, file, task, count), count)
    else:
        recognised = _recognised(file, state, task, encoder)
        if outputs is not None and recognised.outputs != outputs:
            raise ModelError(
                f"{file} has {recognised.outputs} outputs, not {outputs}",
                "is it the checkpoint of this task?",
            )
        recognised = recognised.update(checkpoint=str(file), task=task)
    return recognised if size is None else recognised.with_size(size, given=True)


def _recognised(
    file: Path, state: dict[str, Tensor], task: Task, encoder: str | None
) -> RecognisedCard:
    match = next(_matches(state, task, encoder), None)
    if match is None:
        raise _unknown(file, state, task)
    return match


def _matches(state: dict[str, Tensor], task: Task, encoder: str | None) -> Iterator[RecognisedCard]:
    for layout in _bare_first(state):
        if task == "segmentation":
            yield from segmenters(layout, encoder)
        else:
            yield from classifiers(layout)


def _bare_first(state: dict[str, Tensor]) -> list[dict[str, Tensor]]:
    """The layouts of a state, last those with one name before all keys.

    DataParallel or Lightning may have put it there.
    """
    return sorted(layouts(state), key=_has_one_first_name)


def _has_one_first_name(state: State) -> bool:
    names = {key.partition(".")[0] for key in state}
    return len(names) == 1


def _named(model: str | Path, file: Path, task: Task, outputs: int | None) -> Card:
    """The card that the caller named, with paths that hold anywhere."""
    card, base = read_card(model, checkpoint=file)
    if card.task not in (None, task):
        raise UsageError(
            f"{model} is a {card.task} model, not one for {task}", "name a card of this task"
        )
    user_file = factory_file(card.factory)
    update: dict[str, Any] = {"task": task}
    if user_file is not None:
        update["factory"] = f"{base / user_file[0]}:{user_file[1]}"
    prefix = card.factory.partition(":")[0]
    if prefix in ZOO and is_factory(str(model)) and outputs is not None:
        update["args"] = {"classes" if prefix == "smp" else "num_classes": outputs}
    return card.model_copy(update=update)


def _outputs(state: State) -> int | None:
    """Rows of the last weight that has more than one axis."""
    weights = [tensor for key, tensor in state.items() if key.endswith("weight")]
    rows = [int(weight.shape[0]) for weight in weights if weight.ndim > 1]
    return rows[-1] if rows else None


def _unknown(file: Path, state: State, task: Task) -> ModelError:
    first = list(state.items())[:3]
    keys = [f"{key} {tuple(tensor.shape)}" for key, tensor in first]
    kinds = "ResNet-18/34/50/101, DenseNet-121, EfficientNet-B0"
    options = ""
    if task == "segmentation":
        kinds = "U-Net, U-Net++"
        options = "--architecture FPN --encoder resnet34, or "
    return ModelError(
        f"{file} is no model that can be recognised ({kinds}): "
        f"its {len(state)} keys begin with {', '.join(keys)}",
        f"say what builds it: give {options}--model CARD",
    )
