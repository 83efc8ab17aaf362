"""Mirrored views of volumes: from left to right and from head to foot, wherever these axes run."""

import numpy as np
import pytest
import torch

import camlucida as cl
from camlucida.evaluation.maps import stability
from camlucida.models import load_model
from tests.support.volumes import CARD, write_nifti, write_volume_model


@pytest.mark.parametrize(
    ("orientation", "codes", "left_right", "head_foot"),
    [("RAS", (1, 1), 1, 3), ("SPL", (1, 1), 3, 1), ("RAS", (0, 0), 3, 2)],
)
def test_views_are_mirrored_along_the_patients_axes(
    tmp_path, monkeypatch, orientation, codes, left_right, head_foot
):
    write_volume_model(tmp_path)
    (tmp_path / "card.toml").write_text(CARD.replace("RAS", orientation))
    voxels = np.random.default_rng(0).random((10, 12, 14)).astype(np.float32)
    path = write_nifti(tmp_path / "a.nii", voxels, codes=codes)
    model = load_model(tmp_path / "card.toml", device="cpu")
    scan = model.read(path)
    explanations = cl.explain(model, scan, target="Lesion")
    copies = []
    whole = stability.of_copies

    def recorded(model, scan, explanations, tensors):
        copies.extend(tensors)
        return whole(model, scan, explanations, tensors)

    monkeypatch.setattr(stability, "of_copies", recorded)
    scores = list(stability.stability_scores(model, scan, explanations, ["view_agreement"], 0))
    horizontal, vertical, both = copies
    assert torch.equal(horizontal, scan.tensor.flip(left_right))
    assert torch.equal(vertical, scan.tensor.flip(head_foot))
    assert torch.equal(both, scan.tensor.flip(left_right, head_foot))
    assert scores[0][2].value == pytest.approx(1)  # the map of this network is the volume itself
