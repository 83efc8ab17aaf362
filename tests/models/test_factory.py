"""Factories: the user's own file, and the four packages of models, without any download."""

import os
import sys
import warnings
from pathlib import Path

import pytest
import torch
from torch import nn

from camlucida.core.errors import ModelError
from camlucida.models.checkpoint import load_checkpoint
from camlucida.models.factory import build, build_unset, defaults
from camlucida.models.unset import UnsetParameters

NET = """
from torch import nn

def build(num_classes=2):
    return nn.Linear(3, num_classes)

class Net(nn.Linear):
    def __init__(self):
        super().__init__(3, 2)

size = 3
"""


def failure(factory, base, args=None, pretrained=False):
    with pytest.raises(ModelError) as error:
        build(factory, args or {}, base, pretrained)
    assert "\n" not in str(error.value)
    return str(error.value)


def made(factory, args=None, **facts):
    """A zoo model without weights, and what is known of it."""
    args = args or {}
    module = build(factory, args, None, pretrained=False)
    return module, defaults(factory, args, False, module)


class TestTheUsersOwnFile:
    @pytest.fixture
    def net(self, tmp_path):
        (tmp_path / "net.py").write_text(NET)
        return tmp_path

    def test_a_function_and_a_class(self, net):
        assert build("net.py:build", {"num_classes": 7}, net, True).out_features == 7
        assert type(build("net.py:Net", {}, net, False)).__name__ == "Net"

    def test_an_edited_file_is_read_again(self, net):
        build("net.py:build", {}, net, False)
        (net / "net.py").write_text(
            NET.replace("nn.Linear(3, num_classes)", "nn.Linear(33, num_classes)")
        )
        assert build("net.py:build", {}, net, False).in_features == 33

    def test_siblings_are_imported_and_do_not_stay(self, tmp_path):
        for name, width in (("one", 1), ("two", 2)):
            folder = tmp_path / name
            (folder / "parts").mkdir(parents=True)
            (folder / "parts" / "head.py").write_text(f"WIDTH = {width}")
            (folder / "model.py").write_text("from torch import nn\nfrom parts.head import WIDTH\n")
            (folder / "net.py").write_text(
                "def build():\n    from model import WIDTH, nn\n    return nn.Linear(WIDTH, 2)"
            )
        before = list(sys.path)
        stranger = sys.modules["model"] = type(sys)("model")  # as TorchXRayVision leaves one behind
        try:
            assert build("net.py:build", {}, tmp_path / "one", False).in_features == 1
            assert build("net.py:build", {}, tmp_path / "two", False).in_features == 2
            assert sys.modules["model"] is stranger
            assert "parts" not in sys.modules
            assert sys.path == before
        finally:
            del sys.modules["model"]

    def test_what_is_printed_goes_to_stderr(self, net, capsys):
        (net / "net.py").write_text("print('hello')\n" + NET)
        build("net.py:build", {}, net, False)
        assert capsys.readouterr() == ("", "hello\n")

    def test_missing_file(self, net):
        assert "does not exist (did you mean net.py?)" in failure("nett.py:build", net)
        assert "does not exist (none are known)" in failure("net.py:build", net / "nowhere")

    def test_missing_name(self, net):
        assert failure("net.py:biuld", net) == "net.py has no 'biuld' (did you mean build?)"
        assert "net.py has a int, not a callable, 'size'" in failure("net.py:size", net)

    def test_not_a_module(self, net):
        (net / "net.py").write_text("def build():\n    return {'weights': 1}")
        assert failure("net.py:build", net).startswith(
            "net.py:build returned a dict, not a torch.nn.Module"
        )

    def test_an_error_inside(self, net):
        (net / "net.py").write_text(
            "def build(n=0):\n    return inner(n)\n\ndef inner(n):\n    return 1 / n\n"
        )
        message = failure("net.py:build", net, {"n": 0})
        assert (
            message == "net.py:build failed with n = 0: "
            "ZeroDivisionError: division by zero (net.py, line 5)"
        )
        assert "unexpected keyword argument 'm'" in failure("net.py:build", net, {"m": 1})

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("def build(:", "net.py cannot be imported: SyntaxError: "),
            ("def build(:", "(net.py, line 1)"),
            (
                "x = 1\nimport no_such_package",
                "ModuleNotFoundError: No module named 'no_such_package' (net.py, line 2)",
            ),
            (
                "import sys\nsys.exit(3)",
                "net.py cannot be imported: SystemExit: 3 (net.py, line 2)",
            ),
            (
                "import broken",
                "SyntaxError: invalid syntax (broken.py, line 2) (broken.py, line 2)",
            ),
            ("raise ValueError()", "net.py cannot be imported: ValueError (net.py, line 1)"),
        ],
    )
    def test_an_error_at_import(self, net, text, expected):
        (net / "net.py").write_text(text)
        (net / "broken.py").write_text("x = 1\nx =")
        assert expected in failure("net.py:build", net)

    def test_labels_on_the_module(self, net):
        module = build("net.py:build", {}, net, False)
        assert defaults("net.py:build", {}, True, module) == {}
        module.pathologies = ["A", "B"]
        assert defaults("net.py:build", {}, True, module) == {"labels": ("A", "B")}
        module.labels = ("X", "Y")
        assert defaults("net.py:build", {}, True, module) == {"labels": ("X", "Y")}
        module.labels = torch.zeros(2)
        assert defaults("net.py:build", {}, True, module) == {"labels": ("A", "B")}


