"""JPEG, of 8 bits a channel."""

from camlucida.io.raster.pillow import pillow_reader

READER = pillow_reader(
    "JPEG", lambda head: head.startswith(b"\xff\xd8\xff"), (".jpg", ".jpeg", ".jpe", ".jfif")
)
