"""Right and wrong, called and not called: all four, not the true positives alone."""

from camlucida.cases.selection.base import Asked, Selected, nothing, rule, typical
from camlucida.cases.selection.pool import Pool

NAMES = ("TP", "FP", "FN", "TN")


@rule("outcomes", "of true and false positives and negatives each, the loss nearest to the median of that outcome")
def outcomes(pool: Pool, asked: Asked) -> Selected:
    """A case is an image and a label, of classes too: the label against all others. Outcomes that do not occur are named."""
    judged = pool.judged(by_label=True)
    judged = judged[judged["outcome"] != ""]
    if judged.empty:
        no_such = not pool.cases.empty and pool.cases["task"].isin(["regression", "segmentation"]).all()
        return nothing(asked, "none: this task has no such outcomes" if no_such else pool.unjudged)
    missing = [name for name in NAMES if not (judged["outcome"] == name).any()]
    last = f"; there is no {', '.join(missing)} among the cases with a map" if missing else ""
    return typical(pool, asked, "outcome", ((name, judged[judged["outcome"] == name]) for name in NAMES), last)
