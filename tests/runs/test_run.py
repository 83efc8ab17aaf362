"""A run, what a reader finds in it, and what makes it compute again."""

import json
import sqlite3
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

import camlucida
from camlucida import explain
from camlucida.core.errors import CamlucidaError, LayerError, ModelError, UsageError
from camlucida.models import load_model
from camlucida.runs import Run, driver, execute, find_runs
from camlucida.runs import run as runs
from camlucida.runs.compute import Worker
from camlucida.runs.folder import FORMAT, one_writer
from camlucida.runs.resume import DEATHS
from camlucida.runs.stored_scan import NO_PICTURE, stored_geometry
from tests.cli.test_cli import run as command
from tests.support.cohorts import content, write_cohort, write_toml
from tests.support.models_on_disk import write_image, write_model
from tests.support.runs_on_disk import run_of


@pytest.fixture
def cohort(tmp_path):
    return write_cohort(tmp_path / "cohort")


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    monkeypatch.setattr(runs, "PART", 2)


def computed(monkeypatch) -> list[str]:
    """Ids of the images that are computed from now on."""
    seen: list[str] = []
    process = Worker.process

    def noting(self, members):
        seen.extend(member.id for member in members)
        return process(self, members)

    monkeypatch.setattr(Worker, "process", noting)
    return seen


def test_maps_and_predictions_are_those_of_explain(cohort, tmp_path):
    out = tmp_path / "run"
    outcome = execute(cohort, out, batch_size=2)
    assert outcome.counts == {"done": 5, "failed": 1, "pending": 0}
    run = Run.open(out)
    model = load_model(cohort.parent / "card.toml", device="cpu")
    explanations = run.explanations()
    assert len(explanations) == 5 * 2 * 2
    for i, row in explanations.iterrows():
        scan = model.read(row["path"])
        want = next(
            e
            for e in camlucida.explain(model, scan, target="top2", method=row["method"])
            if e.target == row["target"]
        )
        have = run.explanation(i)
        torch.testing.assert_close(have.raw, want.raw, rtol=1e-4, atol=1e-7)
        assert have.raw.dtype == torch.float32
        assert (have.layer, have.relu, have.empty_reason) == (
            want.layer,
            want.relu,
            want.empty_reason,
        )
        assert have.score == pytest.approx(want.score, rel=1e-4)
        assert have.probability == pytest.approx(want.probability, rel=1e-4)
        assert have.scan.geometry == scan.geometry
        assert have.scan.tensor.equal(scan.tensor)
        assert have.scan.picture().shape == (48, 64)
        assert {k: v for k, v in have.provenance.items() if k != "source"} == {
            k: v for k, v in want.provenance.items() if k != "source"
        }
        assert np.isclose(row["high"], float(want.raw.max()), rtol=1e-4)
    predictions = run.predictions()
    assert list(predictions["label"][:3]) == ["Nodule", "Pleural Effusion", "Mass"]
    with torch.no_grad():
        logits = torch.stack(
            [model.module(model.read(p).tensor[None])[0] for p in predictions["path"][::3]]
        )
    np.testing.assert_allclose(predictions["logit"], logits.flatten(), rtol=1e-4)
    np.testing.assert_allclose(predictions["probability"], logits.flatten().sigmoid(), rtol=1e-4)
    truth = {(row["image"], row["label"]): row["truth"] for _, row in predictions.iterrows()}
    assert (truth["0", "Nodule"], truth["1", "Nodule"], truth["0", "Mass"]) == (0, 1, 1)
    assert np.isnan(truth["1", "Mass"])  # −1 in the table
    assert np.isnan(truth["0", "Pleural Effusion"])  # no column
    assert list(predictions["group_sex"][:6]) == ["f"] * 3 + ["m"] * 3


