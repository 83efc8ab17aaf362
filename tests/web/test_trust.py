"""The trust panel of a case: six numbers, each with its meaning, or why it is missing."""

import pandas as pd
import pytest

from camlucida.web.trust import trust_lines

ROW = {"model": "net", "label": "nodule", "method": "gradcam", "layer": "layer4"}
GRID = ((7, 7), (32.0, 32.0))
SCORE = {"output": "", "value": 0.5, "chance": 0.1, "ceiling": 0.9}
GATE = {
    **{name: ROW[name] for name in ("model", "method", "layer")},
    **{"labels": ("nodule",), "verdict": "depends", "similarity": 0.02, "null": 0.05},
}
NOTHING = pd.DataFrame(columns=["metric"])


def lines_of(row=ROW, scores=NOTHING, gates=(), evaluated=False):
    return list(trust_lines(row, scores, list(gates), evaluated, GRID))


def scores(*names):
    return pd.DataFrame([{"metric": name, **SCORE} for name in names])


def test_without_an_evaluation_each_line_says_what_measures_it():
    lines = lines_of()
    assert [line["metric"] for line in lines] == [
        *("road", "hit", "sanity", "agreement_seed", "artefact_share", "grid"),
    ]
    for line in lines[:-1]:
        assert line["value"] is None
        assert "camlucida" in line["missing"]
    assert lines[-1]["verdict"] == "32 × 32 px"
    assert lines[-1]["title"] == "Limit of the grid (7 × 7)"


def test_of_a_volume_nothing_is_promised_that_is_defined_on_films_alone():
    grid = ((6, 6, 4), (21.3, 21.3, 6.0))
    lines = {line["metric"]: line for line in trust_lines(ROW, NOTHING, [], False, grid)}
    for name in ("road", "artefact_share"):
        assert lines[name]["missing"] == "defined on films alone, and this is a volume"
    assert "--metrics hit" in lines["hit"]["missing"]
    assert lines["grid"]["verdict"] == "21.3 × 21.3 × 6 voxels"
    assert lines["grid"]["meaning"].startswith("Voxels of the volume")


def test_what_was_measured_stands_with_chance_and_bound():
    row = ROW | {"agreement_seed": 0.4, "artefact_share": 0.3, "artefact_area": 0.2}
    lines = lines_of(row, scores("road", "hit", "gini", "border_share"), [GATE], True)
    by_name = {line["metric"]: line for line in lines}
    assert not any(line["missing"] for line in lines)
    assert all(line["meaning"] for line in lines)
    assert [by_name["hit"][name] for name in ("value", "chance", "ceiling")] == [0.5, 0.1, 0.9]
    sanity = by_name["sanity"]
    assert (sanity["verdict"], sanity["value"], sanity["chance"]) == ("depends", 0.02, 0.05)
    assert by_name["agreement_seed"]["value"] == 0.4
    assert (by_name["artefact_share"]["value"], by_name["artefact_share"]["chance"]) == (0.3, 0.2)
    first = [line["metric"] for line in lines if line["main"]]
    assert first == [
        *("road", "hit", "sanity", "agreement_seed", "artefact_share", "border_share", "grid"),
    ]
    assert lines[-1]["metric"] == "gini"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("road", "left it out: --metrics road"),
        ("hit", "no annotation of this label"),
        ("sanity", "--metrics cascading_randomisation"),
        ("artefact_share", "--metrics artefact"),
    ],
)
def test_an_evaluation_without_a_metric_says_why(name, reason):
    (line,) = [line for line in lines_of(evaluated=True) if line["metric"] == name]
    assert reason in line["missing"]


def test_a_value_that_is_not_defined_is_no_number():
    undefined = pd.DataFrame([{"metric": "hit", **SCORE, "value": float("nan")}])
    by_name = {line["metric"]: line for line in lines_of(scores=undefined, evaluated=True)}
    line = by_name["hit"]
    assert (line["value"], line["missing"]) == (None, "not defined for this map")


def test_heat_on_some_artefacts_stands_for_all_where_no_comparison_measured_them():
    lines = lines_of(scores=scores("border_share"), evaluated=True)
    assert [line["metric"] for line in lines if "border" in line["metric"]] == ["border_share"]
    assert "artefact_share" not in [line["metric"] for line in lines]
