"""The sanity check of a run: do the maps of each method, label and layer change when the model's weights are made random?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from camlucida.attribution.engine import explain
from camlucida.attribution.explained_model import ModelWithCard, explained_model
from camlucida.attribution.explanation import Explanation
from camlucida.core.errors import (
    CamlucidaError,
    LayerError,
    ModelError,
    NoEvidenceError,
    UsageError,
)
from camlucida.evaluation.maps.measure import MetricSettings, Sample, known_labels
from camlucida.metrics.sanity import (
    Randomised,
    cascading_randomisation,
    different_image_null,
    independent_randomisation,
    randomisation_gate,
)
from camlucida.metrics.statistics import Floats

SEEDS = 3
IMAGES = 16
"""Images that are looked at: a gate needs no more, and each costs 6 blocks × 3 seeds maps."""

COLUMNS = (
    "label",
    "method",
    "layer",
    "mode",
    "block",
    "block_name",
    "seed",
    "image",
    "similarity",
    "dead",
    "null",
    "passed",
    "p",
)
MODES: dict[str, Callable[..., list[Randomised]]] = {
    "cascading": cascading_randomisation,
    "independent": independent_randomisation,
}


def randomisation_table(
    model: nn.Module | ModelWithCard,
    samples: Sequence[Sample],
    settings: MetricSettings,
    seeds: int = SEEDS,
) -> pd.DataFrame:
    """Similarity of each map with that of the trained model, block by block, and the test against maps of different images.

    Args:
        model: its weights are made random and restored bit by bit.
        samples: few are enough; see ``IMAGES``.
        settings: of the run; "cascading_randomisation" and "independent_randomisation" among its metrics say what is done,
            "randomisation_gate" alone means the first.

    Returns:
        ``COLUMNS``: one row a map, block, seed and mode; ``null`` (mean similarity of maps of different images and one label),
        ``passed`` and ``p`` are of the method, layer and block. ``passed`` is None under 10 images, ``null`` NaN under 2.
    """
    asked = explained_model(model)
    modes = [mode for mode in MODES if f"{mode}_randomisation" in settings.metrics]
    if not modes and "randomisation_gate" in settings.metrics:
        modes = ["cascading"]
    trained = _explained(model, samples, settings) if modes else []
    if not trained:
        return pd.DataFrame([], columns=list(COLUMNS))
    places = [(e.target, e.method, e.layer) for _, e in trained]

    by_sample = [(sample, [e for other, e in trained if other is sample]) for sample in samples]

    def again(_: nn.Module) -> list[Tensor]:
        return [
            heat
            for sample, explanations in by_sample
            if explanations
            for heat in _maps(model, sample, explanations)
        ]

    like = next(asked.module.parameters())
    inputs = samples[0].scan.tensor[None].to(like)
    rows: list[dict[str, Any]] = []
    for mode in modes:
        runs = [MODES[mode](asked.module, inputs, again, seed=seed) for seed in range(seeds)]
        for method, layer in dict.fromkeys((method, layer) for _, method, layer in places):
            chosen = [i for i, place in enumerate(places) if place[1:] == (method, layer)]
            rows += _rows(mode, runs, chosen, places, trained)
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _rows(
    mode: str,
    runs: Sequence[Sequence[Randomised]],
    chosen: Sequence[int],
    places: Sequence[tuple[str, str, str]],
    trained: Sequence[tuple[Sample, Explanation]],
) -> Iterator[dict[str, Any]]:
    """One method and layer. The gate sees one value an image, its labels and seeds averaged, for those are not independent."""
    null = _null([(places[i][0], *trained[i]) for i in chosen])
    images = [trained[i][0].scan.id for i in chosen]
    for block in range(len(runs[0])):
        similarity = np.stack([run[block].similarity[list(chosen)] for run in runs], 1)
        gate = randomisation_gate(_by_image(similarity, images), null)
        for seed, run in enumerate(runs):
            for row, i in enumerate(chosen):
                yield {
                    **dict(zip(("label", "method", "layer"), places[i])),
                    "mode": mode,
                    "block": block,
                    "block_name": run[block].block.name,
                    "seed": seed,
                    "image": images[row],
                    "similarity": float(similarity[row, seed]),
                    "dead": bool(run[block].dead[i]),
                    "null": float(np.nanmean(null)) if np.isfinite(null).any() else float("nan"),
                    "passed": gate.passed,
                    "p": gate.p,
                }


def _by_image(similarity: Floats, images: Sequence[str]) -> Floats:
    """(maps, seeds) → (images, most labels × seeds), NaN where an image has fewer."""
    rows = [
        similarity[[i for i, name in enumerate(images) if name == image]].ravel()
        for image in dict.fromkeys(images)
    ]
    padded = np.full((len(rows), max(map(len, rows))), np.nan)
    for line, row in zip(padded, rows):
        line[: len(row)] = row
    return padded


def _null(maps: Sequence[tuple[str, Sample, Explanation]]) -> Floats:
    """Similarity of the trained model's maps of different patients, each label apart; empty where there is but one patient."""
    found = [np.zeros(0)]
    for label in dict.fromkeys(label for label, _, _ in maps):
        part = [(sample.patient, e.map(e.grid)) for name, sample, e in maps if name == label]
        if len({patient for patient, _ in part}) > 1:
            found.append(
                different_image_null(
                    [heat for _, heat in part], patients=[patient for patient, _ in part]
                )
            )
    return np.concatenate(found)


def _explained(
    model: nn.Module | ModelWithCard, samples: Sequence[Sample], settings: MetricSettings
) -> list[tuple[Sample, Explanation]]:
    """The trained model's explanations; an image that fails has been reported by the run and is left out here."""
    found: list[tuple[Sample, Explanation]] = []
    for sample in samples:
        wanted = known_labels(sample, settings, explained_model(model).spec.task)
        if wanted.get("truth") == [[]]:
            continue
        try:
            explanations = explain(
                model, [sample.scan], method=list(settings.methods), layer=settings.layers, **wanted
            )
        except (UsageError, LayerError):
            raise
        except CamlucidaError:
            continue
        found += [(sample, e) for e in explanations]
    return found


def _maps(
    model: nn.Module | ModelWithCard, sample: Sample, explanations: Sequence[Explanation]
) -> list[Tensor]:
    """The same maps by the model as it is now; where it gives no finite answer any more, a map is as dead as one of zeros."""
    targets = {e.target: e.explained for e in explanations if e.explained is not None}
    methods, layers = (
        list(dict.fromkeys(getattr(e, key) for e in explanations)) for key in ("method", "layer")
    )
    try:
        again = explain(
            model, [sample.scan], target=list(targets.values()), method=methods, layer=layers
        )
    except (ModelError, NoEvidenceError):
        return [torch.zeros(e.grid) for e in explanations]
    found = {(e.target, e.method, e.layer): e.map(e.grid) for e in again}
    return [found[e.target, e.method, e.layer] for e in explanations]
