"""Right and wrong, called and not called: all four, not the true positives alone."""

from camlucida.analysis.selection.base import RuleRequest, Selected, nothing, rule, typical
from camlucida.analysis.selection.pool import Pool
from camlucida.core.messages import Message, declare

declare(
    "selection",
    {
        "outcome": "outcome",
        "no_outcome": "no {outcomes:,} among the cases with a map",
        "none_of_outcomes": "none: this task has no such outcomes",
    },
)

declare(
    "roles",
    {
        "TP": "TP",
        "FP": "FP",
        "FN": "FN",
        "TN": "TN",
    },
)

NAMES = ("TP", "FP", "FN", "TN")


@rule(
    "outcomes",
    (
        "of true and false positives and negatives each, the loss nearest to the median of that "
        "outcome"
    ),
    title="true and false positives and negatives",
)
def outcomes(pool: Pool, request: RuleRequest) -> Selected:
    """A case is an image and a label, of classes too: the label against all others.

    Outcomes that do not occur are named.
    """
    judged = pool.judged(by_label=True)
    judged = judged[judged["outcome"] != ""]
    if judged.empty:
        no_such = (
            not pool.cases.empty and pool.cases["task"].isin(["regression", "segmentation"]).all()
        )
        return nothing(request, Message("selection.none_of_outcomes") if no_such else pool.unjudged)
    names = {name: Message(f"roles.{name}") for name in NAMES}
    missing = [words for name, words in names.items() if not (judged["outcome"] == name).any()]
    last = [Message("selection.no_outcome", {"outcomes": missing})] if missing else []
    groups = ((words, judged[judged["outcome"] == name]) for name, words in names.items())
    return typical(pool, request, Message("selection.outcome"), groups, last)
