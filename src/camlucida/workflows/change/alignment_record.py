"""How two images lie on each other, as plain data for ``change.json`` and the workbench."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from camlucida.analysis.change.alignment import Alignment

MEANING = (
    "after = matrix · before + offset, each (row, column), pixel centres at whole numbers; "
    "rotation in degrees clockwise, magnification beyond the ratio of the images' sizes, "
    "shift (rows, columns) of the centre in pixels of the image after"
)


def alignment_record(alignment: Alignment) -> dict[str, Any]:
    """An alignment as plain data; its messages stay messages.

    Args:
        alignment: of two images.

    >>> from camlucida.analysis.change import centred
    >>> import numpy as np
    >>> record = alignment_record(centred(np.eye(8), np.eye(8)))
    >>> record["aligned"], record["matrix"] == [[1, 0], [0, 1]]
    (False, True)
    """
    mirror = alignment.mirror
    return {
        "aligned": alignment.moved,
        "refused": alignment.refused,
        "meaning": MEANING,
        "matrix": alignment.matrix.tolist(),
        "offset": alignment.offset.tolist(),
        "rotation": alignment.rotation,
        "magnification": alignment.magnification,
        "shift": list(alignment.shift),
        "unaligned_quality": asdict(alignment.unaligned),
        "aligned_quality": asdict(alignment.aligned),
        "mirror": None if mirror is None else asdict(mirror),
        "mirror_warning": None if mirror is None else mirror.warning,
    }
