"""``cl.evaluate`` on models that differ from the usual one."""

import numpy as np
import pytest
import torch
from torch import nn

from camlucida import evaluate
from camlucida.core.errors import UsageError


class BrightPixels(nn.Module):
    """Segments what is brighter than half, through a feature map of its size."""

    def __init__(self):
        super().__init__()
        self.features, self.head = nn.Conv2d(1, 2, 1, bias=False), nn.Conv2d(2, 1, 1)
        nn.init.ones_(self.features.weight)
        nn.init.ones_(self.head.weight)
        nn.init.constant_(self.head.bias, -1.0)

    def forward(self, x):
        return self.head(self.features(x).relu())


def test_an_image_in_which_nothing_is_segmented_has_no_rows():
    images = torch.zeros(2, 1, 8, 8)
    images[1, :, 2:5, 2:5] = 1
    mask = np.zeros((8, 8), bool)
    mask[2:5, 2:5] = True
    options = {"masks": [~(mask | True), mask], "metrics": "hit", "baselines": "none"}
    rows = evaluate(BrightPixels(), images, "region", task="segmentation", **options)
    assert rows["image"].tolist() == ["input1"]
    assert rows["value"].tolist() == [1.0]


def test_a_test_of_all_maps_together_is_no_row_and_said():
    images = torch.rand(2, 1, 8, 8)
    options = {"task": "segmentation", "baselines": "none"}
    with pytest.raises(UsageError, match="cascading_randomisation: the test is of all maps"):
        evaluate(BrightPixels(), images, metrics="cascading_randomisation", **options)
    rows = evaluate(BrightPixels(), images, metrics=["gini", "randomisation_gate"], **options)
    assert set(rows["metric"]) == {"gini"}
    assert rows.attrs["notes"][0].startswith("not in this table")
