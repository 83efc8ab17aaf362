"""Models that mix, sort or share out the images of a batch: each image's map is its own."""

import pytest
import torch
from torch import nn

import camlucida as cl
from tests.support import nets


class Plain(nn.Module):
    """Convolutions, the mean over places, and a linear head."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Conv2d(1, 4, 3, 2, 1), nn.ReLU(), nn.Conv2d(4, 6, 3, 2, 1))
        self.head = nn.Linear(6, 2)

    def features(self, x):
        return self.encoder(x)

    def forward(self, x):
        return self.head(self.features(x).relu().mean((2, 3)))


class Sorts(Plain):
    """The images run in order of their brightness; scores are put back in order."""

    def forward(self, x):
        order = x.mean((1, 2, 3)).argsort()
        return super().forward(x[order])[order.argsort()]


class Reverses(Plain):
    def forward(self, x):
        return super().forward(x.flip(0)).flip(0)


class Routes(Plain):
    """Bright images go to one expert, dark ones to another."""

    def __init__(self) -> None:
        super().__init__()
        self.experts = nn.ModuleList(nn.Conv2d(6, 6, 3, padding=1) for _ in range(2))

    def features(self, x):
        maps = self.encoder(x)
        bright = x.mean((1, 2, 3)) > 0.5
        made = torch.zeros_like(maps)
        for expert, rows in zip(self.experts, (~bright, bright)):
            if rows.any():
                made[rows] = expert(maps[rows])
        return made


class Normalises(Plain):
    """A batch norm without running statistics takes those of the batch also in evaluation mode."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder.append(nn.BatchNorm2d(6, track_running_stats=False))


class Centres(Plain):
    """Scores count from the mean of the batch."""

    def forward(self, x):
        scores = super().forward(x)
        return scores - 0.5 * scores.mean(0)


class Draws(Plain):
    """A dropout that stays on."""

    def forward(self, x):
        return self.head(nn.functional.dropout(self.features(x).relu().mean((2, 3)), 0.5, True))


MIXED = [Sorts, Reverses, Routes, Normalises, Centres]


@pytest.fixture
def images():
    torch.manual_seed(0)
    return torch.rand(4, 1, 24, 32) * torch.tensor([1.6, 0.4, 1.8, 0.6]).view(4, 1, 1, 1)


@pytest.mark.parametrize("method", ["gradcam", "eigencam", "ablationcam", "occlusion"])
@pytest.mark.parametrize("network", MIXED)
def test_a_map_is_that_of_the_image_alone(network, method, images):
    model = nets.seeded(network())
    together = cl.explain(model, images, 0, method)
    for image, explanation in zip(images, together):
        (alone,) = cl.explain(model, image[None], 0, method)
        assert explanation.score == pytest.approx(alone.score, abs=1e-5)
        assert explanation.layer == alone.layer
        torch.testing.assert_close(explanation.raw, alone.raw, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("network", [Plain, Sorts, Reverses])
def test_a_map_lies_where_its_image_is_bright(network, images):
    model = nets.seeded(network())
    images = 0.1 * images
    columns = (3, 11, 19, 27)
    for image, column in zip(images, columns):
        image[..., column - 3 : column + 3] += 5
    for explanation, column in zip(cl.explain(model, images, 0, "eigencam"), columns):
        assert int(explanation.raw.abs().sum(0).argmax()) == pytest.approx(column / 4, abs=1)


def test_an_image_is_explained_at_the_expert_that_sees_it(images):
    explanations = cl.explain(nets.seeded(Routes()), images, 0)
    assert [each.layer for each in explanations] == [f"experts.{i}" for i in (1, 0, 1, 0)]


@pytest.mark.parametrize("network", MIXED)
def test_scores_that_depend_on_the_batch_are_said(network, images):
    notes = [each.scan.warnings for each in cl.explain(nets.seeded(network()), images, 0)]
    said = [any(note.code == "mixed_batch.output" for note in of_image) for of_image in notes]
    assert said == 4 * [network in (Normalises, Centres)]


@pytest.mark.parametrize("network", [Plain, Draws])
def test_others_are_explained_in_one_pass(network, images):
    model = nets.seeded(network())
    cl.explain(model, images, 0)
    sizes = []
    model.encoder.register_forward_pre_hook(lambda module, args: sizes.append(len(args[0])))
    cl.explain(model, images, 0)
    assert sizes == [4]
