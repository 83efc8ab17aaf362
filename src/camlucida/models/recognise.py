"""A model card for a checkpoint without one: from its keys and shapes, or from what is named."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor

from camlucida.core.errors import ModelError, UsageError
from camlucida.core.output_spec import Task
from camlucida.io.pickles import plain
from camlucida.models.alternatives import bare
from camlucida.models.assumptions import RecognisedCard
from camlucida.models.backbones import bodies, classifiers
from camlucida.models.card import (
    Card,
    anchored_factory,
    factory_file,
    is_factory,
    read_card,
)
from camlucida.models.checkpoint import State, layouts, only_network, several_networks
from camlucida.models.checkpoint_file import SUFFIXES, CheckpointFile, read_checkpoint
from camlucida.models.key_matching import COUNTER, copied_keys, is_outside, same_tensor
from camlucida.models.numbered import numbered_classifiers
from camlucida.models.segmenters import segmenters
from camlucida.models.stated import Stated, stated_facts
from camlucida.models.stored_networks import StoredNetwork, is_averaged
from camlucida.models.zoo import ZOO

CHECKPOINT_NAMES = ("best_model.pth", "best_model.pt")
"""What training scripts call the checkpoint that they keep; the first that exists is taken."""


COUNTS = {
    "torchvision": "num_classes",
    "timm": "num_classes",
    "smp": "classes",
    "hf": "num_labels",
}
"""Package of networks → its argument for the number of outputs."""


def is_checkpoint(source: str | Path) -> bool:
    """Whether a model is named by its checkpoint: by the file, or by a folder that has one.

    Args:
        source: what names the model.

    >>> is_checkpoint("best.pth"), is_checkpoint("torchvision:resnet18"), is_checkpoint("card.toml")
    (True, False, False)
    """
    path = Path(source).expanduser()
    if path.suffix in SUFFIXES:
        return True
    try:
        return any((path / name).is_file() for name in CHECKPOINT_NAMES)
    except OSError:  # a name that the system refuses; the reader of the card says which
        return False


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
    others = sorted(file.name for file in path.iterdir() if file.suffix in SUFFIXES)
    raise ModelError(
        f"{path} has no {' or '.join(CHECKPOINT_NAMES)}",
        f"name the file: {', '.join(others[:5])}" if others else "there is no checkpoint in it",
    )


def recognise(
    checkpoint: str | Path,
    *,
    task: Task | None = None,
    outputs: int | None = None,
    model: str | Path | None = None,
    encoder: str | None = None,
    size: int | None = None,
    key: str | None = None,
    only: str | None = None,
) -> RecognisedCard:
    """A card for a checkpoint, with absolute paths and the task as given.

    Args:
        checkpoint: a file of weights (see
            :func:`~camlucida.models.checkpoint_file.read_checkpoint`), or a folder with one of
            :data:`CHECKPOINT_NAMES`.
        task: of the model; None takes what is stated beside the weights, if anything.
        outputs: how many the caller needs; None takes what the file has.
        model: a card, or a factory such as ``timm:tf_efficientnet_b0``, in place of recognising.
        encoder: of a segmentation model, as segmentation-models-pytorch names it.
        size: of the input, height and width in pixels; None takes that of the card, the one that
            is stated beside the weights, or the usual one.
        key: which of several networks in the file.
        only: the factory of the only backbone to try.

    Returns:
        The card with notes of what is stated and assumed; no notes where ``model`` is named.

    Raises:
        ModelError: unreadable, not recognised, or of another number of outputs.
        UsageError: ``model`` is no card, or one for another task.
    """
    file = read_checkpoint(find_checkpoint(checkpoint))
    if model is None:
        recognised = recognise_file(
            file, task=task, outputs=outputs, encoder=encoder, key=key, only=only
        )
    else:
        count = outputs if outputs is not None else _outputs(_first_state(file, key))
        recognised = RecognisedCard(_named(model, file.path, task, count), count)
        recognised = _of_file(recognised, file, key)
    return recognised if size is None else recognised.with_size(size, given=True)


def recognise_file(
    file: CheckpointFile,
    *,
    task: Task | None = None,
    outputs: int | None = None,
    encoder: str | None = None,
    key: str | None = None,
    only: str | None = None,
) -> RecognisedCard:
    """A card for a checkpoint that was read: see :func:`recognise`.

    Args:
        file: as it was read, from an absolute path.
        task, outputs, encoder, key, only: as of :func:`recognise`.

    Raises:
        ModelError: not recognised, or of another number of outputs.
    """
    stated = stated_facts(file.path, file.content)
    recognised = _recognised(file, task, encoder, stated, key, only)
    if outputs is not None and recognised.outputs != outputs:
        raise ModelError(
            f"{file.path} has {recognised.outputs} outputs, not {outputs}",
            "is it the checkpoint of this task?",
        )
    fields = {"task": task} if task is not None else {}
    recognised = recognised.update(checkpoint=str(file.path), **fields).with_stated(stated)
    return _of_file(recognised, file, key)


def _of_file(recognised: RecognisedCard, file: CheckpointFile, key: str | None) -> RecognisedCard:
    """With the options in the file, and the network that was named."""
    recognised = replace(recognised, options=options_of(file))
    return recognised if key is None else recognised.update(checkpoint_key=key)


def options_of(file: CheckpointFile) -> dict[str, Any]:
    """What a checkpoint holds beside its weights: names → plain data.

    Args:
        file: as it was read.
    """
    options = plain(file.content)
    return options if isinstance(options, dict) else {}


def _first_state(file: CheckpointFile, key: str | None) -> State:
    return next((n.state for n in file.networks if n.key == key), file.networks[0].state)


def _recognised(
    file: CheckpointFile,
    task: Task | None,
    encoder: str | None,
    stated: Stated,
    key: str | None,
    only: str | None,
) -> RecognisedCard:
    """The network of a file, or the only one of several that is known."""
    single, combined = _candidates(file, key)
    first_cards = partial(_first_cards, task=task, encoder=encoder, stated=stated, only=only)
    cards = first_cards(single) or first_cards(combined)
    if not cards:
        others = {} if encoder is None else first_cards(single, encoder=None)
        _check_encoder(file.path, encoder, others)
        raise _unknown(file.path, single[0].state, task)
    if len(cards) > 1 and not _all_the_same(file, list(cards)):
        raise several_networks(file.path, list(cards))
    return next(iter(cards.values()))


def _candidates(
    file: CheckpointFile, key: str | None
) -> tuple[list[StoredNetwork], list[StoredNetwork]]:
    """The networks that may be meant, and combinations of them; the named one alone."""
    if key is not None:
        return [_part(file, key)], []
    single = [network for network in file.networks if not network.combined]
    raw = [network for network in single if not is_averaged(network.key)]
    return raw or single, [network for network in file.networks if network.combined]


def _first_cards(
    networks: Sequence[StoredNetwork],
    task: Task | None,
    encoder: str | None,
    stated: Stated,
    only: str | None,
) -> dict[str, RecognisedCard]:
    """Key → card that fits best, of each network that is known."""
    cards = {}
    for network in networks:
        card = next(_matches(network.state, task, encoder, stated, only), None)
        if card is not None:
            cards[network.key] = card
    return cards


def _part(file: CheckpointFile, key: str) -> StoredNetwork:
    """The network of this name, or the part of one whose keys begin with it."""
    for network in file.networks:
        if network.key == key:
            return network
    for network in file.networks:
        start = f"{network.key}." if network.key else ""
        prefix = f"{key.removeprefix(start)}."
        part = {k: tensor for k, tensor in network.state.items() if k.startswith(prefix)}
        if part and key.startswith(start):
            return StoredNetwork(key, part)
    return only_network(file, key)


def _all_the_same(file: CheckpointFile, keys: list[str]) -> bool:
    states = [network.state for network in file.networks if network.key in keys]
    first = states[0]
    for state in states[1:]:
        if set(state) != set(first):
            return False
        if not all(same_tensor(state[name], first[name]) for name in first):
            return False
    return True


def _matches(
    state: State, task: Task | None, encoder: str | None, stated: Stated, only: str | None
) -> Iterator[RecognisedCard]:
    for version in _versions(state):
        for layout in _bare_first(version):
            if task in (None, "segmentation") and only is None:
                yield from segmenters(layout, encoder, stated)
            if task != "segmentation":
                yield from classifiers(layout, stated, only)
                yield from numbered_classifiers(layout, stated, only)


def _versions(state: State) -> Iterator[dict[str, Tensor]]:
    """The state dict, and it without what is outside the network and without second copies."""
    yield dict(state)
    inside = {}
    for key, tensor in state.items():
        if key.endswith(COUNTER) or not is_outside(key):
            inside[key] = tensor
    if len(inside) < len(state):
        yield inside
    for copies in sorted(copied_keys(inside), key=partial(_tears, inside)):
        yield {key: tensor for key, tensor in inside.items() if key not in copies}


def _tears(state: State, copies: Collection[str]) -> bool:
    """Whether a module would lose a part of its keys, as ``backbone`` all but its head."""
    rest = {key.partition(".")[0] for key in state if key not in copies}
    return not rest.isdisjoint(key.partition(".")[0] for key in copies)


def _bare_first(state: dict[str, Tensor]) -> list[dict[str, Tensor]]:
    """The layouts of a state, last those with one name before all keys, and it without that name.

    DataParallel or Lightning may have put it there, or a module around the network.
    """
    sorted_layouts = sorted(layouts(state), key=_has_one_first_name)
    if _has_one_first_name(state):
        sorted_layouts.append({key.partition(".")[2]: tensor for key, tensor in state.items()})
    return sorted_layouts


def _has_one_first_name(state: State) -> bool:
    names = {key.partition(".")[0] for key in state}
    return len(names) == 1


def _named(model: str | Path, file: Path, task: Task | None, outputs: int | None) -> Card:
    """The card that the caller named, with paths that hold anywhere."""
    card, base = read_card(model, checkpoint=file)
    if task is not None and card.task not in (None, task):
        raise UsageError(
            f"{model} is a {card.task} model, not one for {task}", "name a card of this task"
        )
    update: dict[str, Any] = {} if task is None else {"task": task}
    update["factory"] = anchored_factory(card.factory, base)
    transform = card.input.transform
    if transform is not None and factory_file(transform) is not None:
        update["input"] = card.input.model_copy(update={"transform": str(base / transform)})
    prefix = card.factory.partition(":")[0]
    if prefix in ZOO and is_factory(str(model)) and outputs is not None:
        update["args"] = {COUNTS.get(prefix, "num_classes"): outputs}
    return card.model_copy(update=update)


def _outputs(state: State) -> int | None:
    """Rows of the last weight that has more than one axis."""
    weights = [tensor for key, tensor in state.items() if key.endswith("weight")]
    rows = [int(weight.shape[0]) for weight in weights if weight.ndim > 1]
    return rows[-1] if rows else None


def _check_encoder(file: Path, encoder: str | None, others: Mapping[str, RecognisedCard]) -> None:
    """ModelError where the weights are those of another encoder than the named one."""
    names = {other.card.args.get("encoder_name") for other in others.values()} - {None, encoder}
    if names:
        stored = ", ".join(sorted(map(str, names)))
        raise ModelError(
            f"{file} has the weights of the encoder {stored}, not of {encoder}",
            f"give --encoder {stored}, or leave it out",
        )


def _unknown(file: Path, state: State, task: Task | None) -> ModelError:
    first = list(state.items())[:3]
    keys = [f"{key} {tuple(tensor.shape)}" for key, tensor in first]
    kinds = "classification networks of torchvision and timm"
    options = ""
    if task == "segmentation":
        kinds = "networks of segmentation-models-pytorch"
        options = "--architecture FPN --encoder resnet34, or "
    body = next(bodies(state), None)
    known = ""
    if body is not None and not body.names[0].startswith("camlucida."):
        # Packages share names.
        names = list(dict.fromkeys(map(bare, body.names)))
        known = f"its body is that of {', '.join(names[:3])}, its head is not: "
    return ModelError(
        f"{file} is no model that can be recognised ({kinds}): {known}"
        f"its {len(state)} keys begin with {', '.join(keys)}",
        f"say what builds it: give {options}--model CARD",
    )
