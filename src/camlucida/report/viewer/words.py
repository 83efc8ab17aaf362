"""The words of the viewer. It fills in the placeholders itself, with numbers it has written."""

from __future__ import annotations

from camlucida.core.messages import ENGLISH_TEXTS, Texts, declare

declare(
    "viewer",
    {
        "viewer": "Film and map",
        "images": "Images",
        "maps": "Maps",
        "filter": "Filter images",
        "below": "Numbers and files",
        "open": "Open in the viewer",
        "close": "Close",
        "synthetic": "SYNTHETIC",
        "method": "{method} at {layer}",
        "none": "none",
        "compare": "Compare",
        "one": "One map",
        "side": "Side by side",
        "difference": "Difference",
        "second": "with",
        "film_alone": "Film without map",
        "map": "Map",
        "opacity": "Opacity",
        "threshold": "Hide below",
        "colormap": "Colours",
        "scale": "Scale",
        "scale_own": "of this map",
        "scale_shared": "shared by all maps",
        "scale_fixed": "fixed",
        "limit": "Full colour",
        "level": "Line and boxes at",
        "contour": "Line",
        "boxes": "Boxes",
        "truth": "Annotations",
        "film": "Film",
        "window_level": "Level",
        "window_width": "Width",
        "invert": "Invert",
        "reset": "Reset",
        "zoom_in": "Zoom in",
        "zoom_out": "Zoom out",
        "fit": "Fit",
        "actual": "1 : 1",
        "help": "Keys",
        "loading": "Loading …",
        "failed": "This film cannot be shown: {error}",
        "position": "column {x}, row {y}",
        "sample": "film {value}",
        "value": "map {value}",
        "of_maximum": "{share} of the maximum",
        "cell": "cell {row}, {column} of {rows} × {columns}: {value}",
        "share": "{share} of the {kind}",
        "unseen": "not seen by the model",
        "different_scales": "Each map divided by its own maximum, for their units differ.",
        "first_minus_second": "{first} − {second}",
        "box_count": "{count} at or above {share} of the maximum",
        "slice": "slice",
        "plane_row": "row",
        "plane_column": "column",
        "slice_of": "{axis} {number} of 0–{last}",
        "peak": "Peak",
        "voxel": "slice {slice}, row {row}, column {column}",
        "key_slice": "previous slice, next slice",
        "key_plane": "next plane; to the peak of the map",
        "key_move": "move the film, or the reading cross",
        "key_zoom": "zoom in, zoom out",
        "key_fit": "fit, 1 : 1",
        "key_map": "previous map, next map",
        "key_image": "previous image, next image",
        "key_show": "show or hide the map",
        "key_opacity": "less opacity, more",
        "key_threshold": "hide less, hide more",
        "key_level": "lower line, higher line",
        "key_contour": "line on or off",
        "key_boxes": "boxes on or off",
        "key_truth": "annotations on or off",
        "key_colormap": "next colours",
        "key_scale": "next scale",
        "key_invert": "invert the film",
        "key_window": "level and width of the film",
        "key_tool": "what a drag does",
        "key_compare": "one map, side by side, difference",
        "key_cross": "reading cross on or off",
        "key_paint": "paint at the reading cross; erase instead, or paint",
        "key_brush": "smaller brush, larger brush",
        "key_reset": "reset all",
        "key_help": "show or hide these keys",
        "mouse": (
            "Wheel or pinch: zoom. Drag: move. Drag with the right button or with Shift: level "
            "(up and down) and width (left and right). Double click: fit."
        ),
    },
)


def viewer_words(texts: Texts = ENGLISH_TEXTS) -> dict[str, str]:
    """The words in a language, by code; English where it lacks one.

    Args:
        texts: of the language.

    >>> viewer_words()["side"]
    'Side by side'
    """
    return texts.table("viewer")
