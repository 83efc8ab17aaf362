"""Altered inputs and altered activations.

The tail replay gives what the whole model gives, or says that it cannot.
"""

import pytest
import torch
from torch import nn

from camlucida import explain
from tests.support import nets


def whole(
    net: nn.Module,
    layer: nn.Module,
    inputs: torch.Tensor,
    altered: torch.Tensor,
    index=None,
    label=1,
) -> torch.Tensor:
    """Scores with the layer's last output replaced by a plain hook, one alteration at a time."""
    counting = []
    handle = layer.register_forward_hook(lambda *_: counting.append(1))
    with torch.no_grad():
        net(inputs)
        handle.remove()
        scores = []
        for one in altered:
            left = [len(counting)]

            def hook(module, args, output, one=one[None], left=left):
                left[0] -= 1
                if left[0]:
                    return output
                return (
                    one.clone()
                    if index is None
                    else [one if i == index else x for i, x in enumerate(output)]
                )

            handle = layer.register_forward_hook(hook)
            scores.append(net(inputs)[0, label])
            handle.remove()
    return torch.stack(scores)


def torchvision_resnet():
    net = pytest.importorskip("torchvision", reason="model zoo").models.resnet18(num_classes=3)
    return net.eval(), ["layer2", "layer3[0].conv1", "layer4[-1].bn2", "layer4"]


def torchvision_densenet():
    densenet = pytest.importorskip("torchvision", reason="model zoo").models.densenet.DenseNet
    net = densenet(growth_rate=4, block_config=(2, 2), num_init_features=8, num_classes=3)
    return net.eval(), [
        "features.denseblock1",
        "features.denseblock2.denselayer1.conv2",
        "features.norm5",
    ]


TAILS = {
    "cnn": lambda: (nets.seeded(nets.Cnn()), ["stem", "stem[0]", "features", "act"]),
    "functional glue": lambda: (nets.seeded(nets.Glue()), ["first", "left"]),
    "shared relu": lambda: (nets.seeded(nets.SharedRelu()), ["a", "b"]),
    "list": lambda: (nets.seeded(nets.ListNet()), ["encoder[1]", "encoder.fine", "encoder.coarse"]),
    "recurrent": lambda: (nets.seeded(nets.Recurrent(), scale=0.2), ["stem", "block"]),
    "resnet": torchvision_resnet,
    "densenet": torchvision_densenet,
}
CASES = [(name, layer) for name, make in TAILS.items() for layer in make()[1]]


@pytest.mark.parametrize(("name", "layer"), CASES)
@pytest.mark.parametrize("batch", [1, 3])
def test_tail_replay_is_the_whole_forward(name, layer, batch):
    torch.manual_seed(0)
    net, _ = TAILS[name]()
    inputs = (
        nets.images(batch, 3, 32, 48)
        if name in ("resnet", "densenet")
        else nets.images(batch, 3, 8, 8)
    )
    image = batch - 1
    with nets.probing(net, inputs, layer, image=image) as probe:
        altered = nets.images(5, *probe.activations.shape[1:], seed=7) + probe.activations
        path, _, index = layer.partition("[") if "encoder[" in layer else (layer, "", "")
        module = net.get_submodule(path.replace("[0]", ".0").replace("[-1]", ".1"))
        expected = whole(
            net, module, inputs[image : image + 1], altered, int(index[:-1]) if index else None
        )
        scores = probe.score_tail(altered.clone())
        assert probe.replay == "tail"
    torch.testing.assert_close(scores[0], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("net", "layer"),
    [
        (nets.Glue(), "right"),  # a sum in place on what a module answered, before the layer
        (nets.Recurrent(), "block[0]"),  # inside a block that runs several times
        (
            nets.BatchCentred(),
            "features:pre",
        ),  # the answer for one image depends on how many there are
        (nets.Noisy(), "net.features"),
    ],
    ids=["in-place sum", "recurrent", "batch-dependent", "random"],
)
def test_what_cannot_be_replayed_falls_back_to_whole_forwards(net, layer):
    net, inputs = nets.seeded(net, scale=0.2), nets.images(1, 3, 8, 8)
    (e,) = explain(net, inputs, 1, "ablationcam", layer)
    assert e.provenance["replay"] == "whole forward"
    assert not e.is_empty


@pytest.mark.parametrize(
    ("net", "layer", "inner"),
    [(nets.Glue(), "right", "right"), (nets.Recurrent(), "block[0]", "block.0")],
)
def test_whole_forward_replay_is_exact_too(net, layer, inner):
    net, inputs = nets.seeded(net, scale=0.2), nets.images(2, 3, 8, 8)
    with nets.probing(net, inputs, layer, image=1) as probe:
        altered = nets.images(3, *probe.activations.shape[1:], seed=7)
        expected = whole(net, net.get_submodule(inner), inputs[1:], altered)
        torch.testing.assert_close(probe.score_tail(altered)[0], expected, rtol=1e-4, atol=1e-5)
        assert probe.replay == "whole forward"


def test_whole_forwards_stay_within_the_batch_size():
    net, inputs = nets.seeded(nets.Noisy()), nets.images(1, 3, 8, 8)
    sizes = []
    net.register_forward_pre_hook(lambda m, args: sizes.append(len(args[0])))
    explain(net, inputs, 1, "ablationcam", "net.features", batch_size=4)
    with nets.probing(net, inputs, "net.features") as probe:  # batch size 8
        probe.score_tail(nets.images(21, *probe.activations.shape[1:]))
    assert max(sizes[:-4]) <= 4
    assert sizes[-3:] == [8, 8, 5]


