"""The whole protocol against a slow rewrite of its published steps."""

import json
from collections import deque

import numpy as np
import pandas as pd
import pytest

from camlucida.core.errors import UsageError
from camlucida.evaluation.chexlocalize.measure import measure_maps
from camlucida.evaluation.chexlocalize.sources import PatientTable, saved_maps
from camlucida.evaluation.chexlocalize.summary import ALL_LABELS, summarise_maps
from camlucida.evaluation.chexlocalize.thresholds import (
    THRESHOLDS,
    check_other_patients,
    read_thresholds,
    tune,
    tuned_thresholds,
)
from camlucida.evaluation.chexlocalize.truth import read_segmentations
from tests.support.saliency_files import LABELS, write_dataset, write_map

SIZE = (60, 72)


# ---- the slow rewrite ---------------------------------------------------------------------------


def bilinear(grid, size):
    """Half-pixel centres, the edge repeated; one pixel after the other."""
    result = np.zeros(size)
    for row in range(size[0]):
        for column in range(size[1]):
            y = max((row + 0.5) * grid.shape[0] / size[0] - 0.5, 0)
            x = max((column + 0.5) * grid.shape[1] / size[1] - 0.5, 0)
            y0, x0 = int(y), int(x)
            y1, x1 = min(y0 + 1, grid.shape[0] - 1), min(x0 + 1, grid.shape[1] - 1)
            top = grid[y0, x0] * (1 - (x - x0)) + grid[y0, x1] * (x - x0)
            bottom = grid[y1, x0] * (1 - (x - x0)) + grid[y1, x1] * (x - x0)
            result[row, column] = top * (1 - (y - y0)) + bottom * (y - y0)
    return result


def otsu(heat):
    """Every level tried; holes filled from the border; lone pixels dropped."""
    grey = np.uint8(255 * ((heat - heat.min()) / (heat.max() - heat.min())))
    scores = []
    for level in range(256):
        low, high = grey[grey <= level].astype(float), grey[grey > level].astype(float)
        apart = low.mean() - high.mean() if len(low) and len(high) else 0
        scores.append(len(low) * len(high) * apart**2)
    mask = grey > int(np.argmax(scores))
    outside = np.zeros_like(mask)
    queue = deque((r, c) for r, c in np.ndindex(mask.shape) if on_border(r, c, mask.shape))
    while queue:
        row, column = queue.popleft()
        inside = 0 <= row < mask.shape[0] and 0 <= column < mask.shape[1]
        if inside and not mask[row, column] and not outside[row, column]:
            outside[row, column] = True
            queue += [(row + 1, column), (row - 1, column), (row, column + 1), (row, column - 1)]
    return ~outside


def on_border(row, column, shape):
    return row in (0, shape[0] - 1) or column in (0, shape[1] - 1)


def overlap(mask, truth):
    if not truth.any() or not mask.any():
        return np.nan
    return np.logical_and(mask, truth).sum() / np.logical_or(mask, truth).sum()


def pooled(masks, truths):
    mask, truth = np.concatenate(masks), np.concatenate(truths)
    return {
        "precision": (mask & truth).sum() / mask.sum(),
        "recall": (mask & truth).sum() / truth.sum(),
        "specificity": (~mask & ~truth).sum() / (~truth).sum(),
    }


# ---- tests --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    return folder, write_dataset(folder, 100, 22, SIZE)


def measured(folder, thresholds, truth="gt_segmentations.json"):
    maps = saved_maps(folder / "maps")
    return measure_maps(maps, read_segmentations(folder / truth, LABELS), thresholds)