def test_an_installed_package(tmp_path):
    assert isinstance(build("torch.nn:Identity", {}, tmp_path, False), nn.Identity)
    assert "torch.nn has no 'Identty' (did you mean Identity?)" in failure(
        "torch.nn:Identty", tmp_path
    )
    message = failure("torchvison:resnet18", tmp_path)
    assert (
        message == "there is no package 'torchvison' (did you mean torchvision or torchxrayvision?)"
    )
    assert "a file of your own is written net.py:build" in failure(
        "no_such.package:build", tmp_path
    )


@pytest.mark.parametrize("prefix", ["torchvision", "timm", "smp", "torchxrayvision"])
def test_a_missing_extra_names_the_command(prefix, tmp_path, monkeypatch):
    package = {"smp": "segmentation_models_pytorch"}.get(prefix, prefix)
    for name in [key for key in sys.modules if key.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Absent(package), *sys.meta_path])
    assert (
        failure(f"{prefix}:any", tmp_path)
        == f'{package} is not installed (pip install "camlucida[zoo]")'
    )


class Absent:
    """An import hook that makes one package look uninstalled."""

    def __init__(self, package):
        self.package = package

    def find_spec(self, name, path=None, target=None):
        if name == self.package:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


class TestTorchvision:
    @pytest.fixture(autouse=True)
    def _needs(self):
        pytest.importorskip("torchvision", reason="the zoo extra is not installed")

    def test_a_model_for_a_checkpoint(self):
        module, known = made("torchvision:squeezenet1_1", {"num_classes": 3})
        assert module(torch.zeros(1, 3, 64, 64)).shape == (1, 3)
        assert (known["task"], known["output"], "labels" in known) == (
            "multiclass",
            "logits",
            False,
        )
        assert known["input"] == {
            "size": 224,
            "mean": (0.485, 0.456, 0.406),
            "std": (0.229, 0.224, 0.225),
        }

    def test_named_weights_give_labels_and_crop_without_a_download(self):
        _, known = made("torchvision:resnet18", {"weights": "IMAGENET1K_V1"})
        assert len(known["labels"]) == 1000
        assert known["labels"][285] == "Egyptian cat"
        assert known["input"]["fit"] == "center-crop"
        assert known["input"]["crop"] == 224 / 256
        assert (
            "labels"
            not in made("torchvision:resnet18", {"weights": "IMAGENET1K_V1", "num_classes": 2})[1]
        )

    def test_weights_that_cannot_be_fetched(self, tmp_path, monkeypatch):
        def offline(*args, **kwargs):
            raise OSError("no network")

        monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", offline)
        message = failure("torchvision:squeezenet1_1", tmp_path, pretrained=True)
        assert message.startswith(
            "torchvision:squeezenet1_1 cannot be built: OSError: no network (give checkpoint = … "
        )

    def test_random_weights_on_request(self, tmp_path):
        build("torchvision:squeezenet1_1", {"pretrained": False}, tmp_path, pretrained=True)

    def test_a_segmentation_model_downloads_no_backbone(self):
        _, known = made("torchvision:lraspp_mobilenet_v3_large", {"num_classes": 2})
        assert known["task"] == "segmentation"

    def test_names(self, tmp_path):
        assert "torchvision has no model 'resnet81' (did you mean resnet" in failure(
            "torchvision:resnet81", tmp_path
        )
        message = failure("torchvision:resnet18", tmp_path, {"weights": "IMAGENET_V1"})
        assert (
            "torchvision:resnet18 has no weights 'IMAGENET_V1' (did you mean IMAGENET1K_V1?)"
            in message
        )
        assert "cannot be built with depth = 3: TypeError" in failure(
            "torchvision:resnet18", tmp_path, {"depth": 3}
        )


