"""Whole comparisons of small runs whose numbers are known."""

import numpy as np
import pytest

from camlucida.analysis.comparison import VerdictRule, compare
from camlucida.analysis.comparison.summary import by_verdict, choose, on_artefacts
from camlucida.core.messages import Message
from tests.support.stored_runs import one_hot, world

IMAGES = [f"i{k}" for k in range(9)]


def seed(number, cells=range(9), said=None, truth=None, images=IMAGES, label="x", **about):
    """A model that marks one cell an image."""
    maps = {(image, label): one_hot(cell) for image, cell in zip(images, cells)}
    answers = dict.fromkeys(maps, 0.9) if said is None else said
    known = {} if truth is None else {key: float(value) for key, value in zip(maps, truth)}
    return {
        "name": f"m{number}",
        "seed": number,
        "maps": maps,
        "said": answers,
        "truth": known,
        **about,
    }


def reason(cases, case):
    """Why a case has its verdict, in English."""
    return str(Message.loads(cases.at[case, "reason_code"]))


def noisy(number, rng=0):
    """Maps that hardly resemble those of :func:`seed`: the same cell in half of the images."""
    cells = [k if k % 2 else (k + 1) % 9 for k in range(9)]
    return seed(number, cells, **({} if rng == 0 else {"sha": str(rng)}))


def test_two_seeds_with_the_same_cells_but_other_strengths():
    """Not the same up to one factor of the whole map: a second, weaker cell differs."""
    second = seed(2)
    for heat in second["maps"].values():
        heat[np.unravel_index((np.argmax(heat) + 1) % 9, (3, 3))] = 0.1
    result = compare(*world([seed(1, truth=[1] * 9), second]), by="seed")
    (pair,) = result.pairs.to_dict("records")
    assert (pair["first"], pair["second"], pair["label"], pair["maps"], pair["dead"]) == (
        "seed 1",
        "seed 2",
        "",
        9,
        0,
    )
    r = np.corrcoef(one_hot(0).ravel(), (one_hot(0) + 0.1 * one_hot(1)).ravel())[0, 1]
    assert pair["similarity"] == pytest.approx(r)
    assert pair["excess"] == pytest.approx((r - pair["null"]) / (1 - pair["null"]))
    assert not pair["identical"]
    assert set(result.cases["verdict"]) == {"consistent"}
    assert list(result.cases["image"]) == IMAGES
    assert result.cases["agreement"].eq(1).all()
    np.testing.assert_allclose(result.cases["excess"], pair["excess"])
    assert list(result.maps["series"][:2]) == ["seed 1", "seed 2"]
    assert result.notes == ()


def test_verdicts_by_hand():
    """Five images, each with a different relation between the two seeds.

    i0 alike; i1 other decisions; i2 maps apart; i3 no evidence in seed 2; i4 heat on the border in
    both.
    """
    second = seed(
        2, [0, 1, 7, 3, 4, 5, 6, 2, 8], said={(i, "x"): 0.2 if i == "i1" else 0.9 for i in IMAGES}
    )
    for (image, _), heat in second["maps"].items():
        heat[(0, 1) if heat[0, 1] == 0 else (0, 2)] += 0.05
        heat *= image != "i3"
    heat = {(name, "i4", "x"): (0.5, 0.1) for name in ("m1", "m2")}
    result = compare(*world([seed(1, truth=[1] * 9), second], heat=heat), by="seed")
    cases = result.cases.set_index("image")
    assert cases["verdict"].to_dict() == {
        **dict.fromkeys(IMAGES, "consistent"),
        **dict.fromkeys(("i1", "i2", "i3", "i7"), "review"),
        "i4": "artefact",
    }
    assert reason(cases, "i1").startswith(
        "the map series differ: seed 1 positive (0.900), seed 2 negative (0.200)"
    )
    assert reason(cases, "i2").startswith("mean excess similarity −0.")
    assert reason(cases, "i3").startswith("no evidence in seed 2 (all zero)")
    assert cases.at["i4", "artefact_ratio"] == pytest.approx(5)
    assert result.pairs["dead"].tolist() == [1]
    assert on_artefacts(result) == [("seed 1", 1, 9), ("seed 2", 1, 9)]
    table = by_verdict(result).set_index("verdict")
    assert table["cases"].to_dict() == {"artefact": 1, "review": 4, "consistent": 4, "": 9}
    chosen, rule = choose(result.cases)
    assert result.cases["image"][chosen[0]] == "i4"
    assert len(chosen) == 5
    assert rule == Message("comparison.chosen", {"cases": 9})


