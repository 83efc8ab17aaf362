"""The search: likely pipelines first; many on few images, the best of them on more."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice

from camlucida.core.errors import UsageError
from camlucida.models.preprocessing.spec import InputSpec
from camlucida.workflows.preprocessing_fit import candidates as grid
from camlucida.workflows.preprocessing_fit.candidates import Candidate
from camlucida.workflows.preprocessing_fit.trials import Ranked, Trials

EXACT = 1e-4
"""Below this mean error nothing better is looked for."""

FIRST = 96
"""Pipelines of the first race."""

IMAGES = (2, 4, 8)
"""Images of the rounds of a race."""

SURVIVORS = 4
"""One of so many pipelines goes into the next round of a race."""

KEPT = 6
"""Pipelines that a race hands to the next, at most :data:`ALIKE` of one size and scale."""

ALIKE = 2

REFINED = 2

REFINEMENTS = (
    (KEPT, ("resize",)),
    (REFINED, ("size",)),
    (REFINED, ("intensity", "scale")),
    (REFINED, ("fit", "resize")),
)
"""How many of the best are refined, and in which parts."""

ROUNDS = 2
"""How often."""


@dataclass
class Search:
    """The search for the pipeline of some stored predictions.

    Attributes:
        trials: of the model's pipelines.
        dicom: whether there are DICOM files among the images.
        keep_stated: whether the card's pipeline is enough where it reproduces them, though another
            may come nearer.
    """

    trials: Trials
    dicom: bool = False
    keep_stated: bool = False
    _candidates: dict[InputSpec, Candidate] = field(default_factory=dict)

    def run(
        self, start: InputSpec, open_size: bool, likely: Sequence[InputSpec] = ()
    ) -> list[Ranked]:
        """The best pipelines, the best first, measured on all images.

        Args:
            start: the card's preprocessing, which is tried first.
            open_size: whether the size is only assumed.
            likely: what is tried next, such as the preprocessing of a run beside this one.

        Raises:
            UsageError: the model runs with none of them.
        """
        rows = self.trials.informative_rows
        stated = self.trials.ranked([start], rows, limited=False)
        if stated and (_exact(stated[0]) or (self.keep_stated and _reproduces(stated[0]))):
            return stated
        known = self.trials.ranked([start, *likely], rows, limited=False)
        if known and _exact(known[0]):
            return known
        base = Candidate() if start.steps is not None else grid.parts_of(start)
        if start.steps is not None:
            fixed = {"channels": start.channels, "transposed": start.transposed}
            base = Candidate(fixed=fixed, size={"size": start.size})
        usual = grid.Grid.around(base, start.channels, open_size, self.dicom)
        specs = [start, *likely, *(ranked.spec for ranked in self._best(usual))]
        ranking = self.trials.ranked(specs, rows, limited=False)
        if not ranking:
            raise UsageError("the model runs on no usual input", "say its size and channels")
        return ranking

    def _best(self, usual: grid.Grid) -> list[Ranked]:
        """The likely pipelines, refined; while nothing fits, as many again, then twice as many."""
        leaders: list[Ranked] = []
        pipelines = usual.by_likelihood()
        count = FIRST
        while chunk := list(islice(pipelines, count)):
            leaders = self._refined(usual, self._race(self._fresh(chunk), leaders))
            if self._settled(leaders) or (leaders and _reproduces(leaders[0])):
                break
            count *= 2
        return leaders

    def _refined(self, usual: grid.Grid, leaders: list[Ranked]) -> list[Ranked]:
        """Each part of the best few, and the parts that only show together."""
        for parents, parts in REFINEMENTS * ROUNDS:
            if self._settled(leaders):
                return leaders
            roots = [self._candidates[ranked.spec] for ranked in leaders[:parents]]
            axes = usual.each(*parts)
            wider = chain.from_iterable(root.with_each(**axes) for root in roots)
            leaders = self._race(self._fresh(wider), leaders)
        variants: dict[InputSpec, Candidate] = {}
        for ranked in leaders[:REFINED]:
            candidate = self._candidates[ranked.spec]
            variants |= dict.fromkeys(grid.stepwise(ranked.spec), candidate)
        return self._race(variants, leaders)

    def _settled(self, leaders: Sequence[Ranked]) -> bool:
        return self.trials.cut or (bool(leaders) and _exact(leaders[0]))

    def _fresh(self, candidates: Iterable[Candidate]) -> dict[InputSpec, Candidate]:
        """Those that were in no race yet, by their pipelines."""
        distinct = {candidate.spec(): candidate for candidate in grid.distinct(candidates)}
        return {spec: each for spec, each in distinct.items() if spec not in self._candidates}

    def _race(
        self, fresh: Mapping[InputSpec, Candidate], leaders: Sequence[Ranked]
    ) -> list[Ranked]:
        """The best of new pipelines and of those before: fewer pipelines on more images."""
        self._candidates |= fresh
        before = [ranked.spec for ranked in leaders]
        rows = self.trials.informative_rows
        specs = list(fresh)
        ranking = list(leaders)
        for count in IMAGES:
            latest = self.trials.ranked([*before, *specs], rows[:count])
            if self.trials.cut:
                # Those that came to their turn, or the round before, whose images were all run.
                return self._diverse(ranking if count > IMAGES[0] else [*leaders, *latest])
            ranking = latest
            kept = max(2 * KEPT, len(ranking) // SURVIVORS)
            specs = [ranked.spec for ranked in ranking[:kept]]
        return self._diverse(ranking)

    def _diverse(self, ranking: Sequence[Ranked]) -> list[Ranked]:
        """The best, few of one size and scale: one wrong choice must not fill all places."""
        leaders: list[Ranked] = []
        counts: dict[str, int] = {}
        for ranked in ranking:
            candidate = self._candidates[ranked.spec]
            kind = f"{candidate.size} {candidate.scale}"
            counts[kind] = counts.get(kind, 0) + 1
            if counts[kind] <= ALIKE:
                leaders.append(ranked)
        return leaders[:KEPT]


def _reproduces(ranked: Ranked) -> bool:
    # Where the predictions do not vary, nothing better can be seen.
    return ranked.agreement.verdict in ("same", "constant")


def _exact(ranked: Ranked) -> bool:
    return ranked.agreement.rank[0] < EXACT and _reproduces(ranked)
