"""The cases in the middle: neither the best nor the worst."""

from camlucida.analysis.selection.base import RuleRequest, Selected, by_loss, nearest, rule
from camlucida.analysis.selection.pool import Pool
from camlucida.core.messages import declare

declare(
    "selection",
    {
        "median": (
            "{chosen} of {cases} {cases:|case|cases}{short}: {loss} nearest to the median, "
            "{middle:.3g}, first"
        ),
    },
)


@rule("median", "the loss nearest to the median loss", title="median")
def median(pool: Pool, request: RuleRequest) -> Selected:
    """Nearest to the median loss first."""
    return by_loss(
        pool, request, "median", nearest, {"middle": float(pool.judged()["loss"].median())}
    )
