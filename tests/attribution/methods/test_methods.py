"""Every method of the registry, by the properties that all of them must have.

A new method is tested by existing.
"""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from camlucida import explain
from camlucida.attribution.methods import METHODS, method_names
from camlucida.attribution.methods.scorecam import weighted_by_scores
from camlucida.core.errors import NoEvidenceError, UsageError
from tests.support import nets, peers
from tests.support.reference import cams, hand
from tests.support.reference.nets import MeanNet

BASELINES = {"random", "center", "sobel", "intensity"}
ORACLES_OF_THE_FAMILY = {  # of test_family.py
    *("fem", "kpcacam", "segeigencam", "finercam", "shapleycam", "smooth_gradcam_pp"),
}
ORACLES_OF_MASKS = {"sscam", "iscam", "groupcam"}  # of test_masked.py
ORACLES_OF_RELEVANCE = {"lrp", "relevancecam"}  # of test_relevance.py
ORACLES_OF_PATHS = {"layer_integrated_gradients", "layer_expected_gradients"}  # of test_paths.py
PIXELS = {
    name for name, method in METHODS.items() if method.kind == "input"
}  # test_pixels.py, test_paths.py, test_refinecam.py
APART = {*PIXELS, *nets.ATTENTION, "guided_gradcam"}  # refuses a network without a ReLU
LAYERED = [name for name in METHODS if name not in APART]
NOISY = {"smooth_gradcam_pp"}  # other pixels get other noise
GROUPED = {"groupcam"}  # successive channels
FUNCTIONS = [n for n, method in METHODS.items() if method.kind in ("gradient", "activation")]
BLIND_TO_PLACE = {"random"}  # not equivariant to flips, by design
NOISY_MASKS = {"sscam"}  # nor is noise on masks


def evidence(name: str, grid: tuple[int, ...] = (4, 3), batch: int = 2, seed: int = 0):
    """Random A and g, (batch, 3, *grid) float64; for CAM, g of a GAP + linear head."""
    rng = np.random.default_rng(seed)
    activations, gradients = rng.normal(size=(2, batch, 3, *grid))
    if name == "cam":
        gradients = np.broadcast_to(
            gradients.mean((*range(2, gradients.ndim),), keepdims=True), gradients.shape
        ).copy()
    return torch.from_numpy(activations), torch.from_numpy(gradients)


def run(name: str, activations: torch.Tensor, gradients: torch.Tensor) -> torch.Tensor:
    return METHODS[name].run(activations, gradients)


def maps(
    net: nn.Module, inputs: torch.Tensor, name: str, layer: str = "features", target=1
) -> torch.Tensor:
    return torch.stack([e.raw for e in explain(net, inputs, target, name, layer)])


def test_every_method_has_an_oracle():
    apart = {"cam", "ablationcam", "scorecam"} | ORACLES_OF_THE_FAMILY
    elsewhere = ORACLES_OF_PATHS | ORACLES_OF_MASKS | ORACLES_OF_RELEVANCE
    assert set(METHODS) == set(cams.REFERENCE) | apart | elsewhere | BASELINES | APART


@pytest.mark.parametrize("name", METHODS)
def test_every_method_says_what_it_is(name):
    method = METHODS[name]
    assert method.name == name
    assert method.summary.endswith(".")
    assert method.paper
    assert method.cost
    assert method.formula
    assert method.use
    assert method.avoid


