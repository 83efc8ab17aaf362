"""The cases in the middle: neither the best nor the worst."""

from camlucida.analysis.selection.base import Asked, Selected, by_loss, nearest, rule
from camlucida.analysis.selection.pool import Pool


@rule("median", "the loss nearest to the median loss")
def median(pool: Pool, asked: Asked) -> Selected:
    """Nearest to the median loss first."""
    return by_loss(
        pool, asked, "median", nearest, {"middle": float(pool.judged()["loss"].median())}
    )
