"""Verified use on a linear model whose logits are known, and the films themselves."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from camlucida.core.errors import UsageError
from camlucida.core.geometry import Geometry
from camlucida.core.scan import Scan
from camlucida.evaluation.maps.measure import Sample
from camlucida.models import Card, InputSpec, LoadedModel
from camlucida.phantom import trial as phantom
from camlucida.phantom.trial import LABELS
from camlucida.workflows.benchmark import films
from camlucida.workflows.benchmark.arms import duplicates
from camlucida.workflows.benchmark.films import Twins

SPEC = InputSpec(size=64, channels=1, range=(-1, 1))


def scan(*values: float) -> Scan:
    return Scan(
        torch.tensor(values).reshape(1, 1, -1),
        None,
        Geometry.identity((1, len(values))),
        "film",
        synthetic=True,
    )


def linear(evidence: float, distractor_change: float, bias: float = 0.0) -> LoadedModel:
    """logit(nodule) = evidence · x₀ + distractor · x₁ + bias; the other labels are 0.

    x₂ is the tag, worth 3.
    """
    module = nn.Sequential(nn.Flatten(), nn.Linear(3, 3))
    with torch.no_grad():
        module[1].weight.zero_()
        module[1].weight[0] = torch.tensor([evidence, distractor_change, 3.0])
        module[1].bias.copy_(torch.tensor([bias, 0.0, 0.0]))
    return LoadedModel(
        module.eval(), Card(factory="a.b:c", task="multilabel", labels=LABELS), "linear", "0"
    )


def nodule_film() -> Twins:
    """Evidence 2 at x₀; without it 0; with the distractor 1 at x₁; the tag at x₂."""
    mask = np.array([[True, False, False]])
    return Twins(
        scan(2, 0, 1),
        "7",
        {"nodule": mask, "tag": mask[:, ::-1]},
        {"nodule": 9.0},
        {"nodule": scan(0, 0, 1), "tag": scan(2, 0, 0)},
        {"nodule": scan(0, 1, 1)},
    )


@pytest.mark.parametrize(
    ("evidence", "distractor_change", "bias", "passed"),
    [
        (2, 1, 0, True),  # drops by 4, the distractor adds 1
        (2, 2, 0, True),  # exactly twice is enough
        (2, -2.1, 0, False),  # a distractor that pulls the other way counts as much
        (-2, 0, 20, False),  # the evidence speaks against the label
        (2, 0, -8, False),  # p < .5: the model does not predict it
        (0, 0, 5, False),  # predicts it for another reason
    ],
)
def test_use_is_proven_only_where_the_logit_follows_the_evidence(
    evidence, distractor_change, bias, passed
):
    (row,) = films.verify_use(linear(evidence, distractor_change, bias), [nodule_film()]).to_dict(
        "records"
    )
    assert row["logit_drop"] == pytest.approx(2 * evidence)
    assert row["distractor_change"] == pytest.approx(distractor_change)
    assert row["logit"] == pytest.approx(2 * evidence + bias + 3)
    assert row["passed"] is passed
    assert (row["radius"], row["tag"], row["patient"]) == (9.0, True, "7")


def test_without_a_distractor_nothing_is_proven():
    film = nodule_film()
    bare = Twins(film.scan, film.patient, film.masks, film.radius, film.without)
    (row,) = films.verify_use(linear(2, 0), [bare]).to_dict("records")
    assert np.isnan(row["distractor_change"])
    assert not row["passed"]


def test_reliance_on_the_tag_is_the_drop_without_it():
    table = films.tag_reliance(
        linear(2, 1), [nodule_film(), Twins(scan(0, 0, 0), "8", {})], "nodule"
    )
    assert table["logit_drop"].tolist() == [pytest.approx(3.0)]
    assert table["shown"].tolist() == [True]
    assert films.tag_reliance(linear(2, 1), [], "nodule").empty


def test_no_patient_is_in_two_models_films():
    drawn = [set(films.seeds(model, seed)) for model in range(3) for seed in range(2)]
    assert len(set.union(*drawn)) == sum(map(len, drawn))
    assert set.union(*drawn) <= set(phantom.BENCHMARK_SEEDS)
    with pytest.raises(UsageError, match="seeds 0 to 9"):
        films.seeds(0, 10)


def test_films_have_the_twins_that_the_proof_needs():
    trials = films.trials(90, 3)
    assert all(any(entry.labels) for entry in trials)
    film = films.twins(trials[0], SPEC)
    assert film.scan.synthetic
    assert film.scan.tensor.shape == (1, 64, 64)
    assert set(film.labels) <= set(film.without) & set(film.radius)
    for label in film.labels:
        assert not torch.equal(film.without[label].tensor, film.scan.tensor)
        assert film.radius[label] == films.largest_radius(trials[0], label)
    assert ("tag" in film.without) == trials[0].tag


def test_the_conjunction_is_scored_apart():
    trial = next(entry for entry in films.trials(91, 40) if all(entry.labels))
    film = films.twins(trial, SPEC)
    both = films.samples([film], {film.scan.id: LABELS})
    assert [set(sample.masks) for sample in both] == [set(LABELS[:2]), {LABELS[2]}]
    assert [set(sample.masks) for sample in films.samples([film], {film.scan.id: ["cavity"]})] == [
        {"cavity"}
    ]
    assert films.samples([film], {}) == []


def test_formulas_that_coincide_with_this_head_are_detected():
    torch.manual_seed(0)
    layers = nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)
    card = Card(factory="a.b:c", task="multilabel", labels=LABELS, layer="1")
    model = LoadedModel(nn.Sequential(*layers).eval(), card, "small", "0")
    mask = np.ones((8, 8), np.bool_)
    scans = [
        Scan(torch.rand(1, 8, 8), None, Geometry.identity((8, 8)), f"i{k}", synthetic=True)
        for k in range(2)
    ]
    chosen = [Sample(entry, "p", {"nodule": mask, "cavity": mask}) for entry in scans]
    same = duplicates(
        model, chosen, ("cam", "gradcam", "hirescam", "xgradcam", "eigencam", "scorecam")
    )
    assert same == {
        "hirescam": "cam",
        "xgradcam": "gradcam",
    }  # the first two keep their sign, the others end with a ReLU
    assert duplicates(model, [], ("cam", "hirescam")) == {}
