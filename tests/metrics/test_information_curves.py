"""Information curves: closed forms, the authors' curve rewritten, a model that reads a patch."""

import numpy as np
import pytest
import torch
from scipy.interpolate import griddata, interp1d

from camlucida.core.errors import UsageError
from camlucida.metrics import information_curves as curves
from camlucida.metrics.faithfulness import plans
from camlucida.metrics.imputation import Perturbation, PerturbedImage
from camlucida.metrics.queue import evaluate

SIZE = 24
PATCH = (slice(4, 10), slice(12, 18))


def film(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand((1, SIZE, SIZE), generator=generator)


def reading(image):
    """Probability of a model that compares the patch with that of the image."""

    def score(inputs, images=None):
        distance = (inputs[:, 0][(slice(None), *PATCH)] - image[0][PATCH]).abs().mean((1, 2))
        probability = torch.exp(-8 * distance)[:, None]
        return torch.cat([torch.logit(probability, eps=1e-6), probability], 1).double()

    return score


def done(heat, image, score, seed=0):
    about = PerturbedImage("film", image, (False, True), lambda altered: altered)
    (plan,) = plans(Perturbation(about, heat, seed), ["aic", "sic"])
    (result,) = evaluate([plan], score, 8)
    return result


def on_patch(value=1.0):
    heat = torch.zeros(SIZE, SIZE)
    heat[PATCH] = value
    return heat


def test_the_area_is_that_of_the_published_curve():
    generator = np.random.default_rng(0)
    scores = np.concatenate([[0.95, 0.05], np.sort(generator.random(13))])[:, None]
    sizes = np.concatenate([[1000, 100], 100 + 900 * np.sort(generator.random(13))])
    x = [0.0, *((sizes[2:] - 100) / 900), 1.0]
    y = [0.0, *np.maximum.accumulate(np.clip((scores[2:, 0] - 0.05) / 0.9, 0, 1)), 1.0]
    at = np.linspace(0, 1, 1001)
    published = np.trapezoid(interp1d(x, y)(at), at)
    assert curves.sic(scores, sizes)[0] == pytest.approx(published, abs=1e-4)


def test_a_later_fall_of_the_score_does_not_count():
    rising = curves.sic([[1.0], [0.0], [0.8], [0.8]], [100, 0, 20, 60])
    falling = curves.sic([[1.0], [0.0], [0.8], [0.2]], [100, 0, 20, 60])
    assert rising == pytest.approx(falling)


def test_the_map_of_what_the_model_reads_is_better_than_its_opposite():
    image = film()
    right, wrong = (done(heat, image, reading(image)) for heat in (on_patch(), -on_patch()))
    for name in ("sic", "aic"):
        assert right.metrics[name][1] > 0.7 > wrong.metrics[name][1]
    assert len(right.scores) == len(curves.REVEALED) + 2


def test_the_start_is_the_same_for_all_maps_and_its_bytes_are_kept():
    image = film()
    about = PerturbedImage("film", image, (False, True))
    first, second = (Perturbation(about, heat) for heat in (on_patch(), -on_patch()))
    both = [plans(perturbation, ["sic"])[0] for perturbation in (first, second)]
    shared = {step.key for step in both[0].steps} & {step.key for step in both[1].steps}
    assert len(shared) == 2
    results = list(evaluate(both, reading(image), 8))
    assert np.isfinite([result.metrics["sic"][1] for result in results]).all()


@pytest.mark.parametrize(
    ("scores", "sizes", "code"),
    [
        ([[0.7], [0.1], [0.5]], [9, 1, 5], "no_value.unsure"),
        ([[0.9], [0.9], [0.9]], [9, 1, 5], "no_value.no_rise"),
        ([[0.9], [0.1], [0.5]], [9, 9, 5], "no_value.no_detail"),
    ],
)
def test_why_there_is_no_area(scores, sizes, code):
    assert np.isnan(curves.sic(scores, sizes)).all()
    assert curves._undefined(np.array(scores), np.array(sizes)) == [code]


def test_decisions_at_the_operating_point_of_the_model():
    scores = [[0.3], [0.05], [0.1], [0.2]]
    assert np.isnan(curves.aic(scores, [100, 20, 40, 60])).all()
    assert curves.aic(scores, [100, 20, 40, 60], [0.15]) == pytest.approx(0.625)


def test_the_plan_gives_the_reasons():
    image = film()

    def unsure(inputs, images=None):
        return torch.full((len(inputs), 1), 0.4)

    result = done(on_patch(), image, unsure)
    assert result.plan.undefined is not None
    assert result.plan.undefined(result.scores)["sic"] == ["no_value.unsure"]


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_a_plane_is_interpolated_exactly(channels):
    rows, columns = torch.meshgrid(torch.arange(9.0), torch.arange(7.0), indexing="ij")
    plane = torch.stack([rows + (1 + c) * columns for c in range(channels)]) / 40
    known = curves.random_pixels((9, 7)) | (np.arange(63).reshape(9, 7) % 11 == 3)
    known[2:6, 1:5] = True
    assert torch.allclose(curves.interpolated(plane, known), plane, atol=1e-6)


def test_between_known_pixels_as_scipy_has_it():
    image, known = film(4), np.random.default_rng(4).random((SIZE, SIZE)) < 0.03
    known[np.ix_((0, -1), (0, -1))] = True
    points, unknown = np.argwhere(known), np.argwhere(~known)
    expected = griddata(points, image[0].numpy()[known], unknown, "linear")
    between = curves.interpolated(image, known)[0].numpy()[~known]
    # Four pixels on one circle can be cut into triangles in two ways.
    assert np.isclose(between, expected, atol=1e-5).mean() > 0.9


def test_known_pixels_stay_and_others_lie_between_them():
    image, known = film(3), np.random.default_rng(1).random((SIZE, SIZE)) < 0.4
    known[np.ix_((0, -1), (0, -1))] = True
    blurred = curves.interpolated(image, known)
    inside = torch.from_numpy(known)
    assert torch.equal(blurred[:, inside], image[:, inside])
    assert image.min() <= blurred.min()
    assert blurred.max() <= image.max()
    assert curves.compressed_bytes(blurred) < curves.compressed_bytes(image)


def test_images_of_other_scales_have_bytes_too():
    image = film()
    assert curves.compressed_bytes(4 * image - 2) == pytest.approx(
        curves.compressed_bytes(image), rel=0.1
    )


def test_volumes_are_refused():
    volume = torch.rand(1, 4, 8, 8)
    about = PerturbedImage("film", volume, (True,))
    with pytest.raises(UsageError, match="2-D"):
        plans(Perturbation(about, torch.rand(2, 2, 2)), ["sic"])
