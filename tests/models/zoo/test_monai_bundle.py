"""MONAI bundles, made by MONAI's own API: read as data, refused where code would have to run."""

import json
import warnings

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

import camlucida as cl
from camlucida.core.errors import CamlucidaError, ModelError
from camlucida.io.monai_bundle import read_bundle, states_volumes
from camlucida.models import load_model
from tests.support.volumes import write_nifti

monai = pytest.importorskip("monai")

NETWORK = {
    "_target_": "UNet",
    "spatial_dims": 3,
    "in_channels": 1,
    "out_channels": "@classes",
    "channels": [2, 4],
    "strides": [2],
}
FLAT = {**NETWORK, "spatial_dims": 2, "in_channels": 3}
STEPS = [
    {"_target_": "LoadImaged", "keys": "image"},
    {"_target_": "EnsureChannelFirstd", "keys": "image"},
    {"_target_": "Orientationd", "keys": "image", "axcodes": "RAS"},
    {"_target_": "Spacingd", "keys": "image", "pixdim": [2, 2, 2], "mode": "bilinear"},
    {
        "_target_": "ScaleIntensityRanged",
        "keys": "image",
        **{"a_min": -50, "a_max": 50, "b_min": 0, "b_max": 1, "clip": True},
    },
]
METADATA = {
    "version": "0.1.0",
    "network_data_format": {
        "inputs": {"image": {"num_channels": 1, "spatial_shape": [16, 16, 8]}},
        "outputs": {
            "pred": {"format": "segmentation", "channel_def": {"0": "background", "1": "spleen"}}
        },
    },
}


def bundle(folder, network=NETWORK, steps=STEPS, metadata=METADATA, **config):
    """A bundle with the weights of its own network, built by MONAI's parser."""
    from monai.bundle import ConfigParser

    (folder / "configs").mkdir(parents=True)
    (folder / "models").mkdir()
    content = {
        "classes": 2,
        "network_def": network,
        "preprocessing": {"_target_": "Compose", "transforms": steps},
        "inferer": {"_target_": "SlidingWindowInferer", "roi_size": [16, 16, 8]},
        **config,
    }
    (folder / "configs" / "inference.json").write_text(json.dumps(content))
    (folder / "configs" / "metadata.json").write_text(json.dumps(metadata))
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        flat = CLASSIFIER if network == CLASSIFIER else FLAT
        own = flat if network.get("spatial_dims") == 2 else NETWORK
        parser = ConfigParser({**content, "network_def": own})
        net = parser.get_parsed_content("network_def").eval()
    torch.save(net.state_dict(), folder / "models" / "model.pt")
    return net


def failure(folder, **parts):
    bundle(folder, **parts)
    with pytest.raises(ModelError) as raised:
        load_model(f"monai:{folder}", device="cpu")
    return str(raised.value)


def test_a_bundle_in_yaml_is_that_in_json(tmp_path):
    bundle(tmp_path / "spleen")
    configs = tmp_path / "spleen" / "configs"
    in_json = read_bundle(tmp_path / "spleen")
    for name in ("inference", "metadata"):
        content = json.loads((configs / f"{name}.json").read_text())
        (configs / f"{name}.yaml").write_text(yaml.safe_dump(content))
        (configs / f"{name}.json").unlink()
    assert read_bundle(tmp_path / "spleen") == in_json
    (configs / "inference.yaml").write_text("a: !!python/object/apply:os.getcwd []")
    with pytest.raises(ModelError, match="cannot be read"):
        read_bundle(tmp_path / "spleen")


def test_a_bundle_is_its_network_with_labels_and_preprocessing(tmp_path):
    net = bundle(tmp_path / "spleen")
    model = load_model(f"monai:{tmp_path / 'spleen'}", device="cpu")
    volume = torch.rand(1, 1, 16, 16, 8)
    assert torch.equal(model.module(volume), net(volume))
    card = model.card
    assert (card.task, card.labels) == ("segmentation", ("background", "spleen"))
    assert (card.volume.orientation, card.volume.window) == ("RAS", (-50, 50))
    assert (card.volume.spacing, card.volume.voxels) == ((2, 2, 2), (16, 16, 8))
    assert [note.code for note in model.notes] == ["bundle.window"]
    assert states_volumes(tmp_path / "spleen")
    path = write_nifti(tmp_path / "a.nii", np.random.default_rng(0).random((20, 20, 10)) * 40)
    (explanation,) = cl.explain(model, model.read(path), target="region:spleen")
    assert len(explanation.grid) == 3


