"""Faithfulness: closed forms first, then the reference implementations."""

from contextlib import nullcontext

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pytorch_grad_cam.metrics.perturbation_confidence import (
    PerturbationConfidenceMetric,
    RemoveLeastRelevantFirst,
    RemoveMostRelevantFirst,
)
from pytorch_grad_cam.metrics.road import NoisyLinearImputer
from scipy.stats import pearsonr
from torch import nn
from torchcam.metrics import ClassificationMetric, DeletionInsertionMetric

from camlucida.core.errors import UsageError
from camlucida.metrics import METRICS
from camlucida.metrics import faithfulness as faith
from camlucida.metrics.faithfulness import plans
from camlucida.metrics.imputation import Perturbation, PerturbedImage
from camlucida.metrics.queue import Count, evaluate
from tests.support.peers import quiet

ALL = [name for name, metric in METRICS.items() if metric.plan is not None]
NO_MAP = [name for name in ALL if name != "adcc"]


def linear(weights):
    """Scores (logit, logit / 10 as a stand-in for a probability) of a linear model."""

    def score(x, images=None):
        logit = (x.double() * weights).flatten(1).sum(1)
        return torch.stack([logit, logit / 10], 1)

    return score


def run(case, names, score, batch_size=5, coherency=None, count=None):
    scores = {}
    for done in evaluate(plans(case, names, coherency), score, batch_size, count=count):
        scores |= done.metrics
    return scores


def case(native, image, normalise=None, seed=0):
    return Perturbation(PerturbedImage("image", image, (False, True), normalise), native, seed)


def small_net(seed=0):
    generator = torch.Generator().manual_seed(seed)
    net = nn.Sequential(nn.Conv2d(1, 6, 5, stride=2), nn.Tanh(), nn.Flatten(), nn.LazyLinear(2))
    net(torch.zeros(1, 1, 32, 32))
    with torch.no_grad():
        for p in net.parameters():
            p.copy_(torch.randn(p.shape, generator=generator) * 0.3)
    return net.eval().double()


