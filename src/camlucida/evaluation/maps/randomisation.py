"""The sanity check of an evaluation: do maps change when the weights of the model are made random?

For each method, label and layer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, combinations
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor, nn

from camlucida.attribution.explained_model import ModelWithCard, explained_model
from camlucida.attribution.explanation import Explanation
from camlucida.core.errors import CamlucidaError, LayerError, UsageError
from camlucida.evaluation.maps.explained_again import maps_now
from camlucida.evaluation.maps.model_maps import MapSource, ModelMaps
from camlucida.evaluation.maps.samples import MetricSettings, Sample
from camlucida.metrics.bootstrap import Floats
from camlucida.metrics.correlation import pearson
from camlucida.metrics.sanity import (
    Randomised,
    cascading_randomisation,
    independent_randomisation,
)
from camlucida.metrics.sanity_gate import MIN_PATIENTS, Gate, randomisation_gate

SEEDS = 3
"""Random draws of the weights: an image costs 6 blocks × 3 seeds maps."""

COLUMNS = (
    *("label", "method", "layer", "mode", "block", "block_name", "seed", "image"),
    *("similarity", "dead", "pooled", "verdict", "gate_similarity", "null", "excess"),
    *("low", "high", "margin", "images", "patients", "more"),
)
MODES: dict[str, Callable[..., list[Randomised]]] = {
    "cascading": cascading_randomisation,
    "independent": independent_randomisation,
}
_Runs = Sequence[Sequence[Randomised]]
"""Of each seed, of each block."""


@dataclass(frozen=True)
class _Trained:
    """One map of the trained model."""

    sample: Sample
    explanation: Explanation

    @property
    def group(self) -> tuple[str, str]:
        """Method and layer, which share a gate."""
        return self.explanation.method, self.explanation.layer


def randomisation_table(
    model: nn.Module | ModelWithCard,
    samples: Sequence[Sample],
    settings: MetricSettings,
    seeds: int = SEEDS,
    maps: MapSource | None = None,
) -> pd.DataFrame:
    """Similarity of each map with that of the trained model, block by block, and its test.

    The test is against maps of different images.

    Args:
        model: its weights are made random and restored bit by bit.
        samples: few are enough; see :class:`~camlucida.evaluation.maps.few_images.FewImages`.
        settings: "cascading_randomisation" and "independent_randomisation" among its metrics are
            the modes; "randomisation_gate" alone means the first.
        seeds: number of random draws of the weights.
        maps: where the maps of the trained model come from; None: the model explains the images.

    Returns:
        ``COLUMNS``: one row a map, block, seed and mode; ``verdict`` to ``more`` are those of
        :class:`~camlucida.metrics.sanity_gate.Gate` of the method, layer, block and label. Labels
        of fewer than ``MIN_PATIENTS`` patients share one test and are ``pooled``.
    """
    wanted = modes(settings.metrics)
    trained = _trained(maps or ModelMaps(model), samples, settings) if wanted else []
    if not trained:
        return pd.DataFrame([], columns=list(COLUMNS))
    module = explained_model(model).module
    weight = next(module.parameters())
    inputs = samples[0].scan.tensor[None].to(weight)

    def again(_: nn.Module) -> list[Tensor]:
        return _maps_now(model, trained)

    rows: list[dict[str, Any]] = []
    for mode in wanted:
        runs = [MODES[mode](module, inputs, again, seed=seed) for seed in range(seeds)]
        for group in dict.fromkeys(each.group for each in trained):
            chosen = [i for i, each in enumerate(trained) if each.group == group]
            rows += _rows(mode, runs, chosen, trained)
    return pd.DataFrame(rows, columns=list(COLUMNS))


def modes(names: Sequence[str]) -> list[str]:
    """The names among ``MODES`` that metrics ask for.

    Args:
        names: of the metrics; "randomisation_gate" alone means the cascading mode.

    >>> modes(["hit", "randomisation_gate"])
    ['cascading']
    """
    wanted = [mode for mode in MODES if f"{mode}_randomisation" in names]
    if not wanted and "randomisation_gate" in names:
        wanted = ["cascading"]
    return wanted


def _rows(
    mode: str, runs: _Runs, chosen: Sequence[int], trained: Sequence[_Trained]
) -> Iterator[dict[str, Any]]:
    """One method and layer: a test for each label, and one for the labels with few patients."""
    for pooled, cell in _cells(chosen, trained):
        null = _null([trained[i] for i in cell])
        for block in range(len(runs[0])):
            of_seeds = [run[block].similarity[list(cell)] for run in runs]
            similarity = np.stack(of_seeds, 1)
            gate = _tested(similarity, [trained[i] for i in cell], null)
            about = {"mode": mode, "block": block, "pooled": pooled, **_of_gate(gate)}
            for seed, run in enumerate(runs):
                of_block = run[block]
                for i, value in zip(cell, similarity[:, seed]):
                    row = _row(trained[i], of_block)
                    dead = bool(of_block.dead[i])
                    yield about | row | {"seed": seed, "similarity": float(value), "dead": dead}


def _cells(chosen: Sequence[int], trained: Sequence[_Trained]) -> Iterator[tuple[bool, list[int]]]:
    """Whether labels are pooled, and the maps of each test."""
    few: list[list[int]] = []
    for label in dict.fromkeys(trained[i].explanation.target for i in chosen):
        of_label = [i for i in chosen if trained[i].explanation.target == label]
        patients = {trained[i].sample.patient for i in of_label}
        if len(patients) < MIN_PATIENTS:
            few.append(of_label)
        else:
            yield False, of_label
    if few:
        yield len(few) > 1, list(chain.from_iterable(few))


def _of_gate(gate: Gate) -> dict[str, Any]:
    names = ("verdict", "null", "excess", "low", "high", "margin", "images", "patients", "more")
    return {name: getattr(gate, name) for name in names} | {"gate_similarity": gate.similarity}


def _row(each: _Trained, randomised: Randomised) -> dict[str, Any]:
    return {
        "label": each.explanation.target,
        "method": each.explanation.method,
        "layer": each.explanation.layer,
        "block_name": randomised.block.name,
        "image": each.sample.scan.id,
    }


def _tested(similarity: Floats, maps: Sequence[_Trained], null: Floats) -> Gate:
    """The gate on images: |similarity| of an image's labels and seeds is averaged first."""
    images = [each.sample.scan.id for each in maps]
    patients = {each.sample.scan.id: each.sample.patient for each in maps}
    return randomisation_gate(_by_image(np.abs(similarity), images), null, list(patients.values()))


