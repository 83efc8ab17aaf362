"""A map in the axes that people look at: the same numbers as in the voxels of the file."""

import numpy as np
import pytest
import torch

import camlucida as cl
from camlucida.figures.volumes.shown import flat_map, in_one_plane, shown_map
from camlucida.models import load_model
from tests.support.volumes import CARD, with_lesion, write_nifti, write_volume_model


@pytest.fixture(scope="module")
def explanation(tmp_path_factory):
    """Of a model whose voxels are fewer than those of the file, in another order."""
    folder = tmp_path_factory.mktemp("shown")
    write_volume_model(folder)
    size = CARD.replace("[10, 12, 14]", "[6, 8, 7]")
    (folder / "card.toml").write_text(size)
    values = np.random.default_rng(0).random((10, 12, 14)).astype(np.float32)
    values += with_lesion((10, 12, 14), (3, 8, 5))
    path = write_nifti(folder / "a.nii.gz", values)
    model = load_model(folder / "card.toml", device="cpu")
    (only,) = cl.explain(model, model.read(path), target="Lesion")
    return only


def test_shown_cells_interpolate_to_the_map_in_the_file(explanation):
    shown = shown_map(explanation, explanation.scan)
    on_voxels = shown.cells
    for axis, weights in enumerate(shown.geometry.interpolation(shown.cells.shape)):
        on_voxels = np.moveaxis(np.tensordot(weights, on_voxels, (1, axis)), 0, axis)
    stored = explanation.scan.to_stored(explanation.map())
    assert np.allclose(shown.order.invert(on_voxels), stored, atol=1e-7)


def test_a_plane_is_an_image_with_the_map_of_its_slice(explanation):
    (plane,) = in_one_plane([explanation])
    assert plane.scan.id == "a, axial, slice 5"
    stored = explanation.scan.to_stored(explanation.map())
    axial = stored[5][::-1]  # the file's rows run to the front
    assert np.allclose(plane.numpy(), axial, atol=1e-7)


def test_maps_of_one_volume_share_the_plane_and_masks_are_cut(explanation):
    mask = np.zeros((10, 12, 14), bool)
    mask[6, 8, 5] = True  # in the order of the model
    plane, cut = flat_map(explanation, mask)
    assert np.argwhere(cut).tolist() == [[3, 3]]
    pair = in_one_plane([explanation, explanation])
    assert pair[0].scan.id == pair[1].scan.id == plane.scan.id


def test_an_image_stays_as_it_is():
    net = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.AdaptiveAvgPool2d(1))
    net = torch.nn.Sequential(*net, torch.nn.Flatten()).eval()
    (image,) = cl.explain(net, torch.rand(1, 1, 8, 8), target="1", layer="0")
    assert in_one_plane([image]) == [image]
