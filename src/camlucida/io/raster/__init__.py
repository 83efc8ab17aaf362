"""Raster images: PNG, JPEG, JPEG 2000, BMP, GIF, WebP and PNM by Pillow.

TIFF by Pillow or tifffile, whichever keeps all its bits. One file a format.
"""

from camlucida.io.raster.png import write_synthetic_png
from camlucida.io.raster.samples import SYNTHETIC_KEY, oriented, over_black

__all__ = ["SYNTHETIC_KEY", "oriented", "over_black", "write_synthetic_png"]
