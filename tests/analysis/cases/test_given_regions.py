"""Lung zones of given masks, from the cohort or from an evaluation of the run."""

import json

import numpy as np
import pandas as pd
import pytest

from camlucida.analysis.cases.attribution_table import attribution_table
from camlucida.analysis.cases.case_table import case_table
from camlucida.analysis.cases.given_regions import regions_folder
from tests.support.runs_on_disk import run_of, save

SIZE = (48, 64)
TABLE = "image,Nodule,Mass\n" + "".join(f"{i}.png,1,0\n" for i in range(4))


def lungs() -> np.ndarray:
    """Two rectangles, apart."""
    mask = np.zeros(SIZE, bool)
    mask[8:40, 8:24] = True
    mask[8:40, 40:56] = True
    return mask


def write_regions(folder):
    for i in range(4):
        save(folder / f"regions/lungs/{i}.png", lungs())


def measured(run) -> pd.DataFrame:
    return attribution_table([run], case_table([run]), zones=True)


def test_masks_of_the_cohort_are_the_zones(tmp_path):
    write_regions(tmp_path)
    run = run_of(tmp_path, "multilabel", ("Nodule", "Mass"), TABLE, 'regions = "regions"\n')
    heat = measured(run)
    assert (heat["zones_given"] == 1).all()
    assert heat["right_lung_area"].tolist() == pytest.approx([32 * 16 / (48 * 64)] * len(heat))
    assert heat.attrs["problems"] == []


def test_masks_of_an_evaluation_are_the_zones_and_bad_ones_are_a_problem(tmp_path):
    run = run_of(tmp_path, "multilabel", ("Nodule", "Mass"), TABLE)
    assert regions_folder(run) is None
    assert measured(run)["zones_given"].isna().all()
    write_regions(tmp_path)
    save(tmp_path / "regions/lungs/0.png", lungs()[:20])
    about = run.folder.root / "evaluation/evaluation.json"
    about.parent.mkdir()
    about.write_text(json.dumps({"regions": str(tmp_path / "regions")}))
    heat = measured(run)
    assert heat["zones_given"].notna().sum() == len(heat) * 3 // 4
    (problem,) = heat.attrs["problems"]
    assert "0.png" in problem or "lungs/0" in problem
