"""Reading.

Image files of many kinds, each into one :class:`RawImage` or one
:class:`~camlucida.core.errors.ImageError`.
"""

from camlucida.io.image import MAX_PIXELS, READERS, RawImage
from camlucida.io.raster import write_synthetic_png
from camlucida.io.read import expand_paths, read_image

__all__ = ["MAX_PIXELS", "READERS", "RawImage", "expand_paths", "read_image", "write_synthetic_png"]