class TestTimm:
    @pytest.fixture(autouse=True)
    def _needs(self):
        pytest.importorskip("timm", reason="the zoo extra is not installed")

    def test_a_model_for_a_checkpoint(self):
        module, known = made("timm:test_resnet.r160_in1k", {"num_classes": 4})
        assert module(torch.zeros(1, 3, 64, 64)).shape == (1, 4)
        assert (known["task"], known["output"]) == ("multiclass", "logits")
        config = module.pretrained_cfg
        assert known["input"] == {
            "size": (160, 160),
            "channels": 3,
            "mean": config["mean"],
            "std": config["std"],
        }

    def test_pretrained_adds_the_crop(self):
        module = build("timm:test_resnet.r160_in1k", {"pretrained": False}, None, True)
        known = defaults("timm:test_resnet.r160_in1k", {}, True, module)
        assert known["input"]["crop"] == module.pretrained_cfg["crop_pct"]

    def test_another_number_of_channels_has_no_known_scale(self):
        _, known = made("timm:test_resnet", {"in_chans": 1})
        assert known["input"] == {"size": (160, 160), "channels": 1}

    def test_a_random_head_is_refused(self, tmp_path, monkeypatch):
        import timm

        create = timm.create_model
        monkeypatch.setattr(
            timm, "create_model", lambda name, pretrained, **args: create(name, **args)
        )
        message = failure("timm:test_resnet", tmp_path, {"num_classes": 3}, pretrained=True)
        assert message.startswith(
            "timm:test_resnet is trained for 1000 classes: with 3 its head would be random (give "
        )

    def test_names(self, tmp_path):
        assert "timm has no model 'efficientnet_b00' (did you mean efficientnet_b0" in failure(
            "timm:efficientnet_b00", tmp_path
        )
        assert "Invalid pretrained tag (nope)" in failure("timm:resnet18.nope", tmp_path)


class TestSmp:
    @pytest.fixture(autouse=True)
    def _needs(self):
        pytest.importorskip("segmentation_models_pytorch", reason="the zoo extra is not installed")

    def test_a_model_for_a_checkpoint(self):
        module, known = made("smp:Unet", {"encoder_name": "resnet18", "classes": 2})
        assert module.eval()(torch.zeros(1, 3, 32, 32)).shape == (1, 2, 32, 32)
        assert known["task"] == "segmentation"
        assert known["input"]["mean"] == (0.485, 0.456, 0.406)

    def test_an_activation_makes_probabilities(self):
        args = {"encoder_name": "resnet18", "classes": 1, "activation": "sigmoid", "in_channels": 1}
        module, known = made("smp:Unet", args)
        assert (known["output"], known["logits_from"]) == ("probabilities", "segmentation_head.1")
        assert known["input"] == {"channels": 1}
        seen = []
        module.get_submodule(known["logits_from"]).register_forward_hook(
            lambda m, i, out: seen.append(out)
        )
        output = module.eval()(torch.randn(1, 1, 32, 32))
        assert torch.equal(output, seen[0].sigmoid())

    def test_names_and_missing_decoder(self, tmp_path):
        message = failure("smp:UnetPlusPlu", tmp_path)
        assert (
            "segmentation-models-pytorch has no model 'UnetPlusPlu' (did you mean UnetPlusPlus"
            in message
        )
        assert "smp:Unet comes without a trained decoder (give checkpoint" in failure(
            "smp:Unet", tmp_path, None, True
        )