def test_figures_equal_those_of_a_slow_rewrite(dataset):
    folder, content = dataset
    result = measured(folder, {"Edema": 0.5})
    table = summarise_maps(result).set_index(["label", "metric", "segmentation"])["estimate"]
    for label in LABELS:
        pairs = [value for (_, name), value in content.items() if name == label]
        heats = [bilinear(values.astype(float), SIZE) for values, _ in pairs]
        truths = [truth for _, truth in pairs]
        masks = [otsu(heat) for heat in heats]
        overlaps = [overlap(*pair) for pair in zip(masks, truths)]
        hits = [t.ravel()[h.argmax()] for h, t in zip(heats, truths) if t.any()]
        assert table[label, "iou", "otsu"] == pytest.approx(np.nanmean(overlaps), abs=2e-3)
        assert table[label, "hit", ""] == np.mean(hits)
        for name, value in pooled(masks, truths).items():
            assert table[label, name, "otsu"] == pytest.approx(value, abs=2e-3), name
    heats = [bilinear(v.astype(float), SIZE) for (_, n), (v, _) in content.items() if n == "Edema"]
    truths = [truth for (_, name), (_, truth) in content.items() if name == "Edema"]
    masks = [(h - h.min()) / (h.max() - h.min()) > 0.5 for h in heats]
    for name, value in pooled(masks, truths).items():
        assert table["Edema", name, "tuned"] == pytest.approx(value, abs=2e-3), name
    assert ("Lung Lesion", "iou", "tuned") not in table.index


def test_outlines_give_the_figures_of_the_segmentations(dataset):
    folder, _ = dataset
    rle, outlines = (
        measured(folder, {}, f"gt_{name}.json") for name in ("segmentations", "annotations")
    )
    pd.testing.assert_frame_equal(rle.pixels, outlines.pixels)
    assert not outlines.failures
    assert not outlines.notes


def test_intervals_are_by_patient_and_small_cells_have_none(dataset):
    folder, _ = dataset
    result = measured(folder, {})
    table = summarise_maps(result).set_index(["label", "metric"])
    assert table.loc[("Edema", "iou_all"), "patients"] == 11
    edema = table.loc["Edema"]
    assert (edema["interval_method"] != "none").all()
    assert ((edema["low"] <= edema["estimate"]) & (edema["estimate"] <= edema["high"])).all()
    few = result.rows["image"].isin(sorted(set(result.rows["image"]))[:9])
    result.rows = result.rows[few]
    fewer = summarise_maps(result)
    hits = fewer[(fewer["metric"] == "hit") & (fewer["label"] != ALL_LABELS)]
    assert (hits["interval_method"] == "none").all()


def test_precision_and_recall_rest_on_the_patients_with_the_finding(dataset):
    folder, _ = dataset
    result = measured(folder, {})
    positive = result.pixels["positive"]
    for kept, estimates in ((8, True), (0, False)):
        patients = sorted(set(result.pixels["patient"][positive]))[:kept]
        chosen = ~positive | result.pixels["patient"].isin(patients)
        part = type(result)(result.rows, result.pixels[chosen])
        table = summarise_maps(part).set_index(["label", "metric"]).loc["Edema"]
        for metric in ("precision", "recall"):
            assert table.loc[metric, "interval_method"] == "none"
            assert np.isfinite(table.loc[metric, "estimate"]) == estimates
        assert table.loc["specificity", "interval_method"] != "none"


def test_copies_of_a_patient_do_not_narrow_the_interval(dataset):
    folder, _ = dataset
    result = measured(folder, {})
    once = summarise_maps(result)
    result.pixels = pd.concat([result.pixels] * 3)
    thrice = summarise_maps(result)
    for name in ("estimate", "low", "high"):
        np.testing.assert_allclose(once[name], thrice[name], err_msg=name)


def test_the_tuned_threshold_has_the_largest_mean_overlap(dataset):
    folder, content = dataset
    maps = saved_maps(folder / "maps")
    table, failures = tune(maps, read_segmentations(folder / "gt_segmentations.json", LABELS))
    assert not failures
    for row in table.to_dict("records"):
        means = []
        pairs = [pair for (_, name), pair in content.items() if name == row["task"]]
        scaled = [bilinear(values.astype(float), SIZE) for values, _ in pairs]
        for level in THRESHOLDS:
            masks = [(h - h.min()) / (h.max() - h.min()) > level for h in scaled]
            means.append(np.nanmean([overlap(m, t) for m, (_, t) in zip(masks, pairs)]))
        assert row["threshold"] == THRESHOLDS[int(np.argmax(means))]
        assert row["miou"] == pytest.approx(max(means), abs=2e-3)
    table.to_csv(folder / "tuning_results.csv", index=False)
    assert read_thresholds(folder / "tuning_results.csv", LABELS) == tuned_thresholds(table)


