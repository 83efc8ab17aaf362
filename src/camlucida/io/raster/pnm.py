"""Portable any-map: PBM, PGM and PPM, as text or binary."""

from camlucida.io.raster.pillow import pillow_reader


def _matches(head: bytes) -> bool:
    """P1 to P6, then white space."""
    return head[:1] == b"P" and head[1:2] in b"123456" and head[2:3].isspace()


READER = pillow_reader("PPM", _matches, (".pgm", ".ppm", ".pnm", ".pbm"))
