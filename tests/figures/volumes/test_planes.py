"""Planes of volumes: what is left, front and up in the patient is so in the picture."""

from dataclasses import replace

import numpy as np
import pytest
from torch import nn

import camlucida as cl
from camlucida.core.orientation import order_to
from camlucida.figures.volumes.figure import place_text, planes_png
from camlucida.figures.volumes.peak import map_peak
from camlucida.figures.volumes.planes import planes_through, shown_window
from camlucida.io.volumes import Volume
from camlucida.io.volumes.volume import placed
from camlucida.models.preprocessing import VolumeInput, prepare_volume
from tests.support.volumes import OBLIQUE, with_lesion

SIZE = (8, 12, 16)
"""Of the volume in the order SPL."""

LESION = (6, 2, 12)
"""Far to the head, to the front and to the left."""

SPL = np.array([[0, 0, -1.0, 20], [0, -2.0, 0, 30], [3.0, 0, 0, -10], [0, 0, 0, 1]])

CODES = ["SPL", "RAS", "LPI", "ASR", "PIL"]


def volume(codes="SPL", values=None, affine=SPL, **about) -> Volume:
    """The same patient, stored in another order."""
    values = with_lesion(SIZE, LESION) if values is None else values
    order = order_to(affine, codes)
    stored = np.ascontiguousarray(order.apply(values))
    turned = order.affine(affine, values.shape)
    return Volume(stored, turned, "head", source=placed(turned, stored.shape), **about)


def bright(scan, method="hirescam"):
    """The map of a network whose logit is the mean of the input."""
    net = nn.Sequential(nn.Conv3d(1, 1, 1, bias=False), nn.AdaptiveAvgPool3d(1), nn.Flatten())
    nn.init.ones_(net[0].weight)
    (explanation,) = cl.explain(net, scan, 0, method, layer="0")
    return explanation


def scanned(codes="SPL", orientation="RAS", size=(16, 12, 8), **fields):
    about = {key: fields.pop(key) for key in ("values", "affine", "oriented") if key in fields}
    spec = VolumeInput(orientation=orientation, size=size, **fields)
    return prepare_volume(volume(codes, **about), spec)


@pytest.mark.parametrize("codes", CODES)
@pytest.mark.parametrize("orientation", ["RAS", "SPL", "stored"])
def test_the_peak_lies_in_the_patient_where_the_lesion_does(codes, orientation):
    stored = volume(codes)
    scan = prepare_volume(stored, VolumeInput(orientation=orientation, size=stored.values.shape))
    scan = scanned(codes, orientation, tuple(scan.whole.original))
    explanation = bright(scan)
    peak = map_peak(explanation, scan)
    assert peak.mm == pytest.approx((SPL @ [*LESION, 1])[:3])
    assert scan.voxels[peak.voxel] == 100
    values = scan.to_stored(explanation.map())
    assert np.unravel_index(values.argmax(), values.shape) == peak.voxel


@pytest.mark.parametrize("codes", CODES)
def test_planes_are_the_same_of_every_storage(codes):
    scan = scanned(codes)
    voxel = tuple(np.argwhere(scan.voxels == 100)[0].tolist())
    planes = planes_through(scan, scan.voxels, voxel, (0, 100))
    axial, coronal, sagittal = planes.planes
    assert [plane.name for plane in planes.planes] == ["axial", "coronal", "sagittal"]
    assert axial.edges == ("R", "L", "A", "P")
    assert coronal.edges == ("R", "L", "S", "I")
    assert sagittal.edges == ("A", "P", "S", "I")
    for plane, down, across in ((axial, 2.5 / 12, 12.5 / 16), (coronal, 1.5 / 8, 12.5 / 16)):
        height, width = plane.film.shape
        row, column = np.unravel_index(plane.film.argmax(), plane.film.shape)
        assert row / height == pytest.approx(down, abs=0.04)
        assert column / width == pytest.approx(across, abs=0.04)
        assert plane.at == pytest.approx((down * height - 0.5, across * width - 0.5))
    row, column = np.unravel_index(sagittal.film.argmax(), sagittal.film.shape)
    assert (row < sagittal.film.shape[0] / 2, column < sagittal.film.shape[1] / 2) == (True, True)


