"""Checkpoints: weights of a file into a module, all of them or none, and nothing that runs."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from camlucida.core.errors import ModelError
from camlucida.core.messages import Message, declare
from camlucida.models.checkpoint_file import CheckpointFile, read_checkpoint
from camlucida.models.key_matching import COUNTER, Match, distinct, left_over, matches
from camlucida.models.stored_networks import State, StoredNetwork, is_averaged

__all__ = ["State", "load_checkpoint", "load_state", "only_network", "weights_sha256"]

declare(
    "checkpoint",
    {
        "averaged_beside": (
            "the file holds raw and averaged weights: the raw ones ('{taken}') were taken; "
            'checkpoint_key = "{averaged}" takes the averaged ones'
        ),
        "averaged": "the weights are averaged over training steps ('{taken}')",
        "chosen": "the weights at '{taken}' were taken, as requested; the file also has {others:,}",
        "others": "the weights at '{taken}' were taken; the file also holds {others:,}",
        "twice": "the file stores the same tensors twice, also at {names:,}: read once",
        "copies": (
            "{count} {count:|tensor is|tensors are} stored twice, under other names "
            "({examples:,}): read once"
        ),
        "left_out": ("{count} {count:|tensor|tensors} outside the network left out: {examples:,}"),
        "outputs": ("{outputs} {outputs:|output|outputs}, as the checkpoint has them"),
        "prefix": "'{prefix}' was taken off the keys of the file",
        "module": (
            "the file holds a whole module ({class}); its weights were read as data, and none of "
            "its code was run"
        ),
        "torchscript": (
            "the file holds a program of TorchScript; its weights were read as data, and none of "
            "its code was run"
        ),
    },
)

_WRAPPERS = ("module.", "model.", "_orig_mod.", "_forward_module.")
"""What DataParallel, Lightning, torch.compile and Fabric put before each key."""


def load_state(path: str | Path, key: str | None = None) -> dict[str, Tensor]:
    """The state dict of the only network in a file, or of the one that is not averaged.

    Args:
        path: see :func:`~camlucida.models.checkpoint_file.read_checkpoint`.
        key: which of several networks: names with dots.

    Returns:
        names → tensors on the CPU, with the names as they are in the file.

    Raises:
        ModelError: no such file, a damaged one, one without a network, or one with several.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     torch.save({"state_dict": {"weight": torch.ones(2)}}, f"{folder}/a.pth")
    ...     load_state(f"{folder}/a.pth")
    {'weight': tensor([1., 1.])}
    """
    return dict(only_network(read_checkpoint(path), key).state)


def only_network(file: CheckpointFile, key: str | None = None) -> StoredNetwork:
    """The network that is meant where the module is not known yet.

    Args:
        file: as it was read.
        key: which of several: names with dots.

    Raises:
        ModelError: there are several, or none of that name.
    """
    single = [network for network in file.networks if not network.combined]
    if key is not None:
        named = [network for network in file.networks if network.key == key]
        if not named:
            raise _no_such_key(file.path, key, [network.key for network in file.networks])
        return named[0]
    raw = [network for network in single if not is_averaged(network.key)]
    if len(raw) == 1 or len(single) == 1:
        return (raw or single)[0]
    raise several_networks(file.path, [network.key for network in single])


def load_checkpoint(
    module: nn.Module, path: str | Path, key: str | None = None
) -> tuple[Message, ...]:
    """Load the weights of a file into a module, all of them or none.

    The file may hold the state dict under any name, with any one prefix before its keys, more than
    one network, and losses, metrics and counters beside them. A buffer that is None in the module
    may be there or not: the operating points of a TorchXRayVision model belong to its weights.

    Args:
        module: changed in place.
        path: see :func:`~camlucida.models.checkpoint_file.read_checkpoint`.
        key: which network, where several fit: names with dots, as an error lists them.

    Returns:
        What was taken, where it could have been another, and what was left out.

    Raises:
        ModelError: the file cannot be read, a key or shape does not match, or more than one network
            fits; nothing is loaded.
    """
    return load_file(module, read_checkpoint(path), key)


def load_file(
    module: nn.Module, file: CheckpointFile, key: str | None = None
) -> tuple[Message, ...]:
    """Load the weights of a file that was read, with the errors of :func:`load_checkpoint`.

    Args:
        module: changed in place.
        file: as it was read.
        key: which network, where several fit.
    """
    present = module.state_dict()
    weights = {key: value for key, value in present.items() if isinstance(value, Tensor)}
    empty = _empty_buffers(module)
    found = _found(file, set(weights), set(empty), key)
    if not found:
        raise _mismatch(file, set(weights), set(empty), key)
    fitting = [match for match in found if not _differences(match.state, weights)]
    if not fitting:
        raise _other_shapes(file.path, found[0].state, weights)
    match = _chosen(file.path, fitting)
    twice, outside, unknown = left_over(match, found)
    if unknown and key is None:
        raise _unexpected(file.path, match, unknown, len(weights))
    for name in set(match.state) - set(weights):
        owner, buffer = empty[name]
        owner.register_buffer(buffer, torch.zeros_like(match.state[name]))
    state = OrderedDict({**present, **match.state})
    # A module without the version of its weights takes them for those of its first version.
    state._metadata = present._metadata  # type: ignore[attr-defined]
    module.load_state_dict(state, strict=True)
    return (*_origin(file, match, fitting, key), *_left_out(twice, [*outside, *unknown]))


def stored_outputs(module: nn.Module, file: CheckpointFile, key: str | None = None) -> int | None:
    """How many outputs a file's network has, if it differs from a module in nothing else.

    Args:
        module: with another number of outputs, perhaps.
        file: as it was read.
        key: which network.
    """
    weights = module.state_dict()
    for match in _found(file, set(weights), set(), key):
        different = [
            (tensor.shape, weights[name].shape)
            for name, tensor in match.state.items()
            if tensor.shape != weights[name].shape
        ]
        counts = {stored[0] for stored, _ in different if stored}
        if len(counts) == 1 and all(stored[1:] == built[1:] for stored, built in different):
            return int(counts.pop())
    return None


def _found(
    file: CheckpointFile, required: set[str], optional: set[str], key: str | None
) -> list[Match]:
    """Matches of single networks, else of several that make one together."""
    for combined in (False, True):
        found: list[Match] = []
        for network in file.networks:
            if network.combined == combined:
                found += matches(network, required, optional)
        if key is not None:
            found = [match for match in found if key.strip(".") in (match.name, match.network.key)]
        if found:
            return found
    return []


def _chosen(path: Path, fitting: Sequence[Match]) -> Match:
    """The match that is meant: the only one, or the only one that is not averaged."""
    different = distinct(fitting)
    raw = [match for match in different if not match.averaged]
    if len(different) > 1 and len(raw) != 1:
        raise several_networks(path, [match.name for match in different])
    return (raw or different)[0]


def _origin(
    file: CheckpointFile, match: Match, fitting: Sequence[Match], key: str | None
) -> Iterator[Message]:
    """Which weights were taken and how, where it could have been others."""
    yield from _choice(file, match, fitting, key)
    if match.twice:
        yield Message("checkpoint.twice", {"names": [name or "the top" for name in match.twice]})
    if match.network.form == "module":
        yield Message("checkpoint.module", {"class": match.network.class_name})
    elif match.network.form == "torchscript":
        yield Message("checkpoint.torchscript")
    if match.plain_prefix not in ("", "model", "net"):
        yield Message("checkpoint.prefix", {"prefix": match.prefix})


def _choice(
    file: CheckpointFile, match: Match, fitting: Sequence[Match], key: str | None
) -> Iterator[Message]:
    taken = match.name or "the file itself"
    names = [other.name for other in distinct(fitting) if other.name != match.name]
    averaged = [name for name in names if is_averaged(name)]
    others = _other_networks(file, match, fitting if key is None else [match])
    if key is not None:
        if others:
            yield Message("checkpoint.chosen", {"taken": taken, "others": others})
        others = []
    elif averaged:
        values = {"taken": taken, "averaged": averaged[0]}
        yield Message("checkpoint.averaged_beside", values)
    elif match.averaged:
        yield Message("checkpoint.averaged", {"taken": taken})
    if others:
        yield Message("checkpoint.others", {"taken": taken, "others": others})


def _other_networks(file: CheckpointFile, match: Match, fitting: Sequence[Match]) -> list[str]:
    """Networks of the file that are another architecture than the module."""
    if match.network.combined:
        return []
    fit = [id(other.network) for other in fitting]
    others = [network for network in file.networks if not network.combined]
    return [network.key for network in others if id(network) not in fit]


def _left_out(twice: Sequence[str], outside: Sequence[str]) -> Iterator[Message]:
    if twice:
        yield Message("checkpoint.copies", {"count": len(twice), "examples": _few(twice)})
    named = [key for key in outside if not key.endswith(f".{COUNTER}")]
    if named:
        yield Message("checkpoint.left_out", {"count": len(named), "examples": _few(named)})


def _few(keys: Sequence[str], limit: int = 3) -> list[str]:
    return [*keys[:limit], "…"] if len(keys) > limit else list(keys)


def _empty_buffers(module: nn.Module) -> dict[str, tuple[nn.Module, str]]:
    """Key → module and name of each buffer that is None."""
    empty = {}
    for path, part in module.named_modules():
        for name, value in part._buffers.items():
            if value is None:
                empty[f"{path}.{name}".lstrip(".")] = (part, name)
    return empty


def _differences(state: State, weights: State) -> list[str]:
    """Tensors whose shapes differ, in the order of the model."""
    shapes = []
    for key, expected in weights.items():
        tensor = state.get(key)
        if tensor is not None and not is_lazy(expected) and tensor.shape != expected.shape:
            shapes.append(f"{key}: file {_shape(tensor)} vs model {_shape(expected)}")
    return shapes


def _other_shapes(path: Path, state: State, weights: State) -> ModelError:
    shapes = _differences(state, weights)
    count = f"{len(shapes)} of {len(weights)} shapes differ"
    return ModelError(
        f"{path.name} does not fit the model: {count}: {_first(shapes, '; ')}",
        "the factory's args (number of classes, channels, width) must be those of training",
    )


def weights_sha256(module: nn.Module) -> str:
    """A hash of a state dict's names, types, shapes and bytes, whatever its file or device.

    Args:
        module: any.

    Returns:
        64 hexadecimal digits.

    >>> weights_sha256(nn.ReLU()) == weights_sha256(nn.Flatten())
    True
    """
    digest = hashlib.sha256()
    for key, value in sorted(module.state_dict().items()):
        if isinstance(value, Tensor):
            head = f"{key}|{value.dtype}|{tuple(value.shape)}|"
            digest.update(head.encode())
            flat = value.detach().cpu().contiguous().reshape(-1)
            # As bytes, because NumPy has no bfloat16; in place, for to copy takes longer.
            digest.update(flat.view(torch.uint8).numpy().data)
        else:  # a module's own extra state
            digest.update(f"{key}|{value!r}|".encode())
    return digest.hexdigest()


def _wrapper(state: State) -> str | None:
    """The first wrapper's prefix that a key begins with."""
    for prefix in _WRAPPERS:
        if any(key.startswith(prefix) for key in state):
            return prefix
    return None


