"""How often intervals hold the true value: simulated, and the table of it in the documentation.

    python scripts/interval_coverage.py

writes the table of docs/concepts/chance-level.md. A test fails while the page differs from it.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from camlucida.metrics.bootstrap import Sampling, draws
from camlucida.metrics.intervals import limits, wilson

Floats = NDArray[np.float64]

PAGE = Path(__file__).parents[1] / "docs" / "concepts" / "chance-level.md"
GENERATED = re.compile(r"(<!-- generated: coverage -->\n).*?(<!-- end -->)", re.DOTALL)

TRIALS = 1000
"""Simulated samples a cell of the table: the standard error of a coverage of 0.95 is 0.007."""

PATIENTS = (10, 16, 30, 100)
IMAGES = 4
"""Images a patient where patients have several."""

ALIKE = 0.3
"""Correlation of the images of a patient."""

MEANS = {"normal": 0.0, "exponential": 1.0}
"""Distribution of the patients' values → its mean."""

PROPORTIONS = (0.05, 0.9)
LEVEL = 0.95


def mean_coverage(name: str, patients: int, images: int, trials: int, seed: int = 0) -> float:
    """Share of simulated samples whose interval of a mean holds the true mean.

    Args:
        name: of ``MEANS``.
        patients: of a sample.
        images: of each patient; several have a correlation of ``ALIKE``.
        trials: samples.
        seed: of the samples.
    """
    rng = np.random.default_rng(seed)
    values = _drawn(rng, name, (trials, patients))
    if images > 1:
        noise = _drawn(rng, name, (trials, patients, images)).mean(2) - MEANS[name]
        shared = values - MEANS[name]
        values = MEANS[name] + np.sqrt(ALIKE) * shared + np.sqrt(1 - ALIKE) * noise
    low, high = mean_intervals(values)
    return float(((low <= MEANS[name]) & (high >= MEANS[name])).mean())


def mean_intervals(values: Floats) -> tuple[Floats, Floats]:
    """What ``mean_interval`` gives for each row of (trials, patients); all share its draws."""
    trials, patients = values.shape
    (drawn,) = draws(patients, Sampling(), Sampling().replicates)
    weights = np.zeros((len(drawn), patients))
    np.add.at(weights, (np.arange(len(drawn))[:, None], drawn), 1 / patients)
    means = values.mean(1)
    centred = values - means[:, None]
    shifts = centred @ weights.T
    left_out = -centred / (patients - 1)
    ends = [limits(0.0, shifts[k], left_out[k], LEVEL)[:2] for k in range(trials)]
    low, high = np.array(ends, np.float64).T
    return means + low, means + high


def proportion_coverage(
    share: float, patients: int, images: int, trials: int, seed: int = 0
) -> float:
    """Share of simulated samples whose interval of a proportion holds the true one.

    Args:
        share: the true proportion, in (0, 1).
        patients, images, trials, seed: as for :func:`mean_coverage`; the rates of patients with
            several images have a beta distribution.
    """
    rng = np.random.default_rng(seed)
    rates: Floats | float = share
    if images > 1:
        scale = (1 - ALIKE) / ALIKE
        rates = rng.beta(share * scale, (1 - share) * scale, (trials, patients))
    hits = rng.binomial(images, rates, (trials, patients)).astype(np.float64)
    sizes = np.full(patients, float(images))
    held = [_holds(wilson(row, sizes, LEVEL), share) for row in hits]
    return float(np.mean(held))


def _holds(ends: tuple[float, float], value: float) -> bool:
    return ends[0] <= value <= ends[1]


def _drawn(rng: np.random.Generator, name: str, shape: tuple[int, ...]) -> Floats:
    return rng.standard_normal(shape) if name == "normal" else rng.standard_exponential(shape)


def simulated(trials: int = TRIALS) -> dict[tuple[str, int], list[float]]:
    """(what is estimated, images a patient) → coverage at each of ``PATIENTS``."""
    coverages = {}
    for images in (1, IMAGES):
        for name in MEANS:
            held = [mean_coverage(name, patients, images, trials) for patients in PATIENTS]
            coverages[f"mean, {name}", images] = held
        for share in PROPORTIONS:
            held = [proportion_coverage(share, patients, images, trials) for patients in PATIENTS]
            coverages[f"proportion {share:g}", images] = held
    return coverages


def table(coverages: dict[tuple[str, int], list[float]]) -> str:
    """Markdown of :func:`simulated`, with an end of line after each row."""
    head = ["true value", "images a patient", *[f"{patients} patients" for patients in PATIENTS]]
    lines = [head, ["---"] * len(head)]
    for (name, images), held in coverages.items():
        lines.append([name, str(images), *[f"{share:.2f}" for share in held]])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def written() -> dict[tuple[str, int], list[float]]:
    """What the table of the documentation says, as :func:`simulated`."""
    block = GENERATED.search(PAGE.read_text("utf-8"))
    lines = block[0].splitlines()[3:-1] if block else []
    coverages = {}
    for line in lines:
        name, images, *held = [cell.strip() for cell in line.strip("|").split("|")]
        coverages[name, int(images)] = [float(share) for share in held]
    return coverages


def write() -> None:
    """Write the table into the documentation."""
    new = table(simulated())
    text = PAGE.read_text("utf-8")
    PAGE.write_text(GENERATED.sub(lambda match: match[1] + new + match[2], text), "utf-8")


if __name__ == "__main__":
    write()
