"""Metrics that are not defined for volumes and detectors are left out, with a note, or refused."""

import numpy as np
import pytest
import torch

import camlucida as cl
from camlucida.core.errors import UsageError
from camlucida.evaluation.maps.measurable import for_detector, for_model
from camlucida.evaluation.maps.samples import MetricSettings
from camlucida.models.preprocessing import VolumeInput
from tests.support import nets
from tests.support.detectors import detector


def test_of_a_detector_the_metrics_of_the_map_alone_are_measured():
    net, image = detector("retinanet"), nets.images(1, 3, 80, 110).sigmoid()
    options = {"target": "box:1", "baselines": ()}
    rows = cl.evaluate(net, image, metrics="gini,deletion,road", **options)
    assert set(rows["metric"]) == {"gini"}
    assert "is not followed through altered images: deletion, road" in rows.attrs["notes"][0]
    with pytest.raises(UsageError, match="deletion: the score of a detector's box"):
        cl.evaluate(net, image, metrics="deletion", **options)


def test_stacked_slices_are_measured_as_images():
    settings = MetricSettings(metrics=("road", "hit"))
    card = VolumeInput(orientation="RAS", size=(8, 8), slices=3)
    kept, notes = for_model(settings, card)
    assert kept.metrics == ("road", "hit")
    assert [note.code for note in notes] == ["measurable.projected"]
    assert for_detector(settings, torch.nn.Identity()) == (settings, [])


def test_a_volume_is_measured_in_voxels():
    net = torch.nn.Sequential(
        torch.nn.Conv3d(1, 1, 1), torch.nn.AdaptiveAvgPool3d(1), torch.nn.Flatten()
    ).eval()
    with torch.no_grad():
        net[0].weight.fill_(1)
    volume, mask = torch.zeros(1, 1, 4, 6, 5), np.zeros((4, 6, 5), bool)
    volume[0, 0, 1, 2, 3] = 1
    mask[1, 2, 3] = True
    options = {"layer": "0", "target": "output+", "task": "regression", "baselines": ()}
    rows = cl.evaluate(net, volume, masks=[mask], metrics="hit,relevance_rank,road", **options)
    values = rows.set_index("metric")
    assert values.loc["hit", "value"] == values.loc["relevance_rank", "value"] == 1
    assert values.loc["hit", "chance"] == pytest.approx(1 / 120)
    assert set(values.index) == {"hit", "relevance_rank"}


def test_the_box_of_a_detector_is_measured_against_the_annotation_of_its_class():
    net, image = detector("retinanet"), nets.images(1, 3, 80, 110).sigmoid()
    mask = np.zeros((80, 110), bool)
    mask[:40] = True
    options = {"target": "box:1", "labels": ["none", "nodule", "effusion"], "baselines": ()}
    rows = cl.evaluate(net, image, masks=[{"nodule": mask}], metrics="relevance_mass", **options)
    assert list(rows["label"]) == ["nodule, box 1"]
    assert rows["value"].notna().all()
    options.pop("target")
    best = cl.evaluate(net, image, masks=[{"effusion": mask}], metrics="relevance_mass", **options)
    assert {label.partition(",")[0] for label in best["label"]} <= {"effusion"}
