"""The sanity table of a run."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from camlucida.attribution.batches import scans_of
from camlucida.evaluation.maps.choice import choose
from camlucida.evaluation.maps.few_images import FewImages
from camlucida.evaluation.maps.measure import MetricSettings, Sample
from camlucida.evaluation.maps.randomisation import COLUMNS, randomisation_table
from camlucida.evaluation.maps.summary import gate_table
from camlucida.metrics.sanity import blocks
from tests.support.nets import Cnn, images, seeded


def samples(count):
    return [
        Sample(scan, f"P{i}")
        for i, scan in enumerate(scans_of((images(count, 3, 24, 24, seed=5),)))
    ]


def settings(*metrics, methods=("gradcam", "eigencam")):
    return MetricSettings(
        targets=("0", "1"), methods=methods, layers=("features",), metrics=choose(metrics)
    )


def test_one_row_a_map_block_and_seed():
    net = seeded(Cnn())
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    table = randomisation_table(net, samples(12), settings("sanity"), seeds=2)
    steps = len(blocks(net, images(1, 3, 24, 24)))
    assert list(table.columns) == list(COLUMNS)
    assert len(table) == 12 * 2 * 2 * 2 * steps * 2  # images, labels, methods, modes, blocks, seeds
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    first = table[(table.block == 0) & (table["mode"] == "cascading")]
    eigen = first[first.method == "eigencam"]  # does not look at the head, which is the first block
    assert np.allclose(eigen.similarity, 1)
    assert set(eigen.verdict) == {"unchanged"}
    assert (first[first.method == "gradcam"].similarity < 0.999).any()
    for _, group in table.groupby(["method", "mode", "block", "label"]):
        assert group.high.nunique() == 1  # a test for each label
    assert not table.pooled.any()
    maps = table[(table.block == steps - 1) & (table["mode"] == "cascading")]
    for _, group in maps.groupby(["method", "label"]):
        assert group.gate_similarity.iloc[0] == pytest.approx(group.similarity.abs().mean())


def test_eigencam_depends_on_the_blocks_up_to_its_layer_alone():
    convolutions = [nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3), nn.Conv2d(8, 8, 3)]
    stages = [part for convolution in convolutions for part in (convolution, nn.ReLU())]
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 2)]
    net = seeded(nn.Sequential(*stages, *head))
    metrics = replace(
        settings("independent_randomisation", methods=("eigencam",)), layers=("1", "3", "5")
    )
    table = randomisation_table(net, samples(8), metrics, seeds=2)
    assert set(table["block_name"]) == {"0", "2", "4", "8"}
    after = table["block_name"].astype(int) > table["layer"].astype(int)
    assert np.allclose(table["similarity"][after], 1)
    assert set(table["verdict"][after]) == {"unchanged"}
    assert (table["similarity"][~after] < 0.999).all()


def test_images_of_one_patient_count_once():
    pairs = [replace(sample, patient=f"P{i // 2}") for i, sample in enumerate(samples(12))]
    metrics = settings("randomisation_gate", methods=("eigencam",))
    table = randomisation_table(seeded(Cnn()), pairs, metrics, seeds=1)
    gate = gate_table(table).iloc[-1:]
    assert set(zip(gate["images"], gate["patients"])) == {(12, 6)}
    alone = randomisation_table(seeded(Cnn()), samples(12), metrics, seeds=1)
    alone = gate_table(alone).iloc[-1:]
    assert set(zip(alone["images"], alone["patients"])) == {(12, 12)}
    # The bound of twice the images is that of their patients.
    assert not np.allclose(gate["high"], alone["high"])


@pytest.mark.parametrize(
    ("patients", "kept"),
    [
        ("aabb", [0, 1, 2, 3]),
        ("aaaabbcd", [0, 4, 6, 7]),
        ("aaaaaabb", [0, 1, 2, 6]),
        ("abcdefa", [0, 1, 2, 3]),
        ("aaaaaaa", [0, 1, 2, 3]),
    ],
)
def test_few_images_are_of_many_patients(patients, kept):
    few = FewImages(4)
    for image, patient in enumerate(patients):
        few.add(image, patient)
    assert list(few) == kept


def test_few_images_give_no_verdict():
    table = randomisation_table(
        seeded(Cnn()), samples(3), settings("cascading_randomisation"), seeds=1
    )
    assert set(table["mode"]) == {"cascading"}
    assert set(table.verdict) == {"unclear"}
    assert table.pooled.all()  # both labels have three patients
    assert (table.more == 2).all()
    assert table.null.notna().all()
    assert (
        randomisation_table(seeded(Cnn()), samples(1), settings("randomisation_gate"), seeds=1)
        .null.isna()
        .all()
    )


@pytest.mark.parametrize(("count", "metric"), [(0, "sanity"), (2, "road")])
def test_nothing_to_do(count, metric):
    table = randomisation_table(seeded(Cnn()), samples(count), settings(metric))
    assert len(table) == 0
    assert list(table.columns) == list(COLUMNS)


def test_a_random_model_without_finite_answers_gives_dead_maps():
    class Fragile(Cnn):
        def forward(self, x):
            y = super().forward(x)
            return y * (float("nan") if self.head.bias.abs().sum() == 0 else 1)

    table = randomisation_table(
        seeded(Fragile()), samples(2), settings("cascading_randomisation"), seeds=1
    )
    assert table.dead.all()
    assert table.similarity.isna().all()
