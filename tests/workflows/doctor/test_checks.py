"""Each check fires on a network with its fault, and not on a sound one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from camlucida.core.messages import Message
from camlucida.core.scan import Scan
from camlucida.io.image import RawImage
from camlucida.models.card import Card, resolve_card
from camlucida.models.load import LoadedModel
from camlucida.models.preprocessing import prepare
from camlucida.workflows.doctor import CHECKS, Examination, Finding
from camlucida.workflows.doctor.job import diagnose
from tests.support.nets import seeded


class Net(nn.Module):
    """Two convolutions with batch normalisation, mean over the grid, a linear head."""

    def __init__(self, labels: int = 3) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 4, 3, 2, 1), nn.BatchNorm2d(4), nn.ReLU())
        self.features = nn.Sequential(nn.Conv2d(4, 6, 3, 2, 1), nn.ReLU())
        self.head = nn.Linear(6, labels)

    def forward(self, x):
        return self.end(self.head(self.pool(self.features(self.stem(x)))))

    def pool(self, z):
        return z.mean((2, 3))

    def end(self, logits):
        return logits


def trained(net: nn.Module, value_range: float = 1.0) -> nn.Module:
    """``net`` with weights, and with the running statistics of images up to ``value_range``."""
    seeded(net)
    for part in net.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.weight.data.fill_(1.0)
    net.train()
    tensors = torch.stack([scan.tensor for scan in scans_of(Card(factory="n.py:b", input=INPUT))])
    for _ in range(60):
        net(tensors * value_range)
    return net.eval()


INPUT = {"size": 32, "channels": 1}


def pictures(count: int = 3) -> list[np.ndarray]:
    rows, columns = np.indices((32, 32)) / 32
    noise = np.random.default_rng(0).random((count, 32, 32))
    waves = [np.sin(6 * rows * (k + 1)) * np.cos(5 * columns) for k in range(count)]
    return [(0.5 + 0.35 * wave + 0.14 * n).clip(0, 1) for wave, n in zip(waves, noise)]


def scans_of(card: Card, images: list[np.ndarray] | None = None) -> list[Scan]:
    scans = []
    for k, pixels in enumerate(pictures() if images is None else images):
        grey = pixels.astype(np.float32)
        levels = (255 * grey).astype(np.uint8)
        scans.append(prepare(RawImage(grey, levels, f"image{k}"), card.input))
    return scans


def examined(net: nn.Module, images=None, layers=("features",), checkpoint=None, **card):
    """The examination of a network."""
    stated = {"factory": "net.py:build", "task": "multilabel", "input": INPUT, **card}
    whole = resolve_card(Card.model_validate(stated), {}, "net")
    model = LoadedModel(net.eval(), whole, "net", "", checkpoint=checkpoint)
    return Examination(model, scans_of(whole, images), layers)


def findings(name: str, examination: Examination) -> list[Finding]:
    return list(CHECKS[name](examination))


def only(name: str, examination: Examination) -> Finding:
    (finding,) = findings(name, examination)
    return finding


def codes(name: str, examination: Examination) -> set[tuple[str, str]]:
    return {
        (each.severity, each.what.code.removeprefix("doctor."))
        for each in findings(name, examination)
    }


@pytest.fixture(scope="module")
def sound():
    return trained(Net())


@pytest.mark.parametrize("name", list(CHECKS))
def test_a_sound_network_has_no_fault(name, sound):
    assert all(each.severity != "fault" for each in findings(name, examined(sound)))


class AlwaysTraining(Net):
    def train(self, mode=True):
        return super().train(True)


def test_modules_in_training_mode_and_weights_that_are_no_numbers(sound):
    assert codes("state", examined(AlwaysTraining())) == {("fault", "training")}
    net = trained(Net())
    net.head.weight.data[0, 0] = float("nan")
    assert codes("state", examined(net)) == {("fault", "not_finite")}
    assert codes("state", examined(sound)) == {("ok", "evaluated")}


def test_statistics_of_batch_normalisation(sound):
    without = Net()
    without.stem[1] = nn.BatchNorm2d(4, track_running_stats=False)
    assert codes("norms", examined(without)) == {("fault", "no_statistics")}
    assert codes("norms", examined(Net())) == {("note", "untrained")}
    of_file = examined(Net(), checkpoint=Path("best.pth"))
    assert codes("norms", of_file) == {("fault", "never_updated")}
    assert codes("norms", examined(sound)) == {("ok", "statistics")}
    assert codes("norms", examined(trained(Net(), 255.0))) == {("fault", "statistics")}
    packaged = replace(examined(trained(Net(), 255.0)), packaged=True)
    assert codes("norms", packaged) == {("note", "statistics")}


class Once(Net):
    def end(self, logits):
        return logits.sigmoid()


class Twice(Net):
    def end(self, logits):
        return logits.sigmoid().sigmoid()


class SoftmaxOfSigmoid(Net):
    def end(self, logits):
        return torch.sigmoid(logits).softmax(1)


def test_probabilities_are_not_made_twice(sound):
    assert codes("output", examined(sound)) == {("ok", "logits")}
    assert codes("output", examined(trained(Once()))) == {("ok", "undone")}
    twice = only("output", examined(trained(Twice())))
    assert (twice.severity, twice.what.code) == ("fault", "doctor.twice")
    assert 0.5 <= float(twice.what.values["low"]) < float(twice.what.values["high"]) <= 0.732
    of_softmax = examined(trained(SoftmaxOfSigmoid()), task="multiclass")
    assert codes("output", of_softmax) == {("fault", "twice")}


class Squeezed(nn.Module):
    """A network whose output is brought to the range from 0 to 1."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        z = self.net(x)
        return (z - z.min()) / (z.max() - z.min())


