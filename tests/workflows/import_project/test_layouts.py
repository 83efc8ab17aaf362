"""Plain folders: which checkpoint, images, table and masks are taken, and what is said of it."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
import torchvision

from camlucida.datasets.cohort_file import read_cohort_file
from camlucida.workflows.import_project import ImportChoices, import_project
from camlucida.workflows.import_project.images import as_folders
from tests.support.command_line import run
from tests.support.sources.pictures import draw, inside, save_grey

LABELS = ["normal", "mass"]


def write_checkpoint(path, outputs=2, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    net = torchvision.models.squeezenet1_1(num_classes=outputs)
    torch.save({"state_dict": net.state_dict(), "image_size": 32, **options}, path)
    return path


def write_images(folder, names):
    for seed, name in enumerate(names):
        save_grey(folder / name, draw(seed, (40, 40))[0])


@pytest.fixture
def project(tmp_path):
    """Checkpoints of some epochs, images of two splits, a table of each."""
    folder = tmp_path / "project"
    write_checkpoint(folder / "ckpt/best.pth", class_names=LABELS)
    write_checkpoint(folder / "ckpt/last.pth", class_names=LABELS)
    for split, count in (("train", 4), ("test", 2)):
        names = [f"{split}_{number}.png" for number in range(count)]
        write_images(folder / "data" / split, names)
        rows = {"file": names, "label": [LABELS[number % 2] for number in range(count)]}
        pd.DataFrame(rows).to_csv(folder / f"data/{split}.csv", index=False)
    (folder / "train.py").write_text("print()", "utf-8")
    return folder


def lines(messages):
    return "\n".join(map(str, messages))


def test_best_before_last_and_test_before_train(project, tmp_path):
    result = import_project(project, tmp_path / "out")
    recognised, unused = lines(result.recognised), lines(result.unused)
    assert "checkpoint ckpt/best.pth: chosen of 2, as its name says best" in recognised
    assert "ckpt/last.pth; --checkpoint FILE takes another" in unused
    assert "table data/test.csv: chosen of 2" in recognised
    assert "data/train.csv; --table FILE takes another" in unused
    assert "images data/test: 2 images, named by data/test.csv" in recognised
    assert "4 other images in data/train" in unused
    assert "1 other file: 1 .py" in unused
    cohort = read_cohort_file(tmp_path / "out/cohort.toml")
    assert [cohort.resolve(place).resolve() for place in cohort.config.images] == [
        project / "data/test"
    ]


def test_the_named_command_runs(project, tmp_path, capsys):
    done = run(capsys, tmp_path, "import", "project")
    assert done.code == 0, done.err
    record = json.loads((tmp_path / "project-camlucida/import.json").read_text("utf-8"))
    assert run(capsys, tmp_path, *record["next"][1:]).code == 0
    # The project is as it was.
    assert {path.name for path in project.iterdir()} == {"ckpt", "data", "train.py"}


def test_the_global_option_is_another_thing(project, tmp_path, capsys):
    done = run(capsys, tmp_path, "--import", "json", "import", "project", "--out", "o")
    assert done.code == 0, done.err


def test_choices_of_the_user(project, tmp_path):
    choices = ImportChoices(checkpoint=project / "ckpt/last.pth", table=project / "data/train.csv")
    result = import_project(project, tmp_path / "out", choices)
    assert "ckpt/last.pth: as given" in lines(result.recognised)
    assert "images data/train: 4 images" in lines(result.recognised)


def test_nothing_is_replaced_unasked(project, tmp_path, capsys):
    assert run(capsys, tmp_path, "import", "project", "--out", "o").code == 0
    assert run(capsys, tmp_path, "import", "project", "--out", "o").code == 0
    card = tmp_path / "o/card.toml"
    card.write_text(card.read_text("utf-8") + "# mine\n", "utf-8")
    done = run(capsys, tmp_path, "import", "project", "--out", "o")
    assert done.code == 2
    assert "card.toml is there already, with another content" in done.err
    assert "# mine" in card.read_text("utf-8")
    assert run(capsys, tmp_path, "import", "project", "--out", "o", "--overwrite").code == 0
    assert "# mine" not in card.read_text("utf-8")


def test_images_beside_masks_without_a_table(tmp_path):
    folder = tmp_path / "project"
    write_checkpoint(folder / "model.pth", class_names=LABELS)
    write_images(folder / "data/images", ["a.png", "b.png"])
    picture, lesion = draw(0, (40, 40))
    save_grey(folder / "data/masks/a.png", inside(lesion, picture.shape).astype(float))
    write_images(folder / "plots", ["loss.png"])
    result = import_project(folder, tmp_path / "out")
    recognised = lines(result.recognised)
    assert "images data/images: 2 images, in the folder that is called as one" in recognised
    assert "annotations data/masks: of 1 of 2 images" in recognised
    assert "1 other image in plots" in lines(result.unused)


def test_a_table_of_run_lengths_with_names_of_other_letters(tmp_path):
    folder = tmp_path / "project"
    write_checkpoint(folder / "model.pth", class_names=LABELS)
    write_images(folder / "data/images", ["Film_A.png", "b.png"])
    table = "ImageId,EncodedPixels\nFILM_A.png,5 3 45 3\nb.png,-1\n"
    (folder / "data/train-rle.csv").write_text(table, "utf-8")
    recognised = lines(import_project(folder, tmp_path / "out").recognised)
    assert "annotations data/train-rle.csv: of 2 of 2 images" in recognised


def test_a_split_column(tmp_path):
    folder = tmp_path / "project"
    write_checkpoint(folder / "model.pth", class_names=LABELS)
    names = [f"{number}.png" for number in range(4)]
    write_images(folder / "pngs", names)
    splits = ["train", "train", "val", "test"]
    rows = {"image": names, "label": LABELS * 2, "split": splits}
    pd.DataFrame(rows).to_csv(folder / "all.csv", index=False)
    result = import_project(folder, tmp_path / "out")
    assert "split test: read from column 'split' of all.csv" in lines(result.recognised)
    assert read_cohort_file(tmp_path / "out/cohort.toml").config.split == "test"


def test_classes_as_numbers(tmp_path, capsys):
    folder = tmp_path / "project"
    write_checkpoint(folder / "model.pth", outputs=3)
    names = [f"{number}.png" for number in range(6)]
    write_images(folder / "pngs", names)
    pd.DataFrame({"image": names, "class": [1, 2, 3] * 2}).to_csv(folder / "t.csv", index=False)
    done = run(capsys, tmp_path, "import", "project", "--out", "o")
    assert "labels 1, 2, 3: assumed to be the numbers in column 'class' of t.csv" in done.out
    record = json.loads((tmp_path / "o/import.json").read_text("utf-8"))
    assert run(capsys, tmp_path, *record["next"][1:]).code == 0


def test_classes_whose_order_is_unknown_are_not_guessed(tmp_path):
    folder = tmp_path / "project"
    write_checkpoint(folder / "model.pth", outputs=2)
    write_images(folder / "pngs", ["a.png", "b.png"])
    rows = {"image": ["a.png", "b.png"], "label": LABELS}
    pd.DataFrame(rows).to_csv(folder / "t.csv", index=False)
    result = import_project(folder, tmp_path / "out")
    assert "t.csv: the order of the model's classes is stated nowhere" in lines(result.unused)
    assert read_cohort_file(tmp_path / "out/cohort.toml").config.table is None


def test_no_image_is_said(tmp_path, capsys):
    folder = tmp_path / "project"
    write_checkpoint(folder / "model.pth", class_names=LABELS)
    done = run(capsys, tmp_path, "import", "project", "--out", "o")
    assert done.code == 1
    assert "say where they are: --images FOLDER" in done.err
    assert (tmp_path / "o/card.toml").is_file()
    write_images(tmp_path / "elsewhere", ["a.png"])
    words = ("import", "project", "--out", "o", "--images", "elsewhere")
    assert run(capsys, tmp_path, *words).code == 0


def test_no_checkpoint_is_one_line(tmp_path, capsys):
    (tmp_path / "project").mkdir()
    done = run(capsys, tmp_path, "import", "project", "--out", "o")
    assert done.code == 2
    assert done.err.count("\n") == 1
    assert not (tmp_path / "o").exists()


def test_folders_hold_exactly_the_images(tmp_path):
    write_images(tmp_path, ["a/1.png", "a/2.png", "b/1.png", "b/2.png", "c/1.png"])
    chosen = [tmp_path / name for name in ("a/1.png", "a/2.png", "b/1.png")]
    assert as_folders(chosen) == [tmp_path / "a", tmp_path / "b/1.png"]


def test_damaged_checkpoints_are_passed_over(project, tmp_path):
    (project / "ckpt/best_of_all.pth").write_bytes(np.zeros(50, np.uint8).tobytes())
    result = import_project(project, tmp_path / "out")
    assert "checkpoint ckpt/best_of_all.pth: " in lines(result.unused)
    assert "checkpoint ckpt/best.pth" in lines(result.recognised)


def test_what_camlucida_wrote_is_no_part_of_the_project(project, tmp_path):
    write_checkpoint(project / "runs/a/maps/part.pth")
    (project / "runs/a/ledger.sqlite").touch()
    save_grey(project / "explanations/a.png", draw(1, (40, 40))[0])
    (project / "explanations/explanations.json").write_text("[]")
    result = import_project(project, tmp_path / "out")
    assert "runs/" not in lines(result.recognised) + lines(result.unused)
    assert "explanations" not in lines(result.recognised) + lines(result.unused)
