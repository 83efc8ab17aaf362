"""Transforms of training code against themselves: the card gives the same numbers."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

import camlucida as cl
from camlucida.core.errors import ModelError, UsageError
from camlucida.io import read_image
from camlucida.models import Card
from camlucida.models.preprocessing import prepare
from camlucida.models.preprocessing.spec import InputSpec
from camlucida.models.recognise import recognise
from camlucida.models.transforms import input_of_transform
from camlucida.models.transforms.monai import MONAI

torchvision = pytest.importorskip("torchvision")
T = torchvision.transforms
v2 = pytest.importorskip("torchvision.transforms.v2")
BICUBIC = T.InterpolationMode.BICUBIC


@pytest.fixture
def film(tmp_path):
    rng = np.random.default_rng(0)
    wave = np.add.outer(np.sin(np.arange(61) / 5), np.cos(np.arange(90) / 7)) * 50 + 120
    levels = np.clip(wave + rng.normal(0, 15, wave.shape), 0, 255).astype(np.uint8)
    Image.fromarray(levels).save(tmp_path / "film.png")
    return tmp_path / "film.png"


def three(x):
    return x.repeat(3, 1, 1) if x.size(0) == 1 else x


PIPELINES = {
    "classic": T.Compose(
        [T.Resize(40, BICUBIC), T.CenterCrop(32), T.ToTensor(), T.Normalize([0.5], [0.2])]
    ),
    "stretched tensor": v2.Compose(
        [v2.ToImage(), v2.Resize((32, 24)), v2.ToDtype(torch.float32, scale=True)]
    ),
    "floats first": T.Compose(
        [
            T.ToTensor(),
            T.Resize((32, 24), T.InterpolationMode.NEAREST),
            T.Lambda(lambda x: 2 * x - 1),
        ]
    ),
    "0 to 255": v2.Compose([v2.Resize((30, 30)), v2.PILToTensor(), v2.ToDtype(torch.float32)]),
    "three channels": T.Compose([T.Resize((32, 32)), T.ToTensor(), T.Lambda(three)]),
    "grown crop": T.Compose([T.CenterCrop(101), T.ToTensor()]),
    "nested": T.Compose([T.Compose([T.Resize(33)]), [T.CenterCrop((20, 30)), T.ToTensor()]]),
    "weights": torchvision.models.get_model_weights("resnet18").DEFAULT.transforms(),
}


@pytest.mark.parametrize("name", PIPELINES)
def test_the_card_gives_the_numbers_of_the_transform(film, name):
    pipeline, flat = PIPELINES[name], PIPELINES[name]
    channels = 3 if name in ("three channels", "weights") else 1
    image = Image.open(film)
    if name == "nested":
        flat = T.Compose([T.Resize(33), T.CenterCrop((20, 30)), T.ToTensor()])
    expected = flat(image.convert("RGB") if name == "weights" else image)
    spec = input_of_transform(pipeline, {"channels": channels}, film.parent)
    scan = prepare(read_image(film), spec)
    # Integer tensors are resized by another routine than torch's, within a level.
    limit = 1 / 255 + 1e-6 if name == "stretched tensor" else 1e-5
    np.testing.assert_allclose(scan.tensor, expected, atol=limit)
    assert scan.geometry.model == tuple(expected.shape[1:])


def test_timms_configuration(film):
    timm_data = pytest.importorskip("timm.data")
    config = {
        "input_size": (3, 32, 32),
        "interpolation": "bicubic",
        "mean": (0.5, 0.4, 0.3),
        "std": (0.2, 0.3, 0.4),
        "crop_pct": 0.9,
        "crop_mode": "center",
    }
    transform = timm_data.create_transform(**config, is_training=False)
    expected = transform(Image.open(film).convert("RGB"))
    for given in (config, transform):
        spec = input_of_transform(given, {}, film.parent)
        np.testing.assert_allclose(prepare(read_image(film), spec).tensor, expected, atol=1e-5)


CODE = """
from torchvision import transforms as T
data_transforms = {
    "train": T.Compose([T.RandomHorizontalFlip(), T.ToTensor()]),
    "val": T.Compose([T.Resize((16, 24)), T.ToTensor()]),
}
def val():
    return data_transforms["val"]
def of_size(size):
    return T.Resize(size)
