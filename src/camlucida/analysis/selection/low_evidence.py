"""Cases whose maps show next to nothing, which a picture scaled to its own maximum would hide."""

import numpy as np

from camlucida.analysis.selection.base import RuleRequest, Selected, nothing, rule
from camlucida.analysis.selection.pool import SERIES, Pool, first, numbered, share
from camlucida.core.messages import Message, declare

declare(
    "selection",
    {
        "low_evidence": (
            "{chosen} of {cases} {cases:|case|cases}{short}: lowest peak of the positive map "
            "first, as a share of the median of the same model, method, layer and target; "
            "{empty} of the {cases} have no positive attribution"
        ),
    },
)


@rule(
    "low-evidence",
    (
        "the smallest peak of the positive map, over the median of the same model, method, layer "
        "and label"
    ),
    title="low evidence",
)
def low_evidence(pool: Pool, request: RuleRequest) -> Selected:
    """Empty maps first. The median is over all maps of the case table, empty ones too."""
    cases = pool.candidates(by_label=True)
    if cases.empty:
        return nothing(request, pool.unjudged)
    every = pool.cases
    peak = every["high"].clip(lower=0).where(every["empty_reason"] == "", 0.0)
    usual = peak.groupby([every[name] for name in (*SERIES, "target")], dropna=False).transform(
        "median"
    )
    relative = np.where(peak > 0, peak / usual.where(usual > 0, np.nan), 0.0)
    order = every.assign(_relative=relative).loc[cases.index, "_relative"].fillna(np.inf)
    empty = int((order == 0).sum())
    chosen = first(cases, order, request.count)
    message = Message(
        "selection.low_evidence", {**share(request.count, len(cases)), "empty": empty}
    )
    roles = numbered(Message("roles.low_evidence"), len(chosen))
    return Selected(request.text, pool.whole(message, cases), list(chosen.index), roles)
