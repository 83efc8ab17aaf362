"""Synthetic chest radiographs with known evidence, and small models trained on them."""

from __future__ import annotations

from pathlib import Path

from camlucida.phantom.findings import FINDINGS
from camlucida.phantom.generator import Film, film, image

__all__ = ["FINDINGS", "Film", "cohort_cards", "film", "image", "model_cards", "trial_cards"]


def model_cards() -> dict[str, Path]:
    """Name → card of each packaged model, sorted by name."""
    return _cards("models")


def trial_cards() -> dict[str, Path]:
    """Name → card of each packaged model of the benchmark (``phantom.trial``), sorted by name."""
    return _cards("trial_models")


def cohort_cards() -> dict[str, Path]:
    """Name → card of each packaged model of the bundled cohorts, sorted by name."""
    return _cards("cohort_models")


def _cards(folder: str) -> dict[str, Path]:
    cards = (Path(__file__).parent / folder).glob("*.toml")
    return {path.stem: path for path in sorted(cards)}
