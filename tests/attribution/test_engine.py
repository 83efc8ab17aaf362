"""``explain``: what goes in, what comes out, in which order, and what is said when it cannot be."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from camlucida import OutputSpec, Scan, explain
from camlucida.attribution.methods import METHODS
from camlucida.attribution.requests import given_mask
from camlucida.attribution.targets import Label, Region
from camlucida.core.errors import (
    CamlucidaError,
    ModelError,
    NoEvidenceError,
    TargetError,
    UsageError,
)
from camlucida.core.geometry import Geometry
from camlucida.core.messages import Message
from tests.support import nets
from tests.support.reference import cams

KINDS = ["gradcam", "eigencam", "ablationcam", "scorecam"]
FITTING = [name for name in METHODS if name not in nets.UNFIT_FOR_CNN]


def cnn(**options) -> tuple[nn.Module, torch.Tensor]:
    return nets.seeded(nets.Cnn(**options)), nets.images(2, 3, 12, 10)


def described(net: nn.Module, **spec) -> SimpleNamespace:
    """A module with its card, as ``load_model`` gives it."""
    return SimpleNamespace(module=net, name="mine", sha256="0" * 64, output_spec=OutputSpec(**spec))


def close(found, expected) -> None:
    assert len(found) == len(expected)
    for a, b in zip(found, expected):
        torch.testing.assert_close(a.raw, b.raw, rtol=1e-4, atol=1e-5)
        assert a.score == pytest.approx(b.score, rel=1e-4, abs=1e-5)


# --- order, batches -------------------------------------------------------------------------------


def test_one_explanation_an_image_target_method_and_layer_in_this_nesting():
    net, inputs = cnn()
    found = explain(
        net, inputs, [2, 0], ["gradcam", "eigencam"], ["act", "features"], labels=list("wxyz")
    )
    assert [(e.scan.id, e.target, e.method, e.layer) for e in found] == [
        (image, target, method, layer)
        for image in ("input0", "input1")
        for target in ("y", "w")
        for method in ("gradcam", "eigencam")
        for layer in ("act", "features")
    ]


@pytest.mark.usefixtures("few_passes")
@pytest.mark.parametrize("method", FITTING)
def test_batches_are_singles(method):
    net, inputs = nets.seeded(nets.Cnn()), nets.images(5, 3, 12, 10)
    singles = [e for x in inputs for e in explain(net, x[None], [0, "predicted"], method)]
    for batch_size in (2, None):
        close(explain(net, inputs, [0, "predicted"], method, batch_size=batch_size), singles)


@pytest.mark.usefixtures("few_passes")
def test_all_is_every_method_that_fits():
    net, inputs = nets.seeded(nets.Cnn()), nets.images(1, 3, 8, 8)
    found = explain(net, inputs, [0, 2], "all", "features")
    names = list(dict.fromkeys(e.method for e in found))
    left_out = found[0].provenance["left_out"]
    by_name = [name for name, method in METHODS.items() if method.by_name]
    baselines = [n for n, method in METHODS.items() if method.paper.startswith("baseline")]
    assert {*names, *left_out, *by_name, *baselines} == set(METHODS)
    assert set(left_out) == set(nets.UNFIT_FOR_CNN)
    assert "this model's score depends on none" in left_out["legrad"]
    keys = [(e.scan.id, e.target) for e in found]
    assert keys == sorted(keys)
    close(
        [e for e in found if e.method == "gradcam"], explain(net, inputs, [0, 2], layer="features")
    )


def test_all_methods_of_a_layer_share_one_forward_pass(monkeypatch):
    def of_layer(method):
        return method.kind in ("gradient", "activation")

    monkeypatch.setattr("camlucida.attribution.methods.base._is_common", of_layer)
    net, inputs = nets.seeded(nets.Cnn()), nets.images(2, 3, 8, 8)
    explain(net, inputs, 0, layer="features")  # the first looks at the model, too
    net.calls = 0
    found = explain(net, inputs, [0, 2], "all", "features")
    assert len({e.method for e in found}) > 10
    assert net.calls == 1


def test_a_method_that_fits_some_images_alone_is_left_out(monkeypatch):
    """Also of the images that it fits, in whatever batch; the others have their maps."""
    run = METHODS["hirescam"].run

    def refusing(activations, gradients):
        if activations.shape[0] == 1:
            raise NoEvidenceError("not of this one")
        return run(activations, gradients)

    refused = replace(METHODS["hirescam"], name="refused", run=refusing)
    endless = replace(METHODS["hirescam"], name="endless", run=lambda a, g: run(a, g) / 0)
    names = ["gradcam", "eigencam", "refused", "endless"]
    known = dict(METHODS.items()) | {"refused": refused, "endless": endless}
    monkeypatch.setattr("camlucida.attribution.engine.METHODS", known)
    monkeypatch.setattr("camlucida.attribution.engine.method_names", lambda requested: names)
    net, inputs = cnn()
    found = explain(net, torch.cat([inputs, inputs[:1]]), 1, "all", batch_size=2)
    assert [e.method for e in found] == ["gradcam", "eigencam"] * 3
    left_out = found[-1].provenance["left_out"]
    assert left_out["refused"] == "not of this one"
    assert "the map of endless" in left_out["endless"]


def test_all_of_a_layer_that_there_is_not_is_that_error():
    with pytest.raises(CamlucidaError, match="no layer 'featurs'"):
        explain(*cnn(), 1, "all", "featurs")


def test_each_image_may_have_another_number_of_targets():
    """``above:`` gives none to one image, several to another.

    Each map is what the image alone would give.
    """
    net, inputs = nets.seeded(nets.Cnn()), nets.images(6, 3, 12, 10)
    with torch.no_grad():
        net.head.bias.sub_(
            net(inputs).median(0).values + 1e-3
        )  # each label is above ½ for some of the images
    methods = ["gradcam", "eigencam", "ablationcam"]
    chosen = {"target": "above:0.5", "method": methods, "layer": "features", "task": "multilabel"}
    together = explain(net, inputs, **chosen)
    counts = {len([e for e in together if e.scan.id == f"input{i}"]) // 3 for i in range(6)}
    assert len(counts) > 2
    close(together, [e for x in inputs for e in explain(net, x[None], **chosen)])


def test_no_target_for_any_image_is_no_explanation():
    net, inputs = cnn()
    assert explain(net, inputs, "above:1", KINDS, task="multilabel") == []


def test_scores_and_probabilities_are_the_models():
    net, inputs = cnn()
    with torch.no_grad():
        logits = net(inputs)
    for task, p in (("multilabel", logits.sigmoid()), ("multiclass", logits.softmax(1))):
        for e in explain(net, inputs, 3, task=task):
            image = int(e.scan.id[-1])
            assert e.score == pytest.approx(float(logits[image, 3]), rel=1e-5)
            assert e.probability == pytest.approx(float(p[image, 3]), rel=1e-5)
            assert e.provenance["task"] == task
            assert e.provenance["task_from"] == "given"
            assert e.provenance["score_kind"] == "logit"


def test_truth_stays_with_its_image_over_batches():
    net, inputs = nets.seeded(nets.Cnn()), nets.images(3, 3, 8, 8)
    found = explain(net, inputs, "truth", truth=[[1], ["2", 0], []], batch_size=2)
    assert [(e.scan.id, e.target) for e in found] == [
        ("input0", "1"),
        ("input1", "2"),
        ("input1", "0"),
    ]
    for wrong in ([[1]], [[1]] * 4):
        with pytest.raises(UsageError, match="entries for 3 images"):
            explain(net, inputs, "truth", truth=wrong)


# --- inputs ---------------------------------------------------------------------------------------


def scan(tensor: torch.Tensor, geometry: Geometry | None = None, name: str = "film") -> Scan:
    geometry = geometry or Geometry.identity(tensor.shape[1:])
    return Scan(tensor, np.zeros(geometry.original, np.uint8), geometry, name)


def test_scans_give_what_their_tensors_give():
    net, inputs = cnn()
    expected = explain(net, inputs, 1, KINDS)
    close(explain(net, [scan(x) for x in inputs], 1, KINDS), expected)
    close(explain(net, tuple(scan(x) for x in inputs), 1, KINDS), expected)
    (only,) = explain(net, scan(inputs[0]), 1, "gradcam")
    assert only.scan.id == "film"


def test_two_inputs():
    net = nets.seeded(nets.TwoInputs())
    both = (
        nets.images(3, 3, 8, 8),
        torch.tensor([[1, 0], [2, 5], [3, 1]]),
    )  # whole numbers stay whole
    for e in explain(net, both, 1, KINDS, "features"):
        i = int(e.scan.id[-1])
        (alone,) = explain(net, (both[0][i : i + 1], both[1][i : i + 1]), 1, e.method, "features")
        torch.testing.assert_close(e.raw, alone.raw, rtol=1e-4, atol=1e-5)
    with pytest.raises(UsageError, match="different batch sizes"):
        explain(net, (both[0], both[1][:2]), 1)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (torch.zeros(0, 3, 8, 8), "no image"),
        ([], "no image"),
        ((), "no image"),
        (torch.zeros(8, 8), r"give x\[None, None\] of one"),
        (torch.zeros(1, 3, 8, 8, dtype=torch.uint8), "uint8"),
        (torch.zeros(1, 3, 0, 8), "without pixels"),
        ([torch.zeros(3, 8, 8)], "hold a Tensor"),
        ((torch.zeros(1, 3, 8, 8), "a"), "hold a str"),
        (None, "hold a NoneType"),
        ((torch.zeros(1, 3, 8, 8), None), "hold a NoneType"),
        ([scan(torch.zeros(3, 8, 8)), scan(torch.zeros(3, 8, 9))], "different model sizes"),
    ],
)
def test_inputs_that_are_none(inputs, message):
    with pytest.raises(UsageError, match=message):
        explain(nets.Cnn(), inputs)


@pytest.mark.parametrize(
    "option",
    [{"method": []}, {"layer": []}, {"target": []}, {"batch_size": 0}, {"method": "gradcma"}],
)
def test_options_that_are_none(option):
    with pytest.raises(UsageError):
        explain(*cnn(), **option)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("target", [1, "above:0.5"])
def test_an_input_that_is_not_a_number_is_named(bad, target):
    net, inputs = cnn()
    inputs[1] = bad
    with pytest.raises(ModelError, match="input1: the model's output is not a number"):
        explain(net, inputs, target, KINDS, task="multilabel")


def test_an_unnamed_output_may_be_no_number():
    net, inputs = cnn()
    with torch.no_grad():
        net.head.bias[2] = float("nan")
    assert explain(net, inputs, "all", labels=["a", "b", "", "d"])
    with pytest.raises(CamlucidaError):
        explain(net, inputs, Label(2, "c"))


def test_display_of_a_constant_image_is_black():
    net, _ = cnn()
    (e,) = explain(net, torch.ones(1, 3, 8, 8), 0)
    assert e.scan.picture().dtype == np.uint8
    assert not e.scan.picture().any()


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_any_rank(rank):
    """Volumes are explained by the same code; Grad-CAM from the paper, layer found by ``auto``."""
    net, inputs = (
        nets.seeded(nets.Cnn(rank=rank)).double(),
        nets.images(2, 3, *(8, 6, 10)[:rank]).double(),
    )
    found = explain(net, inputs, 1, KINDS)
    with torch.no_grad():
        activations = net.features(net.stem(inputs)).relu()
    cells = activations[0, 0].numel()
    weights = net.head.weight[1].detach()[:, None] / cells
    gradients = weights.expand(-1, cells).reshape(1, *activations.shape[1:]).expand_as(activations)
    expected = cams.gradcam(activations.numpy(), gradients.numpy())
    for i in range(2):
        np.testing.assert_allclose(found[i * len(KINDS)].raw, expected[i], atol=1e-12)
    for e in found:
        assert e.layer == "act"
        assert e.grid == tuple(n // 2 for n in inputs.shape[2:])
        assert e.map().shape == e.on_original().shape == inputs.shape[2:]


# --- outputs --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrap",
    [
        lambda x: {"logits": x},
        lambda x: {"aux": x * 0, "out": x},
        lambda x: (x, x.argmax(1), x.sum()),
        lambda x: [None, x],
        lambda x: nets.Pair(x, x * 0),
    ],
    ids=["dict", "out", "tuple", "list", "namedtuple"],
)
@pytest.mark.parametrize("method", KINDS)
def test_containers_around_the_output(wrap, method):
    net, inputs = cnn()
    close(
        explain(nets.Wrapped(net, wrap), inputs, 1, method, "net.features"),
        explain(net, inputs, 1, method, "features"),
    )


@pytest.mark.parametrize(
    "squeeze",
    [lambda x: x, lambda x: x[:, 0], lambda x: x.squeeze()],
    ids=["(B, 1)", "(B,)", "squeezed"],
)
@pytest.mark.parametrize("images", [1, 2])
@pytest.mark.parametrize("method", KINDS)
def test_binary_of_one_logit(squeeze, images, method):
    net, inputs = cnn(labels=1)
    model = nets.Wrapped(net, squeeze)
    options = {"method": method, "layer": "net.features", "labels": ["well", "sick"]}
    well, sick = (explain(model, inputs[:images], name, **options) for name in ("well", "sick"))
    for a, b in zip(well, sick):
        assert a.score == -b.score
        assert a.probability + b.probability == pytest.approx(1)
        assert a.provenance["task"] == "binary"
        if method == "gradcam":
            torch.testing.assert_close(a.raw, -b.raw)
    (predicted,) = explain(model, inputs[:1], **options)
    assert predicted.probability > 0.5


def test_probabilities_given_by_a_function():
    net, inputs = cnn()
    model = nets.Wrapped(net, lambda x: 1 / (1 + (-x).exp()))
    found = explain(
        described(model, task="multilabel", output="probabilities", labels=tuple("abcd")),
        inputs,
        "b",
        KINDS,
        "net.features",
    )
    with torch.no_grad():
        expected = model(inputs)[:, 1]
    for e in found:
        assert e.score == pytest.approx(float(expected[int(e.scan.id[-1])]))
        assert e.probability == pytest.approx(e.score)
        assert e.provenance["score_kind"] == "probability"
        assert e.provenance["model"] == {"name": "mine", "sha256": "0" * 64}


def test_binary_probability_given_by_a_function():
    model = nets.Wrapped(nets.seeded(nets.Cnn(labels=1)), lambda x: x.sigmoid()[:, 0])
    spec = described(model, task="binary", output="probabilities", labels=("sick",))
    sick, well = explain(spec, nets.images(1, 3, 8, 8), ["sick", "not sick"], layer="net.features")
    assert sick.probability + well.probability == pytest.approx(1)


def test_logits_from_a_named_module():
    net, inputs = cnn()
    model = nets.Wrapped(net, lambda x: 1 / (1 + (-x).exp()))
    found = explain(
        described(model, task="multilabel", logits_from="net.head"),
        inputs,
        1,
        KINDS,
        "net.features",
    )
    close(found, explain(net, inputs, 1, KINDS, "features"))
    with torch.no_grad():
        assert found[0].probability == pytest.approx(float(model(inputs)[0, 1]))
    assert found[0].provenance["logits_from"] == "net.head"


def test_final_module_says_the_task():
    for final, task in (
        (nn.Sigmoid(), "multilabel"),
        (nn.Softmax(1), "multiclass"),
        (nn.Identity(), "multiclass"),
    ):
        net, inputs = cnn(final=final)
        (e, *_) = explain(net, inputs, 1)
        assert e.provenance["task"] == task
        assert e.provenance["task_from"] == "guessed"


def test_regression_explains_the_value_itself():
    """A sigmoid at the end of a regression belongs to the value."""
    net, inputs = cnn(labels=1, final=nn.Sigmoid())
    found = explain(
        net, inputs[:1], None, KINDS, "features", task="regression", labels=["fraction"]
    )
    with torch.no_grad():
        value = float(net(inputs[:1]))
    up, down = found[: len(KINDS)], found[len(KINDS) :]
    for a, b in zip(up, down):
        assert (a.target, b.target) == ("fraction ↑", "fraction ↓")
        assert a.score == pytest.approx(value)
        assert b.score == -a.score
        assert a.probability is b.probability is None
        assert a.provenance["score_kind"] == "value"
    torch.testing.assert_close(up[0].raw, -down[0].raw)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"task": "segmentation"}, "the task is segmentation"),
        ({"labels": ["a", "b"]}, "4 outputs and 2 labels"),
        ({"task": "binary"}, "the task is binary, and the model has 4 outputs"),
    ],
)
def test_an_output_that_contradicts_its_description(options, message):
    """As a request that no image can fulfil."""
    with pytest.raises(ModelError, match=message) as caught:
        explain(*cnn(), **options)
    assert isinstance(caught.value, UsageError)


def test_a_task_that_is_none():
    with pytest.raises(UsageError, match=r"unknown task 'multi-class' \(did you mean multiclass"):
        explain(*cnn(), task="multi-class")


def test_features_before_the_logits_are_not_taken_for_a_map():
    net = nets.Wrapped(
        nets.seeded(nets.Cnn()), lambda logits: (torch.zeros(len(logits), 5, 4, 4), logits)
    )
    images = nets.images(1, 3, 8, 8)
    with pytest.raises(ModelError, match="wrap it so that forward returns the logits"):
        explain(net, images, 0, task="multiclass", output=0)
    (e,) = explain(net, images, 0, task="multiclass")
    with torch.no_grad():
        assert e.score == pytest.approx(float(net(images)[1][0, 0]))


@pytest.mark.parametrize("labels", [4, 1])
def test_logits_that_are_said_to_be_probabilities(labels):
    net, inputs = cnn(labels=labels)
    with pytest.raises(
        ModelError,
        match=r'output = "probabilities" is stated, and the model returned -?\d+\.\d+',
    ):
        explain(described(net, task="multilabel", output="probabilities"), inputs * 9, 0)


def test_a_model_that_cannot_run_on_one_image_can_run_on_none():
    for batch, kind in ((1, UsageError), (2, ModelError)):
        with pytest.raises(kind, match="cannot run on inputs"):
            explain(nets.Cnn(), nets.images(batch, 1, 8, 8), 0)


def test_an_output_without_an_axis_of_images():
    net, inputs = cnn()
    with pytest.raises(ModelError, match="for 2 images"):
        explain(nets.Wrapped(net, lambda x: x.sum(0)), inputs, 0)
    with pytest.raises(CamlucidaError):
        explain(nets.Wrapped(net, lambda x: x[:, None]), inputs, 0)


def test_a_bag_of_images_with_one_score_is_told_how_it_can_be_explained():
    net, inputs = cnn()
    with pytest.raises(ModelError, match=r"bag that has one score.*returns \(1, C\)"):
        explain(nets.Wrapped(net, lambda x: x.amax(0, keepdim=True)), inputs, 0)


def test_labels_known_to_the_model():
    net, inputs = cnn()
    net.pathologies = ["a", "", "c", "d"]
    assert {e.target for e in explain(net, inputs, "all")} == {"a", "c", "d"}
    assert explain(net, inputs[:1], "x", labels=list("wxyz"))[0].target == "x"


# --- targets --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "target",
    [
        Label(9, "far"),
        Region(0, "dense", torch.ones(4, 4, dtype=torch.bool)),
        SimpleNamespace(name="x", probability=None),
    ],
)
def test_a_target_that_does_not_fit_the_output(target):
    with pytest.raises(TargetError):
        explain(*cnn(), target)


def test_a_label_of_a_dense_output_is_refused():
    net, inputs = nets.seeded(nets.UNet(2)), nets.images(1, 3, 8, 8)
    with pytest.raises(TargetError, match="one number an image"):
        explain(net, inputs, Label(0, "lung"), layer="up")


def test_one_ready_target_for_all_images():
    net, inputs = cnn()
    close(explain(net, inputs, Label(1, "one"), KINDS), explain(net, inputs, 1, KINDS))


def test_difference_is_the_difference_of_the_maps():
    net, inputs = cnn()
    a, b, both = (
        explain(net, inputs[:1], t, "hirescam", "features")[0] for t in (1, 2, "diff:1|2")
    )
    torch.testing.assert_close(both.raw, a.raw - b.raw)
    assert both.score == pytest.approx(a.score - b.score)


# --- segmentation ---------------------------------------------------------------------------------


@pytest.mark.parametrize("final", [nn.Identity(), nn.Sigmoid()])
def test_segmentation_region_is_the_mean_logit_over_it(final):
    net, inputs = nets.seeded(nets.UNet(final=final)), nets.images(2, 3, 8, 8)
    with torch.no_grad():
        logits = net.out(
            net.up(
                torch.cat(
                    [
                        (p := net.encoder(inputs))[0],
                        p[1].repeat_interleave(2, 2).repeat_interleave(2, 3),
                    ],
                    1,
                )
            ).relu()
        )
    for e in explain(net, inputs, None, ["gradcam", "ablationcam"], "encoder[-1]"):
        mine = logits[int(e.scan.id[-1]), 0]
        assert e.score == pytest.approx(float(mine[mine > 0].mean()), rel=1e-4)
        assert e.probability == pytest.approx(float(mine.sigmoid()[mine > 0].mean()), rel=1e-4)
        assert e.provenance["task"] == "segmentation"
        assert e.layer == "encoder[1]"
        assert not e.is_empty


def test_segmentation_by_probabilities_keeps_the_predicted_region():
    net, inputs = nets.seeded(nets.UNet()), nets.images(1, 3, 8, 8)
    (logit,) = explain(net, inputs, "region", layer="up")
    model = nets.Wrapped(net, lambda x: 1 / (1 + (-x).exp()))
    (p,) = explain(
        described(model, task="segmentation", output="probabilities"),
        inputs,
        "region",
        layer="net.up",
    )
    assert p.score == pytest.approx(p.probability) == pytest.approx(logit.probability)


def test_segmentation_of_what_a_crop_and_resize_moved():
    """Pixel and mask are given in original pixels.

    Only the cells that the model saw of them count.
    """
    net = nets.seeded(nets.UNet(2))
    geometry = Geometry.identity((20, 12)).crop((4, 2), (8, 4)).resize((16, 8))
    item = scan(nets.images(3, 16, 8), geometry)
    mask = torch.zeros(20, 12, dtype=torch.bool)
    mask[5, 3] = True
    pixel, given = explain(
        net, item, ["pixel:5,3:1", given_mask(mask, 1)], "hirescam", "up", task="segmentation"
    )
    with torch.no_grad():
        logits = net(item.tensor[None])[0, 1]
    assert pixel.score == pytest.approx(float(logits[3, 3]), rel=1e-4)
    assert given.score == pytest.approx(float(logits[2:4, 2:4].mean()), rel=1e-4)
    assert given.on_original().shape == (20, 12)
    assert not given.on_original()[:4].any()
    assert given.on_original()[4:12, 2:6].any()


# --- emptiness ------------------------------------------------------------------------------------


def test_nothing_that_speaks_for_the_target_is_said_to_be_so():
    net, inputs = cnn()
    with torch.no_grad():
        net.head.weight.copy_(-net.head.weight.abs())
    (e,) = explain(net, inputs[:1], 1, "gradcam", "act")
    assert e.empty_reason == Message("empty.target")
    assert (e.raw < 0).any()  # what speaks against it is kept


def test_a_map_that_overflows_is_an_error():
    net, inputs = cnn()
    with torch.no_grad():
        net.features.weight.mul_(1e20)
        net.head.weight.mul_(1e-25)
        net.features.bias.zero_()
    inputs = inputs * 1e18
    with pytest.raises((NoEvidenceError, ModelError), match=r"float32|not a number"):
        explain(net, inputs, 1, ["eigencam", "hirescam", "xgradcam"], "features")


def test_provenance_says_how_to_get_the_map_again():
    net, inputs = cnn()
    (e, _) = explain(net, inputs, 1, "scorecam")
    assert e.provenance["model"] == {"name": "Cnn", "sha256": None}
    assert e.provenance["method"] == "Score-CAM"
    assert "Wang" in e.provenance["paper"]
    assert e.provenance["torch"] == torch.__version__
    assert e.provenance["preprocessing"] == [Message("preprocessing.tensor")]
