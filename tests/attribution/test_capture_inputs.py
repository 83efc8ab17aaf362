"""With several images, a map belongs to the image that its layer saw."""

import numpy as np
import pytest
import torch
from torch import nn

from camlucida import evaluate, explain
from camlucida.attribution.capture_inputs import image_inputs
from camlucida.core.errors import LayerError, UsageError
from camlucida.core.geometry import Geometry
from camlucida.core.messages import Message
from camlucida.core.scan import Scan
from tests.support import nets

METHODS = ["gradcam", "layercam", "eigencam", "ablationcam"]


class TwoViews(nn.Module):
    """Two views, each with its own network or both with one, and a table."""

    def __init__(self, fusion: str = "late") -> None:
        super().__init__()
        self.fusion = fusion
        self.frontal, self.lateral = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 3)
        self.shared = nn.Conv2d(3, 4, 3)
        self.early = nn.Conv2d(6, 8, 3)
        self.head = nn.Linear(8, 2)

    def forward(self, a, b, table=None):
        if self.fusion == "late":
            features = [self.frontal(a), self.lateral(b)]
        elif self.fusion == "frozen":
            with torch.no_grad():
                features = [self.frontal(a), self.lateral(b)]
        elif self.fusion == "shared":
            features = [self.shared(a), self.shared(b)]
        elif self.fusion == "batch":
            features = self.shared(torch.cat([a, b])).chunk(2)
        elif self.fusion == "interleaved":
            stacked = self.shared(torch.stack([a, b], 1).flatten(0, 1))
            features = [stacked[::2], stacked[1::2]]
        else:
            return self.head(self.early(torch.cat([a, b], 1)).relu().mean((2, 3)))
        pooled = torch.cat([feature.relu().mean((2, 3)) for feature in features], 1)
        return self.head(pooled if table is None else pooled * table.mean(1, keepdim=True))


def net(fusion="late"):
    return nets.seeded(TwoViews(fusion))


def pair(first=(12, 12), second=(12, 12), count=1):
    return nets.images(count, 3, *first), nets.images(count, 3, *second, seed=1)


@pytest.mark.parametrize("second", [(12, 12), (20, 20), (20, 9)])
@pytest.mark.parametrize(("layer", "image"), [("frontal", 0), ("lateral", 1)])
def test_the_map_lies_over_the_image_that_its_layer_saw(second, layer, image):
    views = pair((12, 12), second, 2)
    for e in explain(net(), views, 1, METHODS, layer):
        row = int(e.scan.id.removeprefix("input"))
        torch.testing.assert_close(e.scan.tensor, views[image][row])
        assert e.on_original().shape == views[image].shape[2:]
        assert e.scan.picture().shape == views[image].shape[2:]
        assert e.grid == tuple(n - 2 for n in views[image].shape[2:])
        assert e.provenance["image_inputs"] == [image]
        assert e.no_picture is None


def test_grad_cam_of_the_second_view_by_hand():
    model, (a, b) = net(), pair((12, 12), (20, 20))
    (e,) = explain(model, (a, b), 1, layer="lateral")
    # A layer that a ReLU follows is explained after it.
    activations = model.lateral(b).relu().detach().requires_grad_()
    pooled = torch.cat([x.mean((2, 3)) for x in (model.frontal(a).relu(), activations)], 1)
    (gradient,) = torch.autograd.grad(model.head(pooled)[0, 1], activations)
    by_hand = (gradient.mean((2, 3), keepdim=True) * activations).sum(1)[0]
    torch.testing.assert_close(e.raw, by_hand.detach())


@pytest.mark.parametrize("method", METHODS)
def test_two_layers_at_once_lie_over_an_image_each(method):
    views = pair()
    first, second = explain(net(), views, 1, method, ["frontal", "lateral"])
    torch.testing.assert_close(first.scan.tensor, views[0][0])
    torch.testing.assert_close(second.scan.tensor, views[1][0])