def test_a_poison_image_costs_that_image_alone(cohort, tmp_path):
    outcome = execute(cohort, tmp_path / "run")
    assert [(failure.image, failure.code) for failure in outcome.failures] == [("3", "image")]
    run = Run.open(tmp_path / "run")
    (failed,) = [entry for entry in run.entries if entry.state == "failed"]
    assert failed.attempts == 1
    assert "3.png" in failed.failure.what
    assert "\n" not in str(failed.failure)
    write_image(cohort.parent / "films/3.png", 3)
    assert execute(cohort, tmp_path / "run", resume=True).counts == {
        "done": 6,
        "failed": 0,
        "pending": 0,
    }


def test_an_image_on_which_the_process_dies_is_found_and_given_up(cohort, tmp_path, monkeypatch):
    """The deaths are exceptions here, that nothing catches; the ledger sees the same."""
    process, out = Worker.process, tmp_path / "run"

    def deadly(self, members):
        if any(member.id == "4" for member in members):
            raise SystemError("segmentation fault")
        return process(self, members)

    monkeypatch.setattr(Worker, "process", deadly)
    deaths = 0
    while True:
        try:
            outcome = execute(cohort, out, resume=True)
            break
        except SystemError:
            deaths += 1
    assert deaths == 2 * DEATHS
    assert outcome.counts == {"done": 4, "failed": 2, "pending": 0}
    (died,) = [failure for failure in outcome.failures if failure.image == "4"]
    assert died.code == "died"
    assert "died 3 times while it worked on this image alone" in died.what
    seen = computed(monkeypatch)
    assert execute(cohort, out, resume=True).counts == outcome.counts
    assert seen == [
        "3"
    ]  # a file that could not be read is tried again; what killed the process is not
    monkeypatch.setattr(Worker, "process", process)
    write_image(cohort.parent / "films/4.png", 44)
    assert execute(cohort, out, resume=True).counts == {"done": 5, "failed": 1, "pending": 0}


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(28, "No space left on device")])
def test_an_interrupt_or_a_full_disk_is_not_held_against_an_image(
    cohort, tmp_path, monkeypatch, error
):
    def stopped(self, members):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(Worker, "process", stopped)
        for _ in range(2 * DEATHS + 1):
            with pytest.raises((KeyboardInterrupt, CamlucidaError)):
                execute(cohort, tmp_path / "run", resume=True)
    assert {entry.attempts for entry in Run.open(tmp_path / "run").entries} == {0}
    assert execute(cohort, tmp_path / "run", resume=True).counts["done"] == 5


def test_nothing_is_computed_twice(cohort, tmp_path, monkeypatch):
    out = tmp_path / "run"
    execute(cohort, out)
    before = content(out)
    seen = computed(monkeypatch)
    outcome = execute(cohort, out, resume=True)
    assert seen == ["3"]
    assert content(out) == before
    assert not {"notes.again", "notes.again_image"} & {note.code for note in outcome.notes}


def change_image(folder: Path) -> None:
    write_image(folder / "films/0.png", 77)


def change_weights(folder: Path) -> None:
    model = load_model(folder / "card.toml")
    state = {key: value * 1.5 for key, value in model.module.state_dict().items()}
    save_file(state, folder / "w.safetensors")
    (folder / "card.toml").write_text(
        'checkpoint = "w.safetensors"\n' + (folder / "card.toml").read_text()
    )


def change_code(folder: Path) -> None:
    text = (folder / "net.py").read_text()
    (folder / "net.py").write_text(text.replace("mean((2, 3))", "amax((2, 3))"))


def change_preprocessing(folder: Path) -> None:
    (folder / "card.toml").write_text(
        (folder / "card.toml").read_text().replace("[-1, 1]", "[0, 1]")
    )


