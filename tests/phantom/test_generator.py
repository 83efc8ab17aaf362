"""The phantom: reproducible, twins that differ only inside the masks, evidence that is visible."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from camlucida import phantom
from camlucida.core.errors import UsageError
from camlucida.phantom.exposure import BLUR_CM, EPSILON
from camlucida.phantom.findings import FINDINGS

SEEDS = (3, 14, 159)
SIDES = {
    "right": slice(None, 128),
    "left": slice(128, None),
}  # of the patient; a frontal film faces us


def grown(mask, pixels):
    return ndimage.binary_dilation(mask, iterations=pixels)


@pytest.mark.parametrize("size", [128, 256])
def test_same_request_gives_the_same_film(size):
    first = phantom.film(5, ["nodule", "effusion"], "PORT", size)
    second = phantom.film(5, ("effusion", "nodule"), "PORT", size)
    assert np.array_equal(first.image, second.image)
    assert first.findings == second.findings == ("nodule", "effusion")
    assert first.labels == (1, 1, 0, 0, 0)
    assert first.masks.keys() == {"nodule", "effusion", "lungs", "heart", "marker"}
    assert all(np.array_equal(first.masks[name], second.masks[name]) for name in first.masks)


def test_image_is_the_picture_of_film():
    assert np.array_equal(phantom.image(5, ["nodule"], "L"), phantom.film(5, ["nodule"], "L").image)


def test_film_does_not_depend_on_what_was_drawn_before():
    first = phantom.image(8, size=128)
    phantom.image(8, FINDINGS, "R", 128)
    phantom.image(9, size=128)
    assert np.array_equal(first, phantom.image(8, size=128))


def test_other_seeds_are_other_patients():
    films = [phantom.image(seed, size=128).astype(float) for seed in range(4)]
    gaps = [np.abs(a - b).mean() for i, a in enumerate(films) for b in films[:i]]
    assert min(gaps) > 5


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("finding", FINDINGS)
def test_twins_differ_exactly_inside_the_truth(finding, seed):
    others = [name for name in FINDINGS if name != finding][:2]
    without, with_it = phantom.film(seed, others), phantom.film(seed, [*others, finding])
    truth = with_it.masks[finding]
    change = np.abs(with_it.clean - without.clean)
    assert np.array_equal(truth, change > EPSILON)
    reach = int(np.ceil(3 * BLUR_CM * 256 / 35)) + 3
    outside = ~grown(truth, reach)
    # Same noise: stored pixels agree outside, up to the rounding of a change below EPSILON.
    gap = np.abs(with_it.image.astype(int) - without.image.astype(int))
    assert gap[outside].max() <= 2
    assert (gap[outside] > 0).mean() < 0.05
    assert gap[truth].mean() > 3


@pytest.mark.parametrize("seed", SEEDS)
def test_finding_is_seen_above_the_noise(seed):
    for finding in FINDINGS:
        film, twin = phantom.film(seed, [finding]), phantom.film(seed)
        truth = film.masks[finding]
        noise = np.abs(film.image - film.clean)[truth].mean()
        assert 30 < truth.sum() < 0.4 * truth.size
        assert np.abs(film.clean - twin.clean)[truth].mean() > 1.5 * noise, finding


@pytest.mark.parametrize("seed", SEEDS)
def test_looks_like_a_chest(seed):
    film = phantom.film(seed)
    image, lungs, heart = film.image.astype(float), film.masks["lungs"], film.masks["heart"]
    assert image.shape == film.clean.shape == (256, 256)
    assert film.image.dtype == np.uint8
    assert film.clean.min() >= 0
    assert film.clean.max() <= 255
    assert image[lungs].mean() + 60 < image[heart].mean()  # air is dark, the heart bright
    assert image[-10:, 64:192].mean() > 150  # so is the abdomen
    assert not (lungs & heart).any()
    assert 0.15 < lungs.mean() < 0.45
    assert all(lungs[:, side].sum() > 2000 for side in SIDES.values())
    assert heart[:, SIDES["left"]].sum() > heart[:, SIDES["right"]].sum()


def test_directions_of_change():
    film = {name: phantom.film(21, [name]) for name in FINDINGS}
    bare = phantom.film(21)
    change = {name: (film[name].clean - bare.clean)[film[name].masks[name]] for name in FINDINGS}
    assert all(
        (change[name] > 0).mean() > 0.95
        for name in ("nodule", "effusion", "cardiomegaly", "consolidation")
    )
    assert (
        change["pneumothorax"] < 0
    ).mean() > 0.7  # free air is darker than lung; the pleural line is brighter
    assert (change["pneumothorax"] > 0).any()
    assert film["cardiomegaly"].masks["heart"].sum() > 1.2 * bare.masks["heart"].sum()


def width(mask):
    columns = np.flatnonzero(mask.any(axis=0))
    return columns[-1] - columns[0] + 1


@pytest.mark.parametrize("seed", range(20, 26))
def test_cardiothoracic_ratio(seed):
    bare, large = phantom.film(seed), phantom.film(seed, ["cardiomegaly"])
    chest = width(bare.masks["lungs"])
    assert width(bare.masks["heart"]) / chest < 0.53
    assert width(large.masks["heart"]) / chest > 0.54


def test_findings_come_on_both_sides_and_nodules_anywhere():
    sides_of = {name: set() for name in ("nodule", "effusion", "pneumothorax", "consolidation")}
    heights = []
    for seed in range(40):
        film = phantom.film(seed, list(sides_of), size=128)
        for name, sides in sides_of.items():
            columns = np.flatnonzero(film.masks[name].any(axis=0))
            sides.add(("right" if columns[0] < 60 else "") + ("left" if columns[-1] >= 68 else ""))
        heights.append(np.flatnonzero(film.masks["nodule"].any(axis=1)).mean() / 128)
    assert {"right", "left"} <= sides_of["nodule"] & sides_of["pneumothorax"] & sides_of[
        "consolidation"
    ]
    assert sides_of["effusion"] == {"right", "left", "rightleft"}
    assert min(heights) < 0.35
    assert max(heights) > 0.5


def test_evidence_never_hides_a_nodule():
    for seed in range(30):
        alone, crowded = (
            phantom.film(seed, ["nodule"], size=128),
            phantom.film(seed, FINDINGS, size=128),
        )
        assert crowded.masks["nodule"].sum() > 0.5 * alone.masks["nodule"].sum()


def test_size_changes_the_grid_not_the_patient():
    small, large = (
        phantom.film(4, ["consolidation"], size=128),
        phantom.film(4, ["consolidation"], size=256),
    )
    shrunk = large.clean.reshape(128, 2, 128, 2).mean(axis=(1, 3))
    assert np.corrcoef(small.clean.ravel(), shrunk.ravel())[0, 1] > 0.99
    assert small.masks["consolidation"].mean() == pytest.approx(
        large.masks["consolidation"].mean(), rel=0.15
    )


@pytest.mark.parametrize(("text", "left"), [("R", True), ("L", False)])
def test_marker_is_in_its_upper_corner(text, left):
    film, bare = phantom.film(6, marker=text), phantom.film(6)
    rows, columns = np.nonzero(film.masks["marker"])
    assert rows.max() < 64
    assert (columns.max() < 64) if left else (columns.min() >= 192)
    assert np.array_equal(film.masks["marker"], np.abs(film.clean - bare.clean) > EPSILON)
    assert film.clean[film.masks["marker"]].max() > 200
    assert "marker" not in bare.masks


def test_port_marker_stays_on_the_film_in_either_corner():
    corners = set()
    for seed in range(12):
        columns = np.flatnonzero(
            phantom.film(seed, marker="PORT", size=128).masks["marker"].any(axis=0)
        )
        assert len(columns) > 20
        corners.add("left" if columns.mean() < 64 else "right")
    assert corners == {"left", "right"}


@pytest.mark.parametrize(
    ("request_", "seen"),
    [
        ({"findings": ["nodul"]}, "did you mean nodule"),
        ({"findings": "nodule"}, "give a list"),
        ({"marker": "l"}, "no shape for l"),
        ({"marker": ""}, "empty"),
        ({"size": 8}, "from 64"),
    ],
)
def test_wrong_requests_are_errors_with_a_remedy(request_, seen):
    with pytest.raises(UsageError, match=seen):
        phantom.film(1, **request_)