def test_a_part_under_no_grad_still_says_which_image_it_saw():
    views = pair()
    (e,) = explain(net("frozen"), views, 1, layer="lateral")
    torch.testing.assert_close(e.scan.tensor, views[1][0])


def test_a_shared_part_is_explained_at_its_last_run_over_the_image_of_that_run():
    model, (a, b) = net("shared"), pair()
    (e,) = explain(model, (a, b), 1, layer="shared")
    torch.testing.assert_close(e.scan.tensor, b[0])
    # A layer that a ReLU follows is explained after it.
    activations = model.shared(b).relu().detach().requires_grad_()
    pooled = torch.cat([x.mean((2, 3)) for x in (model.shared(a).relu(), activations)], 1)
    (gradient,) = torch.autograd.grad(model.head(pooled)[0, 1], activations)
    by_hand = (gradient.mean((2, 3), keepdim=True) * activations).sum(1)[0]
    torch.testing.assert_close(e.raw, by_hand.detach())


@pytest.mark.parametrize("order", ["batch", "interleaved"])
def test_images_stacked_along_the_batch_are_refused(order):
    with pytest.raises(LayerError, match="layer 'shared'"):
        explain(net(order), pair(count=2), 1, layer="shared")


def test_a_layer_that_sees_both_has_numbers_and_no_picture(tmp_path):
    views = pair()
    (e,) = explain(net("early"), views, 1, layer="early")
    assert e.no_picture == Message("image_inputs.several", {"layer": "early", "inputs": ["1", "2"]})
    assert "sees inputs 1 and 2 together" in repr(e)
    assert e.raw.any()
    assert e.map(e.grid).shape == (10, 10)
    assert e._repr_png_() is None
    for refused in (e.on_original, e.numpy, e.overlay, e.map):
        with pytest.raises(LayerError, match="sees inputs 1 and 2 together"):
            refused()
    entry = e.save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [entry["files"]["maps"]]
    maps = np.load(tmp_path / entry["files"]["maps"])
    np.testing.assert_array_equal(maps[entry["map_key"]], e.raw)
    assert e.no_picture in entry["warnings"]


def test_a_layer_that_sees_no_image_has_no_picture():
    class Prior(TwoViews):
        def forward(self, a, b):
            return (
                super().forward(a, b) + self.early(torch.ones(len(a), 6, 9, 9)).mean((2, 3))[:, :2]
            )

    (e,) = explain(nets.seeded(Prior()), pair(), 1, layer="early")
    assert e.no_picture == Message("image_inputs.unknown", {"layer": "early"})


def test_score_cam_alters_the_image_that_the_layer_saw():
    a, b = pair((12, 12), (20, 20))
    model = net()
    (e,) = explain(model, (a, b), 1, "scorecam", "lateral")

    class Lateral(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, x):
            return self.model(a.expand(len(x), -1, -1, -1), x)

    (alone,) = explain(Lateral().eval(), b, 1, "scorecam", "model.lateral")
    torch.testing.assert_close(e.raw, alone.raw)
    with pytest.raises(LayerError, match="does not see one image input alone"):
        explain(net("early"), pair(), 1, "scorecam", "early")


def test_a_table_is_no_image():
    table = torch.ones(1, 5)
    assert image_inputs((*pair(), table)) == (0, 1)
    assert image_inputs((pair()[0], table, torch.zeros(1, 7, 4))) == (0,)
    (e,) = explain(net(), (*pair(), table), 1, layer="lateral")
    assert e.provenance["image_inputs"] == [1]
    single, inputs = nets.seeded(nets.TwoInputs()), (nets.images(1, 3, 8, 8), nets.images(1, 2))
    (e,) = explain(single, inputs, 1)
    assert "image_inputs" not in e.provenance


class OneView(nn.Module):
    """The network of two views with one of them held."""

    def __init__(self, model: nn.Module, held: torch.Tensor, layer: str) -> None:
        super().__init__()
        self.model, self.held, self.layer = model, held, layer

    def forward(self, x):
        held = self.held.expand(len(x), *self.held.shape[1:])
        return self.model(held, x) if self.layer == "lateral" else self.model(x, held)


