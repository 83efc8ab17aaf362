"""What a module tells of its own output: the same for a bare module and for a card's."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from camlucida.attribution.engine import explain
from camlucida.core.errors import ModelError, ModelMismatchError
from camlucida.models.zoo.package import import_package
from tests.support import nets

INPUTS = nets.images(2, 3, 8, 8)


def package(name: str):
    try:
        return import_package(name)
    except ModelError:
        pytest.skip("the zoo extra is not installed")


def xrv_model(name: str = "densenet121-res224-rsna", scale: float = 0.02) -> nn.Module:
    """As TorchXRayVision loads it, but for the weights."""
    xrv = package("torchxrayvision")
    module = xrv.models.DenseNet(weights=None).eval()
    about = xrv.models.model_urls[name]
    module.op_threshs = torch.tensor(about["op_threshs"])
    module.targets = about["labels"]
    module.pathologies = module.targets
    with torch.no_grad():
        module.classifier.weight.mul_(0).add_(torch.linspace(-scale, scale, 18)[:, None])
    return module


def test_a_bare_torchxrayvision_model():
    module, x = xrv_model(), torch.rand(1, 1, 64, 64) * 2048 - 1024
    seen = []
    handle = module.classifier.register_forward_hook(lambda m, args, out: seen.append(out))
    with torch.no_grad():
        output = module(x)
    handle.remove()
    logit = seen[0][0, 8].item()
    (e,) = explain(module, x, "Pneumonia")
    assert e.score == pytest.approx(logit, rel=1e-4)
    assert e.probability == pytest.approx(torch.tensor(logit).sigmoid().item(), rel=1e-4)
    assert e.scaled_output == pytest.approx(output[0, 8].item(), rel=1e-4)
    assert (e.provenance["task"], e.provenance["task_from"]) == ("multilabel", "module")
    assert e.provenance["operating_points"][8] == pytest.approx(module.op_threshs[8].item())
    assert {e.target for e in explain(module, x, "all")} == {"Pneumonia", "Lung Opacity"}


@pytest.mark.parametrize("switch", ["off", "sigmoid"])
def test_a_torchxrayvision_model_whose_operating_points_are_off(switch):
    module, x = xrv_model(), torch.rand(1, 1, 64, 64) * 2048 - 1024
    (scaled,) = explain(module, x, "Pneumonia")
    module.op_threshs = None
    module.apply_sigmoid = switch == "sigmoid"
    (e,) = explain(module, x, "Pneumonia")
    assert (e.score, e.probability) == pytest.approx((scaled.score, scaled.probability))
    assert e.scaled_output is None
    assert "operating_points" not in e.provenance


def test_a_module_around_a_torchxrayvision_model_is_asked_about():
    with pytest.raises(ModelMismatchError, match=r"made by sigmoid, .*logits_from"):
        explain(nets.Wrapped(xrv_model(), lambda y: y), torch.rand(1, 1, 64, 64) * 2048, 0)


def test_a_bare_segmentation_model_and_its_card_agree():
    smp = package("segmentation_models_pytorch")
    options = {"encoder_name": "resnet18", "encoder_weights": None, "classes": 3}
    aux = {"classes": 5, "dropout": None}
    module = smp.Unet(**options, activation="sigmoid", aux_params=aux).eval()
    x = nets.images(1, 3, 32, 32)
    with torch.no_grad():
        masks, _ = module(x)
    (e,) = explain(module, x, "1")
    assert (e.provenance["task"], e.provenance["task_from"]) == ("segmentation", "module")
    assert torch.equal(e.explained.mask, masks[0, 1] > 0.5)
    (side,) = explain(module, x, 4, output=1, task="multiclass", logits_from="")
    assert side.provenance["output"] == "1"


def test_the_config_of_a_hugging_face_model():
    model = nets.Wrapped(
        nets.seeded(nets.Cnn()), lambda z: {"loss": None, "logits": z, "hidden_states": (z, z)}
    )
    names = {0: "none", 1: "mass", 2: "nodule", 3: "effusion"}
    model.config = SimpleNamespace(problem_type="multi_label_classification", id2label=names)
    (e,) = explain(model, INPUTS[:1], "mass", layer="net.features")
    with torch.no_grad():
        z = model.net(INPUTS)[0, 1]
    assert (e.score, e.probability) == (pytest.approx(z.item()), pytest.approx(z.sigmoid().item()))
    assert e.provenance["task_from"] == "module"
