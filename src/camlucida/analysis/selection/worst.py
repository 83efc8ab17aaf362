"""The cases that the model got most wrong."""

from camlucida.analysis.selection.base import Asked, Selected, by_loss, rule
from camlucida.analysis.selection.pool import Pool


@rule("worst", "the largest loss")
def worst(pool: Pool, asked: Asked) -> Selected:
    """Largest loss first."""
    return by_loss(pool, asked, "worst", lambda loss: -loss)
