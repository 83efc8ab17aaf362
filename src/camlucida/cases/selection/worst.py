"""The cases that the model got most wrong."""

from camlucida.cases.selection.base import Asked, Selected, by_loss, rule
from camlucida.cases.selection.pool import Pool


@rule("worst", "the largest loss")
def worst(pool: Pool, asked: Asked) -> Selected:
    """Largest loss first."""
    return by_loss(pool, asked, "worst", lambda loss: -loss)
