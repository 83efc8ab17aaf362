"""The cases that the model got most right."""

from camlucida.cases.selection.base import Asked, Selected, by_loss, rule
from camlucida.cases.selection.pool import Pool


@rule("best", "the smallest loss")
def best(pool: Pool, asked: Asked) -> Selected:
    """Smallest loss first."""
    return by_loss(pool, asked, "best", lambda loss: loss)