def layouts(state: dict[str, Tensor]) -> Iterator[dict[str, Tensor]]:
    """The state as it is, with wrappers' prefixes taken off, and with prefixes put on.

    Args:
        state: as it is in a file.

    >>> [list(layout) for layout in layouts({"module.weight": torch.ones(1)})]
    [['module.weight'], ['weight'], ['module.weight'], ['model.weight']]
    """
    yield state
    stripped = state
    while prefix := _wrapper(stripped):
        shorter = {key.removeprefix(prefix): value for key, value in stripped.items()}
        if len(shorter) < len(stripped):  # two keys would become one
            break
        stripped = shorter
        yield stripped
    for prefix in ("module.", "model."):
        yield {prefix + key: value for key, value in stripped.items()}


def several_networks(path: Path, names: Sequence[str]) -> ModelError:
    """The error that asks which of several networks is meant.

    Args:
        path: of the file.
        names: of the networks in it.
    """
    shown = _first([f"'{name}'" for name in names if name], limit=12)
    return ModelError(
        f"{path.name} holds several networks: {shown}",
        'say which: checkpoint_key = "…" in the card, or --checkpoint-key',
    )


def _no_such_key(path: Path, key: str, names: Sequence[str]) -> ModelError:
    shown = _first([f"'{name}'" for name in dict.fromkeys(names) if name], limit=12)
    known = f"it holds {shown}" if shown else "the network is the file itself"
    return ModelError(f"{path.name} has no network at '{key}'", known)