def test_a_tail_that_enlarges_gets_fewer_alterations_at_once(monkeypatch):
    monkeypatch.setattr(
        "camlucida.attribution.probe.TAIL_BYTES", 4 * 16 * 16 * 4 * 20
    )  # twenty outputs of `up`, 4 × 16 × 16 floats
    net, inputs = nets.seeded(nets.UNet()), nets.images(1, 3, 16, 16)
    with nets.probing(net, inputs, "encoder[1]", 0) as probe:
        assert probe.tail_batch == 20
    with nets.probing(net, inputs, "out", 0) as probe:
        assert probe.tail_batch == 80  # one channel
    assert not any(m._forward_hooks for m in net.modules())


def test_ablation_does_not_run_what_comes_before_the_layer():
    net, inputs = nets.seeded(nets.Cnn()), nets.images(2, 3, 8, 8)
    runs = []
    explain(net, inputs, 0, "gradcam", "features")  # surveyed once
    net.stem[0].register_forward_hook(lambda *_: runs.append(1))
    explanations = explain(net, inputs, [0, 1, 2], "ablationcam", "features")
    assert {e.provenance["replay"] for e in explanations} == {"tail"}
    assert len(runs) == 1


def test_the_word_for_the_replay_stands_on_the_methods_that_replay():
    net, inputs = nets.seeded(nets.Cnn()), nets.images(1, 3, 8, 8)
    for methods in (["ablationcam", "scorecam"], ["scorecam", "ablationcam"]):
        provenance = {
            e.method: e.provenance
            for e in explain(net, inputs, 1, [*methods, "gradcam"], "features")
        }
        assert provenance["ablationcam"]["replay"] == "tail"
        assert "replay" not in provenance["scorecam"]
        assert "replay" not in provenance["gradcam"]


@pytest.mark.parametrize("layer", ["encoder[0]", "encoder[1]", "up:pre"])
def test_tail_replay_of_a_dense_output_with_skip_connections(layer):
    net, inputs = nets.seeded(nets.UNet()), nets.images(2, 3, 8, 8)
    (e, _) = explain(net, inputs, "pixel:2,2", "ablationcam", layer)
    assert e.provenance["replay"] == "tail"
    handle_of = net.encoder if "encoder" in layer else net.up
    weights = []
    for k in range(len(_output_of(net, handle_of, inputs, layer)[0])):
        weights.append(_pixel_without(net, handle_of, inputs[:1], layer, k))
    falls = (e.score - torch.tensor(weights)) / abs(e.score)
    activations = _output_of(net, handle_of, inputs, layer)[0]
    torch.testing.assert_close(
        e.raw, torch.einsum("k,kij->ij", falls, activations), rtol=1e-3, atol=1e-4
    )


def _output_of(net, module, inputs, layer):
    with torch.no_grad():
        if "encoder" in layer:
            return net.encoder(inputs)[int(layer[-2])]
        kept = []
        handle = module.register_forward_hook(lambda m, a, out: kept.append(out))
        net(inputs)
        handle.remove()
        return kept[0]


def _pixel_without(net, module, inputs, layer, channel) -> float:
    def zero(_module, _args, output):
        chosen = output[int(layer[-2])] if "encoder" in layer else output
        chosen = chosen.clone()
        chosen[:, channel] = 0
        return (
            [chosen if i == int(layer[-2]) else x for i, x in enumerate(output)]
            if "encoder" in layer
            else chosen
        )

    handle = module.register_forward_hook(zero)
    with torch.no_grad():
        value = float(net(inputs)[0, 0, 2, 2])
    handle.remove()
    return value


def test_tail_replay_of_tokens_keeps_the_prefix():
    vit = pytest.importorskip(
        "timm", reason="model zoo"
    ).models.vision_transformer.VisionTransformer
    net = vit(
        img_size=32, patch_size=8, embed_dim=12, depth=2, num_heads=2, num_classes=3, reg_tokens=1
    )
    net, inputs = nets.seeded(net, scale=0.2), nets.images(2, 3, 32, 32)
    with nets.probing(net, inputs, "blocks.1.norm1", image=1) as probe:
        altered = nets.images(3, *probe.activations.shape[1:], seed=7)
        scores = probe.score_tail(altered)
        assert probe.replay == "tail"
        expected = []
        for one in altered:

            def hook(module, args, output, one=one):
                return torch.cat([output[:, :2], one.flatten(1).T[None]], 1)

            handle = net.blocks[1].norm1.register_forward_hook(hook)
            expected.append(net(inputs[1:])[0, 1])
            handle.remove()
    torch.testing.assert_close(scores[0], torch.stack(expected), rtol=1e-4, atol=1e-5)


def test_scores_of_altered_inputs_do_not_depend_on_the_batch_size():
    net, inputs = nets.seeded(nets.Cnn()), nets.images(1, 3, 8, 8)
    altered = nets.images(11, 3, 8, 8, seed=5)
    with nets.probing(net, inputs, "features") as probe:
        torch.testing.assert_close(probe.score(altered)[0], net(altered)[:, 1])
        torch.testing.assert_close(probe.score(inputs), probe.scores[:, None])
        assert probe.replay == ""  # nothing was replayed


@pytest.mark.parametrize("method", ["scorecam", "ablationcam"])
def test_further_inputs_stay_with_their_image(method):
    net = nets.seeded(nets.TwoInputs())
    both = nets.images(3, 3, 8, 8), nets.images(3, 2, seed=4)
    together = explain(net, both, 1, method, "features")
    for i, e in enumerate(together):
        (alone,) = explain(net, (both[0][i : i + 1], both[1][i : i + 1]), 1, method, "features")
        torch.testing.assert_close(e.raw, alone.raw, rtol=1e-4, atol=1e-5)
