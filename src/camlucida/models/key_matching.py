"""The keys of a file and the keys of a module: which prefix, which network, what is left over."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from itertools import combinations

import torch
from torch import Tensor

from camlucida.models.stored_networks import State, StoredNetwork, is_averaged

COUNTER = "num_batches_tracked"
"""Of a batch norm: used in training alone, and missing in old files."""

_WRAPPERS = ("module", "_orig_mod", "_fsdp_wrapped_module", "_forward_module")
"""What DataParallel, torch.compile, FSDP and Fabric put into keys, before any name."""

_MEASURES = (
    "auc auroc auprc acc accuracy f1 recall precision specificity sensitivity kappa mcc dice iou "
    "mae mse rmse r2 confmat"
).replace(" ", "|")
_COUNTERS = "n_averaged|total_ops|total_params|num_updates|initted|epoch|global_step|_extra_state"
_LOSSES = r"criterion\w*|loss(?:es|_fn|_func|_function)?|(?:pos|class|loss)_weights?"
_OUTSIDE = re.compile(
    rf"(?:^|[._])(?:{_MEASURES}|{_COUNTERS}|{_LOSSES}|metrics?(?:_\w+)?)(?=[.\d]|$)|"
    r"(?:^|\.)\w*(?:Loss|Metrics?|Accuracy|AUROC|Precision|Recall|F1Score|Dice)(?=[.\d]|$)"
)
"""Losses, metrics and counters by their names."""


@dataclass(frozen=True)
class Match:
    """A stored network whose keys are those of a module.

    Attributes:
        network: in the file.
        prefix: of its keys that the module's do not have; ends in a dot, or "".
        state: the module's keys → tensors of the file.
        covered: keys of the file that are used.
        extra: keys of the file that the module does not have.
    """

    network: StoredNetwork
    prefix: str
    state: dict[str, Tensor]
    covered: frozenset[str]
    extra: tuple[str, ...] = ()
    twice: tuple[str, ...] = field(default=())

    @property
    def name(self) -> str:
        """Where it is in the file: names with dots; "" for the whole file."""
        parts = f"{self.network.key}.{self.prefix}".strip(".").split(".")
        return ".".join(part for part in parts if part not in _WRAPPERS)

    @property
    def plain_prefix(self) -> str:
        """The prefix without wrappers and the last dot."""
        parts = self.prefix.strip(".").split(".")
        return ".".join(part for part in parts if part not in _WRAPPERS)

    @property
    def averaged(self) -> bool:
        """Whether these are averaged weights."""
        return is_averaged(self.name)


def matches(
    network: StoredNetwork, required: AbstractSet[str], optional: AbstractSet[str]
) -> Iterator[Match]:
    """The prefixes under which a stored network has all keys of a module.

    Args:
        network: in the file.
        required: keys of the module.
        optional: keys of the module that the file may have.
    """
    allowed = required | optional
    needed = {key for key in required if not key.endswith(f".{COUNTER}")} or required
    for keys in _spellings(network.state, needed):
        found = False
        for prefix in _prefixes(keys, needed):
            match = _match(network, keys, prefix, needed, allowed)
            if match is not None:
                found = True
                yield match
        if found:
            return
    yield from _with_put_on(network, needed, allowed)


def _match(
    network: StoredNetwork,
    keys: Mapping[str, str],
    prefix: str,
    needed: AbstractSet[str],
    allowed: AbstractSet[str],
) -> Match | None:
    names = {key.removeprefix(prefix): file for key, file in keys.items() if key.startswith(prefix)}
    if not needed <= set(names):
        return None
    used = {name: file for name, file in names.items() if name in allowed}
    state = {name: network.state[file] for name, file in used.items()}
    covered = frozenset(used.values())
    extra = tuple(key for key in network.state if key not in covered)
    return Match(network, prefix, state, covered, extra)


def _spellings(state: State, needed: AbstractSet[str]) -> Iterator[dict[str, str]]:
    """Key → key in the file: as it is there, and without wrappers anywhere."""
    yield {key: key for key in state}
    without = {_unwrapped(key): key for key in state}
    if len(without) == len(state) and set(without) != set(state):
        yield without


def _unwrapped(key: str) -> str:
    return ".".join(part for part in key.split(".") if part not in _WRAPPERS)


def _prefixes(keys: Mapping[str, str], needed: AbstractSet[str]) -> Iterator[str]:
    """What stands before the module's longest key, wherever the file has it."""
    anchor = max(needed, key=len, default="")
    for key in sorted(keys, key=len):
        prefix = key.removesuffix(anchor)
        if len(prefix) + len(anchor) == len(key) and (not prefix or prefix.endswith(".")):
            yield prefix