# --- the papers -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(cams.REFERENCE))
@pytest.mark.parametrize("grid", [(5,), (4, 3), (2, 3, 2), (1, 7)])
def test_as_in_the_paper(name, grid):
    activations, gradients = evidence(name, grid)
    expected = cams.REFERENCE[name](activations.numpy(), gradients.numpy())
    np.testing.assert_allclose(run(name, activations, gradients), expected, atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize("name", sorted(hand.HAND))
def test_by_hand(name):
    result = run(name, torch.from_numpy(hand.ACTIVATIONS), torch.from_numpy(hand.GRADIENTS))
    np.testing.assert_allclose(result, hand.HAND[name], atol=1e-12)


def test_cam_by_hand():
    gradients = torch.from_numpy(hand.CAM_HEAD)[None, :, None, None].expand(1, 2, 2, 2) / 4
    np.testing.assert_allclose(
        run("cam", torch.from_numpy(hand.ACTIVATIONS), gradients), hand.CAM_MAP, atol=1e-12
    )


@pytest.mark.parametrize("name", ["gradcam_pp", "xgradcam", "eigencam"])
def test_guards_by_hand(name):
    a, g, expected = {
        "gradcam_pp": (hand.PP_GUARD_ACTIVATIONS, hand.PP_GUARD_GRADIENTS, hand.PP_GUARD_MAP),
        "xgradcam": (
            hand.XGRAD_GUARD_ACTIVATIONS,
            hand.XGRAD_GUARD_GRADIENTS,
            hand.XGRAD_GUARD_MAP,
        ),
        "eigencam": (hand.EIGEN_SIGN_ACTIVATIONS, hand.EIGEN_SIGN_ACTIVATIONS, hand.EIGEN_SIGN_MAP),
    }[name]
    np.testing.assert_allclose(
        run(name, torch.from_numpy(a), torch.from_numpy(g)), expected, atol=1e-12
    )


def test_ablationcam_as_in_the_paper():
    net, inputs = nets.seeded(nets.Cnn()).double(), nets.images(2, 3, 9, 7).double()
    score, ablated = peers.zeroed_channel_scores(net, net.features, inputs, 1)
    activations, _, _ = peers.autograd_evidence(net, net.features, inputs, 1)
    expected = cams.ablationcam(activations.numpy(), score, ablated)
    np.testing.assert_allclose(
        maps(net, inputs, "ablationcam", "features:pre"), expected, atol=1e-9
    )


@pytest.mark.parametrize("bias", [0.7, -3.0, 0.0])
def test_ablationcam_of_a_linear_head_in_closed_form(bias):
    """w_k = c_k · mean(A_k) / |y|, whatever the sign of the score."""
    net, inputs = (
        MeanNet(nn.Identity(), torch.tensor([[1.0, -2.0]], dtype=torch.float64)),
        nets.images(1, 2, 3, 3).double(),
    )
    net.head.bias = nn.Parameter(torch.tensor([bias], dtype=torch.float64))
    contribution = torch.tensor([1.0, -2.0]) * inputs[0].mean((1, 2))
    score = contribution.sum() + bias
    expected = torch.einsum("k,k...->...", contribution / score.abs(), inputs[0])
    (explanation,) = explain(net, inputs, "output+", "ablationcam", "features", task="regression")
    torch.testing.assert_close(explanation.raw, expected)


def test_ablationcam_by_hand():
    """The weights (¼, −½) of a head that gives y = 4, and 3 and 6 without channel 1 or 2."""
    inputs = torch.from_numpy(hand.ACTIVATIONS)  # channel means 1 and ½
    net = MeanNet(nn.Identity(), torch.tensor([[1.0, -4.0]], dtype=torch.float64))
    net.head.bias = nn.Parameter(torch.tensor([5.0], dtype=torch.float64))  # 1 − 2 + 5 = 4
    (explanation,) = explain(net, inputs, "output+", "ablationcam", "features", task="regression")
    np.testing.assert_allclose(explanation.raw[None], hand.ABLATION["positive"][2], atol=1e-12)


def test_scorecam_as_in_the_paper():
    net, inputs = nets.seeded(nets.Cnn()).double(), nets.images(2, 3, 9, 7).double()
    activations, _, _ = peers.autograd_evidence(net, net.features, inputs, 1)
    masks = torch.from_numpy(cams.scorecam_masks(activations.numpy(), (9, 7)))
    expected = cams.scorecam(activations.numpy(), peers.masked_scores(net, inputs, masks, 1))
    np.testing.assert_allclose(maps(net, inputs, "scorecam", "features:pre"), expected, atol=1e-9)


def test_scorecam_gives_a_flat_channel_neither_mask_nor_weight():
    inputs = nets.images(1, 3, 5, 5)
    inputs[0, 1] = 0.3
    inputs[0, 1, 2:] += 1e-7  # a dead channel with the rounding errors of a convolution
    net = MeanNet(
        nn.Identity(), torch.tensor([[-1.0, -1.0, -1.0]])
    )  # the darkest image scores best
    (explanation,) = explain(net, inputs, "output+", "scorecam", "features", task="regression")
    others = inputs[0, [0, 2]]
    assert (explanation.raw >= others.amin(0) - 1e-6).all()  # a mean of the two others
    assert (explanation.raw <= others.amax(0) + 1e-6).all()


def test_scorecam_of_flat_activations_is_empty():
    net = MeanNet(nn.Identity(), torch.tensor([[1.0, 1.0]]))
    (explanation,) = explain(
        net, torch.ones(1, 2, 4, 4), "output+", "scorecam", "features", task="regression"
    )
    assert explanation.is_empty


def score_weights(scores: Tensor) -> Tensor:
    """(T, K): the map of channels of one cell each is their weights."""
    channels = torch.eye(scores.shape[1], dtype=scores.dtype)
    probe = SimpleNamespace(activations=channels[None], scores=scores[:, 0])
    usable = torch.ones(len(channels), dtype=torch.bool)
    return weighted_by_scores(probe, usable, [scores])


@given(st.lists(st.floats(-500, 500), min_size=2, max_size=6))
def test_scorecam_weights_are_a_softmax(scores):
    weights = score_weights(torch.tensor([scores], dtype=torch.float64))
    expected = cams.scorecam_weights(
        np.arange(2.0 * len(scores)).reshape(1, -1, 2), np.array([scores])
    )
    np.testing.assert_allclose(weights, expected, atol=1e-12)
    shifted = score_weights(torch.tensor([scores], dtype=torch.float64) - 7)
    np.testing.assert_allclose(weights, shifted, atol=1e-12)  # the paper's baseline term cancels


def test_first_component_of_a_constant_map_is_positive():
    activations = torch.full((1, 3, 4, 4), 0.7)
    assert (run("eigencam", activations, activations) > 0).all()


# --- identities -----------------------------------------------------------------------------------


@given(st.integers(0, 10_000), st.integers(1, 4), st.sampled_from([(3,), (2, 4), (2, 2, 3)]))
@settings(max_examples=30)
def test_on_gap_and_a_linear_head_the_methods_agree(seed, channels, grid):
    """CAM ∝ Grad-CAM = HiResCAM = XGrad-CAM on positive activations.

    HiResCAM sums to the logit less its bias.
    """
    rng = np.random.default_rng(seed)
    net = MeanNet(nn.Identity(), torch.from_numpy(rng.normal(size=(2, channels))))
    bias = rng.normal(size=2)
    net.head.bias = nn.Parameter(torch.from_numpy(bias))
    inputs = torch.from_numpy(rng.uniform(0.1, 2, size=(1, channels, *grid)))
    explanations = explain(net, inputs, 1, ["cam", "gradcam", "hirescam", "xgradcam"], "features")
    cam, *same = [e.raw for e in explanations]
    cells = inputs[0, 0].numel()
    for raw in same:
        torch.testing.assert_close(raw * cells, cam)
    assert float(same[1].sum()) == pytest.approx(explanations[0].score - bias[1])
    assert float(cam.mean()) == pytest.approx(explanations[0].score - bias[1])


@given(st.integers(0, 10_000))
@settings(max_examples=20)
def test_elementwise_is_hirescam_plus_what_speaks_against(seed):
    activations, gradients = evidence("", seed=seed)
    against = run("gradcam_elementwise", activations, -gradients)
    torch.testing.assert_close(
        run("gradcam_elementwise", activations, gradients) - against,
        run("hirescam", activations, gradients),
    )


@pytest.mark.parametrize(
    "name",
    ["gradcam", "hirescam", "xgradcam", "layercam", "gradcam_elementwise", "cam", "eigengradcam"],
)
@pytest.mark.parametrize("factor", [1e-9, 3.0])
def test_scales_with_the_score(name, factor):
    activations, gradients = evidence(name)
    torch.testing.assert_close(
        run(name, activations, gradients * factor), run(name, activations, gradients) * factor
    )


@pytest.mark.parametrize(
    "name", ["gradcam", "hirescam", "gradcam_pp", "xgradcam", "layercam", "gradcam_elementwise"]
)
@pytest.mark.parametrize("size", [1e-30, 1e12])
def test_extreme_magnitudes_stay_finite(name, size):
    activations, gradients = (x.float() for x in evidence(name))
    assert run(name, activations * size, gradients / size).isfinite().all()
    assert run(name, activations, gradients * 0).eq(0).all()


def test_cam_refuses_a_head_that_is_not_gap_and_linear():
    with pytest.raises(NoEvidenceError, match="gradcam or hirescam"):
        run("cam", *evidence("hirescam"))


def test_cam_reads_the_weights_through_a_relu():
    net, inputs = nets.seeded(nets.Cnn()).double(), nets.images(2, 3, 9, 7).double()
    with torch.no_grad():
        rectified = net.features(net.stem(inputs)).relu()
    expected = cams.cam(rectified.numpy(), net.head.weight[1].detach().numpy())
    np.testing.assert_allclose(maps(net, inputs, "cam"), expected, atol=1e-9)


# --- properties of every method, as functions -----------------------------------------------------


@pytest.mark.parametrize("name", FUNCTIONS)
class TestFunction:
    def test_batch_is_singles(self, name):
        activations, gradients = evidence(name)
        singles = [run(name, activations[i : i + 1], gradients[i : i + 1])[0] for i in range(2)]
        torch.testing.assert_close(run(name, activations, gradients), torch.stack(singles))

    def test_order_of_channels_does_not_matter(self, name):
        activations, gradients = evidence(name)
        order = [2, 0, 1]
        torch.testing.assert_close(
            run(name, activations[:, order], gradients[:, order]), run(name, activations, gradients)
        )

    @pytest.mark.parametrize("axis", [2, 3])
    def test_flips_with_the_image(self, name, axis):
        if name in BLIND_TO_PLACE:
            pytest.skip("the baseline does not look at the image")
        activations, gradients = evidence(name)
        torch.testing.assert_close(
            run(name, activations.flip(axis), gradients.flip(axis)),
            run(name, activations, gradients).flip(axis - 1),
        )

    def test_a_plane_is_a_volume_of_depth_one(self, name):
        if name in BLIND_TO_PLACE:
            pytest.skip("random numbers of another rank are other numbers")
        activations, gradients = evidence(name)
        volume = run(name, activations[:, :, None], gradients[:, :, None])
        torch.testing.assert_close(volume[:, 0], run(name, activations, gradients))

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    def test_keeps_the_precision(self, name, dtype):
        activations, gradients = (x.to(dtype) for x in evidence(name))
        assert run(name, activations, gradients).dtype == dtype

    def test_leaves_its_inputs_alone(self, name):
        activations, gradients = evidence(name)
        before = activations.clone(), gradients.clone()
        first = run(name, activations, gradients)
        assert torch.equal(activations, before[0])
        assert torch.equal(gradients, before[1])
        assert torch.equal(
            run(name, activations, gradients), first
        )  # and draws nothing from outside

    def test_layout_in_memory_does_not_matter(self, name):
        activations, gradients = evidence(name)
        strided = [
            x.contiguous(memory_format=torch.channels_last) for x in (activations, gradients)
        ]
        torch.testing.assert_close(run(name, *strided), run(name, activations, gradients))


# --- properties of every method, through explain --------------------------------------------------


@pytest.fixture
def head():
    return nets.seeded(nets.Head()).double(), nets.images(2, 4, 5, 6).double()


@pytest.mark.parametrize("name", LAYERED)
class TestExplained:
    def test_batch_is_singles(self, head, name):
        net, inputs = head
        singles = torch.cat([maps(net, inputs[i : i + 1], name) for i in range(2)])
        torch.testing.assert_close(maps(net, inputs, name), singles)

    def test_order_of_channels_does_not_matter(self, head, name):
        if name in NOISY | GROUPED:
            pytest.skip("the noise of a channel, or its group, goes with its number")
        net, inputs = head
        before = maps(net, inputs, name)
        order = [3, 1, 0, 2]
        net.head.weight.data = net.head.weight.data[:, order]
        torch.testing.assert_close(maps(net, inputs[:, order], name), before)

    @pytest.mark.parametrize("axis", [2, 3])
    def test_flips_with_the_image(self, head, name, axis):
        if name in BLIND_TO_PLACE | NOISY_MASKS:
            pytest.skip("the baseline does not look at the image, and noise does not turn with it")
        net, inputs = head
        torch.testing.assert_close(
            maps(net, inputs.flip(axis), name), maps(net, inputs, name).flip(axis - 1)
        )

    def test_a_plane_is_a_volume_of_depth_one(self, head, name):
        if name in BLIND_TO_PLACE:
            pytest.skip("random numbers of another rank are other numbers")
        net, inputs = head
        torch.testing.assert_close(
            maps(net, inputs[:, :, None], name)[:, 0], maps(net, inputs, name)
        )

    def test_keeps_float64(self, head, name):
        assert maps(*head, name).dtype == torch.float64

    def test_half_precision_is_left_to_the_model(self, head, name):
        net, inputs = head
        exact = maps(net, inputs, name)
        rough = maps(net.bfloat16(), inputs, name)
        assert rough.dtype == torch.float32
        torch.testing.assert_close(
            rough, exact.float(), atol=0.05 * float(exact.abs().max()), rtol=0.05
        )

    def test_leaves_the_input_alone(self, head, name):
        net, inputs = head
        before = inputs.clone()
        maps(net, inputs, name)
        assert torch.equal(inputs, before)
        assert not inputs.requires_grad

    def test_leaves_the_global_generator_alone(self, head, name):
        state = torch.get_rng_state()
        maps(*head, name)
        assert torch.equal(torch.get_rng_state(), state)

    def test_raw_maps_own_their_memory(self, head, name):
        net, inputs = head
        first, second = explain(net, inputs[:1], [0, 1], name, "features")
        kept = second.raw.clone()
        first.raw.add_(1)
        assert torch.equal(second.raw, kept)


def test_several_methods_with_commas_between():
    assert method_names(["gradcam, Layer-CAM", "cam"]) == ["gradcam", "layercam", "cam"]
    with pytest.raises(UsageError, match="unknown method ''"):
        method_names(["gradcam,"])
