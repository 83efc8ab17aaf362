"""The cases that the model got most wrong."""

from camlucida.analysis.selection.base import RuleRequest, Selected, by_loss, rule
from camlucida.analysis.selection.pool import Pool
from camlucida.core.messages import declare

declare(
    "selection",
    {
        "worst": "{chosen} of {cases} {cases:|case|cases}{short}: largest {loss} first",
    },
)


@rule("worst", "the largest loss", title="worst")
def worst(pool: Pool, request: RuleRequest) -> Selected:
    """Largest loss first."""
    return by_loss(pool, request, "worst", lambda loss: -loss)