def _by_image(similarity: Floats, images: Sequence[str]) -> Floats:
    """(maps, seeds) → (images, most labels × seeds), NaN where an image has fewer."""
    names = np.array(images, object)
    rows = [similarity[names == image].ravel() for image in dict.fromkeys(images)]
    padded = np.full((len(rows), max(map(len, rows))), np.nan)
    for line, row in zip(padded, rows):
        line[: len(row)] = row
    return padded


def _null(maps: Sequence[_Trained]) -> Floats:
    """(images, images) mean |similarity| of the trained model's maps of one label.

    NaN where two images share no label, or one of them has a constant map.
    """
    names = dict.fromkeys(each.sample.scan.id for each in maps)
    images = {image: index for index, image in enumerate(names)}
    sums = np.zeros((len(images), len(images)))
    counts = np.zeros_like(sums)
    heats = [np.asarray(e.explanation.map(e.explanation.grid).detach().cpu()) for e in maps]
    for first, second in combinations(range(len(maps)), 2):
        a, b = maps[first], maps[second]
        same = a.explanation.target == b.explanation.target
        if not same or a.sample.patient == b.sample.patient:
            continue
        alike = abs(pearson(heats[first], heats[second]))
        if np.isfinite(alike):
            row, column = images[a.sample.scan.id], images[b.sample.scan.id]
            sums[[row, column], [column, row]] += alike
            counts[[row, column], [column, row]] += 1
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def _trained(
    maps: MapSource, samples: Sequence[Sample], settings: MetricSettings
) -> list[_Trained]:
    """The maps of the trained model.

    An image that fails has been reported by the evaluation, and is left out here.
    """
    trained: list[_Trained] = []
    for sample in samples:
        try:
            explanations = maps.explanations(sample, settings)
        except (UsageError, LayerError):
            raise
        except CamlucidaError:
            continue
        trained += [_Trained(sample, explanation) for explanation in explanations]
    return trained


def _maps_now(model: nn.Module | ModelWithCard, trained: Sequence[_Trained]) -> list[Tensor]:
    """The same maps by the model as it is now, image by image."""
    by_image: dict[int, list[_Trained]] = {}
    for each in trained:
        by_image.setdefault(id(each.sample), []).append(each)
    heats: list[Tensor] = []
    for group in by_image.values():
        explanations = [each.explanation for each in group]
        heats += maps_now(model, group[0].sample.scan, explanations)
    return heats