def test_thresholds_are_not_tuned_on_the_patients_that_are_evaluated(dataset, tmp_path):
    folder, _ = dataset
    write_dataset(tmp_path, 300, 2, SIZE)
    maps, others = saved_maps(folder / "maps"), saved_maps(tmp_path / "maps")
    check_other_patients(others, maps)
    with pytest.raises(UsageError, match="22 of the patients"):
        check_other_patients(maps, maps)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("level,name\n0.1,Edema\n", "no columns"),
        ("threshold,task\n1.5,Edema\n", "outside 0 to 1"),
        ("threshold,task\n0.1,Edema\n0.2,edema\n", "2 thresholds of Edema"),
        ("threshold,task\n0.1,Mass\n", "no threshold of"),
    ],
)
def test_threshold_files_that_do_not_fit_are_refused(tmp_path, text, error):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(UsageError, match=error):
        read_thresholds(tmp_path / "t.csv", LABELS)


def test_what_is_left_out_is_said_and_a_bad_map_costs_itself(dataset, tmp_path):
    write_dataset(tmp_path, 1, 3, SIZE)
    document = json.loads((tmp_path / "gt_segmentations.json").read_text())
    name, other, third = document
    del document[name]["Edema"]
    document["patient9_study1_view1_frontal"] = document[other]
    (tmp_path / "gt_segmentations.json").write_text(json.dumps(document))
    (tmp_path / f"maps/{other}_Edema_map.pkl").write_bytes(b"damaged")
    write_map(tmp_path / "maps", third, "Edema", np.ones((5, 6), np.float32), SIZE)
    write_map(tmp_path / "maps", third, "Lung Lesion", np.eye(5, dtype=np.float32), (50, 50))
    result = measured(tmp_path, {})
    codes = [note.code for note in result.notes]
    expected = ["chexlocalize.not_annotated", "chexlocalize.without_map", "chexlocalize.constant"]
    assert codes == expected
    assert [failure.image for failure in result.failures] == [other, third]
    constant = result.rows[(result.rows["image"] == third) & (result.rows["label"] == "Edema")]
    values = constant.set_index("metric")["value"]
    assert np.isnan(values["iou"])
    assert values["iou_all"] == 0


def test_one_finding_has_two_names(dataset, tmp_path):
    write_dataset(tmp_path, 1, 2, SIZE, labels=("Lung Opacity",))
    for path in (tmp_path / "maps").iterdir():
        path.unlink()
    image = "patient1_study1_view1_frontal"
    write_map(tmp_path / "maps", image, "Airspace Opacity", np.eye(5, dtype=np.float32), SIZE)
    maps = saved_maps(tmp_path / "maps")
    truth = read_segmentations(tmp_path / "gt_segmentations.json", ["Airspace Opacity"])
    result = measure_maps(maps, truth, {})
    assert len(result.pixels) == 1
    assert result.notes[0].code == "chexlocalize.same_label"


def test_segmentations_of_other_kinds_and_letters(tmp_path):
    write_dataset(tmp_path, 1, 2, SIZE, labels=("Edema",))
    maps = saved_maps(tmp_path / "maps")
    images = [(saved.image, saved.path) for saved in maps]
    rows = [f"{image.upper()},Edema,1 4 {SIZE[0] + 1} 4" for image, _ in images]
    path = tmp_path / "masks.csv"
    path.write_text("\n".join(["image,label,EncodedPixels", *rows]), "utf-8")
    truth = read_segmentations(path, ["Edema"], images)
    mask = truth.mask(*images[0], "Edema", SIZE)
    assert mask is not None
    assert mask[:4, :2].all()
    assert mask.sum() == 8


def test_patients_of_a_table(dataset, tmp_path):
    folder, _ = dataset
    rows = "\n".join(f"valid/patient{n}/study1/view1_frontal.jpg,p{n % 5}" for n in range(100, 122))
    (tmp_path / "t.csv").write_text(f"Path,patient\n{rows}\n")
    maps = saved_maps(folder / "maps", PatientTable(tmp_path / "t.csv"))
    assert {saved.patient for saved in maps} == {f"p{n}" for n in range(5)}
    (tmp_path / "t.csv").write_text("Path\na\n")
    with pytest.raises(UsageError, match="no patient column"):
        saved_maps(folder / "maps", PatientTable(tmp_path / "t.csv"))
