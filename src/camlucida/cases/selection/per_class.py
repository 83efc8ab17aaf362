"""Representative cases of each class, rare ones too."""

from collections.abc import Iterator

import pandas as pd

from camlucida.cases.selection.base import Asked, Selected, nothing, rule, typical
from camlucida.cases.selection.pool import Pool, of_classes


@rule("per-class", "of each true class, or label that is present, the loss nearest to that class's median")
def per_class(pool: Pool, asked: Asked) -> Selected:
    """Classes in the order of their names, numbers by size; those without a case are named."""
    if (pool.cases["task"] == "regression").any():
        return nothing(asked, "none: a regression has no classes")
    judged = pool.judged()
    classes = of_classes(judged)
    true = judged["true_class"].where(classes, judged["label"].where(judged["truth"] == 1, ""))
    if not (true != "").any():
        return nothing(asked, pool.unjudged if judged.empty else "none: no label is present in any case")
    known = [*pool.cases["label"], *pool.cases["predicted"].where(of_classes(pool.cases), "")]
    missing = in_order({*known} - {*true, ""})
    last = f"; no case of {', '.join(missing)}" if missing else ""
    groups: Iterator[tuple[str, pd.DataFrame]] = ((name, judged[true == name]) for name in in_order({*true} - {""}))
    return typical(pool, asked, "true class" if classes.any() else "label that is present", groups, last)


def in_order(names: set[str]) -> list[str]:
    """By size where all are numbers, else by name."""
    try:
        return sorted(names, key=float)
    except ValueError:
        return sorted(names)