def test_outputs_that_look_like_probabilities_and_a_task_that_nothing_states():
    net = trained(Net())
    net.head.weight.data *= 1e-3
    net.head.bias.data.fill_(0.4)
    assert codes("output", examined(net)) == {("note", "taken")}  # by chance, as those of a layer
    assert codes("output", examined(Squeezed(net), layers=("net.features",))) == {
        ("fault", "taken")
    }
    stated = examined(net, output="probabilities")
    assert codes("output", stated) == {("note", "probabilities")}
    model = replace(examined(trained(Net())).model, task_from="")
    unstated = replace(examined(trained(Net())), model=model)
    assert ("note", "guessed") in codes("output", unstated)


def test_the_range_of_the_input(sound):
    assert codes("input", examined(sound)) == {("ok", "input")}
    dark = [0.1 * picture for picture in pictures()]
    assert codes("input", examined(sound, dark)) == {("note", "narrow")}
    level = [np.full((32, 32), 0.3), *pictures()]
    assert ("fault", "constant") in codes("input", examined(sound, level))
    z_score = {**INPUT, "intensity": "z-score"}
    assert codes("input", examined(sound, input=z_score)) == {("ok", "z_score")}
    steps = [{"do": "resize", "size": [32, 32]}, {"do": "gamma", "gamma": 1, "gain": 3}]
    beyond = examined(sound, input={**INPUT, "steps": steps})
    assert codes("input", beyond) == {("fault", "outside")}


@pytest.mark.parametrize(
    ("checkpoint", "mean", "severities"),
    [(None, 0.5, []), (None, 0.0, ["fault"]), ("best.pth", 0.0, ["note"])],
)
def test_the_scale_that_a_package_trained_with(checkpoint, mean, severities):
    net = trained(Net())
    net.pretrained_cfg = {"input_size": (1, 32, 32), "mean": (0.5,), "std": (0.5,)}
    scale = {**INPUT, "mean": [mean], "std": [0.5]}
    found = findings(
        "input", examined(net, factory="timm:some_net", checkpoint=checkpoint, input=scale)
    )
    other = [each.severity for each in found if each.what.code == "doctor.other_scale"]
    assert other == severities


class Dropping(Net):
    def pool(self, z):
        return F.dropout(z, 0.5).mean((2, 3))


class Remembering(Net):
    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.zeros(()))

    def pool(self, z):
        self.mean = 0.9 * self.mean + 0.1 * z.detach().mean()
        return (z - self.mean).mean((2, 3))


class TrainingInside(Net):
    def forward(self, x):
        self.stem[1].train()
        return super().forward(x)


def test_batch_normalisation_that_forward_trains():
    trains, _ = findings("repeat", examined(trained(TrainingInside())))
    assert (trains.severity, trains.what.code) == ("fault", "doctor.trains")
    assert trains.what.values["names"] == "stem.1"


def test_two_passes(sound):
    assert codes("repeat", examined(sound)) == {("ok", "repeats")}
    assert codes("repeat", examined(trained(Dropping()))) == {("fault", "random")}
    # Which explain puts back before each pass.
    remembering = findings("repeat", examined(trained(Remembering())))
    assert [(each.severity, each.what.code) for each in remembering] == [
        ("note", "doctor.remembers"),
        ("ok", "doctor.repeats"),
    ]
    assert remembering[0].what.values["names"] == "mean"


class Centred(Net):
    def pool(self, z):
        return (z - z.mean(0, keepdim=True)).mean((2, 3))


def test_a_batch_against_its_images(sound):
    assert codes("batch", examined(sound)) == {("ok", "separate")}
    assert codes("batch", examined(trained(Centred()))) == {("fault", "mixed")}
    assert codes("batch", examined(sound, pictures(1))) == {("note", "one_image")}


def test_the_devices_are_compared_where_there_are_two(sound):
    expected = ("ok", "devices") if torch.cuda.is_available() else ("note", "one_device")
    assert codes("device", examined(sound)) == {expected}


def test_dead_labels(sound):
    assert codes("labels", examined(sound)) == {("ok", "alive")}
    net = trained(Net())
    net.head.weight.data[1] = 0
    dead = only("labels", examined(net, labels=("a", "b", "c")))
    assert (dead.severity, dead.what.values["names"]) == ("fault", "b")
    # A label without a name is stated to be untrained.
    assert codes("labels", examined(net, labels=("a", "", "c"))) == {("ok", "alive")}
    net.head.weight.data[:] = 0
    assert codes("labels", examined(net)) == {("fault", "all_dead")}


