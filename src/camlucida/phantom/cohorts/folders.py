"""What every written cohort has: SYNTHETIC films and masks, a copy of its models, a README.txt."""

from __future__ import annotations

import shutil
import tomllib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from camlucida.core.files import write_bytes
from camlucida.io import write_synthetic_png
from camlucida.phantom.generator import Film

FILM_PX = 256
"""Side of the written films; the packaged models take them at 128."""

SYNTHETIC = """\
SYNTHETIC: drawn by camlucida.phantom, of no patient and no disease statistics. Research use only.
Every PNG says so in its text chunk; every figure made from it says SYNTHETIC.
"""


def write_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8, whole or not at all."""
    write_bytes(path, text.encode())


def write_readme(folder: Path, text: str) -> None:
    """Write ``README.txt``: that all is synthetic, then the contents of the folder."""
    write_text(folder / "README.txt", f"{SYNTHETIC}\n{text}")


def write_film(path: Path, film: Film) -> None:
    """Write the picture of a film, with its seed and findings in the PNG's text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = {"seed": film.seed, "findings": ", ".join(film.findings), "marker": film.marker or ""}
    write_synthetic_png(path, film.image, text)


def write_mask(path: Path, mask: NDArray[np.bool_]) -> None:
    """Write a mask (H, W) as PNG, 255 inside."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_synthetic_png(path, np.where(mask, np.uint8(255), np.uint8(0)))


def copy_model(card: Path, folder: Path) -> Path:
    """Copy a packaged card and its weights into a folder, so that the cohort can be moved.

    Returns:
        the copy of the card.
    """
    folder.mkdir(parents=True, exist_ok=True)
    weights = card.parent / tomllib.loads(card.read_text("utf-8"))["checkpoint"]
    for file in (card, weights):
        shutil.copyfile(file, folder / file.name)
    return folder / card.name


def write_checkpoint(card: Path, path: Path) -> None:
    """Write a packaged model's weights as training scripts save them: a float32 state dict."""
    import torch

    from camlucida.models import load_model

    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(load_model(card, device="cpu").module.state_dict(), path)


def card_for(card: Path, checkpoint: str) -> str:
    """The text of a packaged card with another checkpoint, relative to where it will lie."""
    lines = card.read_text("utf-8").splitlines()
    for number, line in enumerate(lines):
        if line.startswith("checkpoint = "):
            lines[number] = f'checkpoint = "{checkpoint}"'
    return "\n".join(lines) + "\n"
