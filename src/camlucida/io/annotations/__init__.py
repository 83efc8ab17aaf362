"""Annotations: what readers drew, from mask files, run-length codes, polygons and tables of boxes.

Every annotation of the package is read here, and nowhere else: :func:`read_annotations` sees the
kind of a file or folder in its content.
:mod:`camlucida.datasets.ground_truth` joins annotations to images and labels.

Masks are boolean, (H, W), in original pixels. Boxes are ``x, y, width, height`` in edge
coordinates: pixel ``i`` covers ``[i, i + 1]``.
"""

from camlucida.io.annotations.annotation import (
    AnnotatedImage,
    Annotation,
    AnnotationSet,
    BoxAnnotation,
)
from camlucida.io.annotations.box_tables import (
    BoxTable,
    has_box_header,
    is_box_table,
    parse_box,
    parse_sides,
    read_box_table,
)
from camlucida.io.annotations.boxes import as_boxes, boxes_of, from_boxes
from camlucida.io.annotations.documents import holds_outlines, read_polygon_file, read_rle_file
from camlucida.io.annotations.find import (
    is_table,
    json_kind_of_file,
    read_annotations,
)
from camlucida.io.annotations.label_maps import label_map_names
from camlucida.io.annotations.masks import MASK_SUFFIXES, check_mask_size, mask_size, read_mask
from camlucida.io.annotations.polygons import from_polygons
from camlucida.io.annotations.rle import from_rle, to_rle
from camlucida.io.annotations.rle_tables import has_rle_header, is_rle_table

__all__ = [
    "MASK_SUFFIXES",
    "AnnotatedImage",
    "Annotation",
    "AnnotationSet",
    "BoxAnnotation",
    "BoxTable",
    "as_boxes",
    "boxes_of",
    "check_mask_size",
    "from_boxes",
    "from_polygons",
    "from_rle",
    "has_box_header",
    "has_rle_header",
    "holds_outlines",
    "is_box_table",
    "is_rle_table",
    "is_table",
    "json_kind_of_file",
    "label_map_names",
    "mask_size",
    "parse_box",
    "parse_sides",
    "read_annotations",
    "read_box_table",
    "read_mask",
    "read_polygon_file",
    "read_rle_file",
    "to_rle",
]
