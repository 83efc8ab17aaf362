"""GIF, one frame of it."""

from camlucida.io.raster.pillow import pillow_reader

READER = pillow_reader("GIF", lambda head: head.startswith((b"GIF87a", b"GIF89a")), (".gif",))
