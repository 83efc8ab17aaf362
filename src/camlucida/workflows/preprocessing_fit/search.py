"""The search: coarse on few images, the best on more."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from torch import Tensor

from camlucida.core.errors import CamlucidaError, UsageError
from camlucida.io.image import RawImage
from camlucida.models.preprocessing import prepare
from camlucida.models.preprocessing.spec import InputSpec
from camlucida.models.preprocessing.steps import Normalise, Scale, ZScore
from camlucida.models.preprocessing.values import scaled, z_score
from camlucida.workflows.preprocessing_fit import candidates as grid
from camlucida.workflows.preprocessing_fit.agreement import Agreement, StoredOutputs, agreement
from camlucida.workflows.preprocessing_fit.candidates import Candidate
from camlucida.workflows.preprocessing_fit.outputs import Outputs

EXACT = 1e-4
"""Below this mean error nothing better is looked for."""

KEPT = 6
"""Pipelines that a stage hands to the next."""

ALIKE = 2
"""Most of them with one size and scale."""

ROUNDS = 2
"""How often the best pipelines are refined in all their parts."""

REFINED = 3
"""Pipelines that are refined."""

FEW = 8
"""Images of the coarse stages."""

Axes = dict[str, Sequence[grid.Fields]]
"""Part of a pipeline → what it may be."""

Progress = Callable[..., object]


@dataclass(frozen=True)
class Ranked:
    """A pipeline and how well it reproduces the stored predictions."""

    spec: InputSpec
    keys: dict[str, Any]
    agreement: Agreement


@dataclass
class Search:
    """The search for the pipeline of some stored predictions.

    Attributes:
        outputs: of the model.
        images: read, in the order of ``stored``.
        stored: the predictions.
        seconds: after which no more are tried.
        tried: pipelines tried so far.
        cut: whether the time was too short for all stages.
    """

    outputs: Outputs
    images: Sequence[RawImage]
    stored: StoredOutputs
    seconds: float = 600.0
    progress: Progress = lambda done=0, total=None: None
    tried: int = 0
    cut: bool = False
    _start: float = field(default_factory=time.monotonic)

    def run(self, start: InputSpec, open_size: bool) -> list[Ranked]:
        """The best pipelines, the best first, measured on all images.

        Args:
            start: the card's preprocessing, which is tried first.
            open_size: whether the size is only assumed.

        Raises:
            UsageError: the model runs with none of them.
        """
        few = _spread(len(self.images), FEW)
        stated = self.measured([start], range(len(self.images)))
        if stated and stated[0].agreement.verdict == "same" and _exact(stated[0]):
            return stated
        base = Candidate() if start.steps is not None else grid.parts_of(start)
        if start.steps is not None:
            base = Candidate(fixed={"channels": start.channels}, size={"size": start.size})
        best = self._refine(base, start, few, open_size)
        final = self.measured([ranked.spec for ranked in best], range(len(self.images)))
        ranked = sorted([*stated, *final], key=lambda each: each.agreement.rank)
        if not ranked:
            raise UsageError("the model runs on no usual input", "say its size and channels")
        return _distinct(ranked)

    def _refine(
        self, base: Candidate, start: InputSpec, few: Sequence[int], open_size: bool
    ) -> list[Ranked]:
        leaders: list[tuple[Candidate, Ranked]] = []
        for parents, axes in self._stages(base, start, open_size):
            roots = [candidate for candidate, _ in leaders[:parents]] or [base]
            wider = chain.from_iterable(root.with_each(**axes) for root in roots)
            leaders = self._best(grid.distinct([*roots, *wider]), few, leaders)
            if self.cut or (leaders and _exact(leaders[0][1])):
                break
        return [ranked for _, ranked in leaders]

    def _stages(self, base: Candidate, start: InputSpec, open_size: bool) -> list[tuple[int, Axes]]:
        """How many leaders each stage goes on from, and what it varies.

        Intensity and scale first, which matter most; then size, fit and kernel; then again.
        """
        intensities = (base.intensity, *grid.INTENSITIES)
        if any(image.source.get("format") == "DICOM" for image in self.images):
            intensities += grid.DICOM_INTENSITIES
        scales = (base.scale, *grid.scales(start.channels))
        sizes: tuple[grid.Fields, ...] = (base.size,)
        if open_size:
            sizes += tuple({"size": size} for size in grid.SIZES)
        fits = (base.fit, *grid.FITS)
        resizes = (base.resize, *grid.RESIZES)
        first = (base.intensity, *grid.FIRST_INTENSITIES)
        # Refined around the best few: these grids are the largest.
        refined: list[tuple[int, Axes]] = [
            (REFINED, {"fit": fits, "resize": resizes}),
            (REFINED, {"size": sizes, "fit": fits}),
            (REFINED, {"intensity": intensities, "scale": scales}),
        ]
        return [
            (1, {"size": sizes, "intensity": first, "scale": scales}),
            (KEPT, {"intensity": intensities}),
            (KEPT, {"fit": fits}),
            (KEPT, {"resize": resizes}),
            *(ROUNDS * refined),
        ]

    def _best(
        self,
        candidates: Sequence[Candidate],
        rows: Sequence[int],
        leaders: Sequence[tuple[Candidate, Ranked]],
    ) -> list[tuple[Candidate, Ranked]]:
        by_pipeline = {ranked.spec: (candidate, ranked) for candidate, ranked in leaders}
        fresh = {each.spec(): each for each in candidates if each.spec() not in by_pipeline}
        for ranked in self.measured(list(fresh), rows):
            by_pipeline[ranked.spec] = (fresh[ranked.spec], ranked)
        ordered = sorted(by_pipeline.values(), key=lambda each: each[1].agreement.rank)
        return _diverse(ordered)

    def measured(self, specs: Iterable[InputSpec], rows: Sequence[int]) -> list[Ranked]:
        """Each pipeline on some of the images; those that the model cannot take are left out."""
        stored = self.stored.rows(rows)
        groups: dict[InputSpec, list[InputSpec]] = {}
        for spec in specs:
            groups.setdefault(_unscaled(spec), []).append(spec)
        results: list[Ranked] = []
        for unscaled, members in groups.items():
            if results and time.monotonic() - self._start > self.seconds:
                self.cut = True
                break
            # Images are prepared once for all scales: preparing costs more than a small model.
            tensors = [prepare(self.images[row], unscaled).tensor for row in rows]
            for spec in members:
                self.tried += 1
                self.progress(1)
                try:
                    computed = self.outputs.of([_rescaled(each, spec) for each in tensors])
                except (CamlucidaError, RuntimeError):
                    if len(groups) == 1 and len(members) == 1:
                        continue
                    break  # the model takes no input of this size
                keys = spec.model_dump(mode="json", exclude_defaults=True)
                results.append(Ranked(spec, keys, agreement(computed, stored)))
        return results


def _diverse(
    ordered: Sequence[tuple[Candidate, Ranked]],
) -> list[tuple[Candidate, Ranked]]:
    """The best, few of one size and scale: one wrong choice must not fill all places."""
    leaders: list[tuple[Candidate, Ranked]] = []
    counts: dict[str, int] = {}
    for candidate, ranked in ordered:
        kind = f"{candidate.size} {candidate.scale}"
        counts[kind] = counts.get(kind, 0) + 1
        if counts[kind] <= ALIKE:
            leaders.append((candidate, ranked))
    return leaders[:KEPT]


def _exact(ranked: Ranked) -> bool:
    return ranked.agreement.rank[0] < EXACT and ranked.agreement.verdict == "same"


def _spread(count: int, wanted: int) -> list[int]:
    """Rows evenly over the table, so that every class has its chance."""
    if count <= wanted:
        return list(range(count))
    return [round(k * (count - 1) / (wanted - 1)) for k in range(wanted)]


def _unscaled(spec: InputSpec) -> InputSpec:
    """The same without the model's scale."""
    if spec.steps is not None:
        return spec
    update: dict[str, Any] = {"range": None, "mean": None, "std": None}
    if spec.intensity == "z-score":
        update["intensity"] = "stored"
    return spec.model_copy(update=update)


def _rescaled(tensor: Tensor, spec: InputSpec) -> Tensor:
    """An image of :func:`_unscaled` in the model's scale."""
    if spec.steps is not None:
        return tensor
    for step in spec.pipeline():
        if isinstance(step, (Scale, Normalise)):
            tensor = scaled(tensor, step)
        elif isinstance(step, ZScore):
            tensor = z_score(tensor, step.per_channel)
    return tensor


def _distinct(ranked: Sequence[Ranked]) -> list[Ranked]:
    by_spec: dict[InputSpec, Ranked] = {}
    for each in ranked:
        by_spec.setdefault(each.spec, each)
    return list(by_spec.values())
