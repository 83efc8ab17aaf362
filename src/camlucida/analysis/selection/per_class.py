"""Representative cases of each class, rare ones too."""

from camlucida.analysis.selection.base import RuleRequest, Selected, nothing, rule, typical
from camlucida.analysis.selection.pool import Pool, of_classes
from camlucida.core.messages import Message, declare, named

declare(
    "selection",
    {
        "true_class": "true class",
        "present_label": "label that is present",
        "no_case": "no case of {classes:,}",
        "none_of_classes": "none: a regression has no classes",
        "none_present": "none: no label is present in any case",
    },
)


@rule(
    "per-class",
    "of each true class, or label that is present, the loss nearest to that class's median",
    title="of each class",
    role="per-class",
)
def per_class(pool: Pool, request: RuleRequest) -> Selected:
    """Classes in the order of their names, numbers by size; those without a case are named."""
    if (pool.cases["task"] == "regression").any():
        return nothing(request, Message("selection.none_of_classes"))
    judged = pool.judged()
    classes = of_classes(judged)
    true = judged["true_class"].where(classes, judged["label"].where(judged["truth"] == 1, ""))
    if not (true != "").any():
        return nothing(
            request, pool.unjudged if judged.empty else Message("selection.none_present")
        )
    predicted = pool.cases["predicted"].where(of_classes(pool.cases), "")
    every = {*pool.cases["label"], *predicted}
    missing = in_order(every - {*true, ""})
    last = [Message("selection.no_case", {"classes": missing})] if missing else []
    groups = ((named(name), judged[true == name]) for name in in_order({*true} - {""}))
    what = Message("selection.true_class" if classes.any() else "selection.present_label")
    return typical(pool, request, what, groups, last)


def in_order(names: set[str]) -> list[str]:
    """By size where all are numbers, else by name."""
    try:
        return sorted(names, key=float)
    except ValueError:
        return sorted(names)
