"""Who is compared with whom, and what is said where nobody can be."""

import pytest

from camlucida.analysis.comparison.series import find_groups, on_shared_images
from camlucida.core.errors import UsageError
from camlucida.core.messages import Message, prefixed
from tests.support.stored_runs import one_hot, world

MAPS = {("a", "x"): one_hot(0), ("b", "x"): one_hot(1)}


def model(name, **about):
    maps = about.pop("maps", MAPS)
    return {"name": name, "maps": maps, "said": dict.fromkeys(maps, 0.9), **about}


def names(models, by, **about):
    runs, cases, _ = world(models, **about)
    groups, notes = find_groups(runs, cases, by)
    return {group.name: [series.name for series in group.all_series] for group in groups}, notes


def test_seeds_of_one_architecture_method_and_layer():
    result, notes = names(
        [model("m1", seed=1), model("m2", seed=2), model("n", seed=1, architecture="other")], "seed"
    )
    assert result == {"": ["seed 1", "seed 2"]}
    lone = Message("notes.lone", {"by": Message("words.seed")})
    assert notes == [prefixed("n, gradcam at last", lone)]


def test_several_groups_are_named_by_what_tells_them_apart():
    models = [
        model(f"{a}{k}", seed=k, architecture=a, layer=f"{a}.last")
        for a in ("res", "dense")
        for k in (1, 2)
    ]
    result, _ = names(models, "seed")
    assert result == {
        "res · res.last": ["seed 1 · res · res.last", "seed 2 · res · res.last"],
        "dense · dense.last": ["seed 1 · dense · dense.last", "seed 2 · dense · dense.last"],
    }


def test_architectures_need_no_common_layer_where_each_has_one():
    pair = [
        model("r", architecture="res", layer="layer4"),
        model("d", architecture="dense", layer="features"),
    ]
    assert names(pair, "architecture")[0] == {"": ["res", "dense"]}
    assert names(pair, "model")[0] == {"": ["r", "d"]}
    third = model("r", architecture="res", layer="layer3", sha="r")
    with pytest.raises(UsageError, match="no two map series differ in architecture alone"):
        names([*pair, third], "architecture")


def test_methods_of_one_model_are_found_in_several_runs():
    pair = [model("m", method="gradcam", sha="w"), model("m", method="scorecam", sha="w")]
    assert names(pair, "method", runs=[0, 1])[0] == {"": ["gradcam", "scorecam"]}
    other = [pair[0], {**pair[1], "sha": "other weights"}]
    with pytest.raises(UsageError, match="no two map series differ in method alone"):
        names(other, "method", runs=[0, 1])


def test_namesakes_in_two_runs_are_told_apart():
    result, _ = names([model("m", sha="1"), model("m", sha="2")], "model", runs=[0, 1])
    assert result == {"": ["m (run0)", "m (run1)"]}


def test_layers_of_one_model():
    assert names([model("m", layer="layer3"), model("m", layer="layer4")], "layer")[0] == {
        "": ["layer3", "layer4"]
    }


@pytest.mark.parametrize(
    ("models", "by", "message"),
    [
        (
            [model("m", seed=1)],
            "seed",
            r"these runs have one seed \(1\): nothing to compare "
            r".*one model, method and layer only",
        ),
        (
            [model("m"), model("m", method="scorecam")],
            "seed",
            r"no seed: .*what varies: method \(gradcam, scorecam\)",
        ),
        (
            [model("m", seed=1), model("n", seed=1, sha="n")],
            "seed",
            r"n, gradcam at last have the same seed \(1\) .*--by model",
        ),
        ([model("m", seed=1, sha="w"), model("n", seed=1, sha="w")], "model", None),
        ([model("m"), model("n")], "sede", "did you mean seed"),
        (
            [model("m", seed=1), model("n", seed=2, architecture="o")],
            "seed",
            "no two map series differ in seed alone .*--by model",
        ),
    ],
)
def test_requests_that_cannot_be_met(models, by, message):
    if message is None:
        assert names(models, by)[0] == {"": ["m", "n"]}
        return
    with pytest.raises(UsageError, match=message):
        names(models, by)


def test_models_without_a_seed_are_left_out_and_named():
    result, notes = names([model("m1", seed=1), model("m2", seed=2), model("n")], "seed")
    assert result == {"": ["seed 1", "seed 2"]}
    assert notes == [prefixed("n", Message("notes.unstated", {"by": Message("words.seed")}))]


def shared(models):
    runs, cases, _ = world(models)
    (group,) = find_groups(runs, cases, "seed")[0]
    return on_shared_images(runs, group)


def test_only_the_images_of_all_are_kept():
    more = {**MAPS, ("c", "x"): one_hot(2)}
    group, images, notes = shared([model("m", seed=1, maps=more), model("n", seed=2)])
    assert {name for name, _ in images} == {"a", "b"}
    assert notes == [Message("notes.some_shared", {"shared": 2, "count": 3})]
    assert [len(series.rows) for series in group.all_series] == [2, 2]


def test_a_name_is_not_enough():
    group, images, notes = shared([model("m", seed=1), model("n", seed=2, hash={"b": "changed"})])
    assert {name for name, _ in images} == {"a"}
    assert notes[0] == Message("notes.namesakes", {"count": 1})
    assert [list(series.rows["image"]) for series in group.all_series] == [["a"], ["a"]]


def test_nothing_shared_is_said():
    apart = {("z", "x"): one_hot(2)}
    group, images, notes = shared([model("m", seed=1), model("n", seed=2, maps=apart)])
    assert images == set()
    assert notes[0] == Message("notes.none_shared", {"names": "seed 1, seed 2"})
    assert [len(series.rows) for series in group.all_series] == [2, 1]
