"""The signed difference of two maps, by hand."""

from dataclasses import replace

import numpy as np
import pytest

from camlucida.analysis.change import align, centred, changes, difference
from camlucida.analysis.change.alignment import Alignment, AlignmentQuality
from camlucida.core.errors import ModelMismatchError, UsageError
from camlucida.core.geometry import Geometry
from camlucida.io.image import RawImage
from camlucida.models import load_model
from camlucida.phantom import film, model_cards
from tests.support.ensemble_members import made

NEVER = AlignmentQuality(1.0, 1.0, 1.0)
RAMP = [[1.0, 2.0], [3.0, 4.0]]


def still(size=(8, 8)):
    picture = np.arange(np.prod(size), dtype=float).reshape(size)
    return centred(picture, picture)


def raw_image(image, name):
    pixels = image.astype(np.float32) / 255
    return RawImage(pixels=pixels, display=image, id=name, synthetic=True)


def test_equal_maps_do_not_change():
    result = difference(made(RAMP), made(RAMP), still())
    assert np.array_equal(result.difference, np.zeros((8, 8)))
    assert result.score == 0
    assert result.probability == 0
    assert result.moved_difference is None


def test_the_difference_is_after_minus_before_on_one_scale():
    before, after = (
        made(RAMP, probability=0.2),
        replace(made(np.array(RAMP) * 3, probability=0.9), score=4.0),
    )
    result = difference(before, after, still())
    assert np.allclose(result.difference, result.after_map - result.before_map)
    assert np.allclose(result.difference, 2 * result.before_map)
    assert result.limit == 12
    assert result.score == 3
    assert result.probability == pytest.approx(0.7)
    assert difference(after, before, still()).difference.max() < 0


def test_a_map_is_carried_by_the_alignment():
    shift = Alignment(np.eye(2), np.array([0.0, 2.0]), (8, 8), 0.0, 1.0, (0.0, 2.0), NEVER, NEVER)
    columns = np.tile(np.arange(8.0), (8, 1))
    later = np.roll(columns, 2, axis=1)
    result = difference(made(columns), made(later), shift)
    assert np.allclose(result.difference[:, :6], 0)
    assert np.isnan(result.difference[:, 6:]).all()


def test_what_the_model_did_not_see_is_not_compared():
    middle = Geometry.identity((8, 8)).crop((0, 2), (8, 4))
    result = difference(made(RAMP, geometry=middle), made(RAMP), still())
    assert np.isnan(result.difference[:, :2]).all()
    assert np.isfinite(result.difference[:, 2:6]).all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"target": "Mass"}, "different targets"),
        ({"method": "hirescam"}, "different methods"),
        ({"layer": "other"}, "different layers"),
        ({"provenance": {"unit": "activation"}}, "different units"),
        ({"provenance": {"unit": "logit", "model": {"sha256": "1"}}}, "different models"),
    ],
)
def test_other_things_are_not_compared(change, words):
    with pytest.raises(UsageError, match=words):
        difference(made(RAMP), replace(made(RAMP), **change), still())
    with pytest.raises(UsageError, match="an alignment of an image"):
        difference(made(RAMP), made(RAMP), still((9, 9)))


@pytest.fixture(scope="module")
def model():
    return load_model(model_cards()["honest_densenet"], device="cpu")


def test_an_unchanged_study_that_was_moved_changes_as_movement_does(model):
    first = raw_image(film(9_700_002, ("consolidation",), None, 128).image, "a")
    second = raw_image(np.roll(first.display, (4, -6), (0, 1)), "b")
    alignment = align(first.display, second.display)
    result, shown = changes(model, first, second, alignment)
    assert len(result) == 5
    assert shown == ["consolidation"]
    (change,) = [item for item in result if item.before.target == "consolidation"]
    assert change.moved is not None
    assert change.moved_difference is not None
    mean, alone = (
        np.nanmean(np.abs(values)) for values in (change.difference, change.moved_difference)
    )
    assert mean < 0.25 * np.nanmean(np.abs(change.before_map))
    assert mean < 3 * alone
    assert abs(change.score - (change.moved.score - change.before.score)) < 1


def test_the_same_study_twice_changes_nothing(model):
    first = raw_image(film(9_700_003, ("effusion",), None, 128).image, "a")
    result, _ = changes(model, first, first, align(first.display, first.display))
    for change in result:
        assert np.nanmax(np.abs(change.difference)) == 0
        assert change.score == 0
        assert change.moved is None


def test_labels_are_found_and_words_that_differ_refused(model):
    with_it, without = (
        raw_image(film(9_700_004, names, None, 128).image, "x")
        for names in (("effusion",), ("cardiomegaly",))
    )
    still = centred(with_it.display, without.display)
    result, shown = changes(model, with_it, without, still, labels=["Effusion"])
    assert shown == ["effusion"]
    assert result[0].probability is not None
    assert result[0].probability < -0.5
    with pytest.raises(UsageError, match="name labels"):
        changes(model, with_it, without, still, labels=["top1"])
    with pytest.raises(UsageError, match="unknown label"):
        changes(model, with_it, without, still, labels=["nodul"])
    _, shown = changes(model, with_it, without, still)
    assert set(shown) >= {"effusion", "cardiomegaly"}


def test_a_segmentation_has_no_one_score(model):
    other = replace(model, card=model.card.model_copy(update={"task": "segmentation"}))
    image = raw_image(film(9_700_005, (), None, 128).image, "x")
    with pytest.raises(ModelMismatchError, match="segments"):
        changes(other, image, image, centred(image.display, image.display))
