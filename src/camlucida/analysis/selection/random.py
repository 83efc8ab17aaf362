"""Cases by lot: what a reader would see who opened some without looking."""

import numpy as np

from camlucida.analysis.selection.base import RuleRequest, Selected, nothing, rule
from camlucida.analysis.selection.pool import Pool, first, numbered, share
from camlucida.core.messages import Message, declare

declare(
    "selection",
    {
        "random": (
            "{chosen} of {cases} {cases:|case|cases}{short}, drawn at random with seed {seed}"
        ),
    },
)


@rule(
    "random",
    "drawn at random; seed 0 unless another is given",
    takes="seed",
    title="random",
)
def random(pool: Pool, request: RuleRequest) -> Selected:
    """The first of a permutation of all cases, judged or not, in the order of their names."""
    cases = pool.candidates()
    if cases.empty:
        return nothing(request, pool.unjudged)
    named = first(cases, np.zeros(len(cases)), len(cases))
    chosen = named.iloc[
        np.random.default_rng(request.seed).permutation(len(named))[: request.count]
    ]
    message = Message(
        "selection.random", {**share(request.count, len(cases)), "seed": request.seed}
    )
    roles = numbered(Message("roles.random"), len(chosen))
    return Selected(request.text, pool.whole(message, cases, ties=False), list(chosen.index), roles)
