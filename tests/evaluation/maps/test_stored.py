"""An evaluation of a run measures the maps that the run stores."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from camlucida.datasets.ground_truth import read_ground_truth
from camlucida.evaluation.maps import (
    altered_maps,
    explained_again,
    model_maps,
    stored,
    target_scores,
)
from camlucida.evaluation.maps import measure as measuring
from camlucida.evaluation.maps.choice import choose
from camlucida.evaluation.maps.folder import run as evaluate_source
from camlucida.evaluation.maps.measure import MetricSettings
from camlucida.evaluation.maps.of_run import run_models
from camlucida.evaluation.maps.source import Source
from camlucida.runs.read import Run
from camlucida.runs.run import execute
from tests.support.models_on_disk import write_image, write_model

COHORT = """
images = "films"
table = "table.csv"
model = "card.toml"
[explain]
target = {target}
method = {method}
"""
AT_LAYER = '["layercam", "hirescam"]'
IMAGES = 4
PLAIN = ("localisation", "description", "artefact")


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """Films with two annotated labels, a model, a table of true labels."""
    folder = tmp_path_factory.mktemp("stored")
    write_model(folder)
    rows = []
    for i in range(IMAGES):
        write_image(folder / "films" / f"f{i}.png", seed=i)
        for label, corner in (("Nodule", (4, 6)), ("Mass", (20, 30))):
            mask = np.zeros((48, 64), np.uint8)
            mask[corner[0] + i : corner[0] + i + 12, corner[1] : corner[1] + 16] = 255
            (folder / "masks" / label).mkdir(parents=True, exist_ok=True)
            Image.fromarray(mask).save(folder / "masks" / label / f"f{i}.png")
        rows.append({"image": f"f{i}.png", "patient": f"P{i}", "labels": "Nodule|Mass"})
    pd.DataFrame(rows).to_csv(folder / "table.csv", index=False)
    return folder


def opened(cohort, target, method=AT_LAYER):
    """The one model of a run with this target."""
    name = "".join(filter(str.isalnum, target + method))
    file = cohort / f"{name}.toml"
    file.write_text(COHORT.format(target=target, method=method))
    if not (cohort / name).exists():
        execute(file, cohort / name)
    (model,) = run_models(Run.open(cohort / name), "cpu")
    return model


def source(cohort, target, *metrics, method=AT_LAYER, **more):
    model = opened(cohort, target, method)
    settings = MetricSettings(
        targets=model.targets,
        methods=model.methods,
        layers=model.layers,
        metrics=choose(metrics),
        baselines=("center", "sobel"),
    )
    truth = read_ground_truth(masks=cohort / "masks", labels=model.model.card.labels)
    settings = replace(settings, **more)
    return Source(model.model, model.cohort, settings, truth, maps=model.maps)


@pytest.fixture
def calls(monkeypatch):
    """Names of what explains or runs the model."""
    names = []
    for module, name in (
        (measuring, "explain"),
        (model_maps, "explain"),
        (explained_again, "explain"),
        (stored, "explain"),
        (stored, "run_batch"),
        (target_scores, "run_batch"),
        (altered_maps, "run_batch"),
    ):
        original = getattr(module, name)

        def spy(*given, _name=name, _original=original, **more):
            names.append(_name)
            return _original(*given, **more)

        monkeypatch.setattr(module, name, spy)
    return names


def same(first, second):
    keys = ["image", "label", "method", "layer", "metric", "output"]
    pd.testing.assert_frame_equal(
        first.sort_values(keys, ignore_index=True),
        second.sort_values(keys, ignore_index=True),
        rtol=0,
        atol=1e-6,
    )


@pytest.mark.parametrize("target", ['"truth"', '"Nodule"', '["predicted", "Mass"]', '"top2"'])
def test_metrics_of_maps_alone_neither_explain_nor_run_the_model(cohort, calls, target):
    of_run = source(cohort, target, *PLAIN)
    rows = evaluate_source(of_run).tables.rows
    assert calls == []
    same(rows, evaluate_source(replace(of_run, maps=None)).tables.rows)
    assert "explain" in calls
    assert set(rows["method"]) == {"layercam", "hirescam", "center", "sobel"}
    assert rows["value"].notna().any()


def test_methods_with_and_without_a_layer_are_both_stored(cohort, calls):
    of_run = source(cohort, '"truth"', "hit", method='["layercam", "input_x_gradient"]')
    rows = evaluate_source(of_run).tables.rows
    assert calls == []
    of_methods = rows[~rows["baseline"].astype(bool)]
    assert set(zip(of_methods["method"], of_methods["layer"])) == {
        ("layercam", "features"),
        ("input_x_gradient", "(input)"),
    }
    same(rows, evaluate_source(replace(of_run, maps=None)).tables.rows)


def test_a_part_of_the_targets_of_a_run_is_not_explained_again(cohort, calls):
    of_run = source(cohort, '["predicted", "truth"]', "hit", targets=("predicted",))
    rows = evaluate_source(of_run).tables.rows
    assert calls == ["run_batch"] * IMAGES
    same(rows, evaluate_source(replace(of_run, maps=None)).tables.rows)


def test_a_method_that_the_run_could_not_apply_costs_itself_alone(cohort, calls):
    methods = '["layercam", "attention_rollout"]'
    evaluated = evaluate_source(source(cohort, '"truth"', "hit", method=methods))
    rows = evaluated.tables.rows
    assert calls == [] == evaluated.tables.failures
    assert set(rows["method"]) == {"layercam", "center", "sobel"}
    (note,) = [n for n in evaluated.tables.notes if n.code == "evaluation_notes.left_out"]
    assert note.values["methods"] == [f"attention_rollout ({IMAGES})"]


def test_what_needs_the_model_runs_it_and_explains_no_image_again(cohort, calls):
    of_run = source(cohort, '"truth"', "road", "average_gain", "hit")
    tables = evaluate_source(of_run).tables
    assert "explain" not in calls
    again = evaluate_source(replace(of_run, maps=None)).tables
    same(tables.rows, again.rows)
    np.testing.assert_allclose(tables.curves["value"], again.curves["value"], atol=1e-6)


def test_sanity_and_stability_are_those_of_the_explained_maps(cohort):
    of_run = source(cohort, '"Nodule"', "cascading_randomisation", "view_agreement")
    evaluated, again = (evaluate_source(s) for s in (of_run, replace(of_run, maps=None)))
    same(evaluated.tables.rows, again.tables.rows)
    np.testing.assert_allclose(
        evaluated.sanity["similarity"], again.sanity["similarity"], atol=1e-6
    )


def test_maps_that_are_not_stored_are_explained_and_noted(cohort, calls):
    other = source(cohort, '"Nodule"', "hit", methods=("gradcam",))
    evaluated = evaluate_source(other)
    assert calls.count("explain") == IMAGES
    assert set(evaluated.tables.rows["method"]) == {"gradcam", "center", "sobel"}
    (note,) = [n for n in evaluated.tables.notes if n.code == "evaluation_notes.explained_again"]
    assert note.values["count"] == IMAGES


def test_an_image_that_has_changed_is_explained_again(cohort, calls):
    of_run = source(cohort, '"Nodule"', "hit")
    sample = of_run.sample(of_run.cohort.images[0])
    changed = replace(sample, scan=replace(sample.scan, source={"sha256": "other"}))
    assert of_run.explanations(sample)
    assert calls == []
    assert of_run.explanations(changed)
    assert calls == ["explain"]
    assert of_run.maps.explained_again == [sample.scan.id]
