"""Volumes in the workbench: given as NIfTI, ZIP or frames, explained, and as cases of a run."""

import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom.data import get_testdata_file
from starlette.testclient import TestClient

from camlucida.cli import main
from camlucida.core.errors import ImageError, UsageError
from camlucida.io import decoded_volumes
from camlucida.io.decoded import Decoder
from camlucida.io.decoded_volumes import read_decoded_volume
from camlucida.io.volumes import read_volume
from camlucida.phantom import model_cards
from camlucida.web.app import create_app, guarded
from camlucida.web.export import export_cases
from camlucida.web.inference import Inference
from camlucida.web.serve import settings_of
from camlucida.web.settings import ModelEntry, StudyPlan
from camlucida.web.workbench import study_of
from tests.support.volumes import with_lesion, write_nifti, write_series, write_volume_model
from tests.web.conftest import ADDRESS, ORIGIN, PORT, png

SIZE = (10, 12, 14)
LESION = (3, 8, 5)
COHORT = 'images = "volumes"\nmodel = "card.toml"\n\n[explain]\ntarget = "Lesion"\n'


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model of volumes, a volume, and a run of both."""
    made = tmp_path_factory.mktemp("volumes")
    write_volume_model(made)
    (made / "volumes").mkdir()
    write_nifti(made / "volumes" / "head.nii.gz", with_lesion(SIZE, LESION))
    (made / "cohort.toml").write_text(COHORT)
    with pytest.raises(SystemExit) as stopped:
        main(["run", str(made / "cohort.toml"), "--out", str(made / "run")])
    assert not stopped.value.code
    return made


@pytest.fixture(scope="module")
def bench(folder, tmp_path_factory):
    """A server of the run; no process of models is started."""
    about = {"host": "127.0.0.1", "port": PORT, "device": "cpu", "show_phi": False}
    state = tmp_path_factory.mktemp("state")
    app = create_app(settings_of([str(folder / "run")], [], state, **about))
    yield app
    app.state.workbench.close()


@pytest.fixture
def client(bench):
    made = TestClient(guarded(bench), base_url=ADDRESS, follow_redirects=False)
    token = bench.state.workbench.sessions.new_token()
    made.get(f"/open?token={token}")
    made.headers.update(ORIGIN)
    return made


@pytest.fixture(scope="module")
def inference(folder):
    """A model of volumes, and one of films."""
    films = str(next(iter(model_cards().values())))
    entries = (ModelEntry("3d", "3d", str(folder / "card.toml")), ModelEntry("2d", "2d", films))
    return Inference(entries, device="cpu")


@pytest.fixture(scope="module")
def decoder():
    made = Decoder()
    yield made
    made.stop()


def archive(**files) -> bytes:
    """The content of a ZIP."""
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as written:
        for name, content in files.items():
            written.writestr(name, content)
    return buffer.getvalue()


def series(folder) -> dict[str, bytes]:
    """Slices of a series with a bright voxel, named in another order than they lie in."""
    slices = with_lesion((5, 6, 7), (3, 2, 4)).astype(np.int16)
    write_series(folder / "ct", slices, order=(3, 0, 4, 1, 2))
    return {path.name: path.read_bytes() for path in (folder / "ct").iterdir()}


def test_a_nifti_is_given_and_shown_in_three_planes(client, folder):
    content = (folder / "volumes" / "head.nii.gz").read_bytes()
    given = client.post("/api/films?name=head.nii.gz", content=content)
    assert given.status_code == 201, given.text
    assert (given.json()["size"], given.json()["kinds"]) == ([14, 12, 10], ["volume"])
    shown = client.get(f"/api/films/{given.json()['id']}").json()
    about = shown["volume"]
    assert (about["size"], about["maps"], about["names"][0]) == ([14, 12, 10], [], "Axial")
    assert (shown["film"]["height"], shown["film"]["width"]) == (14 * 12, 10)
    assert about["at"] == [7, 6, 5]  # the middle


def test_the_slices_of_a_series_come_as_a_zip(client, tmp_path):
    files = series(tmp_path)
    given = client.post("/api/films?name=ct", content=archive(**files, DICOMDIR=b"x")).json()
    assert (given["size"], given["format"]) == ([5, 6, 7], "DICOM series")


def test_frames_are_a_film_and_a_volume(client):
    dose = Path(get_testdata_file("rtdose.dcm")).read_bytes()
    given = client.post("/api/films?name=dose.dcm", content=dose).json()
    assert given["kinds"] == ["film", "volume"]
    film = client.get(f"/api/films/{given['id']}").json()
    volume = client.get(f"/api/films/{given['id']}?volume=true").json()
    assert "volume" not in film
    assert volume["volume"]["size"] == [15, 10, 10]


def test_a_zip_that_is_no_series_is_one_line(client, tmp_path):
    files = series(tmp_path)
    del files["000.dcm"]  # neither the first nor the last slice
    damaged = bytearray(archive(a=b"DICOM" * 100))
    damaged[40:50] = b"\xff" * 10
    for content, words in [
        (archive(a=b"text"), "a ZIP without a volume"),
        (archive(DICOMDIR=b"a"), "a ZIP without a file"),
        (bytes(damaged), "cannot be unpacked"),
        (archive(**files), "slice"),
        (archive(a=b"\x1f\x8b", b=b"\x1f\x8b"), "several volumes"),
    ]:
        reply = client.post("/api/films?name=a.zip", content=content)
        assert (reply.status_code, words in reply.json()["what"]) == (422, True), reply.text
        assert "/tmp" not in reply.text


def test_a_zip_that_claims_too_much_is_not_unpacked(monkeypatch, tmp_path):
    monkeypatch.setattr(decoded_volumes, "MAX_BYTES", 1000)
    path = tmp_path / "bomb.zip"
    path.write_bytes(archive(a=bytes(1001)))
    with pytest.raises(ImageError, match="inflates to 1,001 bytes"):
        decoded_volumes.read_untrusted(path, tmp_path)
    assert list(tmp_path.iterdir()) == [path]


def test_a_map_of_a_volume_is_live(folder, decoder, inference, tmp_path):
    decoder.decode(folder / "volumes" / "head.nii.gz", tmp_path, "head")
    about = inference.describe("3d")
    assert (about["volume"], about["input"]) == (True, [1, 10, 12, 14])
    asked = {"model": "3d", "film": "a", "folder": str(tmp_path)}
    findings = inference.findings(**asked)["findings"]
    assert [each["target"] for each in findings] == ["Lesion", "not Lesion"]
    made = inference.map(**asked, target="Lesion", method="gradcam", layer="auto")
    assert made["grid"] == [14, 12, 10]
    # head up, back down, left right: the first axis of the file runs to the left already
    assert made["at"] == [5, 12 - 1 - 8, 3]
    with pytest.raises(UsageError, match="and this is a volume"):
        inference.occlusion(**asked, target="Lesion", cells=2, cover="mean")


def test_the_hottest_cells_of_a_volume_are_hidden(folder, decoder, inference, tmp_path):
    decoder.decode(folder / "volumes" / "head.nii.gz", tmp_path, "head")
    asked = {"model": "3d", "film": "a", "folder": str(tmp_path), "target": "Lesion"}
    curve = inference.curve(**asked, method="gradcam", layer="auto", cover="mean", cells=None)
    scores = [each["score"] for each in curve["hottest"]]
    assert (curve["shares"][0], curve["shares"][-1]) == (0, 1)
    # the lesion alone is bright: the score is its mean, and falls at once to that of the filling
    assert scores[1] == pytest.approx(scores[-1], rel=1e-3)
    assert scores[0] > scores[1]
    assert all(order[1]["score"] >= scores[1] for order in curve["random"])
    with pytest.raises(UsageError, match="imputation of an image"):
        inference.curve(**asked, method="gradcam", layer="auto", cover="inpaint", cells=None)


def test_a_volume_for_a_model_of_films_is_one_sentence(folder, decoder, inference, tmp_path):
    for name in ("volume", "film"):
        (tmp_path / name).mkdir()
    decoder.decode(folder / "volumes" / "head.nii.gz", tmp_path / "volume", "head")
    (tmp_path / "a.png").write_bytes(png())
    decoder.decode(tmp_path / "a.png", tmp_path / "film", "a.png")
    with pytest.raises(UsageError, match="a model of films, and this is a volume"):
        inference.findings("2d", "v", str(tmp_path / "volume"))
    with pytest.raises(UsageError, match="a model of volumes, and this is a film"):
        inference.findings("3d", "f", str(tmp_path / "film"))


def test_a_case_of_a_run_shows_its_volume(client):
    (name,) = [each["id"] for each in client.get("/api/runs").json()]
    case = client.get(f"/api/runs/{name}/cases/0").json()
    assert (case["volume"], case["maps"][0]["grid"]) == (True, [14, 12, 10])
    shown = client.get(f"/api/films/{case['film']}?volume=true").json()
    assert shown["volume"]["size"] == [14, 12, 10]
    picture = client.get(f"/api/runs/{name}/cases/0/thumbnail.png")
    assert Image.open(BytesIO(picture.content)).size[0] > 0


def test_cases_of_volumes_are_exported_with_planes_and_maps(folder, tmp_path):
    export_cases(tmp_path / "a.zip", folder / "run", [0], lambda done, total: None)
    names = zipfile.ZipFile(tmp_path / "a.zip").namelist()
    assert any(name.endswith("_planes.png") for name in names)
    assert any(name.endswith("_map.nii.gz") for name in names)


def test_a_reader_study_of_volumes_is_refused(bench):
    workbench = bench.state.workbench
    (name,) = workbench.runs
    with pytest.raises(UsageError, match="of volumes"):
        study_of(StudyPlan(name), workbench.runs, workbench.store)


def test_a_folder_of_volumes_is_offered(folder, tmp_path):
    about = {"host": "127.0.0.1", "port": PORT, "device": "cpu", "show_phi": False}
    series(tmp_path)
    (tmp_path / "ct" / "notes.txt").touch()
    of_volumes = settings_of([str(tmp_path)], [str(folder / "card.toml")], tmp_path / "s", **about)
    assert [entry.path for entry in of_volumes.films] == [tmp_path / "ct"]
    of_films = settings_of([str(tmp_path)], [], tmp_path / "s", **about)
    assert len(of_films.films) == 5
    nifti = settings_of([str(folder / "volumes")], [], tmp_path / "s", **about)
    assert [entry.name for entry in nifti.films] == ["head.nii.gz"]


def test_a_zip_holds_the_volume_of_its_folder(decoder, tmp_path):
    (tmp_path / "ct.zip").write_bytes(archive(**series(tmp_path)))
    (tmp_path / "out").mkdir()
    decoder.decode(tmp_path / "ct.zip", tmp_path / "out", "ct.zip")
    read, of_folder = read_decoded_volume(tmp_path / "out"), read_volume(tmp_path / "ct")
    assert np.array_equal(read.values, of_folder.values)
    assert np.array_equal(read.affine, of_folder.affine)
    assert read.source["sha256"] == of_folder.source["sha256"]
    assert read.window == of_folder.window
