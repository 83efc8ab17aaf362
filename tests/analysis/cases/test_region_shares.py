"""Heat in masks, by closed form."""

import numpy as np
import pandas as pd
import pytest

from camlucida.analysis.cases.region_shares import (
    ALL_IMAGES,
    ImageGroup,
    evidence_table,
    share_inside,
)


def tables(shares, areas, patients=None, negative=0.25):
    """Cases and heat of images 0, 1, …, of which the map of sign −1 has half of the share."""
    rows = [(str(i), sign) for i in range(len(shares)) for sign in (1, -1)]
    people = patients or [f"p{i}" for i in range(len(shares))]
    cases = pd.DataFrame(
        [{"image": i, "patient": people[int(i)], "target_sign": sign} for i, sign in rows]
    )
    factor = np.tile([1, 0.5], len(shares))
    heat = pd.DataFrame(
        {"mask_share": np.repeat(shares, 2) * factor, "mask_area": np.repeat(areas, 2)}
    )
    return cases, heat.assign(negative_share=np.tile([negative, 1 - negative], len(shares)))


def line(table, sign, group=ALL_IMAGES, minus=""):
    rows = (table["sign"] == sign) & (table["group"] == group) & (table["minus"] == minus)
    return table[rows].iloc[0]


def group(name, images):
    return ImageGroup(name, frozenset(map(str, images)))


def test_means_of_groups_and_their_difference():
    cases, heat = tables([0.2, 0.4, 0.6, np.nan], [0.1, 0.1, 0.3, 0.1])
    low, high = group("low", "01"), group("high", "23")
    table = evidence_table(cases, heat, [low, high, group("nobody", "")], [(high, low)])
    overall = line(table, 1)
    assert overall[["images", "patients", "interval_method"]].tolist() == [3, 3, "none"]
    assert overall[["share", "area", "excess"]].tolist() == pytest.approx([0.4, 0.5 / 3, 0.7 / 3])
    assert overall["of_heat"] == pytest.approx(0.75)
    assert line(table, -1)["of_heat"] == pytest.approx(0.25)
    assert line(table, -1, "low")["excess"] == pytest.approx(0.05)
    assert line(table, 1, "high", "low")["excess"] == pytest.approx(0.3 - 0.2)
    assert line(table, -1, "high", "low")["excess"] == pytest.approx(0.0 - 0.05)
    assert "nobody" not in set(table["group"])


def test_intervals_resample_patients():
    shares = np.tile([0.2, 0.6], 20)
    patients = [
        f"p{i // 2}" for i in range(40)
    ]  # each has one of both, so every patient's mean is the same
    cases, heat = tables(shares, np.full(40, 0.1), patients)
    table = evidence_table(cases, heat, [], [])
    assert line(table, 1)[["low", "high", "interval_method"]].tolist() == pytest.approx(
        [0.3, 0.3, "constant"]
    )
    cases, heat = tables(shares, np.full(40, 0.1))
    alone = line(evidence_table(cases, heat, [], []), 1)
    assert alone["low"] < 0.3 < alone["high"]


def test_the_interval_of_a_difference():
    rng = np.random.default_rng(0)
    shares = np.concatenate([rng.normal(0.5, 0.05, 30), rng.normal(0.3, 0.05, 30)])
    cases, heat = tables(shares, np.full(60, 0.1))
    first, second = group("a", range(30)), group("b", range(30, 60))
    result = line(evidence_table(cases, heat, [], [(first, second)]), 1, "a", "b")
    se = np.hypot(*(part.std(ddof=1) / np.sqrt(30) for part in (shares[:30], shares[30:])))
    assert result["excess"] == pytest.approx(shares[:30].mean() - shares[30:].mean())
    assert result["high"] - result["low"] == pytest.approx(2 * 1.96 * se, rel=0.15)
    few = group("few", range(9))
    assert (
        line(evidence_table(cases, heat, [], [(few, second)]), 1, "few", "b")["interval_method"]
        == "none"
    )


def test_no_mask_no_row():
    cases, heat = tables([np.nan, np.nan], [np.nan, np.nan])
    assert evidence_table(cases, heat, [group("g", "0")], []).empty
    assert evidence_table(cases[:0], heat[:0], [], []).empty
    assert share_inside(cases, heat) is None


def test_one_image_in_words():
    cases, heat = tables([0.4], [0.1], negative=0.2)
    shares = (
        "heat: 80.0% raises the value, 40.0% of that inside the mask; "
        "20.0% lowers the value, 20.0% of that inside the mask"
    )
    area = "the mask covers 10.0% of the image, which is the chance level"
    assert str(share_inside(cases, heat)) == f"{shares}; {area}"
