"""Windows bitmaps."""

from camlucida.io.raster.pillow import pillow_reader

READER = pillow_reader("BMP", lambda head: head.startswith(b"BM"), (".bmp",))
