"""The interactive viewer of films and maps as plain data, and as a part of a page.

The viewer itself is TypeScript (``web-ui/viewer``), built into ``web/static/viewer.js``. What it is
given stands in docs/reference/viewer.md.
"""

from camlucida.report.viewer.data import (
    film_data,
    map_data,
    maps_data,
    mask_outlines,
    viewer_data,
)
from camlucida.report.viewer.encode import encode_floats, encode_samples
from camlucida.report.viewer.page import (
    CaseFile,
    PageViewer,
    ViewerCase,
    case_file,
    image_of,
    page_viewer,
    remove_cases,
    write_case,
)
from camlucida.report.viewer.palettes import PALETTES, palette_for

__all__ = [
    "PALETTES",
    "CaseFile",
    "PageViewer",
    "ViewerCase",
    "case_file",
    "encode_floats",
    "encode_samples",
    "film_data",
    "image_of",
    "map_data",
    "maps_data",
    "mask_outlines",
    "page_viewer",
    "palette_for",
    "remove_cases",
    "viewer_data",
    "write_case",
]