class TestTorchXRayVision:
    @pytest.fixture(autouse=True)
    def _needs(self):
        with warnings.catch_warnings():  # its import replaces the process's warning filters
            pytest.importorskip("torchxrayvision", reason="the zoo extra is not installed")

    @pytest.fixture
    def xrv(self):
        return sys.modules["torchxrayvision"]

    def test_the_import_leaves_warnings_and_path_alone(self, monkeypatch):
        before = list(warnings.filters), list(sys.path)
        for name in [
            key for key in sys.modules if key.partition(".")[0] in ("torchxrayvision", "model")
        ]:
            monkeypatch.delitem(sys.modules, name)
        made("torchxrayvision:densenet121-res224-all")
        assert (list(warnings.filters), list(sys.path)) == before

    def test_densenet(self, capsys):
        module, known = made("torchxrayvision:densenet121-res224-rsna")
        # Operating points were measured with the released weights, which are not these.
        assert module.op_threshs is None
        assert (known["task"], known["output"]) == ("multilabel", "logits")
        assert [label for label in known["labels"] if label] == ["Pneumonia", "Lung Opacity"]
        assert known["labels"][8] == "Pneumonia"
        assert known["input"] == {
            "size": 224,
            "channels": 1,
            "range": (-1024, 1024),
            "fit": "center-crop",
            "resize": "antialias",
        }
        with torch.no_grad():
            output = module.eval()(
                torch.zeros(1, 1, 224, 224)
            )  # a constant image: its range check would print
        assert capsys.readouterr().out == ""
        assert output.shape == (1, 18)

    def test_densenet_of_ones_own(self):
        args = {"num_classes": 3, "in_channels": 3}
        module, known = made("torchxrayvision:densenet121-res224-all", args)
        assert module.classifier.out_features == 3
        assert (known["output"], "labels" in known, known["input"]["channels"]) == (
            "logits",
            False,
            3,
        )
        known = made(
            "torchxrayvision:densenet121-res224-all", {"num_classes": 3, "apply_sigmoid": True}
        )[1]
        assert (known["output"], known["logits_from"]) == ("probabilities", "classifier")

    def test_resnet(self):
        module, known = made("torchxrayvision:resnet50-res512-all")
        assert (known["output"], module.op_threshs) == ("logits", None)
        assert known["input"]["size"] == 512
        # Named "Lung Lesion" by the package, and without an operating point: not trained.
        assert known["labels"][14] == ""
        assert known["labels"][8] == "Pneumonia"
        with torch.no_grad():
            output = module.eval()(torch.rand(1, 1, 512, 512) * 2048 - 1024)
        assert output.shape == (1, 18)

    def test_jfhealthcare_gives_logits(self, capsys):
        module, known = made("torchxrayvision:jfhealthcare")
        assert known["output"] == "logits"
        assert "logits_from" not in known
        assert known["labels"] == (
            "Cardiomegaly",
            "Edema",
            "Consolidation",
            "Atelectasis",
            "Effusion",
        )
        assert known["input"]["size"] == 512
        with torch.no_grad():
            assert module.eval()(torch.zeros(1, 1, 512, 512)).shape == (1, 5)
        assert capsys.readouterr().out == ""

    @pytest.mark.parametrize(
        ("factory", "inner"),
        [
            ("torchxrayvision:densenet121-res224-all", ""),
            ("torchxrayvision:resnet50-res512-all", "model"),
            ("torchxrayvision:jfhealthcare", "model"),
        ],
    )
    def test_a_checkpoint_in_the_layout_of_the_released_file(self, factory, inner, tmp_path):
        trained, fresh = made(factory)[0], made(factory)[0]
        state = trained.get_submodule(inner).state_dict()
        state.pop("op_threshs", None)  # the files have none
        torch.save(state, tmp_path / "released.pth")
        load_checkpoint(fresh, tmp_path / "released.pth")
        for (key, value), other in zip(trained.named_parameters(), fresh.parameters()):
            assert torch.equal(value, other), key

    def test_the_package_loads_its_own_file_by_name(self, xrv, tmp_path, capsys):
        name = "densenet121-res224-pc"
        trained = xrv.models.DenseNet(weights=None)
        file = xrv.models.model_urls[name]["weights_url"].rpartition("/")[2]
        torch.save(
            trained, tmp_path / file
        )  # the package's files are whole models, which only it opens
        module = build(
            f"torchxrayvision:{name}", {"cache_dir": str(tmp_path)}, tmp_path, pretrained=True
        )
        assert torch.equal(module.classifier.weight, trained.classifier.weight)
        known = defaults(f"torchxrayvision:{name}", {}, True, module)
        assert (known["labels"][0], known["labels"][14], known["output"]) == (
            "Atelectasis",
            "",
            "probabilities",
        )
        assert capsys.readouterr().out == ""

    @pytest.mark.parametrize(
        ("name", "file"),
        [
            (
                "densenet121-res224-nih",
                "nih-densenet121-d121-tw-lr001-rot45-tr15-sc15-seed0-best.pt",
            ),
            ("resnet50-res512-all", "pc-nih-rsna-siim-vin-resnet50-test512-e400-state.pt"),
        ],
    )
    def test_no_network(self, xrv, name, file, tmp_path, monkeypatch):
        def offline(url, filename):
            raise OSError("no network")

        monkeypatch.setattr(xrv.utils, "download", offline)
        message = failure(
            f"torchxrayvision:{name}", tmp_path, {"cache_dir": str(tmp_path)}, pretrained=True
        )
        assert message == (
            f"torchxrayvision:{name}: its weights {file} could not be fetched: OSError: no network "
            f"(put {file} into {tmp_path}, or give checkpoint = … in the card)"
        )

    def test_jfhealthcare_by_name(self, xrv, tmp_path, monkeypatch):
        trained = made("torchxrayvision:jfhealthcare")[0]

        def offline(url, filename):
            raise OSError("no network")

        monkeypatch.setattr(xrv.utils, "get_cache_dir", lambda: f"{tmp_path}/cache/")
        monkeypatch.setattr(xrv.utils, "download", offline)
        message = failure("torchxrayvision:jfhealthcare", tmp_path, pretrained=True)
        file = "baseline_models_jfhealthcare-DenseNet121_pre_train.pth"
        assert (
            f"its weights {file} could not be fetched: OSError: no network (put {file} into "
            f"{tmp_path}/cache" in message
        )

        requested = []
        monkeypatch.setattr(
            xrv.utils,
            "download",
            lambda url, to: (requested.append(url), torch.save(trained.model.state_dict(), to)),
        )
        module = build(
            "torchxrayvision:jfhealthcare", {"apply_sigmoid": True}, tmp_path, pretrained=True
        )
        assert requested == [
            f"https://github.com/mlmed/torchxrayvision/releases/download/v1/{file}"
        ]
        assert torch.equal(module.model.fc_0.weight, trained.model.fc_0.weight)
        assert (
            defaults("torchxrayvision:jfhealthcare", {}, True, module)["output"] == "probabilities"
        )

    def test_a_users_factory_that_returns_one(self, tmp_path, capsys):
        before = list(warnings.filters)
        top = "import warnings\nimport torchxrayvision as xrv\nwarnings.simplefilter('ignore')\n"
        (tmp_path / "net.py").write_text(
            top + "def build():\n    return xrv.models.DenseNet(num_classes=2)\n"
        )
        module = build("net.py:build", {}, tmp_path, False)
        known = defaults("net.py:build", {}, False, module)
        assert (known["output"], known["input"]["range"], "labels" in known) == (
            "logits",
            (-1024, 1024),
            False,
        )
        assert list(warnings.filters) == before
        with torch.no_grad():
            module.eval()(torch.zeros(1, 1, 64, 64))
        assert capsys.readouterr().out == ""

    def test_names(self, tmp_path):
        message = failure("torchxrayvision:densenet121-res224-mimic", tmp_path)
        assert (
            "torchxrayvision has no model 'densenet121-res224-mimic' (did you mean "
            "densenet121-res224-mimic_" in message
        )


