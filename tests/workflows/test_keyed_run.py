"""``run --deidentify``: no planted name is in the run, or in anything that is made of it."""

from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from starlette.testclient import TestClient

from camlucida.integrations.arrays import to_arrow
from camlucida.integrations.huggingface import write_model_cards
from camlucida.io.dicom.patients import case_name
from camlucida.runs import Run
from camlucida.runs.stored_scan import NO_PICTURE
from camlucida.web.app import create_app, guarded
from camlucida.web.serve import settings_of
from camlucida.web.settings import StudyPlan
from camlucida.workflows.passport import passports
from tests.support.command_line import run_once
from tests.support.figures import blank
from tests.support.leaks import NAME, PLANTED, TABLE, files, leaks, plant_films, words_in
from tests.support.models_on_disk import write_model
from tests.support.volumes import with_lesion, write_nifti, write_volume_model

WORDS = (*PLANTED, *TABLE, NAME, "Meier Max", "Arztname")
COHORT = f"""
images = "{NAME}_films"
table = "{NAME}_labels.csv"
masks = "{NAME}_masks"
model = "card.toml"
[explain]
target = ["Nodule", "truth"]
method = ["gradcam", "eigencam"]
"""
LABELS = f"""image,patient,Arztname,Nodule,Mass
{NAME}_1,Meier Max,Dr. Schmidt,1,0
{NAME}_2,Meier Max,Dr. Schmidt,0,
{NAME}_3,Huber Anna,Dr. Schmidt,1,0
{NAME}_4,Huber Anna,Dr. Schmidt,1,0
{NAME}_5,Huber Ida,Dr. Schmidt,0,1
otherperson_7,Huber Eva,Dr. Schmidt,0,1
"""
FAILING = ("run", "export", "evaluate", "compare")
ADDRESS = "http://127.0.0.1:8329"


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("project")
    plant_films(folder / f"{NAME}_films")
    write_model(folder)
    masks = folder / f"{NAME}_masks"
    masks.mkdir()
    mask = np.zeros((128, 128), np.uint8)
    mask[30:60, 30:60] = 255
    for name in (f"{NAME}_3", "otherperson_9"):
        Image.fromarray(mask).save(masks / f"{name}.png")
    Image.fromarray(mask[:64]).save(masks / f"{NAME}_5.png")  # of another size: an error
    (folder / f"{NAME}_labels.csv").write_text(LABELS)
    (folder / f"{NAME}.toml").write_text(COHORT)
    return folder


@pytest.fixture(scope="module")
def made(project, tmp_path_factory):
    """The run and what is made of it, in a folder; and what the commands printed."""
    out = tmp_path_factory.mktemp("made")
    run = out / "run"
    commands = {
        "run": (f"{NAME}.toml", "--out", run, "--deidentify"),
        "evaluate": (run, "--metrics", "hit"),
        "report": (run, "--format", "html,tex"),
        "case": (run, case_name(f"{NAME}_3"), "--label", "Nodule"),
        "passport": (run,),
        "compare": (run, "--by", "method", "--out", out / "compared"),
        "export": ("dicom", run, "--deidentify", "--out", out / "objects"),
        "evaluate-chexlocalize": (run, "--truth", f"{NAME}_masks", "--out", out / "protocol"),
        "runs": ("compact", run),
        "show": (run,),
    }
    printed = {}
    with pytest.MonkeyPatch.context() as patch:
        blank(patch)  # words are searched for, and drawing takes most of the time
        for name, words in commands.items():
            typed = ["camlucida", name, str(project / f"{NAME}_films"), *map(str, words)]
            patch.setattr("sys.argv", typed)  # what records hold of the command
            printed[name] = run_once(project, name, *words)
    opened = Run.open(run)
    write_model_cards(passports(opened, out), out / "cards")
    to_arrow(opened).to_pandas().to_csv(out / "arrow.csv")
    opened.explanations().to_csv(out / "pandas.csv")
    return out, printed


@contextmanager
def browser(run, state, where=()):
    """A browser at the workbench of a run; with a reader study of some cases, if they are given."""
    given = {"host": "127.0.0.1", "port": 8329, "device": "cpu", "show_phi": True}
    settings = settings_of([str(run)], [], state, **given)
    plan = StudyPlan(next(iter(settings.runs)), where, 0, 1, 0) if where else None
    app = create_app(replace(settings, study=plan))
    client = TestClient(guarded(app), base_url=ADDRESS, headers={"origin": ADDRESS})
    client.get(f"/open?token={app.state.workbench.sessions.new_token()}")
    yield client
    app.state.workbench.close()


@pytest.fixture(scope="module")
def client(made, tmp_path_factory):
    with browser(made[0] / "run", tmp_path_factory.mktemp("state")) as client:
        yield client


def test_the_words_are_in_the_inputs(project):
    """Else they would be found nowhere."""
    found = {line.rpartition(": ")[2] for line in leaks(project, WORDS)}
    assert found == {*WORDS}


def test_every_command_works_with_keyed_names(made):
    codes = {name: done.code for name, done in made[1].items()}
    # one image is damaged, three are no DICOM, and one mask is of another size
    failing = dict.fromkeys(FAILING, 1)
    assert codes == dict.fromkeys(made[1], 0) | failing, made[1]


