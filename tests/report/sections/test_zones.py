from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from camlucida.core.messages import english
from camlucida.metrics.lung_fields import ZONES
from camlucida.report.document import Paragraph, Table
from camlucida.report.locale import load_texts
from camlucida.report.sections.zones import zones


def report(lift, images=20, detected=20, given=0):
    rng = np.random.default_rng(0)
    rows = {"path": [f"{n}.png" for n in range(images)], "patient": list(range(images))}
    measured = pd.DataFrame(rows)
    for zone in ZONES:
        measured[f"{zone}_area"] = np.where(np.arange(images) < detected, 0.2, np.nan)
        noise = 0.01 * rng.standard_normal(images)
        gain = lift if zone == "lower_third" else 0
        measured[f"{zone}_share"] = measured[f"{zone}_area"] + gain + noise - noise.mean()
    measured["zones_given"] = np.where(np.arange(images) < given, 1.0, 0.0)
    series = SimpleNamespace(name="net", rows=measured.index)
    return SimpleNamespace(measured=measured, all_series=[series])


@pytest.mark.parametrize(
    ("lift", "text"),
    [
        (0.1, "above chance in: lower third of the lungs (30.0%, area 20.0%)"),
        (-0.1, "below chance in: lower third"),
        (0.0, "In no lung zone is the attribution of net shown to differ"),
    ],
)
def test_the_zones_that_differ_are_said(lift, text):
    paragraph, table = zones(report(lift))
    assert isinstance(paragraph, Paragraph)
    assert isinstance(table, Table)
    assert text in " ".join(map(english, paragraph.sentences))
    assert len(table.rows) == len(ZONES)
    assert "not validated on patients" in english(table.notes[0])


def test_given_masks_are_counted_apart_from_detected_lungs():
    _, table = zones(report(0.1, given=12, detected=18))
    note = english(table.notes[0])
    assert (
        "detected automatically in 6 of 20 images, given as masks in 12, none detected in 2" in note
    )


def test_few_patients_few_lungs_and_none():
    paragraph, _ = zones(report(0.1, images=4, detected=4))
    assert "Too few patients" in english(paragraph.sentences[0])
    (paragraph,) = zones(report(0.1, detected=3))
    assert "in only 3 of 20 images" in english(paragraph.sentences[0])
    assert list(zones(report(0.1, detected=0))) == []


def test_zones_in_chinese():
    paragraph, _ = zones(report(0.1))
    assert "肺下三分之一" in load_texts("zh").render(paragraph.sentences[0])
