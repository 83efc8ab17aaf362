"""Layer names, the list of layers, and what ``auto`` takes."""

import pytest
import torch
from torch import nn

from camlucida import evaluate, explain, list_layers
from camlucida.attribution.capture import capture
from camlucida.core.errors import LayerError, ModelError, UsageError
from camlucida.models.families.base import one_stride
from camlucida.models.layers import LayerRef, parse_path, resolve
from camlucida.models.state import frozen
from tests.support import nets

NET = nn.Sequential(
    nn.Conv2d(3, 4, 3),
    nn.Sequential(nn.ReLU(), nn.ModuleList([nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1)])),
)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("0", "0"),
        ("[0]", "0"),
        ("1.0", "1.0"),
        ("[-1][-1][0]", "1.1.0"),
        ("1[1].1", "1.1.1"),
        ("1[1][-1]", "1.1.1"),
    ],
)
def test_paths_and_indices(text, path):
    assert parse_path(NET, text) == LayerRef(path)


@pytest.mark.parametrize(
    "text", ["layer5", "1[1][2]", "1[-3]", "0[1].weight", "", "a[b]", "[0", "1.[[0]]"]
)
def test_a_path_that_leads_nowhere(text):
    with pytest.raises(LayerError):
        parse_path(NET, text)


class Holder(nn.Module):
    """A network under another name, as training modules hold it."""

    def __init__(self, **parts: nn.Module) -> None:
        super().__init__()
        for name, part in parts.items():
            setattr(self, name, part)
        self.first = next(iter(parts))

    def forward(self, x):
        return getattr(self, self.first)(x)


@pytest.mark.parametrize("text", ["features", "module.features", "_orig_mod.features"])
@pytest.mark.parametrize("prefix", ["", "model.", "module.model.", "self.model.", "net."])
def test_wrappers_at_the_beginning_of_a_path_do_not_count(text, prefix):
    assert parse_path(nets.Cnn(), prefix + text) == LayerRef("features")
    held = Holder(model=nets.Cnn())
    assert parse_path(held, prefix + text) == LayerRef("model.features")
    assert parse_path(Holder(net=held), prefix + text) == LayerRef("net.model.features")
    assert parse_path(Holder(model=nets.UNet()), "encoder[1]") == LayerRef("model.encoder", 1)


def test_a_wrapper_of_that_name_is_itself():
    held = Holder(model=nets.Cnn())
    assert parse_path(held, "model") == LayerRef("model")
    assert parse_path(held, "model.features") == LayerRef("model.features")
    with pytest.raises(LayerError, match=r"more than once .*net\.features"):
        parse_path(Holder(model=nets.Cnn(), net=nets.Cnn()), "features")
    with pytest.raises(LayerError, match=r"no layer 'student.features'"):
        parse_path(held, "student.features")


def test_layers_are_given_as_modules_too():
    net, images = nets.seeded(nets.Cnn()), nets.images(1, 3, 8, 8)
    by_name = explain(net, images, 1, layer=["stem", "features"])
    by_module = explain(net, images, 1, layer=[net.stem, net.features])
    (parallel,) = explain(nn.DataParallel(net), images, 1, layer=net.features)
    assert [e.layer for e in by_module] == ["stem", "features"]
    assert parallel.layer == "features"
    for one, other in zip(by_module, by_name):
        torch.testing.assert_close(one.raw, other.raw)
    table = evaluate(net, images, 1, layer=net.features, metrics="gini", baselines=())
    assert set(table["layer"]) == {"features"}
    assert set(evaluate(net, images, 1, layer="module.features", metrics="gini")["layer"]) == {
        "features"
    }
    with pytest.raises(LayerError, match="type Conv2d that was given is no part of the model"):
        explain(net, images, 1, layer=nn.Conv2d(1, 1, 1))
    with pytest.raises(LayerError, match="is the model itself"):
        explain(net, images, 1, layer=net)
    with pytest.raises(UsageError, match="neither a name nor a module"):
        explain(net, images, 1, layer=4)


def test_a_near_miss_is_named():
    with pytest.raises(LayerError, match="did you mean features"):
        parse_path(nets.Cnn(), "feature")


def test_an_index_behind_a_plain_module_means_its_outputs():
    assert parse_path(nets.UNet(), "encoder[1]") == LayerRef("encoder", 1)
    assert str(LayerRef("encoder", 1)) == "encoder[1]"


def test_alias_of_a_path_is_a_path():
    assert resolve(nets.Cnn(), "features") == LayerRef("features")
    assert resolve(nets.Cnn(), "auto") is None  # found by running


