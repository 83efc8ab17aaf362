"""What the figures of predictions draw, read back from their axes."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from camlucida.datasets.predictions import Predictions
from camlucida.evaluation.predictions.tables import PredictionSettings, evaluate_predictions
from camlucida.figures.panels import figure_png
from camlucida.figures.predictions import prediction_figures, save_figures
from tests.figures.test_evaluation import words

RNG = np.random.default_rng(0)
ABOUT = {
    "image": [f"i{k}" for k in range(60)],
    "patient": [f"p{k}" for k in range(60)],
    "model": "",
}
TRUTH = RNG.uniform(20, 90, 60)
VALUES = pd.DataFrame(
    {**ABOUT, "sex": ["F", "M"] * 30, "value": TRUTH + RNG.normal(0, 5, 60), "truth": TRUTH}
)
CLASSES = pd.DataFrame({**ABOUT, "truth": list("ABBC") * 15, "predicted": list("ABCB") * 15})
HITS = RNG.random(60) < 0.4
LOGITS = RNG.normal(size=60) + HITS
LABEL = pd.DataFrame(
    {
        **ABOUT,
        "label": "x",
        "logit": LOGITS,
        "probability": 1 / (1 + np.exp(-LOGITS)),
        "truth": HITS.astype(float),
    }
)
LABELS = pd.concat(
    [LABEL, LABEL.assign(label="never", truth=0.0), LABEL.assign(label="unknown", truth=np.nan)]
)

CASES = {
    "regression": Predictions("regression", VALUES, (), ("sex",), (), True),
    "multiclass": Predictions("multiclass", CLASSES, ("A", "B", "C", "D"), (), (), True),
    "multilabel": Predictions("multilabel", LABELS, ("x", "never", "unknown"), (), (), True),
}


@pytest.fixture(scope="module")
def drawn():
    """Task → (table, name → figure)."""
    found = {}
    for task, predictions in CASES.items():
        figures = evaluate_predictions(predictions, PredictionSettings(bin_width=35))
        found[task] = figures, dict(prediction_figures(predictions, predictions.frame, figures))
    return found


@pytest.mark.filterwarnings("error")
def test_every_figure_says_what_it_is_not_for(drawn):
    assert sum(len(figures) for _, figures in drawn.values()) == 6
    for _, figures in drawn.values():
        for name, figure in figures.items():
            assert "Research use only · SYNTHETIC data" in words(figure), name
            assert figure_png(figure).startswith(b"\x89PNG")


def test_the_scatter_and_the_histogram(drawn):
    figures, found = drawn["regression"]
    scatter, histogram = found["evaluation_results.png"].axes
    np.testing.assert_array_equal(scatter.collections[0].get_offsets(), VALUES[["truth", "value"]])
    assert sum(bar.get_height() for bar in histogram.patches) == 60
    line = figures[(figures["metric"] == "mae") & (figures["group"] == "")].iloc[0]
    assert (
        f"MAE {line['estimate']:.2f} [{line['low']:.2f}, {line['high']:.2f}]" in scatter.get_title()
    )


def test_bland_and_altmans_lines(drawn):
    figures, found = drawn["regression"]
    (axes,) = found["bland_altman.png"].axes
    levels = {line.get_ydata()[0] for line in axes.lines}
    by_name = figures[figures["group"] == ""].set_index("metric")["estimate"]
    for name in ("bias", "limit_low", "limit_high"):
        assert any(level == pytest.approx(by_name[name]) for level in levels)
    shown = sum(len(points.get_offsets()) for points in axes.collections[:2])
    assert shown == 60
    assert f"{round(60 * by_name['outlier_share'])} of 60 images outside" in axes.get_title()


def test_groups_have_dots_at_their_errors(drawn):
    figures, found = drawn["regression"]
    mae = found["group_comparison.png"].axes[0]
    names = [label.get_text().split("  ")[0] for label in mae.get_yticklabels()]
    assert names == ["sex=F", "sex=M", "truth 0 to 35", "truth 35 to 70", "truth 70 to 105"]
    dots = [float(line.get_xdata()[0]) for line in mae.lines if line.get_marker() == "o"]
    expected = figures[(figures["metric"] == "mae") & (figures["group"] != "")]["estimate"]
    np.testing.assert_array_equal(dots, expected)


def test_the_confusion_matrix_in_numbers(drawn):
    axes = drawn["multiclass"][1]["confusion_matrix.png"].axes[0]
    texts = [text.get_text() for text in axes.texts]
    assert texts[:4] == ["15\n100%", "0\n0%", "0\n0%", "0\n0%"]
    assert texts[5:7] == ["15\n50%", "15\n50%"]
    assert axes.get_yticklabels()[3].get_text() == "D\n(n = 0)"


def test_curves_and_calibration(drawn):
    figures, found = drawn["multilabel"]
    first, second, third = found["roc_pr_curves.png"].axes[:3]
    assert [axes.get_title().splitlines()[0] for axes in (first, second, third)] == [
        "x (22 of 60)",
        "never (0 of 60)",
        "unknown (0 of 0)",
    ]
    roc = first.lines[0].get_xydata()
    area = np.trapezoid(roc[:, 1], roc[:, 0])
    assert area == pytest.approx(
        figures.set_index(["label", "metric"]).loc[("x", "auc"), "estimate"]
    )
    assert "no curve" in words(found["roc_pr_curves.png"])
    assert "no rows" in words(found["calibration.png"])
    predicted, share = found["calibration.png"].axes[0].lines[1].get_data()
    assert ((predicted >= 0) & (predicted <= 1) & (share >= 0) & (share <= 1)).all()


def test_one_row_can_be_drawn(tmp_path):
    predictions = Predictions("regression", VALUES[:1], (), (), (), False)
    written = save_figures(tmp_path, predictions, evaluate_predictions(predictions), 0.5)
    assert [path.name for path in written] == ["evaluation_results.png", "bland_altman.png"]
    for path in written:
        with Image.open(path) as picture:
            assert picture.info["dpi"] == pytest.approx((300, 300), abs=0.1)


def of_values(value, truth, site=None):
    frame = pd.DataFrame(
        {
            "image": range(len(value)),
            "patient": range(len(value)),
            "model": "",
            "value": value,
            "truth": truth,
        }
    )
    groups = ("site",) if site else ()
    predictions = Predictions(
        "regression", frame.assign(site=site) if site else frame, (), groups, (), False
    )
    return dict(
        prediction_figures(predictions, predictions.frame, evaluate_predictions(predictions))
    )


def overlap(one, other):
    return one.x0 < other.x1 and other.x0 < one.x1 and one.y0 < other.y1 and other.y0 < one.y1


@pytest.mark.parametrize("far", [1e5, 1e12])
def test_a_far_outlier_is_drawn_and_its_words_do_not_overlap(far):
    value = np.append(TRUTH[1:] + RNG.normal(0, 0.1, 59), far)
    found = of_values(value, np.append(TRUTH[1:], TRUTH[0]))
    histogram = found["evaluation_results.png"].axes[1]
    assert len(histogram.patches) <= 60
    assert sum(bar.get_height() for bar in histogram.patches) == 60
    figure = found["bland_altman.png"]
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    assert len(boxes) == 3
    assert not any(overlap(one, other) for k, one in enumerate(boxes) for other in boxes[:k])


def test_long_and_odd_names_of_groups_leave_room():
    figure = of_values(
        TRUTH,
        TRUTH + 1,
        ["Department of paediatric radiology of the northern hospital, a$b_$c"] * 60,
    )["group_comparison.png"]
    assert figure_png(figure).startswith(b"\x89PNG")
    titles = [axes.title.get_window_extent() for axes in figure.axes]
    assert not any(overlap(*pair) for pair in pairwise(titles))


def test_one_image_is_one_image_and_has_no_band():
    found = of_values(np.array([3.0]), np.array([1.0]))
    text_shown = words(found["bland_altman.png"])
    assert "1 image of 1 patient.\n" in text_shown
    assert "bands" not in text_shown