@pytest.mark.parametrize(("layer", "image"), [("frontal", 0), ("lateral", 1)])
def test_evaluation_alters_the_input_that_the_layer_saw_and_holds_the_others(layer, image):
    views, model = pair((12, 12), (16, 14), 2), net()
    masks = [np.zeros(tuple(views[image].shape[2:]), bool) for _ in range(2)]
    for mask in masks:
        mask[4:8, 4:8] = True
    options = {"masks": masks, "metrics": ["road", "hit"], "baselines": ["random", "average_mask"]}
    rows = evaluate(model, views, 1, layer=layer, **options)
    assert set(rows["layer"]) == {layer}
    assert rows["image"].unique().tolist() == ["input0", "input1"]
    rows = rows[~rows["baseline"]]
    for row in range(2):
        held = OneView(model, views[1 - image][row : row + 1], layer)
        alone = dict(options, masks=masks[:1], baselines="none")
        expected = evaluate(held, views[image][row : row + 1], 1, layer=f"model.{layer}", **alone)
        of_image = rows[rows["image"] == f"input{row}"]
        np.testing.assert_allclose(of_image["value"], expected["value"], rtol=1e-5, atol=1e-6)


def test_layers_that_see_different_inputs_are_evaluated_each_over_its_own():
    rows = evaluate(
        net(), pair(), 1, layer=["lateral", "frontal"], metrics="road", baselines="none"
    )
    assert set(rows["layer"]) == {"lateral", "frontal"}
    assert rows["value"].notna().all()


def test_a_layer_that_sees_both_inputs_cannot_be_measured_by_altering_one():
    with pytest.raises(UsageError, match="'early' does not see one input alone"):
        evaluate(net("early"), pair(), 1, layer="early", metrics="road")


def test_evaluation_with_a_table_beside_the_images():
    inputs = (*pair(), torch.ones(1, 5))
    rows = evaluate(net(), inputs, 1, layer="lateral", metrics="road", baselines="none")
    assert rows["value"].notna().all()


def scans(rows: int = 2):
    """Of each image a scan of each view, with a picture of twice its size."""
    views = pair((12, 12), (16, 14), rows)
    cases = []
    for row in range(rows):
        case = []
        for view in views:
            height, width = view.shape[2:]
            display = np.full((2 * height, 2 * width), 100 + row, np.uint8)
            geometry = Geometry((2 * height, 2 * width), (height, width), (0.5, 0.5), (0.0, 0.0))
            case.append(Scan(view[row], display, geometry, f"patient{row}"))
        cases.append(tuple(case))
    return views, cases


@pytest.mark.parametrize(("layer", "image"), [("frontal", 0), ("lateral", 1)])
def test_scans_as_a_tuple_an_image(layer, image):
    views, cases = scans()
    expected = explain(net(), views, 1, layer=layer)
    for e, plain, case in zip(explain(net(), cases, 1, layer=layer), expected, cases, strict=True):
        torch.testing.assert_close(e.raw, plain.raw)
        assert e.scan.id == case[0].id
        assert e.overlay().width == case[image].display.shape[1]
    rows = evaluate(net(), cases, 1, layer=layer, metrics="road", baselines="none")
    assert rows["image"].unique().tolist() == ["patient0", "patient1"]


def test_images_with_different_numbers_of_scans_are_refused():
    _, cases = scans()
    with pytest.raises(UsageError, match="different numbers of inputs: 1, 2"):
        explain(net(), [cases[0], cases[1][:1]], 1)


def test_which_image_a_layer_saw_is_found_once():
    model, forwards = net(), []
    model.register_forward_hook(lambda *_: forwards.append(1))
    for _ in range(2):
        explain(model, pair(), 1, layer="lateral")
    # A survey, one as it is, one for each image, ten of altered strips and spots, two to explain.
    assert len(forwards) == 16
