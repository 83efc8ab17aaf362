"""Cases by lot: what a reader would see who opened some without looking."""

import numpy as np

from camlucida.analysis.selection.base import Asked, Selected, nothing, rule
from camlucida.analysis.selection.pool import Pool, first, numbered, share
from camlucida.core.messages import Message, declare

declare(
    "selection",
    {
        "random": (
            "the {chosen} of {cases} {cases:|case|cases}{short} drawn at random with seed {seed}"
        ),
    },
)


@rule(
    "random",
    "drawn by lot, all alike; seed 0 unless another is given",
    takes="seed",
    title="random",
)
def random(pool: Pool, asked: Asked) -> Selected:
    """The first of a permutation of all cases, known truth or not, which were put in order of their names."""
    cases = pool.candidates()
    if cases.empty:
        return nothing(asked, pool.unjudged)
    named = first(cases, np.zeros(len(cases)), len(cases))
    chosen = named.iloc[np.random.default_rng(asked.seed).permutation(len(named))[: asked.count]]
    said = Message("selection.random", {**share(asked.count, len(cases)), "seed": asked.seed})
    roles = numbered(Message("roles.random"), len(chosen))
    return Selected(asked.text, pool.whole(said, cases, ties=False), list(chosen.index), roles)
