"""Which metrics are computed."""

import pytest

from camlucida.core.errors import UsageError
from camlucida.evaluation.maps.choice import (
    DEFAULT,
    choose,
    choose_baselines,
    tuned,
    with_inputs,
)
from camlucida.metrics import METRICS


def test_default_and_all():
    assert set(choose()) == set(DEFAULT)
    everything = set(choose(["all"]))
    assert everything == {name for name, _ in METRICS.items()} - set(with_inputs("maps")) - set(
        tuned()
    )
    assert everything > set(DEFAULT) | set(with_inputs("all boxes"))


def test_families_names_and_commas_in_the_registrys_order():
    order = [name for name, _ in METRICS.items()]
    chosen = choose(["sanity,hit", "gini"])
    assert set(chosen) == {
        "hit",
        "gini",
        *(name for name in order if METRICS[name].family == "sanity"),
    }
    assert list(chosen) == sorted(chosen, key=order.index)


def test_a_threshold_brings_the_tuned_metrics():
    assert set(tuned()) <= set(choose(["hit"], 0.4))
    with pytest.raises(UsageError, match="threshold"):
        choose(["iou_tuned"])


@pytest.mark.parametrize(
    ("word", "message"),
    [("rood", "did you mean road"), ("pearson", "several models"), ("agreement", "unknown metric")],
)
def test_wrong_words(word, message):
    with pytest.raises(UsageError, match=message):
        choose([word])


def test_baselines():
    assert choose_baselines("none") == ()
    assert choose_baselines("sobel,oracle,sobel") == ("sobel", "oracle")
    assert "fake_cam" in choose_baselines("all")
    with pytest.raises(UsageError, match="did you mean sobel"):
        choose_baselines("sobell")
