"""What a plan says of models and images before anything is computed."""

import pytest

from camlucida.datasets.cohort_file import read_cohort_file
from camlucida.runs.plan import Loader, plan_models
from tests.support.cohorts import write_cohort
from tests.support.models_on_disk import write_model


@pytest.mark.parametrize(("task", "count"), [("multiclass", 1), ("multilabel", 0)])
def test_several_true_labels_contradict_a_multiclass_model(tmp_path, task, count):
    cohort = write_cohort(tmp_path, films=2, broken=None)
    write_model(tmp_path, task)
    (tmp_path / "labels.csv").write_text("image,patient,sex,Nodule,Mass\n0,a,f,1,1\n1,b,m,0,1\n")
    (plan,) = plan_models(read_cohort_file(cohort), Loader("cpu"))
    notes = [note for note in plan.notes if note.code == "notes.several_labels"]
    assert len(notes) == count
    assert all(note.values["names"] == "0" for note in notes)
