"""Folders of Hugging Face, written here: nothing is downloaded, and no other code is run."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from camlucida import explain, load_model
from camlucida.core.errors import ModelError, UsageError
from camlucida.models import Card, InputSpec
from camlucida.models.checkpoint import load_checkpoint
from camlucida.models.factory import build, build_unset
from tests.support import huggingface as hf
from tests.support import nets

# The layer that a reader of each architecture expects: of a class token's model the input of the
# last attention, behind which only that token counts; else the last feature map.
LAYERS = {
    "vit": ("vit.layers.1.layernorm_before", (4, 4)),
    "deit": ("deit.layers.1.layernorm_before", (4, 4)),
    "dinov2_registers": ("dinov2_with_registers.layernorm", (4, 4)),  # its head takes the mean too
    "swin": ("swin.layernorm", (8, 8)),
    "convnext": ("convnext.encoder", (2, 2)),
    "resnet": ("resnet.encoder", (2, 2)),
}


@pytest.fixture(scope="module")
def processor():
    return hf.transformers().ViTImageProcessor(size={"height": 64, "width": 64})


@pytest.fixture(scope="module")
def vit(tmp_path_factory, processor):
    torch.manual_seed(0)
    network = hf.build(*hf.CLASSIFIERS["vit"])
    return hf.save(tmp_path_factory.mktemp("hf") / "vit", network, processor)


def failure(folder, **card):
    with pytest.raises(ModelError) as error:
        load_model(Card(factory=f"hf:{folder}", **card), device="cpu")
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("name", hf.CLASSIFIERS)
def test_a_classifier(name, tmp_path, processor):
    """Same output as the network that was saved, its labels, and the layer one expects."""
    torch.manual_seed(0)
    network = hf.build(*hf.CLASSIFIERS[name])
    model = load_model(f"hf:{hf.save(tmp_path, network, processor)}", device="cpu")
    images = nets.images(2, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(model.module(images).logits, network(images).logits)
    assert model.card.labels == ("healthy", "nodule", "effusion")
    assert model.card.input.height_width == (64, 64)
    both = explain(model, images, "nodule", "hirescam")
    assert (both[0].layer, both[0].grid) == LAYERS[name]
    assert both[0].raw.any()
    for i, e in enumerate(both):
        (single,) = explain(model, images[i : i + 1], "nodule", "hirescam")
        torch.testing.assert_close(single.raw, e.raw, rtol=1e-3, atol=1e-5)


def test_a_segmenter(tmp_path):
    torch.manual_seed(0)
    processor = hf.transformers().SegformerImageProcessor(size={"height": 64, "width": 64})
    folder = hf.save(tmp_path, hf.build(*hf.SEGMENTER), processor)
    model = load_model(f"hf:{folder}", device="cpu")
    assert model.output_spec.task == "segmentation"
    (e,) = explain(model, nets.images(1, 3, 64, 64), "region:nodule")
    assert e.target.startswith("nodule")
    assert e.grid == (2, 2)


def test_the_image_processor_is_the_cards_preprocessing(vit):
    spec = load_model(f"hf:{vit}", device="cpu").card.input
    assert (spec.mean, spec.std) == ((0.5,) * 3, (0.5,) * 3)
    assert (spec.resize, spec.rounding, spec.fit) == ("antialias", "8-bit", "stretch")


def test_the_problem_of_the_configuration_is_the_task(tmp_path, processor):
    architecture, config = hf.CLASSIFIERS["resnet"]
    network = hf.build(architecture, {**config, "problem_type": "multi_label_classification"})
    model = load_model(f"hf:{hf.save(tmp_path, network, processor)}", device="cpu")
    assert (model.output_spec.task, model.task_from) == ("multilabel", "module")


def test_a_folder_is_relative_to_the_card(vit, monkeypatch, tmp_path):
    (vit.parent / "card.toml").write_text('factory = "hf:vit"\ntask = "multilabel"')
    monkeypatch.chdir(tmp_path)
    assert load_model(vit.parent / "card.toml", device="cpu").card.task == "multilabel"
    monkeypatch.chdir(vit.parent)
    assert load_model("hf:vit", device="cpu").name == "hf:vit"


def test_what_the_card_states_wins(vit):
    card = Card(factory=f"hf:{vit}", input=InputSpec(mean=(0, 0, 0), std=(1, 1, 1)))
    spec = load_model(card, device="cpu").card.input
    assert (spec.mean, spec.resize) == ((0, 0, 0), "antialias")


def test_a_checkpoint_in_place_of_the_folders_weights(vit, tmp_path):
    torch.manual_seed(1)
    architecture, config = hf.CLASSIFIERS["vit"]
    other = hf.build(architecture, {**config, "id2label": {0: "no", 1: "yes"}, "label2id": None})
    torch.save(other.state_dict(), tmp_path / "other.pth")
    card = Card(factory=f"hf:{vit}", checkpoint=str(tmp_path / "other.pth"))
    model = load_model(card, device="cpu")
    images = nets.images(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(model.module(images).logits, other(images).logits)
    assert model.card.labels == ()  # the folder's are of three outputs


@pytest.mark.parametrize("name", ["swin", "dinov2_registers"])
def test_a_network_built_for_a_checkpoint_keeps_what_no_file_holds(name, tmp_path):
    """Indices of positions and the like, which are computed, not loaded."""
    torch.manual_seed(0)
    network = hf.build(*hf.CLASSIFIERS[name])
    folder = hf.save(tmp_path, network)
    bare = build_unset(f"hf:{folder}", {}, tmp_path)
    torch.save(network.state_dict(), tmp_path / "last.pth")
    load_checkpoint(bare, tmp_path / "last.pth")
    images = nets.images(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(bare.eval()(images).logits, network(images).logits)


def test_a_folder_without_the_prefix_is_told_of_it(vit):
    with pytest.raises(UsageError, match=r"not a model card .one of Hugging Face is named hf:"):
        load_model(vit, device="cpu")


class TestRefused:
    def test_no_such_folder(self, tmp_path):
        assert "there is no such folder" in failure(tmp_path / "nothing")
        assert "there is no such folder" in failure("vitt")
        assert "has no config.json" in failure(tmp_path)

    def test_a_network_without_a_head_would_get_a_random_one(self, tmp_path, processor):
        _, config = hf.CLASSIFIERS["vit"]
        hf.save(tmp_path, hf.build("ViTModel", config), processor)
        assert "is a ViTModel, neither an image classifier nor" in failure(tmp_path)
        stated = json.loads((tmp_path / "config.json").read_text())
        stated["architectures"] = ["ViTForImageClassification"]
        (tmp_path / "config.json").write_text(json.dumps(stated))
        message = failure(tmp_path)
        assert "holds no fitting weights for classifier.bias and 1 more" in message

    def test_another_number_of_labels(self, vit):
        message = failure(vit, args={"num_labels": 5})
        assert "holds no fitting weights for classifier.bias and 1 more" in message

    def test_an_argument_that_nothing_reads(self, vit):
        assert "args.nums is no value of a ViTConfig" in failure(vit, args={"nums": 5})

    def test_without_an_image_processor_the_scale_is_not_known(self, tmp_path):
        hf.save(tmp_path, hf.build(*hf.CLASSIFIERS["vit"]))
        assert "has no preprocessor_config.json" in failure(tmp_path)
        card = Card(factory=f"hf:{tmp_path}", input=InputSpec(range=(-1, 1)))
        assert load_model(card, device="cpu").card.input.height_width == (64, 64)

    def test_code_of_a_repository(self, tmp_path):
        """Neither imported nor called, whatever the configuration asks for."""
        (tmp_path / "net.py").write_text("raise SystemExit('run')")
        stated = {"model_type": "mine", "auto_map": {"AutoConfig": "net.Config"}}
        (tmp_path / "config.json").write_text(json.dumps(stated))
        assert "trust_remote_code" in failure(tmp_path) or "custom code" in failure(tmp_path)

    def test_a_stated_key_cannot_change_a_list_of_steps(self, tmp_path):
        processor = hf.transformers().MobileNetV2ImageProcessor()
        hf.save(tmp_path, hf.build(*hf.CLASSIFIERS["resnet"]), processor)
        card = Card(factory=f"hf:{tmp_path}", input=InputSpec(size=96))
        with pytest.raises(UsageError, match=r"list of steps, which input\.size cannot change"):
            load_model(card, device="cpu")


def test_an_unknown_repository_is_one_line_without_a_connection(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ModelError) as error:
        build("hf:nobody/nothing", {}, tmp_path, pretrained=False)
    assert "\n" not in str(error.value)


def test_a_network_of_blue_before_red(tmp_path):
    """A film in colour reaches MobileViT as its own processor hands it over."""
    torch.manual_seed(0)
    sizes = {"size": {"shortest_edge": 72}, "crop_size": {"height": 64, "width": 64}}
    processor = hf.transformers().MobileViTImageProcessor(**sizes)
    small = {"hidden_sizes": [8, 12, 16], "neck_hidden_sizes": [4, 4, 8, 8, 12, 16, 16]}
    config = {**small, "num_attention_heads": 2, "image_size": 64, **hf.names()}
    network = hf.build("MobileViTForImageClassification", config)
    model = load_model(f"hf:{hf.save(tmp_path / 'm', network, processor)}", device="cpu")
    levels = np.random.default_rng(0).integers(0, 256, (9, 12, 3), np.uint8)
    levels = levels.repeat(8, 0).repeat(8, 1)
    levels[..., 0] //= 4
    Image.fromarray(levels).save(tmp_path / "a.png")
    scan = model.read(tmp_path / "a.png")
    expected = processor(levels, return_tensors="pt")["pixel_values"][0]
    torch.testing.assert_close(scan.tensor, expected, atol=0.01, rtol=0)
    assert float(scan.tensor[2].mean()) < 0.2 < float(scan.tensor[0].mean())
    (e,) = explain(model, scan, "nodule")
    assert e.grid == (2, 2)