def test_the_same_checkpoint_twice_is_one_series():
    twice = [seed(1), seed(2, sha="m1"), noisy(3)]
    for heat in twice[1]["maps"].values():
        heat *= 7
    result = compare(*world(twice), by="seed")
    assert result.all_series["same_as"].tolist() == ["", "seed 1", ""]
    assert result.pairs["identical"].tolist() == [True, False, False]
    assert result.cases["series_count"].eq(2).all()
    names = {"first": "seed 1", "second": "seed 2"}
    assert Message("notes.same_maps", names) in result.notes
    only = compare(*world(twice[:2]), by="seed")
    assert set(only.cases["verdict"]) == {"not_compared"}
    assert only.cases["excess"].isna().all()


def test_methods_of_one_model_do_not_agree_on_what_it_says():
    first, second = seed(1, sha="w"), noisy(2, rng="w")
    pair = [
        {**first, "name": "m", "method": "gradcam"},
        {**second, "name": "m", "method": "scorecam", "seed": 1, "said": {}},
    ]
    result = compare(*world(pair), by="method")
    assert result.pairs["agreement"].isna().all()
    assert result.cases["agreement"].isna().all()
    assert result.rule.values["differ"] == Message("consistency.differ_none")
    assert set(result.cases["verdict"]) == {"consistent", "review"}


def test_folds_without_a_common_image_stand_side_by_side():
    apart = [f"j{k}" for k in range(9)]
    truth = [1, 0] * 5
    folds = [
        seed(1, truth=truth, seed=None, fold=1),
        seed(2, images=apart, truth=truth, seed=None, fold=2),
    ]
    result = compare(*world(folds, heat={("m1", "i0", "x"): (0.9, 0.1)}, runs=[0, 1]), by="fold")
    assert result.cases.empty
    assert result.maps.empty
    assert result.pairs[["maps", "agreement", "excess"]].iloc[0].tolist()[0] == 0
    assert result.pairs[["agreement", "excess"]].isna().all(axis=None)
    assert result.notes[0] == Message("notes.none_shared", {"names": "fold 1, fold 2"})
    assert result.all_series["metric"].tolist() == ["auc", "auc"]
    assert result.all_series["value"].tolist() == [0.5, 0.5]
    assert result.all_series["artefact_share"].tolist() == pytest.approx([0.1, 0])
    assert by_verdict(result).empty


def test_classes_that_differ_are_a_case_and_to_be_reviewed():
    """Each model explains its own answer; on i2 the answers differ."""

    def classed(number, answers):
        maps = {(image, best): one_hot(k) for k, (image, best) in enumerate(zip(IMAGES, answers))}
        said = {
            (image, c): 0.8 if c == best else 0.1
            for image, best in zip(IMAGES, answers)
            for c in "ABC"
        }
        truth = {(image, c): float(c == "A") for image in IMAGES for c in "ABC"}
        return {"name": f"m{number}", "seed": number, "maps": maps, "said": said, "truth": truth}

    models = [classed(1, "AAB"), classed(2, "AAC"), classed(3, "AAB")]
    for heat in models[1]["maps"].values():
        heat += 0.01 * one_hot(8)
    result = compare(*world(models, task="multiclass"), by="seed")
    assert result.cases[["image", "label"]].to_numpy().tolist() == [
        ["i0", "A"],
        ["i1", "A"],
        ["i2", "B | C"],
    ]
    assert result.kind == "classes"
    case = result.cases.iloc[2]
    assert case["verdict"] == "review"
    assert case["agreement"] == 0
    assert case["correct"] == 0
    assert result.all_series["metric"].unique().tolist() == ["accuracy"]
    assert result.all_series["value"].tolist() == pytest.approx([2 / 3] * 3)
    assert result.pairs.loc[result.pairs["label"] == "", "agreement"].tolist() == pytest.approx(
        [2 / 3, 1, 2 / 3]
    )