def _unexpected(path: Path, match: Match, keys: Sequence[str], total: int) -> ModelError:
    what = (
        f"{path.name} does not fit the model ({total} keys): {len(keys)} unexpected "
        f"({_first(sorted(keys))}); nothing was loaded"
    )
    fix = "the factory must build the architecture that was trained"
    if match.name:
        fix += f', or checkpoint_key = "{match.name}" takes this part of the file alone'
    return ModelError(what, fix)


def _mismatch(
    file: CheckpointFile, required: set[str], optional: set[str], key: str | None
) -> ModelError:
    networks = [network for network in file.networks if key in (None, network.key)]
    if not networks:
        return _no_such_key(file.path, str(key), [network.key for network in file.networks])
    candidates: list[set[str]] = []
    for network in networks:
        candidates += [set(layout) for layout in layouts(dict(network.state))]
    closest = max(candidates, key=lambda keys: len(required & keys))
    parts = []
    unexpected = closest - required - optional
    for name, keys in (("missing", required - closest), ("unexpected", unexpected)):
        if keys:
            parts.append(f"{len(keys)} {name} ({_first(sorted(keys))})")
    what = (
        f"{file.path.name} does not fit the model ({len(required)} keys): {', '.join(parts)}; "
        "nothing was loaded"
    )
    return ModelError(what, "the factory must build the architecture that was trained")


def _first(names: list[str], separator: str = ", ", limit: int = 5) -> str:
    return separator.join(_few(names, limit))


def _shape(tensor: Tensor) -> str:
    sizes = ", ".join(map(str, tensor.shape))
    return f"({sizes})"