def test_pixels_are_square_in_millimetres():
    planes = planes_through(scanned(), np.zeros(SIZE, np.float32), LESION, (0, 1))
    sizes = [tuple(side * planes.mm for side in plane.film.shape) for plane in planes.planes]
    assert sizes[0] == pytest.approx((24, 16), abs=planes.mm)
    assert sizes[1] == pytest.approx((24, 16), abs=planes.mm)
    assert sizes[2] == pytest.approx((24, 24), abs=planes.mm)


def test_planes_of_a_file_without_directions_have_no_letters():
    scan = scanned(orientation="stored", size=SIZE, oriented=False)
    planes = planes_through(scan, scan.voxels, LESION, (0, 100)).planes
    assert [plane.edges for plane in planes] == [("", "", "", "")] * 3
    assert [plane.name for plane in planes] == ["across_slices", "across_rows", "across_columns"]
    assert [plane.number for plane in planes] == list(LESION)


def test_planes_are_counted_as_the_file_stores_them():
    scan = scanned("LPI")
    voxel = tuple(np.argwhere(scan.voxels == 100)[0].tolist())
    planes = planes_through(scan, scan.voxels, voxel, (0, 100)).planes
    assert [(plane.axis, plane.number) for plane in planes] == [
        (axis, voxel[axis]) for axis in (2, 1, 0)
    ]


def test_a_cell_in_the_padding_is_brought_to_the_border():
    scan = scanned(size=(16, 12, 20), fit="crop-pad", pad=500, orientation="RAS")
    peak = map_peak(bright(scan), scan)
    assert all(0 <= index < side for index, side in zip(peak.voxel, SIZE))


def test_a_map_without_evidence_is_shown_through_the_middle():
    scan = scanned(values=np.zeros(SIZE, np.float32))
    explanation = bright(scan)
    assert explanation.is_empty
    assert map_peak(explanation, scan).voxel == (4, 5, 7)


def test_the_window_is_the_files_else_the_models_else_of_percentiles():
    about = {"window": (-160.0, 240.0)}
    spec = VolumeInput(orientation="RAS", size=(4, 4, 4), window=(-1000, 400))
    assert shown_window(prepare_volume(volume(**about), spec)) == ((-160, 240), "file")
    assert shown_window(prepare_volume(volume(), spec)) == ((-1000, 400), "model")
    ramp = np.arange(np.prod(SIZE), dtype=np.float32).reshape(SIZE)
    (low, high), source = shown_window(scanned(values=ramp))
    assert (low, high, source) == (pytest.approx(7.675), pytest.approx(1527.325), "volume")


def test_a_ct_without_a_window_is_shown_in_that_of_soft_tissue():
    head = np.full(SIZE, -1000.0, np.float32)
    head[2:6, 2:8, 2:8] = 35
    assert shown_window(scanned(values=head)) == ((-160, 240), "tissue")
    stated = replace(scanned(values=head + 1000), source={"unit": "HU"})
    assert shown_window(stated) == ((-160, 240), "tissue")
    assert shown_window(scanned(values=head + 1000))[1] == "volume"


@pytest.mark.parametrize("oriented", [True, False])
def test_a_figure_is_drawn(oriented):
    scan = scanned(affine=OBLIQUE[:, [2, 1, 0, 3]], oriented=oriented)
    explanation = bright(scan)
    values = scan.to_stored(explanation.map())
    png = planes_png(explanation, scan, values, map_peak(explanation, scan))
    assert png.startswith(b"\x89PNG")
    assert png == planes_png(explanation, scan, values, map_peak(explanation, scan))


def test_stacked_slices_have_planes():
    scan = scanned("SPL", "SPL", (12, 16), slices=8)
    net = nn.Sequential(nn.Conv2d(8, 1, 1, bias=False), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    nn.init.ones_(net[0].weight)
    (explanation,) = cl.explain(net, scan, 0, "hirescam", layer="0")
    peak = map_peak(explanation, scan)
    assert peak.voxel == (4, *LESION[1:])
    assert planes_png(explanation, scan, scan.to_stored(explanation.map()), peak)


def test_places_are_worded_by_their_directions():
    assert place_text((1, -2, 3)) == "R 1.0, P 2.0, S 3.0"
