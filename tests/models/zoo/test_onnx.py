"""ONNX files: the numbers of the network that was exported, or a line that says why not."""

import warnings

import pytest
import torch
from torch import nn

from camlucida import explain, load_model
from camlucida.core.errors import ModelError
from camlucida.models import Card, InputSpec
from camlucida.models.zoo import onnx
from tests.support import nets
from tests.support.onnx_files import Net, write


@pytest.fixture(scope="module")
def net():
    return Net().eval()


def loaded(path):
    return load_model(path, device="cpu")


def failure(path, **card):
    with pytest.raises(ModelError) as error:
        load_model(Card(factory=f"onnx:{path}", **card), device="cpu")
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("channels_last", [False, True])
def test_the_same_map_as_of_the_network(net, tmp_path, channels_last):
    path = write(tmp_path / "net.onnx", net, channels_last=channels_last)
    images = nets.images(2, 3, 24, 32)
    model = loaded(path)
    with torch.no_grad():
        torch.testing.assert_close(model.module(images), net(images))
    ours = explain(model, images, 1, "hirescam")
    theirs = explain(net, images, 1, "hirescam", "second")
    for e, expected in zip(ours, theirs, strict=True):
        assert e.layer.endswith("relu2")
        assert e.grid == (6, 8)
        torch.testing.assert_close(e.raw, expected.raw, rtol=1e-4, atol=1e-6)


def test_what_is_recorded_and_what_the_file_leaves_open(net, tmp_path):
    path = write(tmp_path / "net.onnx", net, (24, 32))
    model = loaded(path)
    assert [note.code for note in model.notes] == ["onnx.converted", "onnx.scale"]
    assert 0 <= model.notes[0].values["difference"] < 1e-5
    assert model.card.input.height_width == (24, 32)
    card = Card(factory=f"onnx:{path}", input=InputSpec(range=(-1, 1)))
    stated = load_model(card, device="cpu")
    assert [note.code for note in stated.notes] == ["onnx.converted"]
    assert len(stated.sha256) == 64


def test_a_sigmoid_in_the_file_is_undone(net, tmp_path):
    path = write(tmp_path / "net.onnx", net, sigmoid=True)
    images = nets.images(1, 3, 24, 32)
    (e,) = explain(loaded(path), images, 1)
    with torch.no_grad():
        assert e.score == pytest.approx(float(net(images)[0, 1]), rel=1e-4)
    assert e.provenance["task"] == "multilabel"


def test_one_channel(tmp_path):
    path = write(tmp_path / "grey.onnx", Net(channels=1))
    assert loaded(path).card.input.channels == 1


def test_a_file_is_relative_to_its_card(net, tmp_path, monkeypatch):
    write(tmp_path / "net.onnx", net)
    (tmp_path / "card.toml").write_text('factory = "onnx:net.onnx"\nlabels = ["a", "b", "c"]')
    assert loaded(tmp_path / "card.toml").card.labels == ("a", "b", "c")
    monkeypatch.chdir(tmp_path)
    assert loaded("net.onnx").card.factory == "onnx:net.onnx"


class TestRefused:
    def test_a_conversion_that_changes_numbers(self, net, tmp_path, monkeypatch):
        path = write(tmp_path / "net.onnx", net)
        import onnx2torch

        class Wrong(nn.Module):
            def __init__(self):
                super().__init__()
                self.net = net

            def forward(self, x):
                return self.net(x) * 1.01

        monkeypatch.setattr(onnx2torch, "convert", lambda model: torch.fx.symbolic_trace(Wrong()))
        message = failure(path)
        assert "differs from ONNX Runtime by" in message
        monkeypatch.setattr(onnx, "TOLERANCE", 0.1)
        assert load_model(Card(factory=f"onnx:{path}"), device="cpu").notes

    def test_two_inputs(self, net, tmp_path):
        path = write(tmp_path / "net.onnx", net, twice=True)
        assert "has 2 inputs (image, age), not one of images" in failure(path)

    def test_no_file_and_no_other_weights(self, net, tmp_path):
        assert "there is no file" in failure(tmp_path / "net.onnx")
        path = write(tmp_path / "net.onnx", net)
        assert "args cannot change them" in failure(path, args={"num_classes": 3})

    def test_no_onnx(self, tmp_path):
        path = tmp_path / "net.onnx"
        path.write_bytes(b"not a model")
        assert "net.onnx is damaged, or no ONNX file" in failure(path)


def test_a_layer_norm_behind_a_reshape_by_computed_sizes(tmp_path):
    """As in Swin, PVT and Mixer with an open batch: the file does not state the norm's axes."""
    torch.manual_seed(0)

    class Tokens(nn.Module):
        def __init__(self):
            super().__init__()
            self.patches, self.norm = nn.Conv2d(3, 6, 8, 8), nn.LayerNorm(6)
            self.head = nn.Linear(6, 3)

        def forward(self, x):
            x = self.patches(x)
            batch, channels, height, width = x.shape
            x = x.permute(0, 2, 3, 1).reshape(batch, height * width, channels)
            return self.head(self.norm(x).square().mean(1))

    net, path, images = Tokens().eval(), tmp_path / "tokens.onnx", nets.images(2, 3, 32, 32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter is deprecated, and its files remain
        axes = {"image": {0: "n", 2: "h", 3: "w"}}
        options = {"dynamo": False, "opset_version": 17, "input_names": ["image"]}
        torch.onnx.export(net, images, str(path), dynamic_axes=axes, **options)
        model = loaded(path)
        (first, _) = explain(model, images, 1, "hirescam", "norm/LayerNormalization")
    expected = explain(net, images, 1, "hirescam", "norm")[0]
    assert first.grid == (4, 4)
    torch.testing.assert_close(first.raw, expected.raw, rtol=1e-4, atol=1e-6)
