"""JPEG 2000: in its JP2 container, or the bare code stream."""

from camlucida.io.raster.pillow import pillow_reader

_CONTAINER = b"\0\0\0\x0cjP  \r\n"
_CODE_STREAM = b"\xff\x4f\xff\x51"

READER = pillow_reader(
    "JPEG2000", lambda head: head.startswith((_CONTAINER, _CODE_STREAM)), (".jp2", ".j2k")
)
