"""WebP, a RIFF file of that form type."""

from camlucida.io.raster.pillow import pillow_reader


def _matches(head: bytes) -> bool:
    return head.startswith(b"RIFF") and head[8:12] == b"WEBP"


READER = pillow_reader("WEBP", _matches, (".webp",))
