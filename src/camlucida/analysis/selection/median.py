"""The cases in the middle: neither the best nor the worst."""

from camlucida.analysis.selection.base import RuleRequest, Selected, by_loss, nearest, rule
from camlucida.analysis.selection.pool import Pool
from camlucida.core.messages import declare

declare(
    "selection",
    {
        "median": (
            "the {chosen} of {cases} {cases:|case|cases}{short} whose {loss} is "
            "nearest to the median, {middle:.3g}"
        ),
    },
)


@rule("median", "the loss nearest to the median loss", title="median")
def median(pool: Pool, request: RuleRequest) -> Selected:
    """Nearest to the median loss first."""
    return by_loss(
        pool, request, "median", nearest, {"middle": float(pool.judged()["loss"].median())}
    )
