"""Annotations: what readers drew, from mask files, run-length codes, polygons and tables of boxes.

Every annotation of the package is read here, and nowhere else.
:mod:`camlucida.datasets.ground_truth` joins annotations to images and labels.

Masks are boolean, (H, W), in original pixels. Boxes are ``x, y, width, height`` in edge
coordinates: pixel ``i`` covers ``[i, i + 1]``.
"""

from camlucida.io.annotations.annotation import Annotation, BoxAnnotation
from camlucida.io.annotations.box_tables import BoxTable, parse_box, parse_sides, read_box_table
from camlucida.io.annotations.boxes import as_boxes, boxes_of, from_boxes
from camlucida.io.annotations.documents import holds_outlines, read_polygon_file, read_rle_file
from camlucida.io.annotations.mask_folders import read_mask_folder
from camlucida.io.annotations.masks import MASK_SUFFIXES, check_mask_size, mask_size, read_mask
from camlucida.io.annotations.polygons import from_polygons
from camlucida.io.annotations.rle import from_rle, to_rle

__all__ = [
    "MASK_SUFFIXES",
    "Annotation",
    "BoxAnnotation",
    "BoxTable",
    "as_boxes",
    "boxes_of",
    "check_mask_size",
    "from_boxes",
    "from_polygons",
    "from_rle",
    "holds_outlines",
    "mask_size",
    "parse_box",
    "parse_sides",
    "read_box_table",
    "read_mask",
    "read_mask_folder",
    "read_polygon_file",
    "read_rle_file",
    "to_rle",
]
