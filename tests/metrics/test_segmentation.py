"""Masks against masks: by hand, against torchmetrics, and from files."""

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from scipy import ndimage
from torchmetrics.functional.classification import binary_f1_score, binary_jaccard_index

from camlucida.core.errors import ImageError, UsageError
from camlucida.datasets.mask_files import read_mask_pairs
from camlucida.evaluation.predictions.tables import (
    PredictionSettings,
    evaluate_masks,
    segmentation_document,
)
from camlucida.metrics.score_table import table
from camlucida.metrics.segmentation import MaskPair, compare_masks, evaluate_segmentation

EMPTY = np.zeros((20, 30), bool)


def block(*corners, size=4):
    mask = EMPTY.copy()
    for row, column in corners:
        mask[row : row + size, column : column + size] = True
    return mask


def compared(truth, prediction, image="a", patient="p", label="lesion"):
    return compare_masks([MaskPair(image, patient, label, truth, prediction)]).iloc[0]


def test_by_hand():
    row = compared(block((0, 0), (10, 10)), block((0, 2), (10, 20)))
    assert row["dice"] == 2 * 8 / 64
    assert row["iou"] == 8 / 56
    assert (row["components"], row["hits"]) == (2, 1)
    assert (row["predicted_components"], row["false_components"]) == (2, 1)


def test_corners_touch():
    assert compared(block((0, 0), (4, 4)), EMPTY)["components"] == 1


def test_empty_masks():
    both = compared(EMPTY, EMPTY)
    assert np.isnan(both["dice"])
    assert np.isnan(both["iou"])
    assert np.isnan(both["chance_dice"])
    no_truth = compared(EMPTY, block((0, 0)))
    assert (no_truth["dice"], no_truth["iou"], no_truth["false_components"]) == (0, 0, 1)
    no_prediction = compared(block((0, 0)), EMPTY)
    assert (no_prediction["dice"], no_prediction["hits"], no_prediction["components"]) == (0, 0, 1)


def test_equal_to_torchmetrics():
    rng = np.random.default_rng(0)
    for _ in range(5):
        truth, prediction = (
            ndimage.gaussian_filter(rng.normal(size=(40, 50)), 3) > 0.03 for _ in range(2)
        )
        row = compared(truth, prediction)
        tensors = torch.tensor(prediction).long(), torch.tensor(truth).long()
        assert row["dice"] == pytest.approx(float(binary_f1_score(*tensors)), abs=1e-6)
        assert row["iou"] == pytest.approx(float(binary_jaccard_index(*tensors)), abs=1e-6)


def test_chance_is_a_displaced_prediction():
    full = np.ones((20, 30), bool)
    row = compared(block((0, 0)), full)
    assert row["chance_dice"] == pytest.approx(row["dice"])  # it cannot be displaced
    assert row["chance_hits"] == 1
    many = [MaskPair(str(k), str(k), "", block((8, 8)), block((8, 8))) for k in range(3)]
    frame = compare_masks(many)
    assert (frame["dice"] == 1).all()
    assert (frame["chance_dice"] < 0.2).all()


def test_figures_pool_components_and_average_images():
    pairs = [
        MaskPair("a", "p1", "x", block((0, 0), (10, 10)), block((0, 0))),
        MaskPair("b", "p2", "x", block((0, 0)), block((10, 10))),
        MaskPair("c", "p3", "x", EMPTY, EMPTY),
    ]
    scores = table(evaluate_segmentation(compare_masks(pairs))).set_index("metric")
    assert set(scores["label"]) == {"x"}
    assert scores["estimate"]["dice"] == pytest.approx((2 * 16 / 48 + 0) / 2)
    assert scores["n"]["dice"] == 2
    assert scores["estimate"]["component_sensitivity"] == pytest.approx(1 / 3)
    assert scores["positives"]["component_sensitivity"] == 3
    assert scores["estimate"]["false_components"] == pytest.approx(1 / 3)
    assert set(scores["interval_method"]) == {"none"}


def test_intervals_by_patient_with_a_lesion():
    def pairs(holders):
        for k in range(14):
            truth = block((k, k)) if k < holders else EMPTY
            yield MaskPair(str(k), f"p{k}", "x", truth, block((k, 2 * (k // 2))))

    enough = table(evaluate_segmentation(compare_masks(pairs(12)))).set_index("metric")
    assert enough["interval_method"]["dice"] == "expanded BCa"
    few = table(evaluate_segmentation(compare_masks(pairs(9)))).set_index("metric")
    assert few["interval_method"][["dice", "iou", "component_sensitivity"]].tolist() == ["none"] * 3
    assert few["interval_method"]["false_components"] != "none"


def test_labels_and_models():
    pairs = [
        MaskPair("a", "p", label, block((0, 0)), block((0, 0)), model)
        for label in ("x", "y")
        for model in ("one", "two")
    ]
    figures = evaluate_masks(compare_masks(pairs))
    assert list(dict.fromkeys(figures["label"])) == ["all labels", "x", "y"]
    document = segmentation_document(
        compare_masks(pairs), figures, ["a note"], PredictionSettings()
    )
    assert document["models"]["one"]["dice"] == 1
    assert document["models"]["two"]["labels"]["y"]["iou"]["estimate"] == 1
    assert document["notes"] == ["a note"]


def test_masks_of_different_size():
    with pytest.raises(
        ImageError, match=r"a, 'lesion': true and predicted masks are 20×30 and 2×3 \(give both"
    ):
        compared(EMPTY, np.zeros((2, 3)))


@pytest.fixture
def files(tmp_path):
    Image.fromarray(block((0, 0)).astype(np.uint8) * 255).save(tmp_path / "t.png")
    np.save(tmp_path / "p.npy", block((0, 2)))
    (tmp_path / "bad.png").write_bytes(b"no image")
    return tmp_path


def write(folder, *rows):
    pd.DataFrame(rows, columns=["image", "patient", "label", "truth", "prediction"]).to_csv(
        folder / "masks.csv", index=False
    )
    return folder / "masks.csv"


def test_masks_from_files(files):
    rows = [
        ("a", "p", "x", "t.png", "p.npy"),
        ("b", "", "x", "", "p.npy"),
        ("c", "p", "x", "bad.png", "p.npy"),
        ("d", "p", "x", "", ""),
    ]
    pairs, notes = read_mask_pairs(write(files, *rows))
    first, second, third, fourth = pairs
    assert [note.code for note in notes] == ["notes.split_unknown"]
    assert compare_masks([first])["dice"][0] == 0.5
    assert second.patient == "image:b"
    assert not second.truth.any()
    assert "bad.png" in str(third)
    assert "d: neither" in str(fourth)


def test_wrong_tables_of_masks(files):
    with pytest.raises(UsageError, match="an image and label twice"):
        read_mask_pairs(write(files, *[("a", "p", "x", "t.png", "p.npy")] * 2))
    pd.DataFrame({"image": ["a"], "truth": ["t.png"]}).to_csv(files / "half.csv", index=False)
    with pytest.raises(UsageError, match="called like a prediction"):
        read_mask_pairs(files / "half.csv")