def test_list_in_order_of_completion():
    net = nets.seeded(nets.Cnn(final=nn.Sigmoid()))
    found = list_layers(net, nets.images(2, 3, 12, 10))
    assert [info.path for info in found] == [
        "stem.0",
        "stem.1",
        "stem",
        "features",
        "act",
        "head",
        "final",
    ]
    stem = found[2]
    assert (stem.type, stem.shape, stem.grid, stem.stride, stem.calls) == (
        "Sequential",
        (2, 5, 6, 5),
        (6, 5),
        (2, 2),
        1,
    )
    assert found[-1].grid == found[-1].stride == ()
    assert [info.path for info in found if info.auto] == ["act"]


def test_list_leaves_the_model_alone():
    net = nets.seeded(nets.Cnn()).train()
    list_layers(net, nets.images(1, 3, 8, 8))
    assert net.training
    assert not any(m._forward_hooks for m in net.modules())
    assert all(p.requires_grad for p in net.parameters())


def test_list_sees_through_data_parallel():
    net = nets.seeded(nets.Cnn())
    assert list_layers(nn.DataParallel(net), nets.images(1, 3, 8, 8)) == list_layers(
        net, nets.images(1, 3, 8, 8)
    )


class ClassMap(nn.Module):
    """Dense like DeepLab.

    The classifier's own map, at the stride of the features, is enlarged at the end.
    """

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Conv2d(3, 5, 3, stride=2, padding=1)
        self.classifier = nn.Conv2d(5, 2, 1)

    def forward(self, x):
        return nn.functional.interpolate(self.classifier(self.features(x).relu()), scale_factor=2)


