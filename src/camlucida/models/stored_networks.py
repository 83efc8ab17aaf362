"""The networks that the content of a checkpoint holds, each with the path of its place there.

A training script saves a state dict by itself, under a name, beside the averaged weights, one for
each of several networks, or a whole module; a program of TorchScript holds one as well.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from camlucida.io.pickles import Stub, as_mapping

State = Mapping[str, Tensor]
"""A state dict: names of parameters and buffers → tensors."""

Form = Literal["state_dict", "module", "torchscript"]

_NOT_NETWORKS = re.compile(
    r"optim|sched|scaler|rng|callback|loops|amp$|history|metrics?$|args$|cfg|config|hparams|hyper",
    re.IGNORECASE,
)
"""Names under which training scripts keep tensors that are no network's."""

_AVERAGED = re.compile(
    r"(?:^|[_.])(?:ema|swa|averaged?|avg|moving_average|shadow|polyak)(?:[_.\d]|$)", re.IGNORECASE
)

_MAX_DEPTH = 5
_MAX_PARTS = 20_000
_MAX_LISTED = 64

_OLD_DENSENET = re.compile(r"(.*denselayer\d+\.(?:norm|conv))\.([12]\.\w+)")
"""Names of DenseNet's layers before PyTorch 0.4, which torchvision renames as well; CheXNet's
public weights have them."""


@dataclass(frozen=True)
class StoredNetwork:
    """A state dict and where it is.

    Attributes:
        key: names of the dictionaries around it, with dots; "" for the file itself.
        state: names as they are in the file → tensors.
        form: how it is stored.
        class_name: of a module.
        combined: whether it is made of several state dicts beside each other.
    """

    key: str
    state: State
    form: Form = "state_dict"
    class_name: str = ""
    combined: bool = False


def is_averaged(name: str) -> bool:
    """Whether a name is that of weights averaged over training steps.

    Args:
        name: of a dictionary, or a prefix of keys.

    >>> is_averaged("model_ema"), is_averaged("state_dict"), is_averaged("schema")
    (True, False, False)
    """
    return _AVERAGED.search(name) is not None


def stored_networks(content: object, torchscript: bool = False) -> list[StoredNetwork]:
    """The networks in the content of a file; larger ones first where some have no matrix at all.

    Args:
        content: as :func:`camlucida.io.pickles.read_pickled` gives it.
        torchscript: whether it is that of a program.

    >>> import torch
    >>> content = {"epoch": 3, "model": {"fc.weight": torch.ones(1, 2)}}
    >>> [network.key for network in stored_networks(content)]
    ['model']
    """
    if torchscript:
        state = dict(_network_tensors(content, _of_program))
        return [StoredNetwork("", state, "torchscript", _class_name(content))] if state else []
    networks = list(_walk(content))
    with_layers = [network for network in networks if _has_a_layer(network.state)]
    networks = with_layers or networks
    return [*networks, *_combined(networks)]


def _has_a_layer(state: State) -> bool:
    return any(tensor.ndim > 1 for tensor in state.values())


def _walk(content: object) -> Iterator[StoredNetwork]:
    pending = [("", content, 0)]
    seen: set[int] = set()
    while pending:
        key, value, depth = pending.pop(0)
        if id(value) in seen or len(seen) > _MAX_PARTS:
            continue
        seen.add(id(value))
        if is_module(value):
            state = dict(_network_tensors(value, _of_module))
            yield StoredNetwork(key, state, "module", _class_name(value))
            continue
        mapping = as_mapping(value)
        if mapping is None and isinstance(value, (list, tuple)):
            mapping = dict(enumerate(value[:_MAX_LISTED]))  # a state dict a fold or member
        if mapping is None:
            continue
        if _is_state(mapping, key):
            yield StoredNetwork(key, _tensors(mapping))
        elif depth < _MAX_DEPTH:
            pending += [
                (f"{key}.{name}".lstrip("."), part, depth + 1) for name, part in _parts(mapping)
            ]


def _parts(mapping: Mapping[Any, Any]) -> Iterator[tuple[str, Any]]:
    for name, part in mapping.items():
        if isinstance(name, (str, int)) and not _NOT_NETWORKS.search(str(name)):
            yield str(name), part


def _tensors(mapping: Mapping[Any, Any]) -> dict[str, Tensor]:
    """The tensors of a dictionary; arrays too, where names of layers show that they are weights."""
    are_weights = any(str(key).endswith((".weight", ".bias")) for key in mapping)
    tensors = {}
    for key, value in mapping.items():
        if are_weights and isinstance(value, np.ndarray) and value.dtype.kind in "fiub":
            native = np.array(value, value.dtype.newbyteorder("="))
            value = torch.from_numpy(native)
        if isinstance(key, str) and isinstance(value, Tensor):
            tensors[_OLD_DENSENET.sub(r"\1\2", key)] = value
    return tensors


def _is_state(mapping: Mapping[Any, Any], key: str) -> bool:
    """Whether a dictionary is a state dict, which may hold other things between its tensors."""
    tensors = _tensors(mapping)
    if not tensors:
        return False
    if len(tensors) == len(mapping):
        return True
    # A script may also add its numbers to the state dict, or the state dict to its numbers.
    return any(name.endswith((".weight", ".bias")) for name in tensors)


def is_module(value: object) -> bool:
    """Whether an object of a pickle is a module of PyTorch.

    Args:
        value: from a pickle.
    """
    if not isinstance(value, Stub):
        return False
    return {"_parameters", "_modules"} <= set(value.state)


def _class_name(value: object) -> str:
    return value.name if isinstance(value, Stub) else ""


def _network_tensors(
    network: object, attributes: Callable[[Stub], Mapping[str, Any]]
) -> Iterator[tuple[str, Tensor]]:
    """Tensors of a network and its modules, by the names that its state dict would have.

    Args:
        network: a module that was stored whole, or a program of TorchScript.
        attributes: its tensors and modules, by name.
    """
    pending = [("", network)]
    seen: set[int] = set()
    while pending:
        path, part = pending.pop(0)
        if id(part) in seen or not isinstance(part, Stub):
            continue
        seen.add(id(part))
        for name, value in attributes(part).items():
            if isinstance(value, Tensor):
                yield f"{path}{name}", value
            else:
                pending.append((f"{path}{name}.", value))


def _of_module(module: Stub) -> dict[str, Any]:
    """Parameters, buffers and modules; buffers that no state dict holds are left out."""
    fleeting = module.state.get("_non_persistent_buffers_set") or ()
    attributes: dict[str, Any] = {}
    for table in ("_parameters", "_buffers", "_modules"):
        attributes.update(as_mapping(module.state.get(table)) or {})
    return {name: value for name, value in attributes.items() if name not in fleeting}


def _of_program(module: Stub) -> Mapping[str, Any]:
    """Modules of a program are plain objects."""
    return module.state


def _combined(networks: list[StoredNetwork]) -> Iterator[StoredNetwork]:
    """State dicts beside each other, as one: a backbone and a head that are saved apart."""
    beside: dict[str, list[StoredNetwork]] = {}
    for network in networks:
        parent, _, name = network.key.rpartition(".")
        if name and not is_averaged(name):
            beside.setdefault(parent, []).append(network)
    for parent, parts in beside.items():
        if len(parts) < 2:
            continue
        state: dict[str, Tensor] = {}
        for part in parts:
            name = part.key.rpartition(".")[2]
            state |= {f"{name}.{key}": tensor for key, tensor in part.state.items()}
        yield StoredNetwork(parent, state, combined=True)
