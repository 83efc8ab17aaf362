"""Two studies of a patient: their images aligned, and what changed in score and map."""

from camlucida.analysis.change.alignment import Alignment, AlignmentQuality, Mirror
from camlucida.analysis.change.difference import Change, changes, difference, moved_image
from camlucida.analysis.change.registration import align, centred

__all__ = [
    "Alignment",
    "AlignmentQuality",
    "Change",
    "Mirror",
    "align",
    "centred",
    "changes",
    "difference",
    "moved_image",
]
