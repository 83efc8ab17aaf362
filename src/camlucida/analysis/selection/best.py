"""The cases that the model got most right."""

from camlucida.analysis.selection.base import Asked, Selected, by_loss, rule
from camlucida.analysis.selection.pool import Pool


@rule("best", "the smallest loss")
def best(pool: Pool, asked: Asked) -> Selected:
    """Smallest loss first."""
    return by_loss(pool, asked, "best", lambda loss: loss)
