"""Rows of an evaluation equal what the metric functions say of the maps that ``explain`` gives."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from camlucida.attribution.batches import scans_of
from camlucida.attribution.engine import explain
from camlucida.core.errors import ModelError, NoEvidenceError, UsageError
from camlucida.core.geometry import Geometry
from camlucida.core.messages import Message
from camlucida.evaluation.maps import scores
from camlucida.evaluation.maps.api import evaluate
from camlucida.evaluation.maps.choice import choose
from camlucida.evaluation.maps.measure import MetricSettings, Sample, measure
from camlucida.metrics import METRICS, annotation_overlap, chexlocalize, faithfulness, localisation
from camlucida.metrics.ceiling import ceiling
from camlucida.metrics.imputation import Perturbation, PerturbedImage
from camlucida.metrics.queue import evaluate as run_queue
from camlucida.metrics.stability import VIEWS, view, view_agreement
from tests.support.nets import Cnn, images, seeded

SIZE = 24


def mask(row=6, column=8, side=7):
    truth = np.zeros((SIZE, SIZE), bool)
    truth[row : row + side, column : column + side] = True
    return truth


def samples(count=3, **truths):
    scans = scans_of((images(count, 3, SIZE, SIZE, seed=3),))
    return [
        Sample(scan, f"P{i}", truths or {"1": mask(), "2": mask(14, 2)})
        for i, scan in enumerate(scans)
    ]


def settings(*metrics, **more):
    return MetricSettings(
        **{
            "layers": ("features",),
            "methods": ("hirescam",),
            "metrics": choose(metrics),
            "baselines": (),
        }
        | more
    )


LOCALISATION = {
    "hit": localisation.hit,
    "average_precision_lift": localisation.average_precision_lift,
    "relevance_mass": localisation.relevance_mass,
    "iou_area_matched": annotation_overlap.iou_area_matched,
    "roc_auc": localisation.roc_auc,
}


def value(rows, metric, output="", label="1", image="input0", method="hirescam", column="value"):
    (cell,) = rows.loc[
        (rows.metric == metric)
        & (rows.output == output)
        & (rows.label == label)
        & (rows.image == image)
        & (rows.method == method),
        column,
    ].tolist()
    return cell


def test_localisation_in_original_pixels_with_chance_and_ceiling():
    net, one = seeded(Cnn()), samples()
    rows = measure(net, one, settings("localisation")).rows
    for i, sample in enumerate(one):
        (e,) = explain(net, [sample.scan], target="1", method="hirescam", layer="features")
        heat = e.on_original().double().numpy()
        for name in LOCALISATION:
            at = {"image": f"input{i}"}
            assert value(rows, name, **at) == pytest.approx(
                LOCALISATION[name](heat, mask()), nan_ok=True
            )
            assert value(rows, name, column="chance", **at) == pytest.approx(
                METRICS[name].chance_level(heat, mask())
            )
            assert value(rows, name, column="ceiling", **at) == pytest.approx(
                ceiling(METRICS[name].ceiling, mask(), e.grid)
            )
        of_label = localisation.average_precision(heat, mask())
        of_other = localisation.average_precision(heat, mask(14, 2))
        specificity = value(rows, "class_specificity", image=f"input{i}")
        assert specificity == pytest.approx(of_label - of_other)
    assert set(rows.patient) == {"P0", "P1", "P2"}
    assert not rows.duplicated(["image", "label", "method", "layer", "metric", "output"]).any()


def test_chexlocalize_enlarges_straight_from_the_grid_to_the_original():
    net, (sample,) = seeded(Cnn()), samples(1)
    geometry = Geometry.identity((50, 70)).resize((SIZE, SIZE))
    truth = np.zeros((50, 70), bool)
    truth[10:24, 20:40] = True
    large = replace(sample, scan=replace(sample.scan, geometry=geometry), masks={"1": truth})
    rows = measure(net, [large], settings("localisation")).rows
    (e,) = explain(net, [large.scan], target="1", method="hirescam", layer="features")
    protocol = chexlocalize.upsample(e.map(e.grid), (50, 70))
    assert value(rows, "chexlocalize_iou") == pytest.approx(
        chexlocalize.chexlocalize_iou(protocol, truth), abs=1e-12, nan_ok=True
    )
    assert value(rows, "chexlocalize_hit") == chexlocalize.chexlocalize_hit(protocol, truth)
    assert value(rows, "hit") == localisation.hit(e.on_original().double().numpy(), truth)
    cropped = Geometry.identity((50, 70)).crop((2, 3), (SIZE, SIZE))
    heat = scores.Heat.of(e.map(e.grid), np.ones((50, 70)), cropped)
    assert heat.protocol is heat.original


def test_faithfulness_is_that_of_the_queue_for_logit_and_probability():
    net, (sample,) = seeded(Cnn()), samples(1)
    names = ("road", "cell_insertion_deletion", "average_drop", "average_gain", "deletion")
    tables = measure(net, [sample], settings(*names))
    (e,) = explain(net, [sample.scan], target="2", method="hirescam", layer="features")

    def score(x, _):
        logits = net(x)
        return torch.stack([logits[:, 2], logits.softmax(1)[:, 2]], 1)

    case = Perturbation(PerturbedImage("one", sample.scan.tensor, (False, True)), e.map(e.grid))
    expected, curves = {}, {}
    for done in run_queue(faithfulness.plans(case, names), score):
        expected |= done.metrics
        curves |= {
            name: [done.scores[step] for _, step in points]
            for name, points in done.plan.curves.items()
        }
    for name in names:
        assert value(tables.rows, name, "probability", "2") == pytest.approx(
            expected[name][1], rel=1e-4, abs=1e-6
        )
        if name != "average_gain":  # a share of 1 − logit means nothing
            assert value(tables.rows, name, "logit", "2") == pytest.approx(
                expected[name][0], rel=1e-4, nan_ok=True
            )
    assert not ((tables.rows.metric == "average_gain") & (tables.rows.output == "logit")).any()
    drawn = tables.curves[
        (tables.curves.curve == "road_morf")
        & (tables.curves.output == "logit")
        & (tables.curves.label == "2")
    ]
    assert drawn.value.tolist() == pytest.approx([row[0] for row in curves["road_morf"]], rel=1e-4)
    assert drawn.share.tolist() == [0, 0.2, 0.4, 0.6, 0.8]


def test_equal_maps_are_altered_once():
    net, (sample,) = seeded(Cnn()), samples(1)
    once = measure(net, [sample], settings("road", methods=("hirescam",)))
    twice = measure(net, [sample], settings("road", methods=("hirescam", "eigencam", "center")))
    assert once.count.images == 2 * 8 + 1  # two labels; the unaltered image is shared
    assert (
        twice.count.images == once.count.images + 2 * 8
    )  # one class-agnostic map serves both labels
    assert set(twice.rows.label) == {"1", "2"}


def test_all_metrics_with_every_baseline():
    net = seeded(Cnn())
    rows = evaluate(
        net,
        images(3, 3, SIZE, SIZE),
        method=("hirescam", "layercam"),
        layer="features",
        metrics="all",
        masks=[{"1": mask()}] * 3,
    )
    assert set(rows.label) == {"1"}
    kinds = dict(zip(rows.method, rows.baseline))
    assert [name for name, baseline in kinds.items() if not baseline] == ["hirescam", "layercam"]
    assert {"oracle", "sobel", "average_mask", "fake_cam", "random", "center", "intensity"} <= set(
        kinds
    )
    assert (
        rows[(rows.method == "oracle") & (rows.metric == "hit")].value
        == rows[rows.metric == "hit"].ceiling.max()
    ).all()
    fake = rows[rows.method == "fake_cam"]
    assert set(fake[fake.output != ""].metric) == {
        "average_drop",
        "increase_in_confidence",
        "average_gain",
        "adcc",
        "drop_in_deletion",
    }
    steady = rows[rows.metric.isin(["max_sensitivity", "view_agreement", "score_change"])]
    assert set(steady.method) == {"hirescam", "layercam"}
    assert (steady[steady.metric == "max_sensitivity"].value > 0).all()


def test_view_agreement_and_coherency_are_those_of_new_maps():
    net, (sample,) = seeded(Cnn()), samples(1, **{"1": mask()})
    rows = measure(net, [sample], settings("view_agreement", "adcc")).rows

    def heat(x):
        (e,) = explain(net, x[None], target="1", method="hirescam", layer="features")
        return e.map(e.grid)

    x = sample.scan.tensor
    unchanged, flipped = heat(x), {name: heat(view(x, name)) for name in VIEWS}
    agreement = view_agreement(unchanged, flipped)
    assert value(rows, "view_agreement") == pytest.approx(agreement, rel=1e-4)
    case = Perturbation(PerturbedImage("one", x, (True,)), unchanged)
    coherency = faithfulness.coherency(unchanged, heat(case.masked()))
    drop = value(
        measure(net, [sample], settings("average_drop")).rows, "average_drop", "probability"
    )
    expected = faithfulness.adcc(coherency, faithfulness.complexity(case.unit), drop)
    assert value(rows, "adcc", "probability") == pytest.approx(float(expected), rel=1e-4)


def test_images_are_altered_before_they_are_normalised():
    net, (sample,) = seeded(Cnn()), samples(1, **{"1": mask()})
    shift = (lambda x: (x + 3) / 6), (lambda x: x * 6 - 3)
    black = replace(sample, scan=replace(sample.scan, tensor=torch.full((3, SIZE, SIZE), -3.0)))
    rows = measure(net, [black], settings("deletion", methods=("center",)), unit=shift).rows
    assert value(rows, "deletion", "logit", method="center") == pytest.approx(
        net(black.scan.tensor[None])[0, 1].item(), rel=1e-4
    )


def test_labels_asked_for_true_or_default():
    net, scans = seeded(Cnn()), samples(2)
    bare = [replace(s, masks={}) for s in scans]
    assert set(measure(net, scans, settings("gini", targets=("3",))).rows.label) == {"3"}
    assert set(
        measure(net, [replace(s, positives=("0", "3")) for s in bare], settings("gini")).rows.label
    ) == {"0", "3"}
    tables = measure(net, [replace(bare[0], positives=()), bare[1]], settings("gini"))
    assert set(tables.rows.image) == {"input1"}
    assert tables.notes == [Message("map_evaluation.no_label", {"image": "input0"})]


def test_a_truth_without_a_label_is_that_of_any():
    net, (sample,) = seeded(Cnn()), samples(1, **{"": mask()})
    rows = measure(net, [sample], settings("hit", targets=("0", "2"))).rows
    assert set(rows.label) == {"0", "2"}


def test_an_empty_truth_has_no_value():
    net, (sample,) = seeded(Cnn()), samples(1, **{"1": np.zeros((SIZE, SIZE), bool)})
    rows = measure(net, [sample], settings("localisation")).rows
    assert rows.value.isna().all()


class Broken(Cnn):
    """NaN for bright images."""

    def forward(self, x):
        return (
            super().forward(x)
            * torch.where(x.mean((1, 2, 3), keepdim=True) > 5, math.nan, 1.0)[:, 0, 0]
        )


def test_a_broken_image_costs_itself_alone():
    net, scans = seeded(Broken()), samples(3)
    scans[1] = replace(scans[1], scan=replace(scans[1].scan, tensor=scans[1].scan.tensor + 9))
    tables = measure(net, scans, settings("road"))
    assert set(tables.rows.image) == {"input0", "input2"}
    (failure,) = tables.failures
    assert failure.image == "input1"
    assert "not a number" in failure.what
    with pytest.raises(ModelError):
        measure(net, scans, settings("road"), strict=True)


def test_a_model_of_probabilities_regression_and_segmentation():
    class Rate(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = seeded(Cnn(labels=1))

        def forward(self, x):
            return self.net(x)[:, 0]

    x = images(2, 3, SIZE, SIZE)
    rows = evaluate(
        seeded(Cnn(final=nn.Sigmoid())),
        x,
        "1",
        "hirescam",
        "features",
        metrics=["road"],
        baselines=(),
    )
    assert set(rows.output) == {"logit", "probability"}
    from camlucida.core.output_spec import OutputSpec

    class Described:
        name, sha256, output_spec = "p", "", OutputSpec("multilabel", (), "probabilities", "")
        module = seeded(Cnn(final=nn.Sigmoid()))

    rows = evaluate(
        Described(), x, "1", "hirescam", "features", metrics=["road", "average_gain"], baselines=()
    )
    assert set(rows.output) == {"probability"}
    assert rows.value.notna().all()

    class Regression(Described):
        output_spec = OutputSpec("regression")
        module = Rate().eval()

    rows = evaluate(
        Regression(), x, None, "hirescam", "net.features", metrics=["road"], baselines=("center",)
    )
    assert set(rows.label) == {"output ↑", "output ↓"}
    assert set(rows.output) == {"value"}
    dense = seeded(nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 3, 1)))
    rows = evaluate(
        dense,
        x,
        ["region:1", "region:2"],
        "hirescam",
        "0",
        metrics=["road", "hit"],
        masks=[{"1": mask(), "2": mask(14, 2)}] * 2,
    )
    assert set(rows.label) == {"1 region", "2 region"}
    assert rows[rows.metric == "hit"].chance.tolist() == pytest.approx(
        [float(mask().mean())] * (rows.metric == "hit").sum()
    )


def test_the_model_is_left_as_it_was_found():
    net = seeded(Cnn()).train()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    evaluate(
        net,
        images(2, 3, SIZE, SIZE),
        "1",
        ["hirescam", "ablationcam"],
        "features",
        metrics="default",
        baselines=("sobel",),
    )
    assert net.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    assert all(p.grad is None and p.requires_grad for p in net.parameters())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in net.modules())


def test_one_baseline_by_name_and_an_unknown_one():
    model = seeded(Cnn()).eval()
    table = evaluate(model, images(1, 3, 16, 16), target=0, metrics="gini", baselines="center")
    assert set(table["method"][table["baseline"]]) == {"center"}
    assert not evaluate(model, images(1, 3, 16, 16), target=0, metrics="gini", baselines=[])[
        "baseline"
    ].any()
    with pytest.raises(UsageError, match="did you mean center"):
        evaluate(model, images(1, 3, 16, 16), target=0, metrics="gini", baselines="centre")


def test_a_method_is_not_its_own_baseline():
    x = images(1, 3, 16, 16)
    options = {"target": 0, "metrics": "gini", "baselines": ["sobel", "center"]}
    model = seeded(Cnn()).eval()
    table = evaluate(model, x, method=["gradcam", "sobel"], **options)
    assert table.groupby("method")["baseline"].agg(list).to_dict() == {
        "gradcam": [False],
        "sobel": [False],
        "center": [True],
    }


UNFIT = {"methods": ("hirescam", "legrad")}


def test_a_method_that_does_not_fit_costs_itself_alone():
    tables = measure(seeded(Cnn()), samples(2), settings("hit", **UNFIT))
    assert set(tables.rows["method"]) == {"hirescam"}
    assert tables.failures == []
    (note,) = tables.notes
    assert (note.values["method"], note.values["count"]) == ("legrad", 2)
    with pytest.raises(NoEvidenceError, match="self-attention"):
        measure(seeded(Cnn()), samples(2), settings("hit", **UNFIT), strict=True)


def test_all_is_every_method_that_fits():
    rows = evaluate(
        seeded(Cnn()), images(1, 3, SIZE, SIZE), 1, "all", masks=[mask()], metrics="hit"
    )
    methods = set(rows["method"])
    assert {"gradcam", "scorecam", "rise"} <= methods
    assert "legrad" not in methods
    assert any("legrad is left out of 1 image" in note for note in rows.attrs["notes"])
