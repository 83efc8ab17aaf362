"""Metrics that are registered from outside are measured without any other change."""

import numpy as np
import pytest
import torch

from camlucida.attribution.batches import scans_of
from camlucida.core.errors import UsageError
from camlucida.core.messages import ENGLISH
from camlucida.evaluation.maps.choice import choose
from camlucida.evaluation.maps.measure import MetricSettings, Sample, measure
from camlucida.evaluation.maps.summary import summarise
from camlucida.metrics import METRICS, metric
from camlucida.metrics.ceiling import best_map
from camlucida.metrics.chance import MOVED, shifted_chance
from camlucida.metrics.perturbation import original_step, plan_of
from camlucida.metrics.queue import Step
from tests.support.nets import Cnn, images, seeded

SIZE = 24


@pytest.fixture
def registered():
    """Registers for one test: forgets the metrics afterwards."""
    names = []

    def register(name, family, **more):
        common = {"direction": "higher", "range": (0, 1), "source": "this test"}
        decorator = metric(name, name.title(), family, **common | more)
        names.append(name)
        return decorator

    yield register
    for name in names:
        METRICS.remove(name)
        for table in ("metric_titles", "metric_chance"):
            del ENGLISH[f"{table}.{name}"]


def mask():
    inside = np.zeros((SIZE, SIZE), bool)
    inside[4:12, 6:20] = True
    return inside


def sample():
    (scan,) = scans_of((images(1, 3, SIZE, SIZE, seed=3),))
    return Sample(scan, "p", {"1": mask()})


def measured(*names, **more):
    settings = {
        "layers": ("features",),
        "methods": ("hirescam",),
        "metrics": choose(names),
        "baselines": (),
    }
    return measure(seeded(Cnn()), [sample()], MetricSettings(**settings | more), strict=True).rows


def squared_mass(heat, truth):
    """Share of the squared positive heat inside the annotation."""
    energy = np.maximum(heat, 0) ** 2
    total = energy.sum()
    return float(energy[truth].sum() / total) if total else float("nan")


def test_chance_and_ceiling_of_a_localisation_metric_follow_from_its_function(registered):
    registered("squared_mass", "localisation")(squared_mass)
    assert METRICS["squared_mass"].chance == MOVED
    assert METRICS["squared_mass"].description.startswith("Share of the squared")
    (row,) = measured("squared_mass").to_dict("records")
    native_map, grid = heat_of(row)
    assert row["value"] == pytest.approx(squared_mass(native_map, mask()), abs=1e-9)
    assert row["chance"] == pytest.approx(shifted_chance(squared_mass, native_map, mask()))
    assert row["ceiling"] == pytest.approx(squared_mass(best_map(mask(), grid), mask()))
    assert 0 < row["chance"] < row["ceiling"] <= 1
    (line,) = summarise(measured("squared_mass")).to_dict("records")
    assert line["chance"] == pytest.approx(row["chance"])


def heat_of(row):
    """The map of a row, in original pixels, and its grid."""
    from camlucida import explain

    (explanation,) = explain(
        seeded(Cnn()), [sample().scan], target=row["label"], method="hirescam", layer="features"
    )
    return explanation.on_original().double().numpy(), explanation.grid


def test_functions_that_are_given_are_used(registered):
    registered(
        "peak_inside",
        "localisation",
        chance="a third",
        chance_level=lambda heat, truth: 1 / 3,
        ceiling=lambda best, truth: 0.9,
    )(lambda heat, truth: 0.5)
    (row,) = measured("peak_inside").to_dict("records")
    assert (row["value"], row["chance"], row["ceiling"]) == (0.5, 1 / 3, 0.9)


def test_no_chance_level_has_to_be_stated(registered):
    registered("unrelated", "localisation", chance="none: an example", ceiling=None)(
        lambda heat, truth: 0.5
    )
    (row,) = measured("unrelated").to_dict("records")
    assert np.isnan([row["chance"], row["ceiling"]]).all()
    assert METRICS["unrelated"].chance == "none: an example"


def test_a_description_and_an_option(registered):
    registered("peak", "description", direction="none")(lambda native: float(native.max()))
    registered("above", "localisation", options=("threshold",))(
        lambda heat, truth, threshold: threshold
    )
    with pytest.raises(UsageError, match="threshold"):
        choose(["above"])
    rows = measured("peak", metrics=(*choose(["peak"]), "above"), threshold=0.25)
    assert set(rows["metric"]) == {"peak", "above"}
    assert rows.set_index("metric").loc["above", "value"] == 0.25


def test_an_artefact_metric_names_its_region(registered):
    def upper_half(picture):
        region = np.zeros(picture.shape, bool)
        region[: len(region) // 2] = True
        return region

    registered("upper_share", "artefact", region=upper_half, chance_level=lambda heat, r: r.mean())(
        lambda heat, region: float("nan")
    )
    (row,) = measured("upper_share").to_dict("records")
    assert 0 <= row["value"] <= 1
    assert row["chance"] == 0.5


def test_a_faithfulness_metric_brings_its_plan(registered):
    def darkened_plan(perturbation, names):
        image = perturbation.image
        dark = Step("dark", lambda: image.ready(torch.zeros_like(image.tensor)))

        def scores(values):
            return {"darkened": values[0] - values[1]}

        return plan_of(perturbation, [original_step(perturbation), dark], scores)

    with pytest.raises(UsageError, match="no plan"):
        registered("darkened", "faithfulness")
    registered("darkened", "faithfulness", plan=darkened_plan, range=(None, None))(
        lambda original, dark: original - dark
    )
    rows = measured("darkened").set_index("output")
    net, scan = seeded(Cnn()), sample().scan
    images = torch.stack([scan.tensor, torch.zeros_like(scan.tensor)])
    with torch.no_grad():
        original, dark = net.eval()(images)[:, 1].tolist()
    assert rows.loc["logit", "value"] == pytest.approx(original - dark, rel=1e-4)
    assert "probability" in rows.index
