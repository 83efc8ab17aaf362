"""Files that training scripts write beside a checkpoint: JSON, YAML and TOML, read as data."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

NAMES = (
    *("training_config", "train_config", "config", "hparams", "args", "model_config", "summary"),
    "preprocessor_config",
)
"""Stems of the files, in the order in which they are read."""

_INNER_FOLDERS = ("checkpoints", "checkpoint", "weights", "models", "ckpt", "ckpts")
"""Of a training run, whose options lie in the folder above."""

_MAX_BYTES = 2**20


class _PlainLoader(yaml.SafeLoader):  # type: ignore[misc]
    """Of objects that a file names it takes the content."""


def _content(loader: Any, tag: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return loader.construct_scalar(node)


_PlainLoader.add_multi_constructor("", _content)


def side_files(checkpoint: Path) -> Iterator[tuple[str, Any]]:
    """Name and content of each file of options beside a checkpoint; a damaged one is left out.

    Args:
        checkpoint: its path. Where its folder is called ``checkpoints`` or the like, the folder
            above is searched as well.
    """
    folder = checkpoint.parent
    folders = [folder]
    if folder.name in _INNER_FOLDERS:
        folders.append(folder.parent)
    for place in folders:
        for stem in NAMES:
            for suffix, read in _READERS.items():
                file = place / f"{stem}{suffix}"
                content = _read(file, read)
                if isinstance(content, dict):
                    yield file.name, content


def _read(file: Path, read: Any) -> Any:
    try:
        if not file.is_file() or file.stat().st_size > _MAX_BYTES:
            return None
        return read(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, yaml.YAMLError, RecursionError):
        return None


def _yaml(text: str) -> Any:
    return yaml.load(text, _PlainLoader)  # a SafeLoader: it builds no objects


_READERS = {".json": json.loads, ".yaml": _yaml, ".yml": _yaml, ".toml": tomllib.loads}
