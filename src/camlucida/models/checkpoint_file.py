"""A checkpoint as a file: what it holds, as data, or one line on why it cannot be read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from camlucida.core.errors import ModelError, did_you_mean
from camlucida.core.files import reading
from camlucida.io.pickles import PickleDamage, Stub, read_pickled
from camlucida.models.stored_networks import StoredNetwork, stored_networks

SUFFIXES = (".pth", ".pt", ".safetensors", ".ckpt", ".bin", ".tar", ".pkl", ".pickle")
"""Of checkpoints."""

_AGAIN = "it may be cut short or damaged: copy or download it again"
RESAVE = "re-save it where it was trained: torch.save(model.state_dict(), 'weights.pth')"
"""What helps where a file cannot be used."""

_TEXTS = (".json", ".yaml", ".yml", ".csv", ".tsv", ".txt", ".md", ".py", ".ini", ".cfg")
"""Of files that lie beside checkpoints, whose text would be read as a damaged pickle."""

_OTHER_KINDS = {
    b"\x89HDF": "an HDF5 file, of Keras for instance",
    b"GGUF": "a GGUF file of a language model",
    b"%PDF": "a PDF document",
    b"\x1f\x8b": "compressed with gzip: decompress it first",
}
"""First bytes of files that are no checkpoint of PyTorch → what they are."""


@dataclass(frozen=True)
class CheckpointFile:
    """What a file of weights holds.

    Attributes:
        path: of the file.
        networks: state dicts in it, at least one.
        content: all of it, as :func:`camlucida.io.pickles.read_pickled` gives it.
    """

    path: Path
    networks: tuple[StoredNetwork, ...]
    content: Any


def read_checkpoint(path: str | Path) -> CheckpointFile:
    """Read a checkpoint as data; nothing in it is run.

    Args:
        path: a file of ``torch.save``, ``pickle.dump``, ``torch.jit.save`` or safetensors.

    Raises:
        ModelError: no such file, a damaged one, or one without a network.

    >>> import torch
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     torch.save({"net": {"weight": torch.ones(2)}}, f"{folder}/a.pth")
    ...     read_checkpoint(f"{folder}/a.pth").networks[0].key
    'net'
    """
    path = Path(path)
    head = _head(path)
    if path.suffix == ".safetensors" or (head[8:9] == b"{" and head[:2] != b"PK"):
        state, metadata = _safetensors(path)
        return CheckpointFile(path, tuple(stored_networks(state)), metadata)
    try:
        with reading(path, ModelError, "the checkpoint"):
            file = read_pickled(path)
    except PickleDamage as error:
        what = f"{path.name} is not a readable checkpoint: {error}"
        raise ModelError(what, _AGAIN) from error
    networks = stored_networks(file.content, file.torchscript)
    if not networks:
        raise _without_network(path, file.content)
    return CheckpointFile(path, tuple(networks), file.content)


def _safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        state = safetensors.torch.load_file(path)
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
    except (SafetensorError, OSError, ValueError) as error:
        text = " ".join(str(error).split())[:200]
        raise ModelError(f"{path.name} is not a whole safetensors file: {text}", _AGAIN) from error
    return state, dict(metadata)


def _head(path: Path) -> bytes:
    """The first bytes of a file that may be a checkpoint."""
    with reading(path, ModelError, "the checkpoint"):
        if not path.exists():
            raise _missing(path)
        if not path.is_file():
            raise ModelError(f"the checkpoint {path} is a folder, not a file")
        with path.open("rb") as file:
            head = file.read(512)
    text = head.lstrip().lower()
    if not head:
        raise ModelError(f"the checkpoint {path.name} is empty", _AGAIN)
    if text.startswith((b"<!doctype", b"<html", b"<?xml", b"<head")):
        raise ModelError(
            f"{path.name} is a web page, not a checkpoint",
            "the download gave a page: fetch the file itself",
        )
    if path.suffix.lower() == ".toml":
        raise ModelError(
            f"{path.name} is a model card, not a checkpoint",
            "give it as --model; a checkpoint is the file of weights that it names",
        )
    if path.suffix.lower() in _TEXTS:
        raise ModelError(
            f"{path.name} is a text file, not a checkpoint",
            "give the file of weights: .pth, .pt, .ckpt, .safetensors",
        )
    if text.startswith(b"version https://git-lfs"):
        raise ModelError(
            f"{path.name} is a Git LFS pointer, not the checkpoint", "fetch it with: git lfs pull"
        )
    for start, kind in _OTHER_KINDS.items():
        if head.startswith(start):
            raise ModelError(f"{path.name} is no checkpoint of PyTorch: it is {kind}")
    return head


def _missing(path: Path) -> ModelError:
    if not path.parent.is_dir():
        return ModelError(f"no checkpoint {path}: there is no folder {path.parent}")
    files = sorted(p.name for p in path.parent.iterdir() if p.suffix in SUFFIXES)
    fix = "there is none in that folder"
    if files:
        fix = did_you_mean(path.name, files)
    return ModelError(f"no checkpoint {path}", fix)


def _without_network(path: Path, content: object) -> ModelError:
    if isinstance(content, Stub):
        name = content.name if re.fullmatch(r"[\w.]{1,100}", content.name) else "another class"
        what = f"{path.name} holds an object ({name}) without tensors that could be a network's"
        return ModelError(f"{what}; it was not built and nothing of it was run", RESAVE)
    if not isinstance(content, dict):
        kind = type(content).__name__
        return ModelError(f"{path.name} holds a {kind}, not a state dict", RESAVE)
    keys = ", ".join(str(key) for key in list(content)[:5] if isinstance(key, (str, int)))
    rest = ", …" if len(content) > 5 else ""
    what = f"{path.name} holds no state dict: its keys are {keys or 'nothing'}{rest}"
    return ModelError(what, RESAVE)