ALL = ["0", "1", "2", "4", "5"]
CHANGES = {
    "image": (change_image, ["0"], "0"),
    "weights": (change_weights, ALL, "weights"),
    "layer": (lambda folder: write_toml(folder, "features.1"), ALL, "layers"),
    "network": (change_code, ALL, "network"),
    "card": (change_preprocessing, ALL, "card"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_what_has_changed_is_computed_again_and_nothing_stale_is_left(tmp_path, monkeypatch, what):
    cohort, out = write_cohort(tmp_path / "cohort"), tmp_path / "run"
    execute(cohort, out, batch_size=1)
    change, again, named = CHANGES[what]
    change(cohort.parent)
    seen = computed(monkeypatch)
    outcome = execute(cohort, out, resume=True)
    assert [image for image in seen if image != "3"] == again
    assert any("computed again" in str(note) and named in str(note) for note in outcome.notes)
    execute(cohort, tmp_path / "fresh", batch_size=1)
    assert content(out) == content(tmp_path / "fresh")  # batches of one: no other rounding
    live = {entry.identity for entry in Run.open(out).entries}
    stored = Run.open(out).query(
        f"SELECT DISTINCT identity FROM read_parquet('{out}/meta/*.parquet')"
    )
    assert set(stored["identity"]) <= live  # no file holds a stale row


def test_stale_maps_are_out_of_sight_before_they_are_replaced(cohort, tmp_path, monkeypatch):
    out = tmp_path / "run"
    execute(cohort, out)
    write_toml(cohort.parent, "features.1")

    def stop(self, members):
        raise KeyboardInterrupt

    monkeypatch.setattr(Worker, "process", stop)
    with pytest.raises(KeyboardInterrupt):
        execute(cohort, out, resume=True)
    run = Run.open(out)
    assert run.counts == {"done": 0, "failed": 0, "pending": 6}
    assert run.explanations().empty
    assert run.predictions().empty
    assert (
        len(list(out.glob("meta/*.parquet"))) == 3
    )  # nothing is deleted before its successor is there


def test_new_code_of_camlucida_computes_again(cohort, tmp_path, monkeypatch):
    execute(cohort, tmp_path / "run")
    monkeypatch.setattr("camlucida.runs.identity.code_digest", lambda: "another")
    assert any(
        "changed: code" in str(note)
        for note in execute(cohort, tmp_path / "run", resume=True).notes
    )


def test_a_corrected_table_needs_no_model(cohort, tmp_path, monkeypatch):
    out, table = tmp_path / "run", cohort.parent / "labels.csv"
    execute(cohort, out)
    table.write_text(table.read_text().replace("0,p0,f,0,1", "0,other,x,1,1"))
    seen = computed(monkeypatch)
    execute(cohort, out, resume=True)
    assert seen == ["3"]
    row = Run.open(out).predictions().iloc[0]
    assert (row["patient"], row["group_sex"], row["truth"]) == ("other", "x", 1)


def test_images_that_leave_and_return_are_kept(cohort, tmp_path, monkeypatch):
    out, film = tmp_path / "run", cohort.parent / "films/5.png"
    execute(cohort, out)
    before = content(out)
    film.rename(tmp_path / "5.png")
    outcome = execute(cohort, out, resume=True)
    assert "notes.left_items" in [note.code for note in outcome.notes]
    assert "5" not in set(Run.open(out).predictions()["image"])
    (tmp_path / "5.png").rename(film)
    seen = computed(monkeypatch)
    execute(cohort, out, resume=True)
    assert seen == ["3"]
    assert content(out) == before


def test_a_map_is_shown_without_a_picture_that_has_changed(cohort, tmp_path):
    execute(cohort, tmp_path / "run")
    run = Run.open(tmp_path / "run")
    before = run.explanation(0)
    change_image(cohort.parent)
    after = run.explanation(0)
    assert after.raw.equal(before.raw)
    assert NO_PICTURE in after.scan.warnings
    assert after.scan.display is None
    assert after.on_original().equal(before.on_original())
    (cohort.parent / "films/0.png").unlink()
    assert NO_PICTURE in run.explanation(0).scan.warnings
    outcome = execute(cohort, tmp_path / "run", resume=True)
    assert outcome.counts["done"] == 4  # the folder no longer has it


def test_several_models(tmp_path):
    cohort = write_cohort(tmp_path / "cohort", broken=None)
    change_weights(cohort.parent)
    text = 'images = "films"\n[[models]]\ncard = "card.toml"\nseed = 42\nweight = 2\n'
    text += '[[models]]\ncard = "card.toml"\ncheckpoint = "w.safetensors"\nfold = 1\n'
    cohort.write_text(text)
    execute(cohort, tmp_path / "run")
    run = Run.open(tmp_path / "run")
    assert [model["name"] for model in run.about["models"]] == ["card_seed42", "card_fold1"]
    assert run.counts["done"] == 12
    result = run.query(
        "SELECT model, count(*) AS n FROM explanations GROUP BY model ORDER BY model"
    )
    assert list(result["n"]) == [18, 18]
    cohort.write_text(text.replace("seed = 42", "").replace("fold = 1", ""))
    with pytest.raises(UsageError, match="two models are called 'card'"):
        execute(cohort, tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_which_network_of_a_checkpoint(tmp_path):
    cohort = write_cohort(tmp_path / "cohort", films=1, broken=None)
    state = load_model(cohort.parent / "card.toml").module.state_dict()
    other = {key: value * 1.5 for key, value in state.items()}
    torch.save({"student": state, "teacher": other}, cohort.parent / "both.pth")
    models = ""
    for seed, key in enumerate(("student", "teacher")):
        models += '[[models]]\ncard = "card.toml"\ncheckpoint = "both.pth"\n'
        models += f'checkpoint_key = "{key}"\nseed = {seed}\n'
    cohort.write_text(f'images = "films"\n{models}')
    execute(cohort, tmp_path / "run")
    about = Run.open(tmp_path / "run").about["models"]
    assert [model["checkpoint_key"] for model in about] == ["student", "teacher"]
    assert about[0]["sha256"] != about[1]["sha256"]


@pytest.mark.parametrize("column", ["age_years", "age"])
def test_regression_and_truth(tmp_path, column):
    cohort = write_cohort(tmp_path / "cohort", films=3, broken=None)
    write_model(cohort.parent, "regression", ("age",))
    (cohort.parent / "labels.csv").write_text(f"image,{column}\n0,50\n1,\n2,70.5\n")
    cohort.write_text(
        'images = "films"\ntable = "labels.csv"\nmodel = "card.toml"\n'
        f'[columns]\nvalue = "{column}"\n'
    )
    execute(cohort, tmp_path / "run")
    result = Run.open(tmp_path / "run").predictions()
    assert list(result["truth"].fillna(-1)) == [50, -1, 70.5]
    assert result["value"].notna().all()
    assert result["logit"].isna().all()


SEGMENTER = """
import torch
from torch import nn

def build():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 4, 3, 1, 1), nn.ReLU(), nn.Conv2d(4, 1, 1))
    with torch.no_grad():
        net[0].weight.fill_(1 / 9), net[0].bias.zero_()
        net[2].weight.fill_(1), net[2].bias.fill_(-2)
    return net
"""


def test_segmentation_keeps_regions_and_predictions_without_a_region(tmp_path):
    from camlucida.io.annotations import from_rle

    (tmp_path / "net.py").write_text(SEGMENTER)
    text = 'factory = "net.py:build"\ntask = "segmentation"\nlabels = ["lesion"]\nlayer = "0"\n'
    text += "[input]\nsize = 16\nchannels = 1\n"
    (tmp_path / "card.toml").write_text(text)
    (tmp_path / "films").mkdir()
    film = np.zeros((32, 32), np.uint8)
    Image.fromarray(film).save(tmp_path / "films/empty.png")
    film[8:16, 8:24] = 255
    Image.fromarray(film).save(tmp_path / "films/lesion.png")
    cohort = tmp_path / "cohort.toml"
    cohort.write_text('images = "films"\nmodel = "card.toml"\n')
    outcome = execute(cohort, tmp_path / "run")
    assert not outcome.failures  # nothing predicted is a result
    assert outcome.counts == {"done": 2, "failed": 0, "pending": 0}
    (note,) = [note for note in outcome.notes if note.code == "items.empty_region"]
    assert (note.values["count"], note.values["names"]) == (1, "empty")
    result = Run.open(tmp_path / "run").predictions().set_index("image")
    assert result["area"].to_dict() == {"empty": 0.0, "lesion": pytest.approx(128, abs=40)}
    region = from_rle({"size": result["original"]["lesion"], "counts": result["region"]["lesion"]})
    assert region.sum() == result["area"]["lesion"]
    assert region[12, 16]
    assert result["share"]["lesion"] == result["area"]["lesion"] / 1024
    assert list(Run.open(tmp_path / "run").explanations()["target"]) == ["lesion region"]


def test_wrong_requests_leave_no_folder(cohort, tmp_path):
    for layer, kind in (("nowhere", LayerError), ('auto"\nmethods = "x', UsageError)):
        write_toml(cohort.parent, layer)
        with pytest.raises(kind):
            execute(cohort, tmp_path / "run")
    write_toml(cohort.parent, "auto")
    cohort.write_text(cohort.read_text().replace('"top2"', '"Noodle"'))
    with pytest.raises(UsageError, match="did you mean Nodule"):
        execute(cohort, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_run_in_the_way_or_in_use_is_refused(cohort, tmp_path):
    execute(cohort, tmp_path / "run")
    before = content(tmp_path / "run")
    with pytest.raises(UsageError, match=r"holds a run already .*--resume"):
        execute(cohort, tmp_path / "run")
    folder = Run.open(tmp_path / "run").folder
    with one_writer(folder), pytest.raises(UsageError, match="another process"):
        execute(cohort, tmp_path / "run", resume=True)
    assert content(tmp_path / "run") == before


@pytest.mark.parametrize("name", ["run.json", "cohort.parquet"])
def test_files_of_others_are_not_written_over(cohort, tmp_path, name):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).write_text("mine")
    with pytest.raises(UsageError, match=rf"out holds {name}, but no run .*another --out"):
        execute(cohort, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == [name]


@pytest.mark.parametrize(
    "error",
    [OSError(28, "No space left on device"), sqlite3.OperationalError("database or disk is full")],
)
def test_a_full_disk_is_one_line_and_the_run_goes_on_later(cohort, tmp_path, monkeypatch, error):
    def full(*_):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(driver, "write_part", full)
        with pytest.raises(
            CamlucidaError, match=r"cannot be written: .*(space left|disk is full) .*--resume"
        ):
            execute(cohort, tmp_path / "run")
    assert execute(cohort, tmp_path / "run", resume=True).counts["done"] == 5


def test_weights_that_change_while_the_run_goes_on_stop_it(tmp_path, monkeypatch):
    """Of two models the first is loaded again at its turn, when its weights have changed."""
    cohort = write_cohort(tmp_path / "cohort", broken=None)
    cohort.write_text(
        'images = "films"\n'
        '[[models]]\ncard = "card.toml"\nseed = 1\n[[models]]\ncard = "card.toml"\nseed = 2\n'
    )
    begin = Worker.process

    def overwriting(self, members):
        change_weights(cohort.parent)
        monkeypatch.setattr(Worker, "process", begin)
        return begin(self, members)

    monkeypatch.setattr(Worker, "process", overwriting)
    with pytest.raises(ModelError, match=r"card_seed2: its weights changed while .*--resume"):
        execute(cohort, tmp_path / "run")
    outcome = execute(cohort, tmp_path / "run", resume=True)
    assert outcome.counts["done"] == 12
    assert any(
        "card_seed1: 6 items computed again; changed: weights" in str(note)
        for note in outcome.notes
    )


def test_a_damaged_run_is_one_line_and_hides_no_other(cohort, tmp_path, capsys):
    for name in ("good", "bad"):
        execute(cohort, tmp_path / f"all/{name}")
    (tmp_path / "all/bad/run.json").write_text('{"format": 1,')
    assert command("runs", tmp_path / "all") == 1
    said = capsys.readouterr()
    assert said.out.count("\n") == 2
    assert "all/good" in said.out
    assert said.err.count("\n") == 1
    assert "bad/run.json cannot be read" in said.err
    (tmp_path / "none").mkdir()
    assert command("runs", tmp_path / "none") == 0
    assert "no run in" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["maps", "meta", "predictions"])
def test_damaged_parts_are_one_line_and_mended_by_resume(cohort, tmp_path, kind):
    execute(cohort, tmp_path / "run")
    before = content(tmp_path / "run")
    path = next((tmp_path / "run" / kind).iterdir())
    path.write_bytes(path.read_bytes()[:60])
    run = Run.open(tmp_path / "run")
    with pytest.raises(UsageError, match=r"missing or damaged.*--resume"):
        run.raw([*range(len(run.explanations()))])
    notes = execute(cohort, tmp_path / "run", resume=True).notes
    assert "notes.lost_parts" in [note.code for note in notes]
    assert content(tmp_path / "run") == before


def test_raw_maps_come_in_the_order_asked_without_images(cohort, tmp_path):
    execute(cohort, tmp_path / "run")
    run = Run.open(tmp_path / "run")
    order = [7, 0, 19, 7]
    want = [run.explanation(i) for i in order]
    for path in cohort.parent.glob("films/*"):
        path.unlink()
    for raw, explanation in zip(run.raw(order), want, strict=True):
        torch.testing.assert_close(raw, explanation.raw, rtol=0, atol=0)
    geometry = stored_geometry(run.explanations().iloc[7].to_dict())
    assert geometry == want[0].scan.geometry


def test_bad_folders_and_queries_are_one_line(cohort, tmp_path):
    execute(cohort, tmp_path / "run")
    with pytest.raises(UsageError, match=r"not the folder of a run .*did you mean .*run"):
        Run.open(tmp_path / "rum")
    with pytest.raises(UsageError, match="no folder"):
        find_runs(tmp_path / "rum")
    run = Run.open(tmp_path / "run")
    with pytest.raises(UsageError, match="the query failed"):
        run.query("SELECT nothing FROM nowhere")
    with pytest.raises(UsageError, match="no explanation 20"):
        run.explanation(20)
    with pytest.raises(UsageError, match="no explanation -1"):
        run.raw([0, -1])
    about = json.loads((tmp_path / "run/run.json").read_text())
    for number in (FORMAT - 1, FORMAT + 1):
        (tmp_path / "run/run.json").write_text(json.dumps(about | {"format": number}))
        for opening in (
            lambda: Run.open(tmp_path / "run"),
            lambda: execute(cohort, tmp_path / "run", resume=True),
        ):
            with pytest.raises(UsageError, match=f"format {number}") as refusal:
                opening()
            assert "\n" not in str(refusal.value)


def test_commands(cohort, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert command("run", cohort) == 1
    said = capsys.readouterr()
    assert "5 of 6 items done: runs/cohort" in said.out
    assert "error: " in said.err
    assert "3.png" in said.err
    assert command("run", cohort) == 2
    assert capsys.readouterr().err.count("\n") == 1
    write_image(cohort.parent / "films/3.png", 3)
    assert command("run", cohort, "--resume", "--device", "cpu", "--batch-size", 2) == 0
    capsys.readouterr()
    assert command("runs") == 0
    assert capsys.readouterr().out.splitlines()[1].split("\t") == [
        "runs/cohort",
        "cohort",
        "6",
        "0",
        "0",
        "card",
    ]
    assert command("show", "runs/cohort", "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["items"] == {"done": 6, "failed": 0, "pending": 0}
    assert command("show", "runs/cohort") == 0
    out = capsys.readouterr().out
    assert str(cohort) in out
    assert "done: 6" in out
    assert command("show", "runs") == 2
    assert command("run", "nowhere.toml") == 2


def test_the_ledger_is_plain_sqlite(cohort, tmp_path):
    execute(cohort, tmp_path / "run")
    with sqlite3.connect(tmp_path / "run/ledger.sqlite") as db:
        assert db.execute(
            "SELECT state, count(*) FROM items GROUP BY state ORDER BY state"
        ).fetchall() == [
            ("done", 5),
            ("failed", 1),
        ]
    db.close()


def segmentation_cohort(folder: Path, layer: str, score: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "net.py").write_text(SEGMENTER)
    card = 'factory = "net.py:build"\ntask = "segmentation"\nlabels = ["lesion"]\n'
    card += f'region_score = "{score}"\n[input]\nsize = 16\nchannels = 1\n'
    (folder / "card.toml").write_text(card)
    (folder / "films").mkdir(exist_ok=True)
    film = np.zeros((16, 16), np.uint8)
    film[4:10, 4:12] = 255
    Image.fromarray(film).save(folder / "films/lesion.png")
    request = f'[explain]\nmethod = "hirescam"\nlayer = "{layer}"\n'
    (folder / "cohort.toml").write_text(f'images = "films"\nmodel = "card.toml"\n{request}')
    return folder / "cohort.toml"


def test_raw_layers_and_summed_regions_through_a_run_and_its_resumption(tmp_path, monkeypatch):
    stored = {}
    for layer in ("0", "0:pre"):
        for score in ("mean", "sum"):
            cohort = segmentation_cohort(tmp_path / "project", layer, score)
            out = tmp_path / f"run_{layer[1:] or 'used'}_{score}"
            execute(cohort, out)
            run = Run.open(out)
            model = load_model(cohort.parent / "card.toml")
            scan = model.read(cohort.parent / "films/lesion.png")
            (direct,) = explain(model, scan, method="hirescam", layer=layer)
            explanation = run.explanation(0)
            assert explanation.layer == direct.layer
            torch.testing.assert_close(explanation.raw, direct.raw)
            assert explanation.score == pytest.approx(direct.score)
            stored[layer, score] = explanation
            seen = computed(monkeypatch)
            execute(cohort, out, resume=True)
            assert not seen
    area = stored["0", "sum"].score / stored["0", "mean"].score
    assert area > 10  # pixels of the region
    torch.testing.assert_close(
        stored["0", "sum"].raw, area * stored["0", "mean"].raw, rtol=1e-4, atol=1e-5
    )
    # What was a sum is computed again as a mean, and as another layer, in the same folder.
    cohort = segmentation_cohort(tmp_path / "project", "0", "mean")
    seen = computed(monkeypatch)
    execute(cohort, out, resume=True)
    assert seen == ["lesion"]
    torch.testing.assert_close(Run.open(out).explanation(0).raw, stored["0", "mean"].raw)


def test_what_a_query_makes_ends_with_it(small_run):
    rows = len(small_run.query("FROM predictions"))
    for _ in range(2):
        small_run.query("CREATE TABLE mine AS SELECT 1")
        small_run.query("DROP VIEW predictions")
    assert len(small_run.query("FROM predictions")) == rows


def test_a_stored_map_has_the_grey_levels_of_its_film_where_they_are_wanted(tmp_path, monkeypatch):
    grey = np.random.default_rng(0).integers(0, 65536, (40, 30)).astype(np.uint16)
    deep = partial(write_deep, grey)
    monkeypatch.setattr("tests.support.runs_on_disk.write_image", deep)
    run = run_of(tmp_path, "multilabel", ("a", "b"), "image,a,b\n0,1,0\n1,0,1\n2,1,1\n3,0,0\n")
    assert run.explanation(0).scan.levels is None
    np.testing.assert_array_equal(run.explanation(0, levels=True).scan.levels.samples, grey)


def write_deep(grey, path, seed):
    Image.fromarray(np.roll(grey, seed)).save(path)