def test_the_input_is_that_of_monais_own_steps(tmp_path):
    from monai.transforms import (
        Compose,
        EnsureChannelFirst,
        LoadImage,
        Orientation,
        ScaleIntensityRange,
    )

    steps = [STEPS[0], STEPS[1], STEPS[2], STEPS[4]]
    bundle(tmp_path / "b", steps=steps, inferer={"roi_size": [20, 20, 10]})
    model = load_model(f"monai:{tmp_path / 'b'}", device="cpu")
    values = np.random.default_rng(0).normal(0, 40, (20, 20, 10)).astype(np.float32)
    path = write_nifti(tmp_path / "a.nii", values)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        own = Compose(
            [
                LoadImage(image_only=True),
                EnsureChannelFirst(),
                Orientation(axcodes="RAS"),
                ScaleIntensityRange(-50, 50, 0, 1, clip=True),
            ]
        )(path)
    assert torch.allclose(model.read(path).tensor, torch.as_tensor(np.asarray(own)), atol=1e-6)


def test_code_of_a_bundle_is_never_run(tmp_path):
    own = failure(tmp_path / "a", network={**NETWORK, "_target_": "scripts.net.Net"})
    assert "scripts.net.Net is code of the bundle, which is not run" in own
    counted = failure(tmp_path / "b", network={**NETWORK, "in_channels": "$print('ran') or 1"})
    assert "is code, which is not run" in counted
    assert "leads nowhere" in failure(tmp_path / "c", network={**NETWORK, "in_channels": "@no"})


@pytest.mark.parametrize(
    ("step", "words"),
    [
        ({"_target_": "CropForegroundd"}, "its step CropForeground is not known"),
        ({"_target_": "NormalizeIntensityd", "nonzero": True}, "leaves zeros out"),
        ({"_target_": "Spacingd", "pixdim": [1, 1, 1]}, "stands behind a later one"),
        ({"_target_": "Resized", "spatial_size": [8, 8, 8], "mode": "bicubic"}, "'bicubic'"),
    ],
)
def test_a_step_that_is_not_known_is_refused_with_the_mend(tmp_path, step, words):
    known = STEPS if words != "leaves zeros out" else STEPS[:4]
    error = failure(tmp_path / "b", steps=[*known, step])
    assert words in error
    assert "write [volume] in a card whose factory is this bundle" in error


def test_code_in_a_setting_that_changes_nothing_is_left_out(tmp_path):
    device = "$torch.device('cuda:0' if torch.cuda.is_available() else 'cpu')"
    steps = [*STEPS, {"_target_": "EnsureTyped", "keys": "image", "device": "@device"}]
    steps.append({"_target_": "CropForegroundd", "_disabled_": True})
    bundle(tmp_path / "b", steps=steps, device=device)
    assert load_model(f"monai:{tmp_path / 'b'}", device="cpu").card.volume.orientation == "RAS"


OF_IMAGES = {"network_data_format": {"inputs": {"image": {"spatial_shape": [16, 24]}}}}
LOADED = {"_target_": "LoadImaged", "keys": "image", "image_only": True}
LOADED |= {"reader": "PILReader", "reverse_indexing": False}
IMAGE_STEPS = [
    {"_target_": "EnsureChannelFirstd", "keys": "image", "channel_dim": 2},
    {"_target_": "Resized", "keys": "image", "spatial_size": [16, 24], "mode": "bilinear"},
    {
        "_target_": "ScaleIntensityRanged",
        "keys": "image",
        **{"a_min": 0, "a_max": 255, "b_min": 0, "b_max": 1, "clip": True},
    },
    {
        "_target_": "monai.transforms.NormalizeIntensityd",
        "keys": "image",
        **{"subtrahend": "@mean", "divisor": [0.2, 0.2, 0.2], "channel_wise": True},
    },
]
MEAN = [0.4, 0.5, 0.6]


def test_a_bundle_of_images_prepares_them_as_monai_does(tmp_path):
    from monai.bundle import ConfigParser

    steps = [LOADED, *IMAGE_STEPS]
    bundle(tmp_path / "b", FLAT, steps, OF_IMAGES, mean=MEAN)
    model = load_model(f"monai:{tmp_path / 'b'}", device="cpu")
    assert model.input_shape == (3, 16, 24)
    levels = np.random.default_rng(0).integers(0, 256, (40, 30, 3), np.uint8)
    path = tmp_path / "a.png"
    Image.fromarray(levels).save(path)
    composed = {"_target_": "Compose", "transforms": steps}
    parser = ConfigParser({"preprocessing": composed, "mean": MEAN})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        own = parser.get_parsed_content("preprocessing")({"image": str(path)})["image"]
    assert torch.allclose(model.read(path).tensor, torch.as_tensor(np.asarray(own)), atol=1e-5)


CLASSIFIER = {
    "_target_": "DenseNet",
    **{"spatial_dims": 2, "in_channels": 3, "out_channels": "@classes", "init_features": 4},
    **{"growth_rate": 2, "block_config": [1, 1], "bn_size": 1},
}


def after(**settings):
    """A postprocessing with one activation."""
    step = {"_target_": "Activationsd", "keys": "pred", **settings}
    return {"_target_": "Compose", "transforms": [step]}