def test_labels_that_only_one_model_was_asked_for_are_counted():
    second = seed(2)
    second["maps"] = {key: heat + 0.1 * one_hot(4) for key, heat in second["maps"].items()}
    second["maps"]["i0", "y"] = one_hot(3)
    second["said"]["i0", "y"] = 0.7
    result = compare(*world([seed(1), second]), by="seed")
    assert len(result.cases) == 9
    assert result.notes[-1] == Message("notes.other_labels", {"count": 1})


def test_models_of_other_labels_are_judged_by_those_that_both_have():
    """The second model's AUC of "y" is no part of a mean that stands beside the first's."""
    truth = [k % 2 for k in range(9)]
    first = seed(1, said={(i, "x"): 0.9 if t else 0.1 for i, t in zip(IMAGES, truth)}, truth=truth)
    second = seed(2, said=dict(first["said"]), truth=truth)
    for k, image in enumerate(IMAGES):
        second["maps"][image, "y"] = one_hot(k) + 0.1
        second["said"][image, "y"], second["truth"][image, "y"] = (
            0.9 - 0.8 * truth[k],
            float(truth[k]),
        )
    result = compare(*world([first, second]), by="seed")
    assert result.all_series["value"].tolist() == [1.0, 1.0]
    assert set(result.performance["label"]) == {"x", "mean of labels"}


def test_values_are_apart_beyond_the_mean_absolute_error():
    values = {"m1": [50.0, 60.0, 70.0], "m2": [54.0, 61.0, 90.0]}
    truth = [50.0, 60.0, 70.0]
    models = []
    for number, name in enumerate(values, 1):
        said = {(image, "age"): value for image, value in zip(IMAGES, values[name])}
        models.append(
            seed(number, [0, 1, 2], said=said, truth=truth, images=IMAGES[:3], label="age")
        )
    for heat in models[1]["maps"].values():
        heat += 0.01 * one_hot(8)
    result = compare(*world(models, task="regression"), by="seed")
    # Mean absolute errors 0 and 25/3: values further apart than 25/6 differ.
    assert result.all_series["value"].tolist() == pytest.approx([0, 25 / 3])
    assert result.cases["agreement"].tolist() == [1, 1, 0]
    assert result.cases["verdict"].tolist() == ["consistent", "consistent", "review"]
    assert "the map series differ: seed 1 70, seed 2 90" in reason(result.cases, 2)
    assert result.cases["error"].tolist() == pytest.approx([2, 0.5, 10])


def test_regions_that_hardly_overlap_are_to_be_reviewed():
    """Runs of 2 × 2 pixels: the left column, three pixels (Dice 0.8), the right column (Dice 0)."""
    regions = {"m1": [[0, 2, 2]] * 2, "m2": [[0, 3, 1], [2, 2]]}
    models = []
    for number, name in enumerate(regions, 1):
        said = {(image, "lung"): runs for image, runs in zip(IMAGES, regions[name])}
        models.append(
            seed(
                number,
                [0, 1],
                said=said,
                truth=[0.5 * number, 0.25],
                images=IMAGES[:2],
                label="lung",
            )
        )
    for heat in models[1]["maps"].values():
        heat += 0.01 * one_hot(8)
    result = compare(*world(models, task="segmentation"), by="seed")
    assert result.pairs["agreement"].tolist() == pytest.approx([0.4])
    assert result.cases["agreement"].tolist() == [1, 0]
    assert result.cases["verdict"].tolist() == ["consistent", "review"]
    assert result.cases["dice"].tolist() == pytest.approx([0.75, 0.25])
    assert result.all_series["metric"].tolist() == ["dice", "dice"]
    assert result.all_series["value"].tolist() == pytest.approx([0.375, 0.625])
    table = by_verdict(result).set_index("verdict")
    assert table["estimate"].drop("artefact").tolist() == pytest.approx([0.25, 0.75, 0.5])


def test_thresholds_can_be_given():
    models = [seed(1), noisy(2)]
    strict, lax = (
        compare(*world(models), by="seed", rule=VerdictRule(excess=limit)) for limit in (0.5, -1.0)
    )
    assert (strict.cases["verdict"] == "review").sum() == 5
    assert set(lax.cases["verdict"]) == {"consistent"}


def test_progress_counts_pairs():
    seen = []
    compare(
        *world([seed(1), noisy(2), noisy(3, "z")]),
        by="seed",
        progress=lambda done=0, total=None: seen.append((done, total)),
    )
    assert seen == [(0, 3), (1, None), (1, None), (1, None)]
