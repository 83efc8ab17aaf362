"""Who leads an ensemble: closed forms of weights, the bound of peaks, evidence, and stored maps."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from camlucida.analysis.ensemble.combine import combine
from camlucida.analysis.ensemble.members import is_evidence
from camlucida.analysis.ensemble.stored import maps_file, read_maps
from camlucida.core.errors import UsageError
from camlucida.core.geometry import Geometry
from tests.support.ensemble_members import made

NARROW = [[90.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
WIDE = [[0.0, 0.0, 0.0], [0.0, 3.0, 4.0], [0.0, 4.0, 5.0]]
FAINT = [[0.3, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]


def test_a_map_counts_by_weight_times_probability():
    maps = {"yes": made(WIDE, probability=0.9), "no": made(WIDE, probability=0.1)}
    result = combine(maps, {"yes": 1, "no": 3})
    assert [m.map_weight for m in result.members] == pytest.approx([0.9 / 1.2, 0.3 / 1.2])
    assert result.weighting == "probability"
    assert result.probability == pytest.approx(0.25 * 0.9 + 0.75 * 0.1)


def test_a_map_counts_by_the_output_scaled_to_the_operating_point():
    above = replace(made(WIDE, (30, 30), probability=0.02), scaled_output=0.6)
    maps = {"above": above, "no": made(NARROW, (30, 30), probability=0.3)}
    result = combine(maps)
    assert [m.map_weight for m in result.members] == pytest.approx([0.6 / 0.9, 0.3 / 0.9])
    dominance = result.dominance()
    assert (dominance.name, dominance.decided) == ("above", 0.6)
    assert result.probability == pytest.approx(0.16)


def test_the_choice_to_weigh_equally_remains():
    maps = {"yes": made(WIDE, probability=0.9), "no": made(NARROW, probability=0.1)}
    result = combine(maps, weighting="equal")
    assert [m.map_weight for m in result.members] == [0.5, 0.5]
    assert not any(member.bounded for member in result.members)
    no_probability = combine(maps | {"no": made(NARROW, probability=None)})
    assert no_probability.weighting == "no_probability"
    assert [m.map_weight for m in no_probability.members] == [0.5, 0.5]
    with pytest.raises(UsageError, match="did you mean equal"):
        combine(maps, weighting="equl")


def test_a_narrow_map_that_says_no_led_and_does_not_lead():
    maps = {
        "yes": made(WIDE, (30, 30), probability=0.8),
        "no": made(NARROW, (30, 30), probability=0.3),
    }
    before, after = combine(maps, weighting="equal"), combine(maps)
    assert before.dominance().name == "no"
    assert after.dominance().name == "yes"
    assert np.unravel_index(before.mean.argmax(), (30, 30)) < (10, 10)
    assert np.unravel_index(after.mean.argmax(), (30, 30)) > (15, 15)
    assert [member.bounded for member in after.members] == [False, True]
    limits = [member.explanation.limit for member in after.members]
    assert limits[0] == pytest.approx(limits[1])


cells = st.lists(st.floats(0, 50), min_size=9, max_size=9)
member = st.tuples(cells, st.floats(0.01, 0.99), st.floats(0.1, 5))


@settings(max_examples=40, deadline=None)
@given(st.lists(member, min_size=2, max_size=4))
def test_the_largest_contribution_is_of_the_largest_weight_times_probability(drawn):
    maps, weights = {}, {}
    for number, (values, probability, weight) in enumerate(drawn):
        maps[f"m{number}"] = made(np.reshape(values, (3, 3)), probability=probability)
        weights[f"m{number}"] = weight
    result = combine(maps, weights)
    if result.evident:
        most = max(each.map_weight for each in result.evident)
        leading = max(result.evident, key=lambda each: each.contribution)
        assert leading.map_weight == pytest.approx(most)


def test_a_member_that_alone_has_evidence_dominates_and_that_is_known():
    maps = {"yes": made(FAINT, probability=0.9), "no": made(WIDE, probability=0.05)}
    dominance = combine(maps).dominance()
    assert (dominance.name, dominance.decided) == ("no", 0.05)
    assert dominance.share > 0.5


def test_agreement_is_of_maps_with_evidence():
    maps = {"a": made(WIDE), "b": made(FAINT), "c": made(WIDE)}
    result = combine(maps)
    assert [each.name for each in result.evident] == ["a", "c"]
    assert (result.agreement, result.compared) == (pytest.approx(1), 1)
    faint = combine({"a": made(FAINT), "b": made(FAINT)})
    assert np.isnan(faint.agreement)
    assert faint.evident == ()
    assert is_evidence(made(WIDE))
    assert not is_evidence(made(FAINT))


def test_who_alone_saw_a_pixel_counts_there_by_what_it_says():
    left = Geometry.identity((4, 8)).crop((0, 0), (4, 4))
    flat = [[3.0, 3.0], [3.0, 3.0]]
    whole = Geometry.identity((4, 8)).resize((4, 4))
    result = combine(
        {
            "yes": made(flat, geometry=left, probability=0.8),
            "no": made(flat, geometry=whole, probability=0.2),
        },
        scale="none",
    )
    assert np.allclose(result.mean[:, :4], 3)
    assert np.allclose(result.mean[:, 4:], 3 * 0.2 / 0.5)


def test_what_counts_less_is_drawn_fainter():
    maps = {"yes": made(WIDE, probability=0.8), "no": made(WIDE, probability=0.2)}
    result = combine(maps)
    assert result.limit_of(result.members[0]) == pytest.approx(result.limit)
    assert result.limit_of(result.members[1]) == pytest.approx(4 * result.limit)
    equal = combine(maps, weighting="equal")
    assert equal.limit_of(equal.members[1]) == equal.limit


def test_stored_maps_are_the_maps_and_small(tmp_path):
    geometry = Geometry.identity((300, 400)).crop((0, 50), (300, 300)).resize((30, 30))
    maps = {
        "yes": made(WIDE, geometry=geometry, probability=0.8),
        "no": made(NARROW, (300, 400), probability=0.3),
    }
    result = combine(maps)
    data = maps_file(result)
    assert len(data) < 6000 < result.mean.nbytes / 50
    assert data == maps_file(result)
    path = tmp_path / "Nodule_maps.npz"
    path.write_bytes(data)
    stored = read_maps(path)
    assert stored.unit == result.unit
    np.testing.assert_allclose(stored.mean(), result.mean, atol=1e-5)
    np.testing.assert_allclose(stored.disagreement(), result.disagreement, atol=1e-5)
    np.testing.assert_allclose(
        stored.member("no"), result.members[1].explanation.numpy(), atol=1e-5
    )
    with pytest.raises(UsageError, match="no map of 'other'"):
        stored.member("other")
    path.write_bytes(b"nothing")
    with pytest.raises(UsageError, match="no file of maps"):
        read_maps(path)
