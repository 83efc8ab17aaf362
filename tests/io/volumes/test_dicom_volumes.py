"""DICOM series and multi-frame files as volumes: order, places, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
from pydicom.data import get_testdata_file

from camlucida.core.errors import ImageError
from camlucida.core.messages import Message
from camlucida.io.volumes import expand_volumes, read_volume
from tests.support.volumes import write_nifti, write_series

SLICES = np.arange(4 * 3 * 5, dtype=np.int16).reshape(4, 3, 5)


def series(tmp_path, **options):
    return write_series(tmp_path / "ct", SLICES, order=(2, 0, 3, 1), **options)


def test_slices_are_sorted_by_position_and_rescaled(tmp_path):
    read = read_volume(series(tmp_path))
    assert np.array_equal(read.values, SLICES - 1000.0)
    assert read.source["orientation"] == "SPL"
    assert read.source["spacing_mm"] == [3, 2, 1.5]
    assert read.window == (-160, 240)
    assert (read.id, read.warnings) == ("ct", ())


def test_a_voxel_lies_where_the_headers_say(tmp_path):
    read = read_volume(series(tmp_path))
    # DICOM counts to the left and to the back, the affine to the right and to the front.
    assert read.affine @ [2, 1, 3, 1] == pytest.approx([20 - 3 * 1.5, 30 - 2, 106, 1])


def test_slices_out_of_the_axial_plane(tmp_path):
    turned = {
        "ImageOrientationPatient": [0, 1, 0, 0, 0, -1],
        "ImagePositionPatient": lambda number: [5.0 + 2 * number, 0, 0],
    }
    read = read_volume(series(tmp_path, **turned))
    # The normal of a sagittal slice, row × column, points to the right.
    assert read.source["orientation"] == "RIP"
    assert np.array_equal(read.values, SLICES[::-1] - 1000.0)


def test_no_text_of_a_person_is_kept(tmp_path):
    assert "SECRET" not in str(read_volume(series(tmp_path)))
    assert "Doe" not in str(read_volume(series(tmp_path)).source)


@pytest.mark.parametrize(
    ("elements", "reason"),
    [
        ({"SeriesInstanceUID": lambda n: f"1.2.{n // 3}"}, "2 series, of 3, 1 images"),
        (
            {"ImageOrientationPatient": lambda n: [1, 0, 0, 0, int(n > 0), int(n == 0)]},
            "several orientations",
        ),
        ({"PixelSpacing": lambda n: [2.0 + n, 1.5]}, "different PixelSpacing"),
        ({"ImagePositionPatient": lambda n: [0, 0, 3.0 * (n // 2)]}, "2 more slices than places"),
        (
            {"ImagePositionPatient": lambda n: [0, 0, 3.0 * (n + (n > 1))]},
            "has a gap: slices 2",
        ),
        ({"ImagePositionPatient": None}, "does not say its ImagePositionPatient"),
        ({"PhotometricInterpretation": "RGB"}, "in colour"),
    ],
)
def test_what_is_no_one_volume_is_refused(tmp_path, elements, reason):
    with pytest.raises(ImageError, match=reason) as caught:
        read_volume(series(tmp_path, **elements))
    assert "\n" not in str(caught.value)


def test_images_of_two_sizes_are_refused(tmp_path):
    folder = series(tmp_path)
    write_series(tmp_path / "more", np.zeros((6, 2, 2), np.int16), order=(5,))
    (tmp_path / "more" / "000.dcm").rename(folder / "more.dcm")
    with pytest.raises(ImageError, match="2 sizes: 2 × 2, 3 × 5"):
        read_volume(folder)


def test_copies_are_left_out_and_said(tmp_path):
    folder = series(tmp_path)
    (folder / "copy.dcm").write_bytes((folder / "001.dcm").read_bytes())
    (folder / "readme.txt").write_text("no image")
    read = read_volume(folder)
    assert read.values.shape == SLICES.shape
    assert read.warnings == (Message("volume.copies", {"count": 1}),)


def test_uneven_distances_and_a_tilted_gantry_are_said(tmp_path):
    places = [0, 3.0, 6.3, 9.3]
    uneven = {"ImagePositionPatient": lambda n: [0, 0.5 * places[n], places[n]]}
    codes = [note.code for note in read_volume(series(tmp_path, **uneven)).warnings]
    assert codes == ["volume.uneven", "volume.sheared"]


def test_a_damaged_slice_is_one_line(tmp_path):
    folder = series(tmp_path)
    data = (folder / "001.dcm").read_bytes()
    (folder / "001.dcm").write_bytes(data[:-6])
    with pytest.raises(ImageError, match=r"001\.dcm"):
        read_volume(folder)


def test_a_real_series_and_real_files_of_many_frames():
    folder = Path(get_testdata_file("CT_small.dcm")).parent / "dicomdirtests/98892001/CT5N"
    read = read_volume(folder)
    assert (read.values.shape, read.source["spacing_mm"][0]) == ((5, 16, 16), 2.5)
    dose = read_volume(get_testdata_file("rtdose.dcm"))
    assert (dose.values.shape, dose.source["spacing_mm"]) == ((15, 10, 10), [5, 10, 10])


@pytest.mark.parametrize(
    ("name", "reason"),
    [("CT_small.dcm", "has 1 slice"), ("color3d_jpeg_baseline.dcm", "without positions")],
)
def test_what_is_no_volume_is_refused(name, reason):
    with pytest.raises(ImageError, match=reason):
        read_volume(get_testdata_file(name))


def test_folders_give_files_and_series(tmp_path):
    write_nifti(tmp_path / "b.nii", np.ones((2, 2, 2)))
    series(tmp_path)
    (tmp_path / "frames").mkdir()
    frames = tmp_path / "frames" / "dose.dcm"
    frames.write_bytes(Path(get_testdata_file("rtdose.dcm")).read_bytes())
    paths, errors = expand_volumes([tmp_path, tmp_path / "no.nii"])
    assert paths == [tmp_path / "b.nii", tmp_path / "ct", frames]
    assert [error.what for error in errors] == [f"no such file: {tmp_path / 'no.nii'}"]
    assert expand_volumes([tmp_path / "*.nii"])[0] == [tmp_path / "b.nii"]


def test_an_image_is_no_volume(tmp_path):
    (tmp_path / "a.png").write_bytes(b"\x89PNG")
    with pytest.raises(ImageError, match="is no volume that can be read"):
        read_volume(tmp_path / "a.png")
