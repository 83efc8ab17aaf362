"""What an evaluation of a run takes from the columns of its cohort."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from camlucida.evaluation.maps.of_run import run_models
from camlucida.runs.read import Run
from camlucida.runs.run import execute
from camlucida.workflows.evaluation.job import EvaluationRequest, evaluation_jobs
from tests.support.models_on_disk import write_image, write_model

COHORT = """
images = "films"
table = "table.csv"
model = "card.toml"
[columns]
{columns}
[explain]
target = "Nodule"
"""
SIZE = (48, 64)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two films; the first has a box and a mask file in the table."""
    folder = tmp_path_factory.mktemp("of_run")
    write_model(folder)
    for i in range(2):
        write_image(folder / "films" / f"f{i}.png", seed=i)
    mask = np.zeros(SIZE, np.uint8)
    mask[10:20, 30:50] = 255
    (folder / "drawn").mkdir()
    Image.fromarray(mask).save(folder / "drawn" / "one.png")
    rows = {
        "image": ["f0.png", "f1.png"],
        "labels": ["Nodule", ""],
        "roi": ["5 6 20 10", ""],
        "outline": ["drawn/one.png", ""],
    }
    pd.DataFrame(rows).to_csv(folder / "table.csv", index=False)
    return folder


def source_of(folder, name, columns):
    file = folder / f"{name}.toml"
    file.write_text(COHORT.format(columns=columns))
    execute(file, folder / name)
    (job,) = evaluation_jobs(EvaluationRequest(run=folder / name, device="cpu"))
    return job.source


def test_a_box_in_the_table_is_the_ground_truth(folder):
    source = source_of(folder, "box", 'box = "roi"')
    sample = source.sample_of("f0")
    assert sample.boxes[""].tolist() == [[5, 6, 20, 10]]
    assert sample.mask("Nodule").sum() == 200
    assert source.sample_of("f1").mask("Nodule") is None
    (note,) = [note for note in source.cohort.notes if note.code == "evaluated_run.columns"]
    assert "columns roi" in str(note)


def test_a_mask_file_in_the_table_is_the_ground_truth(folder):
    source = source_of(folder, "mask", 'mask = "outline"')
    mask = source.sample_of("f0").mask("Nodule")
    assert mask[10:20, 30:50].all()
    assert mask.sum() == 200


def test_annotations_given_apart_come_first(folder):
    (folder / "boxes.csv").write_text("image,label,x,y,width,height\nf0.png,Nodule,1,2,3,4\n")
    file = folder / "apart.toml"
    file.write_text('boxes = "boxes.csv"' + COHORT.format(columns='box = "roi"'))
    execute(file, folder / "apart")
    (model,) = run_models(Run.open(folder / "apart"), "cpu")
    assert model.truth is None
    (job,) = evaluation_jobs(EvaluationRequest(run=folder / "apart", device="cpu"))
    assert job.source.sample_of("f0").boxes["Nodule"].tolist() == [[1, 2, 3, 4]]
