"""``camlucida evaluate`` as a user meets it: files, exit codes, bad input."""

import csv
import json

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from sklearn.model_selection import train_test_split

from camlucida.runs import Run
from tests.cli.test_cli import run
from tests.support.models_on_disk import NET, write_image, write_model

LABELS = ("Nodule", "Pleural Effusion", "Mass")


@pytest.fixture
def study(tmp_path):
    """Card, twelve films of six patients, masks of two labels, a table."""
    write_model(tmp_path)
    rng = np.random.default_rng(0)
    rows = []
    for i in range(12):
        write_image(tmp_path / "films" / f"f{i:02d}.png", seed=i)
        for label in LABELS[: 1 + i % 2]:
            mask = np.zeros((48, 64), np.uint8)
            row, column = rng.integers(0, 30, 2)
            mask[row : row + 12, column : column + 16] = 255
            (tmp_path / "masks" / label).mkdir(parents=True, exist_ok=True)
            Image.fromarray(mask).save(tmp_path / "masks" / label / f"f{i:02d}.png")
        rows.append(
            {
                "image": f"f{i:02d}.png",
                "patient": f"P{i // 2}",
                "labels": "|".join(LABELS[: 1 + i % 2]),
            }
        )
    write_table(tmp_path / "table.csv", rows)
    return tmp_path


def write_table(path, rows):
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def command(study, *more, out="out"):
    return run(
        *(
            "evaluate",
            study / "films",
            "--model",
            study / "card.toml",
            "--masks",
            study / "masks",
            "--table",
            study / "table.csv",
        ),
        *(
            "--metrics",
            "localisation",
            "--metrics",
            "cell_insertion_deletion",
            "--baselines",
            "center,oracle",
            "--out",
            study / out,
        ),
        *more,
    )


def test_tables_figures_page_and_statistics_again(study, capsys):
    assert command(study, "--method", "gradcam", "--method", "layercam") == 0
    captured = capsys.readouterr()
    assert "cost: 12 images" in captured.err
    assert "Mass: not annotated in any image" in captured.err
    assert "Average precision over area: gradcam" in captured.out
    out = study / "out"
    rows = pd.read_parquet(out / "rows.parquet")
    assert set(rows.image) == {f"f{i:02d}" for i in range(12)}
    assert set(rows.patient) == {f"P{i}" for i in range(6)}
    assert set(rows.label) == {"Nodule", "Pleural Effusion"}
    assert set(rows.method) == {"gradcam", "layercam", "center", "oracle"}
    assert len(pd.read_csv(out / "rows.csv")) == len(rows)
    record = json.loads((out / "evaluation.json").read_text())
    assert record["model"]["sha256"]
    assert record["count"]["images"] > 0
    assert record["patients_known"] is True
    summary = (out / "summary.csv").read_bytes()
    assert b"none" in summary  # 6 patients: no interval
    page = (out / "evaluation.html").read_text()
    for words in (
        "Research use only",
        "Average precision over area",
        "Best: ",
        "Worst: ",
        "6 patients",
    ):
        assert words in page
    assert len(list(out.glob("case_*.png"))) == 3
    (out / "summary.csv").unlink()
    assert run("evaluate", out) == 0
    assert (out / "summary.csv").read_bytes() == summary
    again = (out / "evaluation.html").read_text()
    assert "case_best" in again
    assert again.count("data-case=") == page.count("data-case=") == 3
    assert run("evaluate", out, "--out", out.parent / "elsewhere") == 2
    assert "made again in this folder" in capsys.readouterr().err


def test_a_bad_truth_costs_its_image_and_the_exit_code(study, capsys):
    Image.fromarray(np.zeros((24, 30), np.uint8)).save(study / "masks" / "Nodule" / "f03.png")
    Image.fromarray(np.zeros((48, 64), np.uint8)).save(study / "masks" / "Nodule" / "f04.png")
    (study / "films" / "f05.png").write_bytes(b"not an image")
    assert command(study) == 1
    errors = capsys.readouterr().err
    assert "f03.png" in errors
    assert "24×30" in errors
    assert "48×64" in errors
    assert "f05.png" in errors
    assert "1 empty mask (f04 Nodule)" in errors
    rows = pd.read_parquet(study / "out" / "rows.parquet")
    assert set(rows.image) == {f"f{i:02d}" for i in range(12)} - {"f03", "f05"}
    assert rows[(rows.image == "f04") & (rows.metric == "hit")].value.isna().all()
    assert "Failed: 2" in (study / "out" / "evaluation.html").read_text()


def test_duplicate_ids_and_a_patient_in_two_splits(study, capsys):
    rows = [
        {"image": f"f{i:02d}.png", "patient": f"P{i // 2}", "split": "test" if i != 3 else "train"}
        for i in range(12)
    ]
    rows += [{**rows[0], "patient": "P9"}]
    write_table(study / "table.csv", rows)
    assert command(study, "--split", "test") == 1
    errors = capsys.readouterr().err
    assert "f00" in errors  # two rows that disagree
    assert "P1" in errors  # in train and in test
    assert set(pd.read_parquet(study / "out" / "rows.parquet").patient) == {
        "P0",
        "P2",
        "P3",
        "P4",
        "P5",
    }


