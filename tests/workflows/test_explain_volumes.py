"""``explain`` of volumes: from a file or a series to a map in the patient's own coordinates."""

import json

import nibabel
import numpy as np
import pytest

from camlucida.cli import main
from tests.support.models_on_disk import write_image
from tests.support.volumes import (
    CARD,
    OBLIQUE,
    with_lesion,
    write_nifti,
    write_series,
    write_volume_model,
)


@pytest.fixture
def card(tmp_path):
    return write_volume_model(tmp_path)


def run(*arguments) -> int:
    with pytest.raises(SystemExit) as stop:
        main([str(argument) for argument in arguments])
    return int(stop.value.code or 0)


def records(out):
    return json.loads((out / "explanations.json").read_text())


def test_a_nifti_file_to_a_map_at_the_lesions_place(tmp_path, card):
    lesion = (3, 8, 5)
    path = write_nifti(tmp_path / "head.nii.gz", with_lesion((10, 12, 14), lesion))
    out = tmp_path / "out"
    assert run("explain", path, "--model", card, "--out", out, "--target", "Lesion") == 0
    (record,) = records(out)
    place = (OBLIQUE @ [*lesion, 1])[:3]
    assert record["volume"]["peak_mm"] == pytest.approx(place)
    assert record["volume"]["peak_voxel"] == [5, 8, 3]
    assert record["files"].keys() == {"maps", "figure", "map"}
    image = nibabel.load(out / record["files"]["map"])
    assert np.allclose(image.affine, OBLIQUE, atol=1e-5)
    values = image.get_fdata()
    index = np.unravel_index(values.argmax(), values.shape)
    assert index == lesion
    assert np.allclose(image.affine @ [*index, 1], OBLIQUE @ [*lesion, 1], atol=1e-4)
    assert [region["voxels"] for region in record["regions"]] == [1]
    assert record["regions"][0]["first"] == [5, 8, 3]
    raw = np.load(out / record["files"]["maps"])[record["map_key"]]
    assert list(raw.shape) == record["grid"] == [10, 12, 14]
    page = (out / "index.html").read_text()
    assert "10 × 12 × 14 voxels" in page
    assert "1 region at or above half the maximum" in page
    assert record["files"]["figure"] in page


def test_a_series_folder_and_a_broken_file(tmp_path, card, capsys):
    slices = with_lesion((14, 12, 10), (9, 2, 7)).astype(np.int16)
    write_series(tmp_path / "in" / "ct", slices, order=range(13, -1, -1))
    (tmp_path / "in" / "broken.nii").write_bytes(b"nothing")
    out = tmp_path / "out"
    options = ("--model", card, "--out", out, "--target", "Lesion", "--write", "map")
    assert run("explain", tmp_path / "in", *options) == 1
    (record,) = records(out)
    assert (record["id"], record["volume"]["peak_voxel"]) == ("ct", [9, 2, 7])
    assert "is no volume that can be read" in capsys.readouterr().err
    assert not list(out.glob("*.png"))
    image = nibabel.load(out / record["files"]["map"])
    index = np.unravel_index(image.get_fdata().argmax(), image.shape)
    assert image.affine @ [*index, 1] == pytest.approx([20 - 7 * 1.5, 30 - 2 * 2, 127, 1])


def test_what_a_volume_has_not_is_refused_before_anything_runs(tmp_path, card, capsys):
    path = write_nifti(tmp_path / "a.nii", np.ones((2, 2, 2)))
    options = ("--model", card, "--out", tmp_path / "out")
    assert run("explain", path, *options, "--write", "overlay") == 2
    assert "no overlay can be written" in capsys.readouterr().err
    assert run("explain", tmp_path / "no.nii", *options) == 2
    assert "no such file" in capsys.readouterr().err


def test_a_volume_of_a_model_of_images_is_refused_with_the_mend(tmp_path, card, capsys):
    card.write_text(CARD.partition("[volume]")[0])
    path = write_nifti(tmp_path / "a.nii", np.ones((2, 2, 2)))
    assert run("explain", path, "--model", card, "--out", tmp_path / "out") == 1
    error = capsys.readouterr().err
    assert "is a NIfTI volume, not an image" in error
    assert "[volume]" in error


def test_a_command_of_images_refuses_a_model_of_volumes(tmp_path, card, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_image(tmp_path / "a.png")
    assert run("change", "a.png", "a.png", "--model", "card.toml", "--out", "out") == 2
    assert "is a model of volumes, and this command is for images" in capsys.readouterr().err


def test_layers_of_a_model_of_volumes_are_listed(card, capsys):
    assert run("layers", "--model", card, "--json") == 0
    layers = json.loads(capsys.readouterr().out)
    assert [10, 12, 14] in [layer["grid"] for layer in layers]