class Pyramid(nn.Module):
    """Dense like UPerNet: features, and the same pooled to fixed sizes and enlarged again."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Conv2d(3, 4, 3, stride=2, padding=1)
        self.pooled = nn.ModuleList(
            nn.Sequential(nn.AdaptiveAvgPool2d(size), nn.Conv2d(4, 4, 1)) for size in (1, 2, 3)
        )
        self.bottleneck, self.classifier = nn.Conv2d(16, 5, 1), nn.Conv2d(5, 2, 1)

    def forward(self, x):
        x = self.features(x).relu()
        size = x.shape[2:]
        levels = [nn.functional.interpolate(pool(x), size) for pool in self.pooled]
        x = self.bottleneck(torch.cat([x, *levels], 1))
        return nn.functional.interpolate(self.classifier(x), scale_factor=2)


UNKNOWN = {
    "cnn": (nets.Cnn(), (3, 12, 10), "act"),
    "1-D": (nets.Cnn(rank=1), (3, 12), "act"),
    "3-D": (nets.Cnn(rank=3), (3, 6, 8, 4), "act"),
    "glue": (nets.Glue(), (3, 8, 8), "last"),
    "shared relu": (nets.SharedRelu(), (3, 8, 8), "relu"),
    "recurrent": (nets.Recurrent(), (3, 8, 8), "block"),
    "list": (nets.ListNet(), (3, 8, 8), "encoder.coarse"),
    "head only": (nets.Head(3), (3, 5, 5), "features"),
    "dense": (nets.UNet(), (3, 8, 8), "encoder.coarse"),
    "dense with pooled levels": (Pyramid(), (3, 16, 24), "bottleneck"),
    "dense with sigmoid": (nets.UNet(final=nn.Sigmoid()), (3, 8, 8), "encoder.coarse"),
    "channels last": (nets.ChannelsLast(), (3, 8, 8), "mix"),
    "frozen backbone": (nets.FrozenBackbone(), (3, 8, 8), "backbone"),
    "class map at the coarsest grid": (
        nets.Wrapped(ClassMap(), lambda x: x),
        (3, 8, 8),
        "net.features",
    ),
    "tuple of one": (nets.Wrapped(nets.Cnn(), lambda x: (x,)), (3, 8, 8), "net.act"),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_auto_on_an_unknown_model(name):
    """The same layer in the list, found, remembered, and asked together with its own name."""
    net, size, path = UNKNOWN[name]
    net, inputs = nets.seeded(net), nets.images(2, *size)
    target = "pixel:1,1" if "dense" in name else 0
    (marked,) = [info for info in list_layers(net, inputs) if info.auto]
    assert marked.path == path
    assert explain(net, inputs, target)[0].layer == path
    assert explain(net, inputs, target)[0].layer == path
    assert explain(net, inputs, target, layer=[path, "auto"])[1].layer == path


@pytest.mark.parametrize("others", [["act"], ["features"], ["stem"], ["stem[0]", "act"]])
def test_auto_does_not_depend_on_what_else_is_asked(others):
    inputs = nets.images(1, 3, 12, 10)
    for order in ([*others, "auto"], ["auto", *others]):
        net = nets.seeded(nets.Cnn())
        found = explain(net, inputs, 1, "hirescam", order)
        auto = found[order.index("auto")]
        assert auto.layer == "act"
        assert net.calls == 2 + 10 * len({e.layer for e in found})  # survey; strips, spots
        torch.testing.assert_close(
            auto.raw, explain(nets.seeded(nets.Cnn()), inputs, 1, "hirescam")[0].raw
        )
        for name, e in zip(order, found):
            if name != "auto":
                torch.testing.assert_close(e.raw, explain(net, inputs, 1, "hirescam", name)[0].raw)


class Deep(nn.Sequential):
    """Named like a ResNet, with a last stage that is 1 × 1 on a small input."""

    def __init__(self) -> None:
        super().__init__()
        for i in range(1, 5):
            self.add_module(f"layer{i}", nn.Conv2d(3, 3, 3, stride=2, padding=1))
        self.append(nn.AdaptiveAvgPool2d(1)).append(nn.Flatten()).append(nn.Linear(3, 2))


def test_auto_does_not_depend_on_earlier_calls():
    """A small image leaves layer4 one cell.

    A large one explained afterwards is explained at layer4 all the same.
    """
    net = nets.seeded(Deep())
    assert explain(net, nets.images(1, 3, 16, 16), 0)[0].layer == "layer3"
    assert explain(net, nets.images(1, 3, 64, 64), 0)[0].layer == "layer4"
    assert explain(net, nets.images(1, 3, 16, 16), 0)[0].layer == "layer3"


def test_auto_falls_back_when_the_name_of_a_family_deceives():
    net = nets.seeded(nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Sequential()))
    for i in range(1, 5):
        net[2].add_module(f"layer{i}", nn.Linear(4 * 36 if i == 1 else 3, 3))
    nets.seeded(net)
    assert explain(net, nets.images(1, 3, 8, 8), 0)[0].layer == "0"


@pytest.mark.parametrize(
    ("grid", "size", "fits"),
    [
        ((7, 7), (224, 224), True),
        ((3, 3), (65, 96), True),  # rounded up
        ((2, 3), (65, 96), True),  # rounded down
        ((54, 86), (64, 96), True),  # five convolutions without padding
        ((12, 16), (100, 130), True),
        ((1, 2), (32, 64), True),
        ((5,), (20,), True),
        ((2, 3, 4), (16, 24, 32), True),
        ((7, 288), (224, 224), False),  # channels last
        ((257, 64), (224, 224), False),  # tokens × features of a head
        ((64, 281), (224, 320), False),
        ((1, 197), (224, 224), False),
        ((4, 1), (240, 240), False),
    ],
)
def test_a_grid_has_one_stride(grid, size, fits):
    assert one_stride(grid, size) is fits


def test_channels_last_is_turned_and_attention_is_no_grid():
    net, inputs = nets.seeded(nets.ChannelsLast()), nets.images(2, 3, 8, 12)
    assert {info.path: info.grid for info in list_layers(net, inputs)} == {
        "patch": (4, 6),
        "mix": (4, 6),
        "keys": (),
        "attention": (),
        "head": (4, 6),  # of each token, before the mean
    }
    (e, _) = explain(net, inputs, 1, "hirescam")
    torch.testing.assert_close(e.raw, explain(net, inputs, 1, "hirescam", "mix")[0].raw)
    with torch.no_grad():
        mixed = net.mix(net.patch(inputs[:1]).movedim(1, -1))
    with frozen(net):
        seen = capture(net, (inputs,), ["mix"]).layers[0].activations
    torch.testing.assert_close(seen[:1], mixed.movedim(-1, 1))
    with pytest.raises(LayerError, match="has no spatial grid"):
        explain(net, inputs, 1, layer="keys")


def test_attention_of_a_square_image_is_no_grid():
    """It is as wide as high, as the image is."""
    net, inputs = nets.seeded(nets.ChannelsLast()), nets.images(1, 3, 8, 8)
    grids = {info.path: info.grid for info in list_layers(net, inputs)}
    assert grids["attention"] == ()
    assert explain(net, inputs, 1)[0].layer == "mix"


def test_a_forward_that_fails_is_one_line():
    with pytest.raises(ModelError, match=r"cannot run on inputs of shape \(1, 1, 8, 8\)"):
        list_layers(nets.Cnn(), nets.images(1, 1, 8, 8))


def test_auto_is_found_by_one_more_forward_and_remembered():
    net, inputs = nets.seeded(nets.Cnn()), nets.images(1, 3, 12, 10)
    with frozen(net):
        first, second = (capture(net, (inputs,), ["auto"]) for _ in range(2))
    assert net.calls == 3 + 10  # the survey, and strips and spots, once
    assert str(first.layers[0].ref) == str(second.layers[0].ref) == "act"
    assert torch.equal(first.layers[0].activations, second.layers[0].activations)