@pytest.mark.parametrize("network", [FLAT, CLASSIFIER])
@pytest.mark.parametrize(
    ("settings", "overlapping"),
    [
        ({"sigmoid": True}, True),
        ({"softmax": "@soft", "sigmoid": False}, False),
        ({"other": "$x > 1"}, None),
        ({"sigmoid": "$bool(1)"}, None),
    ],
)
def test_the_activation_behind_a_network_states_its_task(tmp_path, network, settings, overlapping):
    stated = {"mean": MEAN, "soft": True, "postprocessing": after(**settings)}
    bundle(tmp_path / "b", network, [LOADED, *IMAGE_STEPS], OF_IMAGES, **stated)
    model = load_model(f"monai:{tmp_path / 'b'}", device="cpu")
    assert model.output_spec.overlapping is overlapping
    task = "multilabel" if overlapping else "multiclass"
    target = 1 if network is CLASSIFIER else "pixel:3,3"
    (explanation,) = cl.explain(model, torch.rand(1, 3, 16, 24), target)
    is_dense = network is FLAT
    assert explanation.provenance["task"] == ("segmentation" if is_dense else task)


@pytest.mark.parametrize("network", [FLAT, CLASSIFIER])
def test_a_bundle_that_loads_images_as_by_default_has_rows_and_columns_exchanged(tmp_path, network):
    """Its own output and map of the image that MONAI hands over, and both lie on the film."""
    from monai.bundle import ConfigParser

    loaded = {"_target_": "LoadImaged", "keys": "image", "image_only": True}
    steps = [loaded, *IMAGE_STEPS]
    net = bundle(tmp_path / "b", network, steps, OF_IMAGES, mean=MEAN)
    model = load_model(f"monai:{tmp_path / 'b'}", device="cpu")
    # Resized's 16 and 24 are those of the exchanged image.
    assert (model.card.input.transposed, model.input_shape) == (True, (3, 24, 16))
    levels = np.zeros((40, 30, 3), np.uint8)
    levels[4:12, 18:26] = 255
    Image.fromarray(levels).save(tmp_path / "a.png")
    parser = ConfigParser(
        {"preprocessing": {"_target_": "Compose", "transforms": steps}, "mean": MEAN}
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        own = parser.get_parsed_content("preprocessing")({"image": str(tmp_path / "a.png")})
    theirs = torch.as_tensor(np.asarray(own["image"]))[None]
    scan = model.read(tmp_path / "a.png")
    assert torch.allclose(scan.tensor, theirs[0].mT, atol=1e-5)
    with torch.no_grad():
        ours, expected = model.module(scan.tensor[None]), net(theirs)
    torch.testing.assert_close(ours, expected.mT if expected.ndim == 4 else expected)
    target = "region:1" if network is FLAT else 1
    (e,) = cl.explain(model, scan, target)
    (turned,) = cl.explain(net, theirs, target, layer=e.layer)
    torch.testing.assert_close(e.raw, turned.raw.mT, rtol=1e-3, atol=1e-6)
    assert e.on_original().shape == (40, 30)


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ([LOADED, {"_target_": "RandFlipd", "keys": "image"}], "its step RandFlipd is not known"),
        ([{"_target_": "scripts.Resized"}], "scripts.Resized is code of the bundle"),
        ([{"_target_": "Resized", "spatial_size": "$f()"}], r"its step Resized is no plain value"),
        ([], "it states no preprocessing"),
        (
            [LOADED, {**IMAGE_STEPS[1], "anti_aliasing": True}],
            "Resized smooths before it resizes",
        ),
    ],
)
def test_a_step_of_images_that_cannot_be_read_is_named(tmp_path, steps, words):
    bundle(tmp_path / "b", FLAT, steps, OF_IMAGES, mean=MEAN)
    with pytest.raises(CamlucidaError, match=words) as raised:
        load_model(f"monai:{tmp_path / 'b'}", device="cpu")
    assert "\n" not in str(raised.value)
    assert "[input]" in str(raised.value)


def test_a_card_states_what_cannot_be_read(tmp_path):
    bundle(tmp_path / "b", steps=[{"_target_": "CropForegroundd"}])
    (tmp_path / "card.toml").write_text(
        'factory = "monai:b"\n[volume]\norientation = "RAS"\nsize = [8, 8, 8]\n'
        'intensity = "min-max"\n'
    )
    model = load_model(tmp_path / "card.toml", device="cpu")
    assert model.card.volume.voxels == (8, 8, 8)
    assert model.card.labels == ("background", "spleen")


def test_a_folder_that_is_none_and_weights_that_are_missing(tmp_path):
    with pytest.raises(ModelError, match="is no MONAI bundle"):
        load_model(f"monai:{tmp_path}", device="cpu")
    bundle(tmp_path / "b")
    (tmp_path / "b" / "models" / "model.pt").unlink()
    with pytest.raises(ModelError, match=r"model\.pt does not exist"):
        load_model(f"monai:{tmp_path / 'b'}", device="cpu")