def test_the_layer_and_those_that_are_not_taken(sound):
    auto = findings("layer", examined(sound, layers=("auto",)))
    (taken,) = (each for each in auto if each.what.code == "doctor.layer")
    assert taken.what.values["layer"] == "features"
    assert taken.what.values["reason"].code == "doctor.layer_coarsest"
    (rejected,) = (each for each in auto if each.what.code == "doctor.rejected")
    assert "stem (16×16 cells, finer)" in str(rejected)
    stated = findings("layer", examined(sound, layers=("stem",)))
    assert "as requested; auto takes features" in str(stated[0])
    few = examined(sound, input={**INPUT, "size": 8})
    assert ("note", "layer_few") in codes("layer", few)


class TwoScales(Net):
    def forward(self, x):
        return super().forward(x) + super().forward(F.avg_pool2d(x, 2))


def test_a_layer_whose_earlier_calls_reach_the_score():
    found = findings("layer", examined(trained(TwoScales())))
    (note,) = (each for each in found if each.severity == "note")
    assert note.what == Message("layer.calls", {"layer": "features", "calls": 2})


def test_weights_that_nothing_was_loaded_into(sound):
    assert codes("weights", examined(sound)) == {("ok", "loaded")}
    note = Message("weights.random", {"count": 1, "total": 3, "names": "head.weight"})
    drawn = examined(sound)
    drawn = replace(drawn, model=replace(drawn.model, notes=(note,)))
    assert (only("weights", drawn).severity, only("weights", drawn).what) == ("fault", note)


class Mirrored(Net):
    def forward(self, x):
        return super().forward(x.flip(-1))


def test_a_grid_that_does_not_lie_over_the_image(sound):
    finding = only("place", examined(trained(Mirrored())))
    assert (finding.severity, finding.what.code) == ("fault", "misplaced.mirrored")
    assert codes("place", examined(sound)) == {("ok", "placed")}


def test_a_layer_before_its_relu(sound):
    before = examined(sound, layers=("features.0:pre",))
    assert codes("rectifier", before) == {("note", "before")}
    assert codes("rectifier", examined(sound, layers=("features.0",))) == {("ok", "after")}
    assert codes("rectifier", examined(sound)) == {("ok", "positive")}
    assert codes("rectifier", examined(sound, layers=("stem.1",))) == {("ok", "after")}


class Overwriting(Net):
    def pool(self, z):
        return F.relu(z.sub_(0.1)).mean((2, 3))


class OverwritingGradient(Net):
    def pool(self, z):
        y = z.sigmoid()
        y *= 2
        return y.mean((2, 3))


def test_operations_in_place(sound):
    assert codes("in_place", examined(sound)) == {("ok", "kept")}
    assert codes("in_place", examined(trained(Overwriting()))) == {("note", "changed_later")}
    overwritten = examined(trained(OverwritingGradient()))
    assert codes("in_place", overwritten) == {("note", "overwrites")}


class Detached(Net):
    def pool(self, z):
        return z.detach().mean((2, 3))


def test_a_gradient_that_is_broken_or_zero(sound):
    assert codes("gradient", examined(sound)) == {("ok", "gradient")}
    net = trained(Net())
    net.features[0].bias.data -= 100
    model = examined(net).model
    ended = diagnose(examined(trained(Detached())).model, layers=["features"])
    (broken,) = [each for each in ended.findings if "detach" in str(each)]
    assert (broken.check, broken.severity) == ("gradient", "fault")
    assert "detach" in str(broken)
    assert "take it out of forward" in str(broken)
    assert codes("gradient", replace(examined(net), model=model)) == {("fault", "no_gradient")}


def test_maps_that_are_blind_to_the_label(sound):
    assert codes("label_maps", examined(sound)) == {("ok", "specific")}
    net = trained(Net())
    net.head.weight.data[:] = net.head.weight.data[:1] * torch.tensor([[1.0], [1.5], [2.0]])
    blind = only("label_maps", examined(net))
    assert blind.severity == "fault"
    assert float(blind.what.values["correlation"]) > 0.999
    assert findings("label_maps", examined(trained(Net(1)))) == []


class Flattened(Net):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(6 * 64, 3)

    def pool(self, z):
        return z.tanh().flatten(1)


def test_methods_that_are_one(sound):
    (identical, *_) = findings("methods", examined(sound))
    assert identical.what.values["methods"] == ["gradcam", "hirescam", "xgradcam"]
    assert codes("methods", examined(trained(Flattened()))) == {("ok", "different")}


class Broken(Net):
    def pool(self, z):
        raise RuntimeError("no pool")


def test_a_network_that_cannot_run_is_one_finding():
    model = examined(Broken()).model
    faults = [each for each in diagnose(model).findings if each.severity == "fault"]
    assert len(faults) == 1
    assert "no pool" in str(faults[0])
