"""From the words a user types to the number that is explained."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from camlucida.attribution.model_output import ModelOutput
from camlucida.attribution.requests import default_request, given_mask, parse_target
from camlucida.attribution.targets import Difference, Label, Region, Target, target_identity
from camlucida.core.errors import TargetError, UnknownTargetError, UsageError
from camlucida.core.geometry import Geometry

SQUARE = Geometry.identity((8, 8))


def answer(
    logits, task="multilabel", labels=None, truth=None, geometry=SQUARE, probabilities=None
) -> ModelOutput:
    logits = torch.tensor(logits) if not isinstance(logits, torch.Tensor) else logits
    if probabilities is None and task != "regression":
        probabilities = (
            logits.sigmoid() if task == "multilabel" or len(logits) == 1 else logits.softmax(0)
        )
    labels = labels if labels is not None else tuple("abcdefgh"[: len(logits)])
    return ModelOutput(logits, probabilities, task, tuple(labels), geometry, truth)


def names(words, seen: ModelOutput) -> list[str]:
    return [target.name for target in parse_target(words)(seen)]


FOUR = answer([0.0, 2.0, -1.0, 1.0])


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("predicted", ["b"]),
        ("top1", ["b"]),
        ("top3", ["b", "d", "a"]),
        ("top-2", ["b", "d"]),
        ("Top 99", ["b", "d", "a", "c"]),
        ("all", ["b", "d", "a", "c"]),
        ("above:0.5", ["b", "d"]),
        ("above 0.7", ["b", "d"]),
        (">.75", ["b"]),
        ("above:1", []),
        ("diff:b|c", ["b − c"]),
        (" diff: B | c ", ["b − c"]),
        ("c", ["c"]),
        ("C", ["c"]),
        ("2", ["c"]),
        ("-1", ["d"]),
        (2, ["c"]),
        (-1, ["d"]),
        (np.int64(2), ["c"]),
        (torch.tensor(2), ["c"]),
        (" c ", ["c"]),
    ],
)
def test_words(words, expected):
    assert names(words, FOUR) == expected


@pytest.mark.parametrize(
    "words",
    [
        "e",
        "",
        "9",
        4,
        -5,
        "top0",
        "above:x",
        "above:0.5.1",
        "truth",
        "output",
        "region",
        "diff:a|z",
    ],
)
def test_words_that_fit_no_output(words):
    with pytest.raises(TargetError) as caught:
        names(words, FOUR)
    assert isinstance(caught.value, UsageError)


@pytest.mark.parametrize("words", [None, 1.5, ["a"], object()])
def test_things_that_are_no_words(words):
    with pytest.raises(TargetError, match="neither words nor a number"):
        parse_target(words)


def test_a_near_miss_is_named():
    with pytest.raises(TargetError, match="did you mean Effusion"):
        names("efusion", answer([0.0, 1.0], labels=("Effusion", "Nodule")))


@pytest.mark.parametrize(
    "word",
    [
        "all",
        "predicted",
        "top3",
        "above:0.5",
        "region",
        "truth",
        "output+",
        "pixel:1,1",
        "diff:x|y",
    ],
)
def test_a_label_wins_over_the_word_it_is_named_after(word):
    assert names(word, answer([0.0, 5.0], labels=(word, "other"))) == [word]


def test_a_number_is_an_index_even_where_labels_are_numbers():
    digits = answer([0.0, 1.0, 2.0], labels=("2", "1", "0"))
    assert names(0, digits) == ["2"]
    assert names("0", digits) == ["0"]  # written out, it is a name


def test_a_negative_index_counts_from_the_last_label():
    assert names(-1, FOUR) == names("-1", FOUR) == ["d"]
    assert names(-4, FOUR) == ["a"]
    assert names("diff:-1|0", FOUR) == ["d − a"]
    assert names("truth", answer([0.0, 2.0], truth=(-1,))) == ["b"]
    assert names(-1, answer([2.5, 1.0], "regression", ("age", "size"))) == ["size"]
    assert names(-1, answer([1.5], "binary", ("well", "sick"))) == ["sick"]
    # The negation of a single label is no label.
    assert names(-1, answer([1.5], "binary", ("sick",))) == ["sick"]
    assert names("-1", answer([0.0, 1.0], labels=("-1", "0"))) == ["-1"]  # a name
    for outside in (-5, "-5", 4, "diff:-5|0"):
        with pytest.raises(
            TargetError, match=r"outside the model's 4 outputs \(give 0 to 3, or -1"
        ):
            names(outside, FOUR)


def test_a_label_without_weights_is_never_offered():
    seen = answer([3.0, 0.0, 1.0], labels=("", "b", "c"))
    assert names("all", seen) == ["c", "b"]
    assert names("predicted", seen) == ["c"]
    for words in (0, "0", -3):
        with pytest.raises(TargetError, match="no trained weights"):
            names(words, seen)


def test_two_outputs_are_not_taken_for_a_pair_of_classes():
    assert names("all", answer([3.0, 0.0], labels=("", "b"))) == ["b"]


def test_saturated_probabilities_are_ordered_by_logit():
    assert names("top3", answer([90.0, 110.0, 100.0])) == ["b", "c", "a"]


def test_truth():
    assert names("truth", answer([0.0, 2.0, 1.0], truth=("c", 0))) == ["c", "a"]
    assert names("truth", answer([0.0, 2.0], truth=())) == []


def test_defaults():
    assert [t.name for t in default_request(FOUR)] == ["b", "d", "a"]
    assert [t.name for t in default_request(answer([0.0, 2.0], "multiclass"))] == ["b"]
    assert [t.name for t in default_request(answer([-2.0], "binary", ("sick",)))] == ["not sick"]


def test_a_label_with_blanks_at_its_ends_is_found_by_its_name():
    seen = answer([0.0, 2.0], labels=("lower lobe, ", "upper lobe"))
    assert names("lower lobe, ", seen) == ["lower lobe, "]
    assert names("Lower lobe,", seen) == ["lower lobe, "]


# --- a binary model of one logit ------------------------------------------------------------------


@pytest.mark.parametrize("labels", [("sick",), ("well", "sick")])
def test_the_two_classes_of_one_logit(labels):
    seen = answer([1.5], "binary", labels)
    first, second = parse_target(0)(seen)[0], parse_target(1)(seen)[0]
    well, sick = (
        (first, second) if len(labels) == 2 else (second, first)
    )  # one label: 0 is that label
    assert sick.name == "sick"
    assert well.name == ("well" if len(labels) == 2 else "not sick")
    assert sick.probability == pytest.approx(float(torch.tensor(1.5).sigmoid()))
    assert sick.probability + well.probability == pytest.approx(1)
    assert float(sick(seen.logits[None])) == -float(well(seen.logits[None])) == 1.5
    assert names("all", seen) == [sick.name, well.name]
    assert names("above:0.5", seen) == ["sick"]
    assert names(well.name.upper(), seen) == [well.name]
    with pytest.raises(TargetError):
        names(2, seen)


def test_binary_of_two_logits_is_a_plain_pair():
    seen = answer([1.5, 0.5], "binary", ("well", "sick"))
    assert names("predicted", seen) == ["well"]
    assert float(parse_target("well")(seen)[0](seen.logits[None])) == 1.5


# --- regression -----------------------------------------------------------------------------------


def test_regression_shows_both_signs():
    seen = answer([2.5], "regression", ("age",))
    up, down = default_request(seen)
    assert (up.name, down.name) == ("age ↑", "age ↓")
    assert float(up(seen.logits[None])) == 2.5 == -float(down(seen.logits[None]))
    assert up.probability is down.probability is None
    assert names("output+", seen) == ["age ↑"]
    assert names("output-", seen) == ["age ↓"]
    assert names("age", seen) == names(0, seen) == ["age"]


@pytest.mark.parametrize("words", ["top3", "above:0.5", "all", "truth"])
def test_regression_has_no_ranking(words):
    with pytest.raises(TargetError, match="regression"):
        names(words, answer([2.5], "regression", ("age",), truth=("age",)))


# --- segmentation ---------------------------------------------------------------------------------


@pytest.fixture
def lungs() -> ModelOutput:
    """One channel on 8 × 8: a component of 6 pixels and one of 2."""
    logits = torch.full((1, 8, 8), -1.0)
    logits[0, 1:3, 1:4] = 2.0
    logits[0, 6, 5:7] = 3.0
    return answer(logits, "segmentation", ("lung",))


def test_regions_of_one_channel(lungs):
    (region,) = parse_target("region")(lungs)
    assert int(region.mask.sum()) == 8
    assert float(region(lungs.logits[None])) == pytest.approx((6 * 2 + 2 * 3) / 8)
    assert region.probability == pytest.approx(float(lungs.probabilities[0][region.mask].mean()))
    assert int(parse_target("component:1")(lungs)[0].mask.sum()) == 6
    assert int(parse_target("component:2:lung")(lungs)[0].mask.sum()) == 2
    assert names("lung", lungs) == names("region:LUNG", lungs) == names(0, lungs) == ["lung region"]
    with pytest.raises(TargetError, match="2 in this image"):
        names("component:3", lungs)


def test_components_touch_at_corners_too():
    """As the boxes of a mask do."""
    logits = torch.full((1, 4, 4), -1.0)
    logits[0, [0, 1, 2], [0, 1, 2]] = 1.0
    seen = answer(logits, "segmentation", ("vessel",), geometry=Geometry.identity((4, 4)))
    assert int(parse_target("component:1")(seen)[0].mask.sum()) == 3


def test_regions_of_probabilities_begin_at_one_half(lungs):
    """A model that returns probabilities has no negative output."""
    p = lungs.logits.sigmoid()
    seen = answer(p, "segmentation", ("lung",), probabilities=p)
    assert int(parse_target("region")(seen)[0].mask.sum()) == 8


def test_regions_of_several_channels():
    logits = torch.zeros(3, 8, 8)
    logits[0] = 1.0
    logits[1, :2] = 2.0
    logits[2, 4:] = 2.0
    seen = answer(logits, "segmentation", ("background", "heart", "lung"))
    assert names("region", seen) == ["lung region"]  # covers most, the background left out
    assert int(parse_target("heart")(seen)[0].mask.sum()) == 16
    assert names("pixel:0,0", seen) == ["heart at 0,0"]
    assert names("pixel:0,0:lung", seen) == ["lung at 0,0"]


def test_an_empty_region_is_an_error(lungs):
    nothing = answer(torch.full((1, 8, 8), -1.0), "segmentation", ("lung",))
    for words in ("region", "lung", "component:1"):
        with pytest.raises(TargetError):
            names(words, nothing)
    with pytest.raises(TargetError, match=r"^the model predicts no pixel of 'lung', "):
        names("lung", nothing)


@pytest.mark.parametrize("words", ["top3", "all", "above:0.5", "diff:lung|lung", "truth", "output"])
def test_segmentation_has_no_labels_of_whole_images(lungs, words):
    with pytest.raises(TargetError, match="segmentation"):
        names(words, lungs)


# Rows 10–26 and columns 4–12 of a 32 × 16 image, enlarged to 32 × 16; the output has half that
# resolution.
CROPPED = Geometry.identity((32, 16)).crop((10, 4), (16, 8)).resize((32, 16))


def test_pixels_are_given_in_the_original_image():
    seen = answer(torch.zeros(1, 16, 8), "segmentation", ("lung",), geometry=CROPPED)
    (target,) = parse_target("pixel:13,9")(seen)
    assert target.mask.nonzero().tolist() == [[3, 5]]
    for words, why in [
        ("pixel:9,9", "cropped away"),
        ("pixel:13,12", "cropped away"),
        ("pixel:32,0", "outside"),
        ("pixel:1,2,3", "outside"),
    ]:
        with pytest.raises(TargetError, match=why):
            names(words, seen)


def test_pixels_of_a_mirrored_image():
    seen = answer(torch.zeros(1, 8, 8), "segmentation", ("lung",), geometry=SQUARE.flip(1))
    assert parse_target("pixel:2,1")(seen)[0].mask.nonzero().tolist() == [[2, 6]]


def test_voxels():
    seen = answer(
        torch.zeros(1, 4, 8, 8), "segmentation", ("lung",), geometry=Geometry.identity((4, 8, 8))
    )
    assert parse_target("pixel:1,2,3")(seen)[0].mask.nonzero().tolist() == [[1, 2, 3]]
    with pytest.raises(TargetError):
        names("pixel:1,2", seen)


def test_given_mask_is_carried_to_the_output():
    mask = torch.zeros(32, 16, dtype=torch.bool)
    mask[12:16, 6:10] = True
    mask[0:4] = True  # cropped away
    logits = torch.arange(128.0).reshape(1, 16, 8)
    seen = answer(logits, "segmentation", ("lung",), geometry=CROPPED)
    (region,) = given_mask(mask)(seen)
    assert region.name == "lung (given mask)"
    assert region.mask.nonzero().tolist() == [[r, c] for r in range(2, 6) for c in range(2, 6)]
    assert float(region(logits[None])) == pytest.approx(float(logits[0, 2:6, 2:6].mean()))
    with pytest.raises(TargetError, match="size"):
        given_mask(mask[:8])(seen)
    with pytest.raises(TargetError, match="empty"):
        given_mask(torch.zeros(32, 16, dtype=torch.bool))(seen)
    with pytest.raises(TargetError, match="segmentation"):
        given_mask(mask)(FOUR)


def test_the_true_region_of_a_segmentation():
    mask = torch.zeros(32, 16, dtype=torch.bool)
    mask[12:16, 6:10] = True
    logits = torch.arange(128.0).reshape(1, 16, 8)
    (region,) = parse_target("truth")(
        answer(logits, "segmentation", ("lung",), truth=mask, geometry=CROPPED)
    )
    assert region.name == "lung true region"
    assert torch.equal(
        region.mask,
        given_mask(mask)(answer(logits, "segmentation", ("lung",), geometry=CROPPED))[0].mask,
    )
    for truth, why in [
        ((), "no true mask"),
        (mask[:8], "size"),
        (torch.zeros_like(mask), "true region is empty"),
    ]:
        with pytest.raises(TargetError, match=why) as raised:
            names("truth", answer(logits, "segmentation", ("lung",), truth=truth, geometry=CROPPED))
        assert not isinstance(raised.value, UnknownTargetError)  # of this image alone
    with pytest.raises(UnknownTargetError, match="multilabel"):
        names("truth", answer([0.0, 2.0], truth=mask))


def test_given_mask_is_of_the_channel_that_fills_it():
    logits = torch.zeros(4, 8, 8)
    logits[0] = 1.0  # background everywhere, but for
    logits[2, 2:4, 2:4] = 2.0
    logits[3, 2, 2] = 3.0
    logits[1, 6:, 6:] = 0.5  # the strongest label there, though no pixel is predicted
    seen = answer(logits, "segmentation")
    filled, empty = (torch.zeros(8, 8, dtype=torch.bool) for _ in range(2))
    filled[:5, :5] = True
    empty[6:, 6:] = True
    assert [given_mask(mask)(seen)[0].channel for mask in (filled, empty)] == [2, 1]
    assert [given_mask(filled, label)(seen)[0].channel for label in ("d", 0)] == [3, 0]


def test_identity_of_targets():
    regions = [Region(0, "x", torch.tensor([[True, seen]])) for seen in (False, True, True)]
    assert target_identity(regions[0]) != target_identity(regions[1]) == target_identity(regions[2])
    assert (
        target_identity(Label(0, "a", 0.5))
        == target_identity(Label(0, "a", 0.5))
        != target_identity(Label(0, "a", 0.5, -1))
    )
    assert target_identity(Sum()) != target_identity(Sum("other"))


# --- targets of one's own -------------------------------------------------------------------------


@dataclass(frozen=True)
class Sum:
    name: str = "sum"
    probability: float | None = None

    def __call__(self, logits):
        return logits.sum(1)


@pytest.mark.parametrize("target", [FOUR.label(1), Difference(Label(0, "a"), Label(1, "b")), Sum()])
def test_a_ready_target_is_taken_as_it_is(target):
    assert isinstance(target, Target)
    assert parse_target(target)(FOUR) == [target]


def test_a_target_of_another_image_has_the_probability_of_this_one():
    other = replace(FOUR.label(1), probability=0.123)
    assert parse_target(other)(FOUR) == [FOUR.label(1)]


def test_a_request_of_ones_own():
    assert names(lambda seen: [seen.label(i) for i in (0, 3)], FOUR) == ["a", "d"]


def test_targets_are_differentiable_and_one_number_an_image():
    logits = torch.randn(2, 3, requires_grad=True)
    for target in (Label(1, "b", sign=-1), Difference(Label(0, "a"), Label(1, "b")), Sum()):
        assert target(logits).shape == (2,)
        assert torch.autograd.grad(target(logits).sum(), logits)[0].any()
    dense = torch.randn(2, 3, 4, 4)
    mask = torch.eye(4, dtype=torch.bool)
    torch.testing.assert_close(
        Region(1, "r", mask)(dense), dense[:, 1].diagonal(dim1=1, dim2=2).mean(1)
    )


def test_above_compares_the_scaled_output_of_a_model_with_operating_points():
    logits = torch.tensor([-2.0, 1.0])
    scaled = torch.tensor([0.6, 0.4])
    size = Geometry.identity((4, 4))
    output = ModelOutput(logits, logits.sigmoid(), "multilabel", ("a", "b"), size, scaled=scaled)
    assert names("above:0.5", output) == ["a"]
    assert names("top2", output) == ["a", "b"]
    assert names("predicted", output) == ["a"]
