"""Write the table by which networks are recognised from the keys and shapes of a checkpoint.

Every classification network of torchvision and timm, and every encoder of
segmentation-models-pytorch, is built without weights and, where it can be, without memory.

    python scripts/architecture_table.py
"""

from __future__ import annotations

import argparse
import warnings
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import segmentation_models_pytorch as smp
import timm
import torch
import torchvision
from torch import nn

from camlucida.models.auxiliary import is_auxiliary
from camlucida.models.fingerprint import TABLE, Style, body_digest, style_of

OUT = Path(__file__).parents[1] / "src" / "camlucida" / "models" / TABLE

CLASSES = 1237
"""A number that no other size of a network has."""

Row = tuple[str, Style, str]


def versions() -> str:
    """The first line of the table: what it was made with."""
    packages = f"torchvision {torchvision.__version__.partition('+')[0]}, timm {timm.__version__}"
    return f"# {packages}, segmentation-models-pytorch {smp.__version__}"


def names() -> list[str]:
    """Every factory, and every encoder after ``encoder:``."""
    models = torchvision.models
    factories = [f"torchvision:{name}" for name in models.list_models(models)]
    factories += [f"timm:{name}" for name in timm.list_models()]
    encoders = [*smp.encoders.get_encoder_names(), *(f"tu-{name}" for name in timm.list_models())]
    return [*factories, *(f"encoder:{name}" for name in encoders)]


def build(name: str) -> nn.Module:
    """The network of this name, with :data:`CLASSES` outputs if it has a head."""
    package, _, model = name.partition(":")
    if package == "encoder":
        encoder: nn.Module = smp.encoders.get_encoder(model, weights=None)
        return encoder
    if package == "timm":
        network: nn.Module = timm.create_model(model, num_classes=CLASSES)
        return network
    return torchvision.models.get_model(model, weights=None, num_classes=CLASSES)


def row(name: str) -> Row | None:
    """Kind, style and digest of a network; None where it cannot be built."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    try:
        shapes = shapes_of(name)
    except Exception:  # noqa: BLE001  # of timm's networks, not each can be an encoder
        return None
    kind = "encoder" if name.startswith("encoder:") else "classifier"
    heads = [key.rpartition(".")[0] for key, shape in shapes.items() if shape[:1] == (CLASSES,)]
    heads.sort(key=is_auxiliary)  # the explained head first
    style = style_of(shapes, tuple(dict.fromkeys(heads)))
    return kind, style, body_digest(shapes, style)


def shapes_of(name: str) -> dict[str, tuple[int, ...]]:
    """Keys and shapes of a network."""
    try:
        with torch.device("meta"):
            state = build(name).state_dict()
    except (RuntimeError, NotImplementedError):  # its constructor computes with tensors
        if name.startswith("encoder:tu-"):
            raise
        state = build(name).state_dict()
    return {key: tuple(tensor.shape) for key, tensor in state.items()}


def main() -> None:
    """Write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=2, help="Processes.")
    workers = parser.parse_args().workers
    every = names()
    grouped: dict[Row, list[str]] = {}
    with ProcessPoolExecutor(workers) as pool:
        for name, made in zip(every, pool.map(row, every, chunksize=4), strict=True):
            if made is None:
                print(f"left out: {name}", flush=True)
            else:
                grouped.setdefault(made, []).append(name.removeprefix("encoder:"))
    lines = [versions()]
    for (kind, style, digest), members in grouped.items():
        columns = map(" ".join, (style.heads, style.parts, (digest,), members))
        lines.append("\t".join((kind, style.first, *columns)))
    OUT.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
