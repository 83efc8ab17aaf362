"""Synthetic chest radiographs with known evidence, and small models trained on them."""

from __future__ import annotations

from pathlib import Path

from camlucida.phantom.findings import FINDINGS
from camlucida.phantom.generator import Film, film, image

__all__ = [
    "FINDINGS",
    "Film",
    "cohort_cards",
    "film",
    "image",
    "is_packaged",
    "model_cards",
    "trial_cards",
]


def model_cards() -> dict[str, Path]:
    """Name → card of each packaged model, sorted by name."""
    return _cards("models")


def trial_cards() -> dict[str, Path]:
    """Name → card of each packaged model of the benchmark (``phantom.trial``), sorted by name."""
    return _cards("trial_models")


def cohort_cards() -> dict[str, Path]:
    """Name → card of each packaged model of the bundled cohorts, sorted by name."""
    return _cards("cohort_models")


def is_packaged(checkpoint: Path) -> bool:
    """Whether a checkpoint is that of a packaged model, all of which saw synthetic films alone.

    Args:
        checkpoint: a file, such as a copy that ``camlucida demo`` made.

    >>> card = model_cards()["honest_densenet"]
    >>> is_packaged(card.with_suffix(".safetensors")), is_packaged(card)
    (True, False)
    """
    content = checkpoint.read_bytes()
    packaged = Path(__file__).parent.glob("*/*.safetensors")
    same_size = (path for path in packaged if path.stat().st_size == len(content))
    return any(path.read_bytes() == content for path in same_size)


def _cards(folder: str) -> dict[str, Path]:
    cards = (Path(__file__).parent / folder).glob("*.toml")
    return {path.stem: path for path in sorted(cards)}
