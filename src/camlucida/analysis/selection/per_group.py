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
        fix = (
            did_you_mean(column, names)
            if names
            else 'name it in cohort.toml: [columns] groups = "…"'
        )
        raise UsageError(f"the cohort has no group column {column!r}", fix)
    judged = pool.judged()
    own = judged[GROUP + column]
    if judged.empty or not (own != "").any():
        return nothing(
            request,
            pool.unjudged
            if judged.empty
            else Message("selection.none_of_column", {"column": column}),
        )
    blank = int((own == "").sum())
    last = [Message("selection.without_group", {"count": blank, "column": column})] if blank else []
    groups = (
        (named(f"{column} = {name}"), judged[own == name]) for name in in_order({*own} - {""})
    )
    return typical(pool, request, Message("selection.group", {"column": column}), groups, last)
