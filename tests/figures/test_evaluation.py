"""What the figures of an evaluation draw, read back from their axes."""

import io

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from PIL import Image

from camlucida.evaluation.maps.choice import PRIMARY
from camlucida.evaluation.maps.summary import curve_means, gate_table, over_all_labels, summarise
from camlucida.figures.evaluation import (
    GREYS,
    PALETTE,
    curves_figure,
    ranking_figure,
    sanity_figure,
)
from camlucida.figures.files import figure_svg
from camlucida.figures.panels import figure_png
from tests.support.evaluations import BASELINES, METHODS, evaluation, row


@pytest.fixture(scope="module")
def tables():
    return evaluation(patients=12)


@pytest.fixture(scope="module")
def summary(tables):
    return summarise(tables[0])


@pytest.fixture(scope="module")
def means(tables):
    return curve_means(tables[1][tables[1]["output"] == "logit"])


def words(figure):
    """Every text of a figure."""
    return " ".join(
        text.get_text() for text in figure.findobj(lambda item: hasattr(item, "get_text"))
    )


def test_the_ranking_shows_each_mean_interval_chance_and_ceiling(summary):
    figure = ranking_figure(summary)
    assert len(figure.axes) == len(PRIMARY)
    hit = figure.axes[1]
    assert hit.get_title() == "Pointing game\nhigher is better"
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == [
        *METHODS,
        *BASELINES,
    ]
    table = over_all_labels(summary).query("metric == 'hit'").set_index("method")
    dots = {
        float(line.get_ydata()[0]): float(line.get_xdata()[0])
        for line in hit.lines
        if line.get_marker() == "o"
    }
    ceilings = [float(line.get_xdata()[0]) for line in hit.lines if line.get_marker() == "D"]
    for place, name in enumerate([*METHODS, *BASELINES]):
        assert dots[place] == table.loc[name, "estimate"]
        assert ceilings[place] == table.loc[name, "ceiling"] == pytest.approx(0.85)
    spans = [tuple(path.vertices[:, 0]) for lines in hit.collections for path in lines.get_paths()]
    for name in METHODS:
        assert (table.loc[name, "low"], table.loc[name, "high"]) in spans
        assert (table.loc[name, "chance"],) * 2 in spans


def test_methods_have_a_colour_of_their_own_and_baselines_are_grey(summary, means):
    ticks = ranking_figure(summary).axes[0].get_yticklabels()
    colours = {label.get_text(): to_hex(label.get_color()) for label in ticks}
    assert {colours[name] for name in METHODS} <= {colour.lower() for colour in PALETTE}
    assert len({colours[name] for name in METHODS}) == len(METHODS)
    assert {colours[name] for name in BASELINES} <= set(GREYS)
    (legend,) = curves_figure(means, True).legends
    for line, text in zip(legend.get_lines(), legend.get_texts()):
        assert to_hex(line.get_color()) == colours[text.get_text()]  # the same in every figure
        assert (line.get_linestyle() == "-") == (text.get_text() in METHODS)


def test_no_interval_is_a_hollow_dot_and_no_bar(tables):
    few = tables[0][tables[0]["patient"] < "patient_005"]
    axes = ranking_figure(summarise(few)).axes[0]
    assert {line.get_markerfacecolor() for line in axes.lines if line.get_marker() == "o"} == {
        "white"
    }
    assert all(
        np.ptp(path.vertices[:, 0]) == 0 for lines in axes.collections for path in lines.get_paths()
    )


def test_several_layers_are_named_and_a_missing_metric_is_no_dot():
    rows = [
        row(f"i{k}", f"p{k}", method=m, layer=at)
        for k in range(2)
        for m in "ab"
        for at in ("deep", "shallow")
    ]
    rows += [row(method="a", layer="deep", metric="road", output="logit")]
    hit, road = ranking_figure(summarise(pd.DataFrame(rows))).axes
    assert [label.get_text() for label in hit.get_yticklabels()] == [
        "a at deep",
        "b at deep",
        "a at shallow",
        "b at shallow",
    ]
    assert sum(line.get_marker() == "o" for line in road.lines) == 1


def test_curves_have_a_panel_a_pair_and_a_band_for_methods(means):
    figure = curves_figure(means, True)
    road, cells = figure.axes
    assert "most relevant first" in road.get_title()
    assert "insertion" in cells.get_title()
    assert road.get_ylabel() == "logit, mean over images"
    assert len(road.lines) == 2 * (len(METHODS) + len(BASELINES))
    assert len(road.collections) == 2 * len(METHODS)
    expected = means.query("method == 'gradcam' and curve == 'road_morf'")["estimate"].to_numpy()
    assert any(
        np.array_equal(line.get_ydata(), expected)
        for line in road.lines
        if line.get_marker() == "v"
    )


def test_a_row_of_panels_for_each_score(tables):
    figure = curves_figure(curve_means(tables[1][tables[1]["curve"].str.startswith("road")]), False)
    assert [axes.get_ylabel().split(",")[0] for axes in figure.axes] == ["logit", "probability"]


def test_the_sanity_figure_shows_the_null_and_the_dead(tables):
    gate = gate_table(tables[2])
    figure = sanity_figure(gate, True)
    gradcam = figure.axes[0]
    assert gradcam.get_title().startswith("gradcam")
    similar = gate.query("method == 'gradcam' and mode == 'cascading'")
    of_block = similar.groupby("block")
    means = of_block["similarity"].mean()
    np.testing.assert_allclose(gradcam.lines[0].get_ydata(), means)
    np.testing.assert_array_equal(gradcam.lines[0].get_xdata(), [1, 2, 3, 4, 5, 6])
    (shade,) = gradcam.collections
    expected = (similar["null"] + similar["margin"]).mean()
    assert shade.get_paths()[0].vertices[:, 1].max() == pytest.approx(expected)
    assert [text.get_text() for text in gradcam.texts] == ["25% dead"] * 2
    dead = tables[2].assign(similarity=np.nan, gate_similarity=np.nan, dead=True)
    figure_png(sanity_figure(gate_table(dead), False))  # nothing to draw is no error


def test_many_methods_are_told_apart(means):
    many = pd.concat(
        [means[means["method"] == "gradcam"].assign(method=f"m{k:02d}") for k in range(12)]
    )
    (legend,) = curves_figure(many, True).legends
    assert len({(line.get_color(), line.get_linestyle()) for line in legend.get_lines()}) == 12


def test_every_figure_says_what_it_is_not_for(summary, means, tables):
    gate = gate_table(tables[2])
    for synthetic in (True, False):
        marked = summary.assign(synthetic=synthetic)
        for figure in (
            ranking_figure(marked),
            curves_figure(means, synthetic),
            sanity_figure(gate, synthetic),
        ):
            text = words(figure)
            assert "Research use only" in text
            assert ("SYNTHETIC" in text) == synthetic


def test_png_of_300_dpi_and_svg_of_the_same_bytes(summary):
    picture = Image.open(io.BytesIO(figure_png(ranking_figure(summary))))
    assert picture.info["dpi"] == pytest.approx((300, 300), abs=0.1)
    assert np.asarray(picture.convert("L")).std() > 5
    svg = figure_svg(ranking_figure(summary))
    assert b"<svg" in svg
    assert svg == figure_svg(ranking_figure(summary))
