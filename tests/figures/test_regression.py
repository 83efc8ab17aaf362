"""The figure of a case of a regression."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from matplotlib.text import Text

from camlucida.attribution.explanation import Explanation
from camlucida.core.errors import UsageError
from camlucida.core.geometry import Geometry
from camlucida.core.scan import Scan
from camlucida.figures.panels import figure_png
from camlucida.figures.regression import (
    GREEN,
    RED,
    ValueCase,
    both_signs,
    shared_limit,
    value_figure,
)


def explanation(raw, target="age ↑", relu=True, synthetic=False):
    scan = Scan(
        torch.zeros(1, 8, 8),
        np.full((8, 8), 100, np.uint8),
        Geometry.identity((8, 8)),
        "film",
        synthetic=synthetic,
    )
    return Explanation(
        torch.tensor(raw),
        50.0,
        None,
        target,
        "gradcam",
        "layer4",
        relu,
        scan,
        "" if np.any(raw) else "all zero",
    )


RAW = [[1.0, -2.0], [0.5, 0.0]]
LOWERS = explanation((-np.array(RAW)).tolist(), "age ↓")


def case(error=1.0, raw=RAW, mask=None, **options):
    return ValueCase(
        both_signs(explanation(raw, **options)), "a.png", "age", 50.0, 50.0 + error, mask
    )


def words(figure):
    axes = [text.get_text() for part in figure.axes for text in (*part.texts, part.title)]
    return "\n".join([*axes, figure._supxlabel.get_text()])


def test_both_signs_of_grad_cam_are_the_map_before_its_relu():
    signed = both_signs(explanation(RAW), LOWERS)
    assert signed.raw.tolist() == RAW
    assert signed.signed
    assert both_signs(explanation(RAW)).raw.tolist() == RAW


def test_both_signs_of_methods_whose_signs_are_not_mirrored():
    signed = both_signs(explanation([[1.0, 3.0]]), explanation([[2.0, -1.0]], "age ↓"))
    assert signed.raw.tolist() == [[-1.0, 3.0]]


def test_a_signed_method_has_both_already():
    one = explanation(RAW, relu=False)
    assert both_signs(one, LOWERS) is one


def test_evidence_that_only_lowers_is_evidence():
    empty = replace(explanation([[-1.0, -2.0]]), empty_reason="nothing raises it")
    assert not both_signs(empty, LOWERS).is_empty
    assert both_signs(explanation([[0.0, 0.0]])).is_empty


@pytest.mark.parametrize(
    ("error", "colour", "expected_text"),
    [(-4.99, GREEN, "below 5"), (5.0, RED, "5 or more"), (-7, RED, "5 or more")],
)
def test_the_error_is_green_below_the_threshold_and_red_from_it_up(error, colour, expected_text):
    figure = value_figure(case(error))
    found = next(text for text in figure.axes[0].texts if "absolute error" in text.get_text())
    assert found.get_color() == colour
    assert expected_text in found.get_text()


def test_what_every_figure_says():
    figure = value_figure(
        replace(case(), chosen="best: of 3", inside="heat: all"),
        4.0,
        scale="shared scale",
        notes=["a note"],
    )
    text_shown = words(figure)
    for text in ("a.png", "true age 50", "predicted 51", "image; no mask", "gradcam", "grid 2×2"):
        assert text in text_shown
    for text in (
        "best: of 3",
        "heat: all",
        "layer4",
        "shared scale: ±4 is full colour",
        "a note",
        "Research use only",
    ):
        assert text in text_shown
    assert "SYNTHETIC" not in text_shown
    assert words(value_figure(case(synthetic=True))).count("SYNTHETIC") == 4
    assert "> 0 raises age" in figure.axes[-1].get_ylabel()


def test_one_scale_and_its_colours():
    cases = [case(), case(raw=[[0.5, 0.0]])]
    limit = shared_limit(cases)
    assert limit == 2
    heat = value_figure(cases[1], limit).axes[3].images[0]
    assert (heat.norm.vmin, heat.norm.vmax, heat.cmap.name) == (-2, 2, "bwr")
    assert value_figure(cases[1], limit, colormap="jet").axes[3].images[0].cmap.name == "jet"
    with pytest.raises(UsageError, match="did you mean jet"):
        value_figure(cases[1], colormap="jett")


def test_what_only_raises_is_red_over_the_image_too():
    figure = value_figure(case(raw=[[1.0, 0.0]]))
    overlay = np.asarray(figure.axes[2].get_images()[0].get_array())
    red, green, blue = overlay[4, 1]
    assert red > 0.7
    assert green == blue < 0.2  # as the colour bar has it, which goes from blue to red


def test_the_mask_is_red_and_half_seen_through():
    mask = np.zeros((8, 8), bool)
    mask[2:4] = True
    picture = value_figure(case(mask=mask)).axes[1].images[0].get_array()
    grey = 100 / 255
    assert picture[0, 0].tolist() == pytest.approx([grey] * 3)
    assert picture[2, 0].tolist() == pytest.approx([grey * 0.7 + 0.3, grey * 0.7, grey * 0.7])


@pytest.mark.parametrize("colormap", [None, "jet"])
def test_no_evidence_is_said_and_nothing_is_stretched(colormap):
    figure = value_figure(case(raw=[[0.0, 0.0], [0.0, 0.0]]), colormap=colormap)
    assert "no evidence: all zero" in words(figure)
    assert "full colour" not in words(figure)
    np.testing.assert_allclose(figure.axes[2].images[0].get_array(), 100 / 255, atol=1e-6)


def inside(figure):
    """Of every text: its box in shares of the figure."""
    figure.draw_without_rendering()
    texts = [
        text for text in figure.findobj(Text) if text.get_text().strip() and text.get_visible()
    ]
    return {
        text.get_text(): text.get_window_extent().transformed(figure.transFigure.inverted())
        for text in texts
    }


LONG = (
    "sacred-heart_PA_2023-11-05T10-22-31_series_0004_instance_000017_anonymised_rescaled_checked.png"
    * 2
)


@pytest.mark.parametrize("size", [(8, 8), (8, 80), (80, 8)])
def test_long_names_and_long_films_stay_on_the_page(size):
    scan = Scan(
        torch.zeros(1, *size), np.full(size, 100, np.uint8), Geometry.identity(size), "film"
    )
    shown = replace(explanation(RAW), scan=scan)
    film = replace(
        case(),
        explanation=shown,
        file=LONG,
        name="bone age in months by Greulich and Pyle, second reading of two",
    )
    figure = value_figure(replace(film, inside="heat: " + "a word, " * 40), notes=["a note"])
    boxes = inside(figure)
    assert all(
        box.x0 > -0.005 and box.x1 < 1.005 and box.y0 > -0.005 and box.y1 < 1.005
        for box in boxes.values()
    )
    assert "".join(text.get_text() for text in figure.axes[0].texts).startswith(LONG)
    panels = [axes.get_window_extent() for axes in figure.axes[1:4]]
    assert all(max(panel.width, panel.height) > 150 for panel in panels)
    assert (
        min(box.y0 for box in (axes.get_position() for axes in figure.axes[1:4]))
        > figure._supxlabel.get_position()[1]
    )


def test_names_are_no_formulas():
    odd = replace(case(), file="a$b_$c.png", name="v$a$")
    assert figure_png(value_figure(odd)).startswith(b"\x89PNG")