def test_each_of_two_models_has_a_folder(study):
    second = study / "second.toml"
    second.write_text('name = "other"\n' + (study / "card.toml").read_text())
    assert command(study, "--model", second) == 0
    assert {path.parent.name for path in (study / "out").glob("*/evaluation.html")} == {
        "card",
        "other",
    }


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (("--metrics", "rood"), "did you mean road"),
        (("--method", "gradcma"), "did you mean gradcam"),
        (("--baselines", "sobell"), "did you mean sobel"),
        (("--metrics", "iou_tuned"), "--threshold"),
        (("--patient-column", "pateint"), "did you mean patient"),
        (("--split", "test"), "no split column"),
        (("--rle", "x.json"), "both given"),
        (("--regions", "nowhere"), "nowhere"),
    ],
)
def test_wrong_requests_write_nothing(study, capsys, more, expected):
    assert command(study, *more) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("error: ")
    assert expected in error
    assert not (study / "out").exists()


def test_no_model_and_no_evaluation(study, capsys):
    assert run("evaluate", study / "films") == 2
    assert "--model" in capsys.readouterr().err


def test_a_run_is_evaluated_with_its_models_and_request(study, capsys):
    (study / "cohort.toml").write_text(
        'name = "study"\nimages = "films"\ntable = "table.csv"\nmodel = "card.toml"\n'
        '[columns]\npatient = "patient"\n'
        '[explain]\ntarget = "truth"\nmethod = ["layercam", "hirescam"]\n'
    )
    assert run("run", study / "cohort.toml", "--out", study / "run") == 0
    more = ("--masks", study / "masks", "--metrics", "localisation", "--baselines", "center")
    assert run("evaluate", study / "run", *more) == 0
    rows = pd.read_parquet(study / "run" / "evaluation" / "rows.parquet")
    assert set(rows.method) == {"layercam", "hirescam", "center"}
    assert set(rows.patient) == {f"P{i}" for i in range(6)}
    assert len(set(rows.image)) == 12
    (study / "net.py").write_text(
        (study / "net.py").read_text().replace("manual_seed(0)", "manual_seed(1)")
    )
    capsys.readouterr()
    assert run("evaluate", study / "run", *more) == 2
    assert "weights of card are not those" in capsys.readouterr().err


def test_a_run_without_targets_is_evaluated_with_the_labels_that_evaluate_takes(study):
    (study / "cohort.toml").write_text(
        'images = "films"\ntable = "table.csv"\nmodel = "card.toml"\n'
    )
    assert run("run", study / "cohort.toml", "--out", study / "run") == 0
    more = ("--masks", study / "masks", "--metrics", "localisation", "--baselines", "none")
    assert run("evaluate", study / "run", *more) == 0
    assert set(pd.read_parquet(study / "run" / "evaluation" / "rows.parquet").method) == {"gradcam"}


def record_split(folder):
    """Weights whose file records a split of the twelve rows, a patient each; those held out."""
    table = pd.read_csv(folder / "table.csv").drop(columns="patient")
    table.to_csv(folder / "table.csv", index=False)
    about = {"seed": 4, "test_size": 0.25, "n_train": 9, "n_test": 3}
    scope = {}
    exec(NET, scope)  # the net of the tests, as net.py has it
    state = scope["build"](3).state_dict()
    torch.save({"state_dict": state, "split": about}, folder / "best.pth")
    card = (folder / "card.toml").read_text()
    (folder / "card.toml").write_text(f'checkpoint = "best.pth"\n{card}')
    _, test = train_test_split(range(12), test_size=0.25, random_state=4)
    return [f"f{row:02d}" for row in sorted(test)]


def test_the_split_that_the_checkpoint_records(study, capsys):
    held_out = record_split(study)
    assert command(study, "--metrics", "hit") == 0
    assert "the split test is reproduced from best.pth" in capsys.readouterr().err
    rows = pd.read_csv(study / "out/rows.csv")
    assert sorted(set(rows["image"])) == held_out


def test_a_run_says_which_images_are_of_training(study, capsys):
    held_out = record_split(study)
    cohort = 'images = "films"\ntable = "table.csv"\nmodel = "card.toml"\n'
    (study / "cohort.toml").write_text(cohort)
    assert run("run", study / "cohort.toml", "--out", study / "all") == 0
    assert "9 images of the split train" in (shown := capsys.readouterr().err)
    assert 'split = "test" (cohort.toml) leaves them out' in shown
    (study / "cohort.toml").write_text(f'{cohort}split = "test"\n')
    assert run("run", study / "cohort.toml", "--out", study / "test") == 0
    done = Run.open(study / "test").predictions()
    assert sorted(set(done["image"])) == held_out
