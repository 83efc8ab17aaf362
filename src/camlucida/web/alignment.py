"""How a film lies on an earlier film of the patient, in plain data and in words."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from camlucida.analysis.change import Alignment, align, centred
from camlucida.core.errors import UsageError
from camlucida.io.decoded import holds_film, read_decoded
from camlucida.io.image import RawImage
from camlucida.workflows.change.alignment_record import alignment_record
from camlucida.workflows.change.page import alignment_sentences

Align = Literal["auto", "none"]
"""As the option of ``camlucida change``."""

KEPT = 16
"""Alignments that are kept."""


def film_alignment(before: Path, after: Path, mode: Align) -> dict[str, Any]:
    """The alignment of two films, with the sentences that a reader needs.

    Args:
        before, after: folders of the films, as of :meth:`camlucida.io.decoded.Decoder.decode`.
        mode: "auto" searches shift, rotation and magnification; "none" lays the films centre over
            centre.

    Returns:
        ``aligned``, ``matrix`` and ``offset`` (after = matrix · before + offset, each row and
        column, pixel centres at whole numbers), ``sentences`` and ``warnings``.

    Raises:
        UsageError: one is a volume, or has no contrast.
    """
    alignment = kept_alignment(before, after, mode)
    record = alignment_record(alignment)
    warning = record["mirror_warning"]
    return {
        "aligned": record["aligned"],
        "matrix": record["matrix"],
        "offset": record["offset"],
        "sentences": [str(sentence) for sentence in alignment_sentences(record)],
        "warnings": [] if warning is None else [str(warning)],
    }


def aligned_films(before: RawImage, after: RawImage, mode: Align) -> Alignment:
    """The alignment of two films by their displayed grey levels.

    Args:
        before, after: as read.
        mode: as of :func:`film_alignment`.

    Raises:
        UsageError: a film has no contrast.
    """
    search = align if mode == "auto" else centred
    return search(before.display, after.display)


@lru_cache(maxsize=KEPT)
def kept_alignment(before: Path, after: Path, mode: Align) -> Alignment:
    """The alignment of two decoded films, kept because its search takes seconds.

    Args:
        before, after, mode: as of :func:`film_alignment`; a folder is of one content.

    Raises:
        UsageError: one is a volume, or has no contrast.
    """
    return aligned_films(decoded_film(before), decoded_film(after), mode)


def decoded_film(folder: Path) -> RawImage:
    """The film that was decoded into a folder.

    Raises:
        UsageError: it is a volume.
    """
    if not holds_film(folder):
        raise UsageError("a volume is not aligned with a film", "choose two films")
    return read_decoded(folder)
