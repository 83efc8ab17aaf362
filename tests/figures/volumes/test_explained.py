"""Pictures and files of an explanation of a volume, of a file or a bare tensor."""

import nibabel
import numpy as np
import pytest
import torch
from torch import nn

import camlucida as cl
from camlucida.core.errors import UsageError
from camlucida.figures.volumes.explained import overlay_image


@pytest.fixture(scope="module")
def explanation():
    """One bright voxel, kept by a network that passes it on."""
    net = nn.Sequential(nn.Conv3d(1, 1, 1), nn.ReLU(), nn.AdaptiveAvgPool3d(1), nn.Flatten())
    with torch.no_grad():
        net[0].weight.fill_(1)
        net[0].bias.fill_(0)
    volume = torch.zeros(1, 1, 4, 8, 6)
    volume[0, 0, 2, 5, 1] = 1
    (only,) = cl.explain(net.eval(), volume, layer="1", task="regression", target="output+")
    return only


def test_a_bare_tensor_is_saved_without_millimetres(explanation, tmp_path):
    record = explanation.save(tmp_path)
    assert record["files"].keys() == {"maps", "figure", "map"}
    about = record["volume"]
    assert about["peak_voxel"] == [2, 5, 1]
    assert (about["spacing_mm"], about["peak_mm"], about["affine"]) == (None, None, None)
    assert [region["ml"] for region in record["regions"]] == [None]
    stored = nibabel.load(tmp_path / record["files"]["map"])
    assert int(stored.header["sform_code"]) == 0
    assert np.unravel_index(stored.get_fdata().argmax(), stored.shape) == (1, 5, 2)
    assert (tmp_path / record["files"]["figure"]).is_file()


def test_what_a_volume_has_not_is_refused(explanation, tmp_path):
    with pytest.raises(UsageError, match="no overlay can be written"):
        explanation.save(tmp_path, write=["overlay"])
    assert not list(tmp_path.iterdir())


def test_overlay_and_show_are_the_three_planes(explanation):
    assert explanation.overlay().mode == "RGB"
    (case,) = explanation.show().cases
    assert case["data"]["volume"]["size"] == [4, 8, 6]
    assert case["data"]["volume"]["at"] == [2, 5, 1]
    assert explanation._repr_png_().startswith(b"\x89PNG")


def test_a_lower_limit_and_more_opacity_change_the_overlay_alone(explanation):
    plain = np.asarray(overlay_image(explanation))
    drawn = np.asarray(overlay_image(explanation, alpha=0.2))
    assert plain.shape == drawn.shape
    assert (plain != drawn).any()
    assert np.asarray(overlay_image(explanation, limit=2 * explanation.limit)).any()
