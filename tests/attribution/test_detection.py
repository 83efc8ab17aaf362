"""Boxes of detectors: the detector's own, followed through altered images, drawn where they are."""

import numpy as np
import pytest
import torch

from camlucida import explain, load_model
from camlucida.core.errors import EmptyRegionError, LayerError, UnknownTargetError
from camlucida.models.detectors import FollowedBoxes, detect, prepare
from tests.support import nets
from tests.support.detectors import KINDS, detector

# 80 × 120 becomes 64 × 96, or less, and is padded to multiples of 32.
SIZE = (80, 110)


@pytest.fixture(scope="module", params=KINDS)
def net(request):
    return detector(request.param)


@pytest.fixture(scope="module")
def images():
    return nets.images(2, 3, *SIZE).sigmoid()


def test_boxes_are_those_of_the_detector(net, images):
    with torch.no_grad():
        expected = net([images[0]])[0]
    found = explain(net, images[:1], "all", labels=["none", "nodule", "effusion"])
    assert len(found) == len(expected["boxes"]) > 2
    boxes = torch.tensor([e.detection.box for e in found])
    torch.testing.assert_close(boxes, expected["boxes"], rtol=1e-4, atol=1e-3)
    assert [e.detection.label for e in found] == expected["labels"].tolist()
    scores = torch.tensor([e.probability for e in found])
    torch.testing.assert_close(scores, expected["scores"])


def test_the_score_is_the_class_logit_of_the_box(net, images):
    """Whose sigmoid is the detector's score in RetinaNet alone."""
    image = prepare(net, images[0])
    origins, boxes = detect(net, image)
    followed = FollowedBoxes(net, image.size, origins, [box.label for box in boxes])
    with torch.no_grad():
        logits = followed(image.tensor)
        both = followed(image.tensor.expand(2, -1, -1, -1))
    torch.testing.assert_close(both[1:], logits, rtol=1e-4, atol=1e-4)
    if type(net).__name__ == "RetinaNet":
        scores = torch.tensor([[box.score for box in boxes]])
        torch.testing.assert_close(logits.sigmoid(), scores)
    (e,) = explain(net, images[:1], "box:2")
    assert e.score == pytest.approx(float(logits[0, 1]), rel=1e-4)


def test_a_box_is_followed_in_an_altered_image(net, images):
    """By its number in the first pass: in the other image other boxes are found."""
    image, other = prepare(net, images[0]), prepare(net, images[1])
    origins, boxes = detect(net, image)
    followed = FollowedBoxes(net, image.size, origins[:1], [boxes[0].label])
    with torch.no_grad():
        there = followed(other.tensor)
    assert there.shape == (1, 1)
    for method in ("scorecam", "hirescam"):
        (e,) = explain(net, images[:1], "box:1", method)
        assert torch.isfinite(e.raw).all()
        assert e.raw.any()


def test_auto_is_the_feature_map_that_the_box_comes_from(net, images):
    names = list(net.backbone(prepare(net, images[0]).tensor))
    for e in explain(net, images[:1], "all"):
        if isinstance(net.backbone, torch.nn.Sequential):
            assert e.layer == "backbone"
        else:
            assert e.layer == f"backbone[{names.index(e.detection.level)}]"


def test_a_batch_gives_the_maps_of_its_images(net, images):
    both = explain(net, images, "box:1", "hirescam")
    (second,) = explain(net, images[1:], "box:1", "hirescam")
    torch.testing.assert_close(both[1].raw, second.raw, rtol=1e-3, atol=1e-5)
    assert both[1].detection.box == pytest.approx(second.detection.box, abs=1e-3)


def test_the_detector_is_left_as_it_was():
    net = detector("faster_rcnn").train()
    weights = {key: value.clone() for key, value in net.state_dict().items()}
    explain(net, nets.images(1, 3, *SIZE).sigmoid(), "box:1")
    assert all(module.training for module in net.modules())
    assert all(parameter.requires_grad for parameter in net.parameters())
    assert all(torch.equal(weights[key], value) for key, value in net.state_dict().items())
    assert not any(module._forward_hooks for module in net.modules())


def test_the_map_comes_back_through_resizing_and_padding():
    """What is bright at one end of the image is bright there in the map, too."""
    net = detector("retinanet")
    image = torch.zeros(1, 3, *SIZE)
    image[..., 88:] = 1
    (e,) = explain(net, image, "box:1", "eigencam", "backbone.body.stem")
    assert e.scan.geometry.model == (64, 96)
    assert e.scan.geometry.original == SIZE
    columns = e.on_original().abs().mean(0)
    assert abs(float(columns.diff().abs().argmax()) - 88) < 8


def test_targets():
    net, image = detector("retinanet"), nets.images(1, 3, *SIZE).sigmoid()
    labels = ["none", "nodule", "effusion"]
    assert [e.target.rpartition(" ")[2] for e in explain(net, image, None)] == ["1", "2", "3"]
    wanted = ["box:3", "top1", "box:3"]
    assert [e.target[-1] for e in explain(net, image, wanted, labels=labels)] == ["3", "1"]
    every = explain(net, image, "all", labels=labels)
    nodules = [e for e in every if e.detection.label == 1]
    (best,) = explain(net, image, "nodule", labels=labels)
    (by_number,) = explain(net, image, 1, labels=labels)
    assert best.target == by_number.target == nodules[0].target == f"nodule, {best.target[8:]}"
    assert best.spec.kind == "label"


def test_what_is_not_there():
    image = nets.images(1, 3, *SIZE).sigmoid()
    with pytest.raises(EmptyRegionError, match="finds no box above its own score threshold"):
        explain(detector("retinanet", threshold=1.0), image)
    net = detector("retinanet")
    with pytest.raises(EmptyRegionError, match=r"there is no box 9: the detector finds \d"):
        explain(net, image, "box:9")
    with pytest.raises(UnknownTargetError, match=r"unknown class 'nodul' \(did you mean nodule"):
        explain(net, image, "nodul", labels=["none", "nodule", "effusion"])
    with pytest.raises(LayerError, match="no layer"):
        explain(net, image, "box:1", layer="layer4")
    pool, flat = torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()
    classifier = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 3), pool, flat)
    with pytest.raises(UnknownTargetError, match="is for detectors"):
        explain(classifier, image, "box:1")


def test_the_box_is_drawn_into_the_overlay():
    net = detector("retinanet")
    image = torch.full((1, 3, 160, 220), 0.5)
    image[..., :80, :] = 0.2
    (e,) = explain(net, image, "box:1")
    left, top, right, bottom = e.detection.box
    picture = np.asarray(e.overlay().convert("L"), float)[:160]
    row = np.clip(round((top + bottom) / 2), 1, 158)
    column = int(np.clip(round(left), 0, 219))
    near = picture[row - 8 : row + 8, max(column - 2, 0) : column + 3]
    assert near.min() < 20  # the dark line under the dashes
    assert 0 <= left < right <= 220


def test_a_card_of_torchvision(tmp_path):
    card = tmp_path / "card.toml"
    card.write_text(
        'factory = "torchvision:fasterrcnn_mobilenet_v3_large_320_fpn"\n'
        "args = { pretrained = false, num_classes = 3, box_score_thresh = 0.0 }\n"
        'labels = ["none", "nodule", "effusion"]\n'
    )
    spec = load_model(card, device="cpu").card.input
    assert (spec.height_width, spec.fit, spec.mean) == ((320, 320), "pad", None)
