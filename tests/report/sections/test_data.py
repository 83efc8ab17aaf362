"""What the section on the data says, against what was written to disk."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from camlucida.core.failures import Failure
from camlucida.report.document import Paragraph, Points, Table
from camlucida.report.gather import gather
from camlucida.report.locale import load_texts
from camlucida.report.sections.data import LISTED, data
from camlucida.runs import Run, execute
from tests.support.models_on_disk import write_image, write_model

TEXTS = {language: load_texts(language) for language in ("en", "zh")}


def sentences(section, language="en"):
    return [
        TEXTS[language].render(sentence)
        for block in section.blocks
        if isinstance(block, (Paragraph, Points))
        for sentence in block.sentences
    ]


def table(section, name):
    (block,) = [
        block for block in section.blocks if isinstance(block, Table) and block.name == name
    ]
    return ["|".join("".join(TEXTS["en"].cell(cell)) for cell in row) for row in block.rows]


def test_counts_labels_groups_failures_and_notes(small_run):
    section = data(gather((small_run,), Path("x")))
    lines = sentences(section)
    assert lines[0] == "The cohort has 6 images of 3 patients."
    assert "Run “run”: 1 failure, excluded from all results." in lines
    assert any("3.png" in line for line in lines)
    assert not any("synthetic" in line for line in lines)
    # Image 3 is broken: nodule in 1 and 5 of the five read; mass in four, unknown of image 1;
    # no column of the third label.
    assert table(section, "labels") == [
        "Nodule|2|2|3|0|40.0%",
        "Pleural Effusion|0|0|0|5|–",
        "Mass|4|3|0|1|100.0%",
    ]
    assert table(section, "groups_sex") == ["f|3|3", "m|3|3"]
    assert sentences(section, "zh")[0] == "队列共有6张图像，来自3名患者。"


def test_several_runs_count_an_image_once(small_run, tmp_path):
    shutil.copytree(small_run.folder.root, tmp_path / "again")
    section = data(gather((small_run, Run.open(tmp_path / "again")), Path("x")))
    assert sentences(section)[0] == "The cohort has 6 images of 3 patients."
    assert table(section, "runs") == ["run|cohort|6|5|1|0", "again|cohort|6|5|1|0"]


def test_long_lists_are_cut_and_what_is_pending_is_said(small_run):
    names = [f"{i}.png" for i in range(LISTED + 4)]
    problems = [Failure(name, "image", f"{name} is broken").to_json() for name in names]
    waiting = tuple(replace(entry, state="pending", failure=None) for entry in small_run.entries)
    lines = sentences(
        data(
            gather(
                (
                    replace(
                        small_run, about={**small_run.about, "problems": problems}, entries=waiting
                    ),
                ),
                Path("x"),
            )
        )
    )
    assert "… and 4 more." in lines
    assert "Run “run”: 6 of 6 items not computed yet." in lines


@pytest.mark.parametrize(
    ("task", "table_text", "columns", "expected_lines"),
    [
        (
            "regression",
            "image,patient,age,split,mask\n0,p,20,train,m.png\n1,q,30,test,\n2,q,,test,gone.png\n",
            'value = "age"\nmask = "mask"\nsplit = "split"',
            [
                "The cohort has 3 images of 2 patients.",
                "Split test: 2 images of 1 patient.",
                "Split train: 1 image of 1 patient.",
                "Masks are available for 1 of 3 images.",
                "True values are known for 2 of 3 images: mean 25, range 20 to 30.",
            ],
        ),
        (
            "multilabel",
            'image,box\n0,"1,2,3,4"\n1,\n2,\n',
            'box = "box"',
            [
                "The cohort has 3 images without patient identifiers. Each counts as a patient, so "
                "intervals are too narrow if a patient has several images.",
                "Boxes are available for 1 of 3 images.",
                "No ground truth is available, so accuracy cannot be assessed.",
            ],
        ),
    ],
)
def test_other_cohorts(tmp_path, task, table_text, columns, expected_lines):
    write_model(tmp_path, task, ("age",) if task == "regression" else ("A", "B", "C"))
    for i in range(3):
        write_image(tmp_path / f"films/{i}.png", i)
    write_image(tmp_path / "m.png")
    (tmp_path / "table.csv").write_text(table_text)
    (tmp_path / "cohort.toml").write_text(
        'images = "films"\ntable = "table.csv"\nmodel = "card.toml"\n'
        f'[columns]\n{columns}\n[explain]\nlayer = "features.2"\n'
    )
    execute(tmp_path / "cohort.toml", tmp_path / "run", device="cpu")
    lines = sentences(data(gather((Run.open(tmp_path / "run"),), tmp_path)))
    assert lines[: len(expected_lines)] == expected_lines