@pytest.mark.parametrize(
    "suffix",
    [
        *(".html", ".pdf", ".tex", ".png", ".js", ".csv", ".json"),
        *(".parquet", ".safetensors", ".sqlite", ".lock", ".dcm"),
    ],
)
def test_no_planted_word_is_in_a_file(made, project, suffix):
    assert any(path.suffix == suffix for path in files(made[0]))
    assert leaks(made[0], (*WORDS, str(project)), [suffix]) == []


def test_no_file_is_of_an_unsearched_kind(made):
    kinds = {path.suffix for path in files(made[0])}
    assert {".html", ".pdf", ".tex", ".csv", ".parquet", ".sqlite", ".dcm"} <= kinds
    assert leaks(made[0], WORDS) == []


def test_no_planted_word_is_printed(made, project):
    said = "".join(done.out + done.err for done in made[1].values())
    assert words_in(said, (*WORDS, str(project))) == []


def test_images_and_patients_have_keyed_names(made):
    run = Run.open(made[0] / "run")
    cohort = run.query("SELECT image, path, patient, mask FROM cohort")
    assert set(cohort["image"]) == {case_name(f"{NAME}_{number}") for number in range(1, 6)}
    assert cohort["patient"].str.fullmatch("patient-[0-9a-f]{16}").all()
    assert cohort["patient"].nunique() == 3
    assert cohort["path"].str.fullmatch("keyed/cohort-[0-9a-f]{16}/case-[0-9a-f]{16}").all()


def test_masks_and_films_are_found_behind_keyed_names(made):
    scores = pd.read_parquet(made[0] / "run/evaluation/rows.parquet")
    assert set(scores["image"]) == {case_name(f"{NAME}_3")}
    run = Run.open(made[0] / "run")
    assert all(run.explanation(row).scan.display is not None for row in range(3))
    assert (made[0] / "objects").joinpath(f"{case_name(f'{NAME}_1')}_report.dcm").is_file()


def test_the_user_learns_which_file_a_name_stands_for(made, project):
    done = run_once(project, "show", made[0] / "run", "--names")
    films = project / f"{NAME}_films"
    assert f"{case_name(f'{NAME}_3')}\t{films / f'{NAME}_3.png'}" in done.out
    assert f"{case_name(f'{NAME}_4')}\t{films / f'{NAME}_4.png'}" in done.out


def test_a_keyed_run_goes_on_with_the_same_names(made, project):
    before = (made[0] / "run/run.json").read_bytes()
    done = run_once(project, "run", f"{NAME}.toml", "--out", made[0] / "run", "--resume")
    assert "4 of 5 items done" in done.out
    assert (made[0] / "run/run.json").read_bytes() == before
    assert leaks(made[0] / "run", WORDS) == []


def test_without_the_record_the_run_shows_maps_and_no_films(made, project, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    run = Run.open(made[0] / "run")
    assert run.explanation(0).scan.display is None
    done = run_once(project, "evaluate", made[0] / "run")
    assert done.code == 2
    assert "what they stand for is not recorded for this user" in done.err


@pytest.mark.parametrize(
    "address",
    [
        *(
            "",
            "/cases",
            "/cases/0",
            "/cases/0/thumbnail.png",
            "/points?x=score",
            "/review?reader=r",
        ),
        "/reviews.csv",
    ],
)
def test_no_planted_word_is_in_a_reply_on_the_run(client, address):
    (run,) = client.get("/api/runs").json()
    reply = client.get(f"/api/runs/{run['id']}{address}")
    assert reply.status_code == 200, reply.text
    assert words_in(reply.content.decode("latin1"), WORDS) == []


@pytest.mark.parametrize(
    "address",
    [
        *("/api/runs", "/api/models", "/api/films", "/api/runs/run/cases/99"),
    ],
)
def test_no_planted_word_is_in_a_reply_of_the_workbench(client, address):
    assert words_in(client.get(address).text, WORDS) == []


def test_no_planted_word_is_in_a_reader_study(made, tmp_path):
    addresses = ("", "/next?reader=r", "/results", "/readings.csv")
    with browser(made[0] / "run", tmp_path, ("label=Nodule", "method=gradcam")) as client:
        replies = [client.get(f"/api/study{address}") for address in addresses]
    assert [reply.status_code for reply in replies] == [200] * 4, replies[1].text
    assert words_in("".join(reply.text for reply in replies), WORDS) == []
    assert leaks(tmp_path, WORDS) == []


def test_a_volume_has_a_keyed_name_too(tmp_path):
    write_volume_model(tmp_path)
    (tmp_path / "volumes").mkdir()
    path = tmp_path / "volumes" / f"{NAME}_v.nii"
    write_nifti(path, with_lesion((10, 12, 14), (3, 8, 5)))
    content = bytearray(path.read_bytes())
    content[148:156] = b"Nachname"  # descrip of the header
    path.write_bytes(content)
    (tmp_path / "cohort.toml").write_text(
        'images = "volumes"\nmodel = "card.toml"\n[explain]\ntarget = "Lesion"\n'
    )
    done = run_once(tmp_path, "run", "cohort.toml", "--out", "run", "--deidentify")
    assert (done.code, words_in(done.out + done.err, WORDS)) == (0, [])
    assert leaks(tmp_path / "run", WORDS) == []
    assert NO_PICTURE not in Run.open(tmp_path / "run").explanation(0).scan.warnings
