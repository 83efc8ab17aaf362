"""Two studies of a patient: their films aligned, and what changed between them in score and map."""

from camlucida.analysis.change.difference import Change, changes, difference, moved_film
from camlucida.analysis.change.registration import Alignment, Mirror, Quality, align, centred

__all__ = [
    "Alignment",
    "Change",
    "Mirror",
    "Quality",
    "align",
    "centred",
    "changes",
    "difference",
    "moved_film",
]
