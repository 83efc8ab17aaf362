"""The callback with the real Lightning: a tiny training, with and without it."""

import logging
import sys
import warnings

import pandas as pd
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from camlucida.core.errors import UsageError
from camlucida.integrations.lightning import PACKAGES, attention_callback
from tests.integrations.test_training import data, network, panel_in


@pytest.fixture(scope="module")
def lightning():
    reason = "the callback needs pip install '.[lightning]'"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("lightning.pytorch", reason=reason)


def trained(lightning, folder, callbacks):
    class Module(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.net = network()

        def forward(self, x):
            return self.net(x)

        def training_step(self, batch, _):
            images, labels = batch
            return torch.nn.functional.cross_entropy(self(images), labels)

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.5)

    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    module = Module()
    torch.manual_seed(3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer = lightning.Trainer(
            max_epochs=2,
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            callbacks=callbacks,
            default_root_dir=folder,
        )
        trainer.fit(module, DataLoader(TensorDataset(*data()), batch_size=8))
    return module


def test_a_training_with_the_callback_is_the_same_training(lightning, tmp_path):
    panel = panel_in(tmp_path / "a")
    panel.layer = "net.0"
    watched = trained(lightning, tmp_path, [attention_callback(panel)])
    alone = trained(lightning, tmp_path, [])
    for first, second in zip(watched.parameters(), alone.parameters(), strict=True):
        assert torch.equal(first, second)
    table = pd.read_csv(tmp_path / "a/attention.csv")
    assert table["epoch"].tolist() == [0, 0, 1, 1, 2, 2]
    assert table["problem"].isna().all()


def test_without_lightning_one_line_says_so(tmp_path, monkeypatch):
    for name in PACKAGES:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(UsageError, match="needs Lightning"):
        attention_callback(panel_in(tmp_path))
