"""The rungs of the ladder as methods: how much of the model's map they hold."""

import torch

from camlucida.attribution.engine import explain
from camlucida.attribution.methods import METHODS
from camlucida.workflows.benchmark.changing_maps import rung_methods
from camlucida.workflows.benchmark.meta import BLEND, BLUR, RUNGS
from tests.support.nets import Cnn, images, seeded


def scaled(heat):
    return heat / heat.max()


def test_the_rungs_are_methods_for_a_while():
    before = list(METHODS)
    with rung_methods() as names:
        assert names == RUNGS
        assert list(METHODS) == [*before, *RUNGS]
    assert list(METHODS) == before


def test_they_hold_more_and_more_of_the_map_of_the_model():
    net, films = seeded(Cnn()), images(2, 3, 24, 24, seed=3)
    with rung_methods() as names:
        methods = ["gradcam", *names]
        found = explain(net, films, target="1", method=methods, layer="features")
    maps = {(e.scan.id, e.method): e.map(e.grid) for e in found}
    first, second = dict.fromkeys(image for image, _ in maps)
    for image in (first, second):
        own = scaled(maps[image, "gradcam"])
        assert torch.allclose(maps[image, BLEND[-1]], own, atol=1e-5)
        half = (maps[image, BLEND[0]] + own) / 2
        assert torch.allclose(maps[image, "blend 0.5"], half, atol=1e-5)
        assert maps[image, BLUR[0]].max() < own.max()
    # The random map is another one for each image.
    assert not torch.allclose(maps[first, BLEND[0]], maps[second, BLEND[0]])
