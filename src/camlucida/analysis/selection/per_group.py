"""Representative cases of each group of a column of the cohort."""

from camlucida.analysis.selection.base import RuleRequest, Selected, nothing, rule, typical
from camlucida.analysis.selection.per_class import in_order
from camlucida.analysis.selection.pool import Pool
from camlucida.core.errors import UsageError, did_you_mean
from camlucida.core.messages import Message, declare, named
from camlucida.runs.tables import GROUP

declare(
    "selection",
    {
        "group": "group of {column}",
        "without_group": "{count} {count:|case|cases} without a {column} excluded",
        "none_of_column": "none: no case has a {column}",
    },
)


@rule(
    "per-group",
    "of each group of a column of the cohort, the loss nearest to that group's median",
    takes="column",
    title="of each group",
    role="per-group",
)
def per_group(pool: Pool, request: RuleRequest) -> Selected:
    """Groups in the order of their names; images without one are left out."""
    names = [name.removeprefix(GROUP) for name in pool.cases.columns if name.startswith(GROUP)]
    column = request.column.removeprefix(GROUP)
    if column not in names:
        fix = 'name it in cohort.toml: [columns] groups = "…"'
        if names:
            fix = did_you_mean(column, names)
        raise UsageError(f"the cohort has no group column {column!r}", fix)
    judged = pool.judged()
    if judged.empty:
        return nothing(request, pool.unjudged)
    values = judged[GROUP + column]
    if not (values != "").any():
        return nothing(request, Message("selection.none_of_column", {"column": column}))
    blank = int((values == "").sum())
    last = []
    if blank:
        last.append(Message("selection.without_group", {"count": blank, "column": column}))
    names_of_groups = in_order({*values} - {""})
    groups = ((named(f"{column} = {name}"), judged[values == name]) for name in names_of_groups)
    return typical(pool, request, Message("selection.group", {"column": column}), groups, last)
