"""The images, masks, names and checkpoints that a segmentation workflow accepts."""

import numpy as np
import pytest
import torch

from camlucida.attribution.methods import METHODS
from camlucida.core.errors import ModelError, UsageError
from camlucida.io import write_synthetic_png
from camlucida.workflows.segmentation import sampled_images, segmentation_card
from camlucida.workflows.segmentation.inputs import input_of, target_word


@pytest.mark.parametrize(
    ("images", "masks", "expected"),
    [
        ("test", "masks", "masks"),
        ("test/images", "test/masks", None),  # the cohort finds these itself
        ("Test/Images", "Test/Masks", None),
        ("images", "Mask", "Mask"),
        ("", "masks", "masks"),
        ("test", None, None),
    ],
)
def test_where_images_and_masks_are(tmp_path, images, masks, expected):
    for folder in filter(lambda name: name is not None, (images, masks)):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        write_synthetic_png(tmp_path / folder / "x.png", np.zeros((4, 4), np.uint8))
    chosen = sampled_images(tmp_path)
    assert chosen.paths == (tmp_path / images / "x.png",)
    assert chosen.masks == (None if expected is None else tmp_path / expected)


def test_masks_by_their_name_are_no_images(tmp_path):
    for name in ("x", "x_mask", "y", "y-seg"):
        write_synthetic_png(tmp_path / f"{name}.png", np.zeros((4, 4), np.uint8))
    chosen = sampled_images(tmp_path)
    assert [path.name for path in chosen.paths] == ["x.png", "y.png"]
    assert [note.values["names"] for note in chosen.notes] == ["x_mask.png, y-seg.png"]


def test_a_mask_dir_that_holds_no_annotations_is_refused(tmp_path):
    write_synthetic_png(tmp_path / "x.png", np.zeros((4, 4), np.uint8))
    (tmp_path / "notes.json").write_text("{}", "utf-8")
    with pytest.raises(UsageError, match="no annotations"):
        sampled_images(tmp_path, tmp_path / "notes.json")


def test_the_draw_is_repeatable_and_stated(tmp_path):
    for i in range(9):
        write_synthetic_png(tmp_path / f"{i}.png", np.zeros((4, 4), np.uint8))
    draws = [sampled_images(tmp_path, count=4, seed=seed) for seed in (1, 1, 5)]
    assert draws[0] == draws[1]
    assert draws[0].paths != draws[2].paths
    assert list(draws[0].paths) == sorted(draws[0].paths)
    assert draws[0].rule.code == "image_choice.sample"
    values = draws[0].rule.values
    assert (values["count"], values["total"], values["seed"]) == (4, 9, 1)
    assert len(sampled_images(tmp_path, count=40).paths) == 9


def test_spellings():
    spelled = [
        "gradcam++",
        "Grad-CAM",
        "GradCAMPlusPlus",
        "score-cam",
        "layercam",
        "GRADCAM_PP",
        "gradcam_elementwise",
    ]
    wanted = [
        "gradcam_pp",
        "gradcam",
        "gradcam_pp",
        "scorecam",
        "layercam",
        "gradcam_pp",
        "gradcam_elementwise",
    ]
    assert [METHODS.canonical(words) for words in spelled] == wanted
    assert [
        target_word(words)
        for words in ("predicted", "True", "component", "component:2", "pixel:3,4", "lesion")
    ] == [*("region", "truth", "component:1", "component:2", "pixel:3,4", "lesion")]
    with pytest.raises(UsageError, match="did you mean gradcam"):
        METHODS["gradcma"]
    with pytest.raises(UsageError, match="ROW,COLUMN"):
        target_word("pixel")


def test_a_checkpoint_is_recognised_and_assumptions_are_noted(tmp_path):
    smp = pytest.importorskip("segmentation_models_pytorch", reason="an optional extra")
    net = smp.Unet("resnet18", encoder_weights=None, in_channels=3, classes=1)
    torch.save(net.state_dict(), tmp_path / "best_model.pth")
    recognised = segmentation_card(tmp_path)
    card = recognised.card
    assert (card.factory, card.args["encoder_name"], card.input.size, card.labels) == (
        "smp:Unet",
        "resnet18",
        640,
        ("foreground",),
    )
    assert recognised.notes[-1].values["height"] == 640
    assert str(input_of(card)).startswith("640 × 640 pixels (stretch), 3 channels, mean 0.485,")
    given = segmentation_card(tmp_path, image_size=96)
    assert given.card.input.size == 96
    assert given.notes[-1].code == "assumed.preprocessing_but_size"
    named = segmentation_card(
        tmp_path, architecture="UnetPlusPlus", encoder="resnet18", image_size=96
    ).card
    assert (named.factory, named.args["classes"], named.input.size) == ("smp:UnetPlusPlus", 1, 96)
    assert (
        segmentation_card(tmp_path, architecture="Unet").card.args["encoder_name"]
        == "efficientnet-b5"
    )
    with pytest.raises(ModelError):
        segmentation_card(tmp_path / "nowhere.pth")