blurred = T.Compose([T.ToTensor(), T.GaussianBlur(3)])
squared = T.Compose([T.ToTensor(), T.Lambda(lambda x: x ** 2)])
own = T.Compose([T.Resize(8), lambda x: x])
"""


def test_a_transform_in_a_file(tmp_path, film):
    (tmp_path / "train.py").write_text(CODE)
    (tmp_path / "net.py").write_text(
        "from torch import nn\n"
        "def build():\n    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.AdaptiveAvgPool2d(1), "
        "nn.Flatten())\n"
    )
    card = tmp_path / "card.toml"
    for name in ("data_transforms.val", "val"):
        card.write_text(
            'factory = "net.py:build"\ntask = "multiclass"\n[input]\nchannels = 1\n'
            f'transform = "train.py:{name}"\n'
        )
        model = cl.load_model(card, device="cpu")
        assert model.card.input.height_width == (16, 24)
        assert model.card.input.channels == 1
        assert model.read(film).tensor.shape == (1, 16, 24)
        # What is recorded no longer needs the file.
        again = Card.model_validate(model.card.model_dump(mode="json"))
        assert again.input.pipeline() == model.card.input.pipeline()


def test_a_transform_given_to_load_model(tmp_path, film):
    (tmp_path / "net.py").write_text("from torch import nn\ndef build():\n    return nn.ReLU()\n")
    card = tmp_path / "card.toml"
    card.write_text('factory = "net.py:build"\n[input]\nsize = 99\nchannels = 1\n')
    model = cl.load_model(card, transform=PIPELINES["classic"], device="cpu")
    np.testing.assert_allclose(
        model.read(film).tensor, PIPELINES["classic"](Image.open(film)), atol=1e-5
    )


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("data_transforms.train", "RandomHorizontalFlip is random (name the transform of valid"),
        ("data_transforms.vall", "has no 'vall' (did you mean val?)"),
        ("blurred", "GaussianBlur is not a step that a card knows (write the preprocessing as"),
        ("squared", "Lambda is a function that cannot be read"),
        ("of_size", "of_size is a function that does not return a transform"),
        ("own", "<lambda> is not a step"),
        ("nothing", "has no 'nothing'"),
    ],
)
def test_an_unknown_step_is_refused_by_name(tmp_path, name, expected):
    (tmp_path / "train.py").write_text(CODE)
    with pytest.raises((UsageError, ModelError)) as error:
        input_of_transform(f"train.py:{name}", {}, tmp_path)
    assert expected in str(error.value)
    assert "\n" not in str(error.value)


def monai(name, **attributes):
    """A stand-in with the class name and attributes of a transform of MONAI."""
    cls = type(name, (), {})
    cls.__module__ = "monai.transforms.stand_in"
    transform = cls()
    vars(transform).update(attributes)
    return transform


def test_monais_pipeline_by_its_formulae(film):
    loaded = "monai" in sys.modules
    scaler = SimpleNamespace(
        lower=2, upper=98, b_min=0.0, b_max=1.0, clip=True, relative=False, channel_wise=False
    )
    resizer = SimpleNamespace(spatial_size=(24, 32), size_mode="all", mode="area")
    normaliser = SimpleNamespace(subtrahend=None, divisor=None, nonzero=False, channel_wise=False)
    steps = [
        monai("LoadImaged", keys=["image"]),
        monai("EnsureChannelFirstd"),
        monai("Transposed", transform=SimpleNamespace(indices=[0, 2, 1])),
        monai("ScaleIntensityRangePercentilesd", scaler=scaler),
        monai("Resized", resizer=resizer, mode=("bilinear",), align_corners=(None,)),
        monai("NormalizeIntensityd", normalizer=normaliser),
        monai("EnsureTyped"),
    ]
    compose = monai("Compose", transforms=steps)
    spec = input_of_transform(compose, {"channels": 1}, film.parent)
    values = np.asarray(Image.open(film), np.float64)
    low, high = np.percentile(values, [2, 98])
    unit = torch.from_numpy(np.clip((values - low) / (high - low), 0, 1))[None, None]
    resized = torch.nn.functional.interpolate(unit, (24, 32), mode="bilinear")[0]
    expected = (resized - resized.mean()) / resized.std(correction=0)
    np.testing.assert_allclose(prepare(read_image(film), spec).tensor, expected, atol=1e-4)
    assert ("monai" in sys.modules) == loaded  # its pipelines are read without it


RESIZE = monai(
    "Resize", resizer=SimpleNamespace(spatial_size=(24, 32), size_mode="all", mode="area")
)


def test_monais_exchanged_axes_are_the_networks(film):
    """Sizes are those of the film as it lies."""
    compose = monai("Compose", transforms=[monai("LoadImage"), RESIZE])
    spec = input_of_transform(compose, {}, film.parent)
    assert (spec.transposed, spec.height_width) == (True, (32, 24))
    assert not input_of_transform(compose, {"transposed": False}, film.parent).transposed
    assert "Resize" in MONAI


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("reversed_axes", [True, False])
def test_monais_reader_may_keep_the_axes(film, named, reversed_axes):
    """A reader that is named, or the options of those that LoadImage tries by itself."""
    reader = monai("PILReader", reverse_indexing=reversed_axes)
    readers = [reader] if named else [reader, monai("ITKReader", reverse_indexing=True)]
    loader = monai("LoadImage", readers=readers, auto_select=not named)
    compose = monai("Compose", transforms=[monai("LoadImaged", _loader=loader), RESIZE])
    spec = input_of_transform(compose, {}, film.parent)
    assert spec.transposed is reversed_axes
    assert spec.height_width == ((32, 24) if reversed_axes else (24, 32))


def test_a_transform_is_the_whole_of_the_input(film):
    with pytest.raises(UsageError, match="has a transform and mean, std"):
        input_of_transform(PIPELINES["classic"], {"mean": (0.5,), "std": (1.0,)}, film.parent)
    with pytest.raises(ValueError, match="has not been read"):
        InputSpec(transform="train.py:val").pipeline()


def test_a_card_that_is_named_keeps_the_path_of_its_transform(tmp_path):
    (tmp_path / "net.py").write_text(
        "from torch import nn\ndef build():\n    return nn.Linear(2, 2)\n"
    )
    torch.save(torch.nn.Linear(2, 2).state_dict(), tmp_path / "best.pth")
    text = 'factory = "net.py:build"\n[input]\ntransform = "train.py:val"\n'
    (tmp_path / "card.toml").write_text(text)
    named = recognise(tmp_path / "best.pth", task="multiclass", model=tmp_path / "card.toml")
    assert named.card.input.transform == f"{tmp_path}/train.py:val"