def _with_put_on(
    network: StoredNetwork, needed: AbstractSet[str], allowed: AbstractSet[str]
) -> Iterator[Match]:
    """The file lacks a name that all keys of the module begin with."""
    for prefix in _common(needed):
        shorter = {key.removeprefix(prefix) for key in needed}
        optional = {key.removeprefix(prefix) for key in allowed}
        for match in matches(network, shorter, optional):
            state = {prefix + key: tensor for key, tensor in match.state.items()}
            yield Match(network, match.prefix, state, match.covered, match.extra)
            return


def _common(keys: AbstractSet[str]) -> list[str]:
    """The first name of all keys, if they have one: ``["model."]``."""
    firsts = {key.partition(".")[0] for key in keys if "." in key}
    whole = all("." in key for key in keys)
    return [f"{next(iter(firsts))}."] if whole and len(firsts) == 1 else []


def left_over(match: Match, others: Sequence[Match]) -> tuple[list[str], list[str], list[str]]:
    """Keys of the file that a match does not use.

    Args:
        match: that is taken.
        others: of the same file.

    Returns:
        Keys of tensors that are stored twice; keys of losses, metrics and counters; and keys that
        may belong to the network.
    """
    elsewhere: set[str] = set()
    for other in others:
        if other.network is match.network and other.prefix != match.prefix:
            elsewhere |= other.covered
    twice, outside, unknown = [], [], []
    taken = {file: match.network.state[file] for file in match.covered}
    by_end = _by_end(taken)
    for key in match.extra:
        if key in elsewhere:
            continue
        if is_outside(key.removeprefix(match.prefix)):
            outside.append(key)
        elif _is_copy(key, match.network.state[key], by_end):
            twice.append(key)
        else:
            unknown.append(key)
    return twice, outside, unknown


def is_outside(key: str) -> bool:
    """Whether a key is that of a loss, a metric, a counter or an average, by its names.

    Args:
        key: without the prefix of the network.

    >>> is_outside("val_auc.thresholds"), is_outside("layer1.0.conv1.total_ops")
    (True, True)
    >>> is_outside("fc.weight")
    False
    """
    last = key.rpartition(".")[2]
    return last == COUNTER or is_averaged(key) or _OUTSIDE.search(key) is not None


def copied_keys(state: State) -> list[set[str]]:
    """Keys of tensors that a state dict holds under two names: the longer names; the shorter ones.

    Args:
        state: as it is in a file.

    >>> kernel = torch.ones(2, 2)
    >>> copied_keys({"conv.weight": kernel, "net.conv.weight": kernel})
    [{'net.conv.weight'}, {'conv.weight'}]
    """
    by_end: dict[str, list[str]] = {}
    for key in state:
        by_end.setdefault(_end(key), []).append(key)
    pairs: dict[str, list[tuple[str, str]]] = {}
    for keys in by_end.values():
        for first, second in combinations(keys, 2):
            short, long = sorted((first, second), key=len)
            if long.endswith(f".{short}") and same_tensor(state[short], state[long]):
                pairs.setdefault(long.removesuffix(short), []).append((short, long))
    longer: set[str] = set()
    shorter: set[str] = set()
    for copies in pairs.values():
        # The scales of fresh norms are equal by themselves; kernels are not.
        if any(state[short].ndim > 1 for short, _ in copies):
            shorter |= {short for short, _ in copies}
            longer |= {long for _, long in copies}
    return [longer, shorter] if longer else []


def _by_end(taken: State) -> dict[str, list[Tensor]]:
    """Last two names of a key → tensors."""
    ends: dict[str, list[Tensor]] = {}
    for key, tensor in taken.items():
        ends.setdefault(_end(key), []).append(tensor)
    return ends


def _end(key: str) -> str:
    return ".".join(key.split(".")[-2:])


def _is_copy(key: str, tensor: Tensor, by_end: Mapping[str, list[Tensor]]) -> bool:
    return any(same_tensor(tensor, other) for other in by_end.get(_end(key), ()))


def same_tensor(first: Tensor, second: Tensor) -> bool:
    """Whether two tensors have the same shape, type and values.

    Args:
        first, second: of any shape.

    >>> same_tensor(torch.ones(2), torch.ones(2)), same_tensor(torch.ones(2), torch.ones(3))
    (True, False)
    """
    if first.shape != second.shape or first.dtype != second.dtype:
        return False
    return first.data_ptr() == second.data_ptr() or torch.equal(first, second)


def distinct(found: Sequence[Match]) -> list[Match]:
    """Matches without those whose tensors another has already; their names are kept in ``twice``.

    Args:
        found: of one file.
    """
    kept: list[Match] = []
    for match in found:
        same = next((i for i, other in enumerate(kept) if _same_state(match, other)), None)
        if same is None:
            kept.append(match)
        else:
            other = kept[same]
            names = (*other.twice, match.name)
            kept[same] = Match(
                other.network, other.prefix, other.state, other.covered, other.extra, names
            )
    return kept


def _same_state(first: Match, second: Match) -> bool:
    if set(first.state) != set(second.state):
        return False
    return all(same_tensor(tensor, second.state[key]) for key, tensor in first.state.items())
