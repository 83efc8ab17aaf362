"""What was annotated of a case, in the form of the viewer."""

import numpy as np
import torch

from camlucida.core.geometry import Geometry
from camlucida.core.scan import Scan
from camlucida.web.ground_truth import ground_truth

SCAN = Scan(torch.zeros(1, 4, 4), np.zeros((8, 6), np.uint8), Geometry.identity((8, 6)), "film")


class Annotated:
    """Annotations of one film: a mask of nodules, and boxes of masses."""

    def mask(self, case, label, size):
        mask = np.zeros(size, bool)
        mask[2:5, 1:4] = True
        return mask if label == "nodule" else None

    def boxes(self, case, label, size):
        if case["box"] is not None:
            return np.asarray([case["box"]], float)
        return np.asarray([[1, 2, 3, 4]], float) if label == "mass" else None


def test_masks_are_outlines_and_boxes_are_boxes():
    row = {"box": None}
    of_mask = ground_truth(Annotated(), row, "nodule", SCAN)
    (outline,) = of_mask["outlines"]
    corners = np.asarray(outline["lines"][0])
    assert (outline["label"], of_mask["boxes"]) == ("nodule", [])
    assert (corners.min(0).tolist(), corners.max(0).tolist()) == ([1, 2], [4, 5])  # x, y
    (box,) = ground_truth(Annotated(), row, "mass", SCAN)["boxes"]
    assert box == {"x": 1, "y": 2, "width": 3, "height": 4, "label": "mass"}


def test_a_box_of_the_cohort_is_drawn_and_a_missing_one_is_none():
    (box,) = ground_truth(Annotated(), {"box": np.array([0.0, 1, 2, 3])}, "other", SCAN)["boxes"]
    assert (box["x"], box["height"]) == (0, 3)
    nothing = {"boxes": [], "outlines": [], "annotations": []}
    assert ground_truth(Annotated(), {"box": float("nan")}, "other", SCAN) == nothing
