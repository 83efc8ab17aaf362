"""What is read of an image processor gives its numbers; anything else is refused."""

import numpy as np
import pytest

from camlucida.core.errors import ModelError
from camlucida.io.image import RawImage
from camlucida.models import InputSpec
from camlucida.models.preprocessing import prepare
from camlucida.models.zoo.image_processor import input_of_processor
from tests.support import huggingface as hf


def processor(name, **settings):
    return getattr(hf.transformers(), name)(**settings)


def short(side):
    return {"size": {"shortest_edge": side}}


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("ViTImageProcessor", {}),
        ("ViTImageProcessor", {"do_rescale": False}),
        ("ViTImageProcessor", {"do_normalize": False}),
        ("ViTImageProcessor", {"do_normalize": False, "rescale_factor": 1 / 127.5}),
        ("ViTImageProcessor", {"resample": 0}),
        ("DeiTImageProcessor", {}),
        ("ConvNextImageProcessor", short(160)),
        ("ConvNextImageProcessor", {}),
        ("BitImageProcessor", {"crop_size": {"height": 197, "width": 224}, **short(225)}),
        ("LevitImageProcessor", {}),
        ("EfficientNetImageProcessor", {}),
        ("MobileViTImageProcessor", {}),  # blue before red
        ("MobileViTImageProcessor", {"do_flip_channel_order": False, **short(288)}),
        ("SegformerImageProcessor", {"size": {"height": 96, "width": 128}}),
    ],
)
def test_the_same_numbers_as_the_processor(name, settings):
    """On another image than those on which the reading was tried."""
    theirs = processor(name, **settings)
    fields = input_of_processor(theirs, 3, "net")
    generator = np.random.default_rng(3)
    rough = generator.integers(0, 256, (23, 31, 3), np.uint8)
    levels = np.repeat(np.repeat(rough, 10, 0), 11, 1)
    expected = theirs(levels, return_tensors="pt")["pixel_values"][0]
    image = RawImage(levels.astype(np.float32) / 255, levels, "a")
    ours = prepare(image, InputSpec.model_validate(fields)).tensor
    assert ours.shape == expected.shape
    one_level = float(expected.max() - expected.min()) / 255
    assert float((ours - expected).abs().mean()) < 0.4 * one_level


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("PerceiverImageProcessor", {}),  # a crop before the resize
        ("ViTImageProcessor", {"do_resize": False}),  # any size
        ("ViTImageProcessor", {"resample": 1}),
        ("EfficientNetImageProcessor", {"rescale_offset": True, "include_top": False}),
    ],
)
def test_what_is_not_read_is_refused(name, settings):
    with pytest.raises(ModelError, match=f"what its {name} does is more than"):
        input_of_processor(processor(name, **settings), 3, "net")


def test_one_channel():
    theirs = processor("ViTImageProcessor", image_mean=[0.4], image_std=[0.2])
    fields = input_of_processor(theirs, 1, "net")
    assert (fields["channels"], fields["mean"], fields["std"]) == (1, (0.4,), (0.2,))
