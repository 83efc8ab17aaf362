"""Representative cases of each class, rare ones too."""

from camlucida.analysis.selection.base import Asked, Selected, nothing, rule, typical
from camlucida.analysis.selection.pool import Pool, of_classes
from camlucida.core.messages import Sentence, named


@rule(
    "per-class",
    "of each true class, or label that is present, the loss nearest to that class's median",
)
def per_class(pool: Pool, asked: Asked) -> Selected:
    """Classes in the order of their names, numbers by size; those without a case are named."""
    if (pool.cases["task"] == "regression").any():
        return nothing(asked, Sentence("selection.none_of_classes"))
    judged = pool.judged()
    classes = of_classes(judged)
    true = judged["true_class"].where(classes, judged["label"].where(judged["truth"] == 1, ""))
    if not (true != "").any():
        return nothing(asked, pool.unjudged if judged.empty else Sentence("selection.none_present"))
    known = [*pool.cases["label"], *pool.cases["predicted"].where(of_classes(pool.cases), "")]
    missing = in_order({*known} - {*true, ""})
    last = [Sentence("selection.no_case", {"classes": missing})] if missing else []
    groups = ((named(name), judged[true == name]) for name in in_order({*true} - {""}))
    what = Sentence("selection.true_class" if classes.any() else "selection.present_label")
    return typical(pool, asked, what, groups, last)


def in_order(names: set[str]) -> list[str]:
    """By size where all are numbers, else by name."""
    try:
        return sorted(names, key=float)
    except ValueError:
        return sorted(names)
