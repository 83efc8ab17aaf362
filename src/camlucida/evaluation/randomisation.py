"""The sanity check of a run: do the maps of each method, label and layer change when the model's weights are made random?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from camlucida.engine import explain
from camlucida.errors import ModelError, NoEvidenceError
from camlucida.evaluation.measure import Sample, Settings, known_labels, label_of
from camlucida.explanation import Explanation
from camlucida.metrics.sanity import (
    Randomised,
    cascading_randomisation,
    different_image_null,
    independent_randomisation,
    randomisation_gate,
)
from camlucida.metrics.statistics import Floats
from camlucida.outputs import Described
from camlucida.outputs import subject as asked_of

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
    model: nn.Module | Described, samples: Sequence[Sample], settings: Settings, seeds: int = SEEDS
) -> pd.DataFrame:
    """Similarity of each map with that of the trained model, block by block, and the test against maps of different images.

    Args:
        model: its weights are made random and restored bit by bit.
        samples: few are enough; see ``IMAGES``.
        settings: of the run; "cascading_randomisation" and "independent_randomisation" among its metrics say what is done,
            "randomisation_gate" alone means the first.

    Returns:
        ``COLUMNS``: one row a map, block, seed and mode; ``null`` (mean similarity of maps of different images), ``passed`` and
        ``p`` are of the label, method, layer and block. ``passed`` is None under 10 images, ``null`` NaN under 2.
    """
    asked = asked_of(model)
    modes = [mode for mode in MODES if f"{mode}_randomisation" in settings.metrics]
    if not modes and "randomisation_gate" in settings.metrics:
        modes = ["cascading"]
    trained = _explained(model, samples, settings)
    if not modes or not trained:
        return pd.DataFrame([], columns=list(COLUMNS))
    places = [(_label(e), e.method, e.layer) for _, e in trained]

    by_sample = [(sample, [e for other, e in trained if other is sample]) for sample in samples]

    def again(_: nn.Module) -> list[Tensor]:
        return [heat for sample, explanations in by_sample if explanations for heat in _maps(model, sample, explanations)]

    like = next(asked.module.parameters())
    inputs = samples[0].scan.tensor[None].to(like)
    rows: list[dict[str, Any]] = []
    for mode in modes:
        runs = [MODES[mode](asked.module, inputs, again, seed=seed) for seed in range(seeds)]
        for place in dict.fromkeys(places):
            chosen = [i for i, other in enumerate(places) if other == place]
            maps = [trained[i][1].map(trained[i][1].grid) for i in chosen]
            rows += _rows(place, mode, runs, chosen, [trained[i][0] for i in chosen], maps)
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _rows(
    place: tuple[str, str, str],
    mode: str,
    runs: Sequence[Sequence[Randomised]],
    chosen: Sequence[int],
    samples: Sequence[Sample],
    maps: Sequence[Tensor],
) -> Iterator[dict[str, Any]]:
    null = _null(maps, [sample.patient for sample in samples])
    for block in range(len(runs[0])):
        similarity = np.stack([run[block].similarity[list(chosen)] for run in runs], 1)
        gate = randomisation_gate(similarity, null)
        for seed, run in enumerate(runs):
            for row, i in enumerate(chosen):
                yield {
                    **dict(zip(("label", "method", "layer"), place)),
                    "mode": mode,
                    "block": block,
                    "block_name": run[block].block.name,
                    "seed": seed,
                    "image": samples[row].scan.id,
                    "similarity": float(similarity[row, seed]),
                    "dead": bool(run[block].dead[i]),
                    "null": float(np.nanmean(null)) if np.isfinite(null).any() else float("nan"),
                    "passed": gate.passed,
                    "p": gate.p,
                }


def _null(maps: Sequence[Tensor], patients: Sequence[str]) -> Floats:
    """Similarity of the trained model's maps of different patients; empty where there is but one."""
    return different_image_null(maps, patients=patients) if len(set(patients)) > 1 else np.zeros(0)


def _explained(model: nn.Module | Described, samples: Sequence[Sample], settings: Settings) -> list[tuple[Sample, Explanation]]:
    found = []
    for sample in samples:
        wanted = known_labels(sample, settings, asked_of(model).spec.task)
        if wanted.get("truth") != [[]]:
            found += [
                (sample, e) for e in explain(model, [sample.scan], method=list(settings.methods), layer=settings.layers, **wanted)
            ]
    return found


def _maps(model: nn.Module | Described, sample: Sample, explanations: Sequence[Explanation]) -> list[Tensor]:
    """The same maps by the model as it is now; where it gives no finite answer any more, a map is as dead as one of zeros."""
    targets = {e.target: e.explained for e in explanations if e.explained is not None}
    methods, layers = (list(dict.fromkeys(getattr(e, key) for e in explanations)) for key in ("method", "layer"))
    try:
        again = explain(model, [sample.scan], target=list(targets.values()), method=methods, layer=layers)
    except (ModelError, NoEvidenceError):
        return [torch.zeros(e.grid) for e in explanations]
    found = {(e.target, e.method, e.layer): e.map(e.grid) for e in again}
    return [found[e.target, e.method, e.layer] for e in explanations]


def _label(e: Explanation) -> str:
    return label_of(e.explained) if e.explained is not None else e.target
