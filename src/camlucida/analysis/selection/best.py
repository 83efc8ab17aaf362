"""The cases that the model got most right."""

from camlucida.analysis.selection.base import RuleRequest, Selected, by_loss, rule
from camlucida.analysis.selection.pool import Pool
from camlucida.core.messages import declare

declare(
    "selection",
    {
        "best": "{chosen} of {cases} {cases:|case|cases}{short}: smallest {loss} first",
    },
)


@rule("best", "the smallest loss", title="best")
def best(pool: Pool, request: RuleRequest) -> Selected:
    """Smallest loss first."""
    return by_loss(pool, request, "best", lambda loss: loss)
