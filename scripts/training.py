"""Inputs, weights, cards, records and command line of the scripts that train packaged models."""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

MODEL_PX = 128
TORCH = torch.__version__.split("+")[0]
"""Goes into the records."""


def to_input(images: Tensor) -> Tensor:
    """(B, 128, 128) uint8 → (B, 1, 128, 128) float32 in [−1, 1]."""
    return images[:, None].float() / 127.5 - 1


def save(model: nn.Module, path: Path, *, half: bool = True) -> None:
    """Weights, as float16 by default: what is packaged is what is measured."""
    state = model.state_dict()
    if half:
        state = {
            key: value.half() if value.is_floating_point() else value
            for key, value in state.items()
        }
    save_file({key: value.contiguous() for key, value in state.items()}, path)
    path.chmod(
        0o644
    )  # safetensors writes for the owner alone; an installed package has other readers


def load(model: nn.Module, path: Path) -> nn.Module:
    """The packaged weights in a network, as float32 for computing."""
    model.load_state_dict(load_file(path))
    return model.eval()


def interval95(spread: ArrayLike) -> list[float]:
    """The 95 % percentile interval of resampled figures, NaN left out."""
    low, high = np.nanpercentile(spread, [2.5, 97.5])
    return [round(float(low), 4), round(float(high), 4)]


def write_card(
    path: Path,
    *,
    title: str,
    description: str,
    factory: str,
    task: str,
    labels: Sequence[str],
    layer: str = "features",
) -> None:
    """The model card ``path``, ``NAME.toml``, of the weights ``NAME.safetensors`` beside it."""
    path.write_text(
        f'name = "{title}"\n'
        f'description = "{description}"\n'
        f'factory = "camlucida.phantom.nets:{factory}"\n'
        f"args = {{ num_classes = {len(labels)} }}\n"
        f'checkpoint = "{path.stem}.safetensors"\n'
        f'task = "{task}"\n'
        f"labels = [{', '.join(map(json.dumps, labels))}]\n"
        'output = "logits"\n'
        f'layer = "{layer}"\n'
        "\n[input]\n"
        f"size = {MODEL_PX}\n"
        "channels = 1\n"
        "range = [-1.0, 1.0]\n"
        'resize = "antialias"\n',
        "utf-8",
    )


def record(folder: Path, name: str, entry: dict[str, Any]) -> None:
    """Puts one model's entry into ``folder/training.json``; the others stay."""
    path = folder / "training.json"
    entries = json.loads(path.read_text("utf-8")) if path.exists() else {}
    entries[name] = entry
    path.write_text(json.dumps(dict(sorted(entries.items())), indent=2) + "\n", "utf-8")


def main(
    about: str | None,
    names: Iterable[str],
    folder: Path,
    work: str,
    make: Callable[[str, Path, bool], None],
) -> None:
    """The command line of a script.

    Args:
        about: its docstring.
        names: of the models that it can make.
        folder: of the packaged files.
        work: folder of drawn films, below the system's own for temporary files.
        make: (name, folder of drawn films, keep the weights) → the model's files.
    """
    parser = argparse.ArgumentParser(description=(about or "").splitlines()[0])
    parser.add_argument(
        "--only", choices=sorted(names), action="append", help="train this model; may be repeated"
    )
    parser.add_argument(
        "--work",
        type=Path,
        default=Path(tempfile.gettempdir()) / work,
        help="folder of drawn films",
    )
    parser.add_argument(
        "--measure-only",
        action="store_true",
        help="keep the weights, measure and write cards again",
    )
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    folder.mkdir(exist_ok=True)
    for name in arguments.only or names:
        make(name, arguments.work, arguments.measure_only)