@pytest.mark.parametrize("factory", ["torchvision:resnet18", "timm:vit_tiny_patch16_224"])
def test_parameters_that_a_file_holds_are_not_drawn(factory):
    net = build_unset(factory, {}, Path())
    weights = [parameter for parameter in net.parameters() if parameter.ndim > 1]
    assert weights
    assert not any(bool(weight.any()) for weight in weights)
    drawn = build(factory, {}, Path(), pretrained=False)
    assert net.state_dict().keys() == drawn.state_dict().keys()


def test_random_numbers_of_users_and_of_buffers_are_drawn(tmp_path):
    (tmp_path / "net.py").write_text(
        "import torch\n"
        "def build():\n"
        "    net = torch.nn.Linear(2, 1)\n"
        "    net.register_buffer('noise', torch.empty(4).normal_(), persistent=False)\n"
        "    return net\n"
    )
    net = build_unset("net.py:build", {}, tmp_path)
    assert net.weight.any()
    with UnsetParameters():
        net = build("net.py:build", {}, tmp_path, pretrained=False)
    assert not net.weight.any()
    assert net.noise.all()


def test_a_file_that_changes_within_a_second_is_read_again(tmp_path):
    """A stored compilation of the earlier text would have the second and the size of the later."""
    path, found = tmp_path / "net.py", []
    for outputs in (2, 3):
        path.write_text(
            f"from torch import nn\n\ndef build():\n    return nn.Linear(1, {outputs})\n"
        )
        os.utime(path, (1e9, 1e9))
        found.append(build("net.py:build", {}, tmp_path, False).out_features)
    assert found == [2, 3]
    assert not list(tmp_path.rglob("*.pyc"))
