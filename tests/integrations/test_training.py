"""A panel of maps during training: it changes nothing of the training, and states what it lacks."""

from __future__ import annotations

import logging

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from camlucida.core.errors import CamlucidaError, UsageError
from camlucida.core.geometry import Geometry
from camlucida.core.scan import Scan
from camlucida.integrations.training import COLUMNS, SHOWN, AttentionPanel


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4, 2),
    )


def data() -> tuple[torch.Tensor, torch.Tensor]:
    """The label is whether the left half is bright."""
    random = torch.Generator().manual_seed(1)
    images = torch.rand(16, 1, 8, 8, generator=random)
    labels = torch.arange(16) % 2
    images[labels == 1, :, :, :4] += 1
    return images, labels


def scans(count=2) -> list[Scan]:
    images, _ = data()
    return [
        Scan(image, None, Geometry.identity((8, 8)), f"film{number}")
        for number, image in enumerate(images[:count])
    ]


def train(model, epochs, panel=None, break_at=None):
    images, labels = data()
    optimiser = torch.optim.SGD(model.parameters(), lr=0.5)
    torch.manual_seed(2)
    if panel is not None:
        panel.record(model, 0)
    for epoch in range(1, epochs + 1):
        loss = nn.functional.cross_entropy(model(images), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if epoch == break_at:
            with torch.no_grad():
                model[0].weight.fill_(float("nan"))
        if panel is not None:
            panel.record(model, epoch)
    return model


def panel_in(folder, **options) -> AttentionPanel:
    return AttentionPanel(scans(), [0, 1], folder, "hirescam", "0", **options)


def test_a_training_with_a_panel_ends_with_the_same_weights(tmp_path):
    alone = train(network(), 4)
    watched = train(network(), 4, panel_in(tmp_path / "a"))
    for first, second in zip(
        alone.state_dict().values(), watched.state_dict().values(), strict=True
    ):
        assert torch.equal(first, second)
    assert watched.training
    assert not any(module._forward_hooks for module in watched.modules())


def test_files_and_table(tmp_path):
    panel = panel_in(tmp_path / "a")
    train(network(), 3, panel)
    names = {path.name for path in (tmp_path / "a").iterdir()}
    maps = {f"epoch_{epoch:04d}.npz" for epoch in range(4)}
    assert names == {"attention.csv", "attention.png", *maps}
    table = pd.read_csv(tmp_path / "a/attention.csv")
    assert list(table) == COLUMNS
    assert table["epoch"].tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert table["target"].astype(str).tolist() == ["0", "1"] * 4
    assert table["similarity_to_previous"].isna().tolist() == [True, True] + [False] * 6
    first, third = (np.load(tmp_path / f"a/epoch_{epoch:04d}.npz")["case_1"] for epoch in (0, 3))
    expected = np.corrcoef(first.ravel(), third.ravel())[0, 1]
    assert table["similarity_to_first"].iloc[-1] == pytest.approx(expected, abs=1e-6)


def test_a_broken_epoch_is_stated_and_the_training_goes_on(tmp_path, caplog):
    panel = panel_in(tmp_path / "a")
    with caplog.at_level(logging.WARNING):
        train(network(), 2, panel, break_at=2)
    assert "film0 is not explained" in caplog.text
    table = pd.read_csv(tmp_path / "a/attention.csv")
    assert table.loc[table["epoch"] == 2, "problem"].notna().all()
    assert table.loc[table["epoch"] == 1, "problem"].isna().all()
    assert not np.load(tmp_path / "a/epoch_0002.npz").files


def test_a_wrong_request_ends_at_once(tmp_path):
    with pytest.raises(UsageError, match="2 cases and 1 targets"):
        AttentionPanel(scans(), [0], tmp_path)
    with pytest.raises(CamlucidaError, match="nonsense"):
        AttentionPanel(scans(1), [0], tmp_path, layer="nonsense").record(network(), 0)
    with pytest.raises(UsageError, match="the same in every epoch"):
        AttentionPanel(scans(1), ["all"], tmp_path, "hirescam", "0").record(network(), 0)


def test_another_training_does_not_write_over_a_panel(tmp_path):
    panel_in(tmp_path).record(network(), 0)
    with pytest.raises(UsageError, match="an earlier training"):
        panel_in(tmp_path)


def test_a_target_that_changes_is_not_shown_as_the_same(tmp_path):
    """“predicted” is one label today and the other tomorrow."""
    model = network().eval()
    panel = AttentionPanel(scans(1), ["predicted"], tmp_path, "hirescam", "0")
    (first,) = panel.record(model, 0)
    with torch.no_grad():
        model[-1].bias += torch.tensor([100.0, 0.0] if first.target == "1" else [0.0, 100.0])
    assert panel.record(model, 1) == [None]
    assert "the same in every epoch" in panel.table()["problem"].iloc[1]


def test_a_long_training_shows_some_epochs_and_says_so(tmp_path, monkeypatch):
    shown = []
    monkeypatch.setattr(
        "camlucida.integrations.training.comparison_grid",
        lambda rows, columns, **more: shown.append((columns, more["notes"])),
    )
    monkeypatch.setattr("camlucida.integrations.training.save_figure", lambda *_: None)
    panel = panel_in(tmp_path)
    model = network()
    for epoch in range(SHOWN + 3):
        panel.record(model, epoch)
    columns, notes = shown[-1]
    assert len(columns) == SHOWN
    assert (columns[0], columns[-1]) == ("epoch 0", f"epoch {SHOWN + 2}")
    assert notes == [f"{SHOWN} of {SHOWN + 3} recorded epochs are shown."]