def noise(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


# ---- closed forms --------------------------------------------------------------------------------
# ---------------------------


def test_masking_by_hand():
    # f(x) = Σ w x over 2 × 2; image 1, w = 1 2 3 4; E = 0 1/3 2/3 1. Y = 10, O = 2/3 + 2 + 4,
    # f(x∘(1−E)) = 10 − O.
    weights = torch.tensor([[[1.0, 2.0], [3.0, 4.0]]]).double()
    scores = run(
        case(torch.tensor([[0.0, 1.0], [2.0, 3.0]]), torch.ones(1, 2, 2).double()),
        ["average_drop", "increase_in_confidence", "average_gain", "drop_in_deletion"],
        linear(weights),
    )
    kept = 20 / 3
    assert scores["average_drop"] == pytest.approx([1 - kept / 10] * 2)
    assert scores["increase_in_confidence"].tolist() == [0, 0]
    assert scores["average_gain"] == pytest.approx(
        [np.nan, np.nan], nan_ok=True
    )  # a logit; and a probability of 1
    assert scores["drop_in_deletion"] == pytest.approx([kept / 10] * 2)


def test_masking_arithmetic():
    y, o = [0.8, 0.5, 0.5, -1.0, 0.0, 1.0], [0.2, 0.5, 0.75, -2.0, 0.3, 0.9]
    assert faith.average_drop(y, o) == pytest.approx([0.75, 0, 0, np.nan, np.nan, 0.1], nan_ok=True)
    assert faith.increase_in_confidence(y, o).tolist() == [0, 0, 1, 0, 1, 0]
    assert faith.average_gain(y, o) == pytest.approx([0, 0, 0.5, 0, 0.3, np.nan], nan_ok=True)
    assert np.isnan(faith.increase_in_confidence([np.nan], [1.0])).all()


def test_adcc_by_hand():
    assert faith.adcc(0.9, 0.25, 0.1) == pytest.approx(3 / (1 / 0.9 + 1 / 0.75 + 1 / 0.9))
    assert faith.adcc([1, 0.5, 1, np.nan], [0, 1, 0, 0.5], [0, 0, 1, 0]) == pytest.approx(
        [1, 0, 0, np.nan], nan_ok=True
    )


def test_coherency_and_complexity_against_aimagelab():
    # Its terms: (pearsonr + 1) / 2, Σ|E| / (H W). Its published file multiplies by 3 where the
    # paper divides into 3.
    a, b = noise(7, 7), noise(7, 7, seed=1)
    coherency, complexity, drop = (
        (pearsonr(a.ravel(), b.ravel())[0] + 1) / 2,
        float(abs(a).sum() / 49),
        0.3,
    )
    assert faith.coherency(a, b) == pytest.approx(coherency, abs=1e-12)
    assert faith.complexity(a) == pytest.approx(complexity, abs=1e-12)
    ours = faith.adcc(faith.coherency(a, b), faith.complexity(a), drop)
    assert ours == pytest.approx(
        3 / (1 / coherency + 1 / (1 - complexity) + 1 / (1 - drop)), abs=1e-12
    )
    assert np.isnan(faith.coherency(a, torch.ones(7, 7)))


def test_curves_by_hand():
    # One pixel a step: deletion 10 6 3 1 0, insertion from a flat blur of the same mean 10 … 10 (a
    # linear model of a flat image).
    weights = torch.tensor([[[1.0, 2.0], [3.0, 4.0]]]).double()
    one = case(weights[0], torch.ones(1, 2, 2).double())
    scores = {}
    (done,) = evaluate(
        [faith.curves_plan(one, ["insertion", "deletion", "pixel_flipping"], 4)], linear(weights)
    )
    scores = done.metrics
    assert [(share, done.scores[step, 0]) for share, step in done.plan.curves["deletion"]] == [
        *((0, 10), (0.25, 6), (0.5, 3), (0.75, 1), (1, 0))
    ]
    assert [share for share, _ in done.plan.curves["insertion"]] == [0, 0.25, 0.5, 0.75, 1]
    assert scores["deletion"] == pytest.approx([(10 / 2 + 6 + 3 + 1) / 4, 1.5 / 4])
    assert scores["insertion"] == pytest.approx([10, 1])
    assert scores["pixel_flipping"] == pytest.approx([(0 + 4 + 7 + 9 + 10) / 5, 3 / 5])


def test_cells_by_hand():
    # Cells of 2 × 2 pixels with evidence 4 3 2 1, filled with black: deletion 10 6 3 1 0, insertion
    # 0 4 7 9 10.
    native = torch.tensor([[4.0, 3.0], [2.0, 1.0]])
    image = native.repeat_interleave(2, 0).repeat_interleave(2, 1)[None].double() / 4
    plan = faith.cells_plan(case(native, image), steps=4, fill="black")
    (scores,) = (done.metrics for done in evaluate([plan], linear(torch.ones(1, 4, 4))))
    assert scores["cell_insertion_deletion"] == pytest.approx(
        [(4 + 7 + 9 + 5) / 4 - (5 + 6 + 3 + 1) / 4, 0.25]
    )
    (reverse,) = (
        done.metrics
        for done in evaluate(
            [faith.cells_plan(case(-native, image), steps=4, fill="black")],
            linear(torch.ones(1, 4, 4)),
        )
    )
    assert reverse["cell_insertion_deletion"] == pytest.approx(-scores["cell_insertion_deletion"])


def test_road_of_a_one_pixel_map_by_hand():
    # Only the centre counts, and the map is only the centre. Without it the neighbours say 0;
    # without any other, nothing changes.
    image = torch.zeros(1, 5, 5).double()
    image[0, 2, 2] = 1
    native = image[0].float()
    plan = faith.road_plan(case(native, image), shares=(0.04, 0.2), noise=0)
    (scores,) = (done.metrics for done in evaluate([plan], linear(image)))
    assert scores["road_morf"] == pytest.approx([-1, -0.1])
    assert scores["road_lerf"] == pytest.approx([0, 0])
    assert scores["road"] == pytest.approx([0.5, 0.05])
    wrong = native.clone()
    wrong[2, 2], wrong[0, 0] = -1, 0
    (worst,) = (
        done.metrics
        for done in evaluate(
            [faith.road_plan(case(wrong, image), shares=(0.04,), noise=0)], linear(image)
        )
    )
    assert worst["road"] == pytest.approx([-0.5, -0.05])


@pytest.mark.parametrize(
    "native",
    [torch.zeros(4, 4), torch.ones(4, 4), torch.full((4, 4), -3.0)],
    ids=["zero", "one", "negative"],
)
def test_a_constant_map_is_a_random_order_that_the_seed_decides(native):
    image = noise(1, 16, 16)
    score = linear(image)
    first, again, other = (run(case(native, image, seed=s), NO_MAP, score) for s in (0, 0, 1))
    assert all(np.array_equal(first[name], again[name], equal_nan=True) for name in NO_MAP)
    assert first["road"][0] != other["road"][0]
    assert first["average_drop"] == pytest.approx([1, 1])  # nothing is kept
    many = [
        run(case(native, image, seed=s), ["cell_insertion_deletion"], score)[
            "cell_insertion_deletion"
        ][0]
        for s in range(40)
    ]
    assert abs(np.mean(many)) < 3 * np.std(many) / 40**0.5 + 1e-9  # chance is 0


def test_exactly_k_of_a_tied_map_are_imputed():
    image = noise(1, 10, 10)
    heat = torch.zeros(10, 10)
    heat[0, :5] = 1  # the 80 % least relevant are 80 of 95 tied zeros, not all of them
    altered = case(heat, image).imputed("lerf", 80, 0)
    assert int((altered != image).sum()) == 80


def test_fake_cam_games_average_drop_and_increase_in_confidence():
    # The evidence is the hot quarter, the rest speaks slightly against it. A map of ones that knows
    # nothing beats the true one.
    weights = torch.full((1, 8, 8), -0.01).double()
    weights[0, :4, :4] = 0.05
    weights[0, 0, 0] = -0.05
    truth = torch.zeros(8, 8)
    truth[1:3, 1:3] = 1
    image = torch.ones(1, 8, 8).double()
    names = ["average_drop", "increase_in_confidence", "road", "adcc"]
    fake = run(case(faith.fake_cam((8, 8)), image), names, linear(weights), coherency=1.0)
    honest = run(case(truth, image), names, linear(weights), coherency=1.0)
    assert fake["average_drop"][0] == 0 < honest["average_drop"][0]
    assert fake["increase_in_confidence"][0] == 1 > honest["increase_in_confidence"][0]
    assert fake["adcc"][1] < 0.1 < honest["adcc"][1]
    flat = faith.fake_cam((3, 2))
    assert flat.sum() == 5
    assert flat.shape == (3, 2)


# ---- plans ---------------------------------------------------------------------------------------
# ---------------------------


def test_all_metrics_share_their_forwards():
    image, native = noise(1, 28, 28), noise(7, 7, seed=1)
    count = Count()
    scores = run(case(native, image), ALL, linear(noise(1, 28, 28, seed=2)), 8, 0.5, count)
    assert set(ALL) == set(scores)
    assert all(value.shape == (2,) for value in scores.values())
    # original, masked, unmasked; 27 + black, 27 + blur; 2 × 13 + strong blur; 8 by ROAD; 13 + start
    assert count.images == 3 + 28 + 28 + 27 + 8 + 14
    assert count.forwards == -(-count.images // 8)


def test_the_default_set_costs_at_most_45_forwards():
    names = [
        "road",
        "cell_insertion_deletion",
        "average_drop",
        "increase_in_confidence",
        "average_gain",
        "adcc",
    ]
    count = Count()
    run(case(noise(7, 7), noise(1, 28, 28)), names, linear(1.0), 8, 0.5, count)
    assert count.images == 1 + 1 + 8 + 27


def test_two_methods_with_one_map_cost_one():
    image, native, count = noise(1, 12, 12), noise(4, 4, seed=1), Count()
    both = [
        p for _ in range(2) for p in plans(case(native.clone(), image), ["road", "average_drop"])
    ]
    list(evaluate(both, linear(1.0), count=count))
    assert (count.images, count.requested) == (10, 22)


def test_alterations_happen_before_the_models_normalisation():
    image, native = noise(1, 12, 12), noise(3, 3, seed=1)
    score = linear(noise(1, 12, 12, seed=3))
    shift = run(
        case(native, image, lambda x: (x - 0.5) / 0.2),
        NO_MAP,
        lambda x, images: score(x * 0.2 + 0.5),
    )
    plain = run(case(native, image), NO_MAP, score)
    for name in NO_MAP:
        np.testing.assert_allclose(shift[name], plain[name], atol=1e-9)


def test_inputs_and_generators_are_left_alone():
    image, native = noise(1, 12, 12), noise(3, 3, seed=1)
    before, state = (image.clone(), native.clone()), torch.get_rng_state()
    run(case(native, image), ALL, linear(1.0), coherency=0.5)
    assert torch.equal(image, before[0])
    assert torch.equal(native, before[1])
    assert torch.equal(state, torch.get_rng_state())


def test_a_volume_has_all_but_road_and_information_curves():
    image, native = noise(1, 6, 8, 10), noise(3, 4, 5, seed=1)
    of_pictures = ("road", "road_morf", "road_lerf", "aic", "sic")
    names = [name for name in NO_MAP if name not in of_pictures]
    scores = run(
        Perturbation(PerturbedImage("v", image, (False, True)), native), names, linear(1.0)
    )
    assert np.isfinite(scores["cell_insertion_deletion"]).all()
    with pytest.raises(UsageError, match="2-D"):
        run(Perturbation(PerturbedImage("v", image, (False, True)), native), ["road"], linear(1.0))


@settings(max_examples=15)
@given(st.integers(0, 1000))
def test_only_the_order_counts_where_only_the_order_should(seed):
    image, native = noise(1, 8, 8, seed=seed), noise(8, 8, seed=seed + 1)
    names = ["insertion", "deletion", "road", "cell_insertion_deletion"]
    score = linear(noise(1, 8, 8, seed=seed + 2) - 0.5)
    one, other = (
        run(case(heat, image), names, score) for heat in (native, torch.exp(3 * native) - 20)
    )
    for name in names:
        np.testing.assert_allclose(one[name], other[name], atol=1e-12)


@given(st.integers(0, 1000))
def test_the_true_order_of_a_linear_model_is_unbeaten(seed):
    # f = Σ w x with x = 1 is the sum of its pixels' evidence: deleting by evidence lowers it
    # fastest.
    weights = noise(1, 6, 6, seed=seed) - 0.3
    image, score = torch.ones(1, 6, 6).double(), linear(weights)
    best = run(case(weights[0], image), ["deletion", "pixel_flipping"], score)
    other = run(case(noise(6, 6, seed=seed + 1), image), ["deletion", "pixel_flipping"], score)
    assert best["deletion"][0] <= other["deletion"][0] + 1e-9
    assert best["pixel_flipping"][0] >= other["pixel_flipping"][0] - 1e-9


def test_what_is_asked_wrongly():
    one = case(torch.eye(2), torch.ones(1, 4, 4))
    with pytest.raises(UsageError, match="did you mean road"):
        plans(one, ["roda"])
    with pytest.raises(UsageError, match="coherency"):
        plans(one, ["adcc"])
    with pytest.raises(UsageError):
        faith.curve_area([1.0], [0.0])
    with pytest.raises(UsageError):
        faith.cells_plan(one, steps=0)


def test_every_metric_is_registered_with_its_facts():
    for name in ALL:
        entry = METRICS[name]
        assert (entry.family, entry.name) == ("faithfulness", name)
        assert entry.direction in ("higher", "lower")
        assert all((entry.title, entry.chance, entry.cost, entry.source, entry.run.__doc__))


# ---- reference implementations
# ----------------------------------------------------------------------------------------------


class FixedMap:
    """What torchcam's metrics want of an extractor, with the map given."""

    def __init__(self, model, heat):
        self.model, self.heat = model, heat

    def __call__(self, class_idx=None, scores=None, normalized=True, **_):
        return [self.heat[None]]

    def fuse_cams(self, cams):
        return cams[0]

    def _hooks_off(self):
        return nullcontext()


def probabilities(net, label=1):
    def score(x, images=None):
        logits = net(x)
        return torch.stack([logits[:, label], logits.sigmoid()[:, label]], 1)

    return score


@pytest.mark.parametrize("seed", range(3))
def test_average_drop_and_increase_against_torchcam(seed):
    net, image, heat = (
        small_net(seed),
        noise(1, 32, 32, seed=seed) - 0.5,
        noise(8, 8, seed=seed + 9),
    )
    scores = run(case(heat, image), ["average_drop"], probabilities(net))
    # torchcam interpolates its map, which is 0 … 1 by then
    theirs = ClassificationMetric(FixedMap(net, case(heat, image).unit), torch.sigmoid)
    theirs.update(image[None], 1)
    summary = theirs.summary()
    assert scores["average_drop"][1] == pytest.approx(summary["avg_drop"], abs=1e-6)
    assert scores["increase_in_confidence"][1] == summary["conf_increase"]


@pytest.mark.parametrize("steps", [8, 16])
def test_insertion_and_deletion_against_torchcam(steps):
    net, image, heat = small_net(), noise(1, 32, 32), noise(32, 32, seed=3)
    subject = PerturbedImage("image", image, (False, True))
    (scores,) = (
        done.metrics
        for done in evaluate(
            [faith.curves_plan(Perturbation(subject, heat), ["insertion", "deletion"], steps)],
            probabilities(net),
        )
    )
    for baseline, name in (
        (None, "deletion"),
        (lambda _: subject.filled("blur")[None], "insertion"),
    ):
        theirs = DeletionInsertionMetric(
            FixedMap(net, heat), torch.sigmoid, steps=steps, baseline=baseline
        )
        theirs.update(image[None], 1)
        summary = theirs.summary()
        value = next(v for key, v in summary.items() if name[:3] in key)
        assert scores[name][1] == pytest.approx(value, abs=1e-6)


@given(st.lists(st.floats(-10, 10), min_size=2, max_size=60))
def test_area_against_rise(scores):
    arr = np.array(scores)
    rise = (arr.sum() - arr[0] / 2 - arr[-1] / 2) / (arr.shape[0] - 1)  # its evaluation.py
    assert faith.curve_area(arr, np.linspace(0, 1, len(arr))) == pytest.approx(rise, abs=1e-7)


@pytest.mark.parametrize("channels", [1, 3])
def test_road_against_grad_cam(channels):
    image = noise(1, 32, 32).expand(channels, 32, 32).contiguous()
    heat = noise(32, 32, seed=4)
    inner = small_net()
    net = nn.Sequential(Mean(), inner).double()

    def score(x, images=None):
        return net(x)[:, 1:]

    shares = (0.2, 0.4, 0.6, 0.8)
    plan = faith.road_plan(
        Perturbation(PerturbedImage("image", image, (False,)), heat), shares=shares, noise=0
    )
    (scores,) = (done.metrics for done in evaluate([plan], score))
    cams = heat.numpy()[None]

    def theirs(remove):
        with quiet():
            values = [
                PerturbationConfidenceMetric(remove(round(100 - 100 * p), Imputer()))(
                    image[None], cams, [lambda output: output[1]], net
                )[0]
                for p in shares
            ]
        return np.array(values)

    morf, lerf = theirs(RemoveMostRelevantFirst), theirs(RemoveLeastRelevantFirst)
    assert scores["road_morf"][0] == pytest.approx(morf.mean(), abs=1e-5)
    assert scores["road_lerf"][0] == pytest.approx(lerf.mean(), abs=1e-5)
    assert scores["road"][0] == pytest.approx(((lerf - morf) / 2).mean(), abs=1e-5)


def test_road_differs_from_grad_cam_on_ties_as_documented():
    # 30 % zeros: its 20th percentile is 0 and "mask < 0" keeps nothing, so that it removes the
    # whole image, not 80 %.
    heat = noise(32, 32, seed=5)
    heat.view(-1)[: int(0.3 * 1024)] = 0
    kept = []
    RemoveMostRelevantFirst(20, lambda image, mask: kept.append(int(mask.sum())))(
        torch.zeros(1, 32, 32), heat
    )
    assert kept == [0]
    altered = case(heat, noise(1, 32, 32) + 1).imputed("morf", faith.exact_count(0.8, 1024), 0)
    assert int((altered == noise(1, 32, 32) + 1).sum()) == 1024 - 819


class Mean(nn.Module):
    """Channels → their mean."""

    def forward(self, x):
        return x.mean(1, keepdim=True)


class Imputer(NoisyLinearImputer):
    """grad-cam's, without noise; it answers float32."""

    def __init__(self):
        super().__init__(noise=0)

    def __call__(self, image, mask):
        return super().__call__(image.float(), mask.float()).double()
