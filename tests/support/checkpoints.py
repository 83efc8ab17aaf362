"""What training scripts save: a small network's weights in every shape that is met.

Each shape is a function of the state dict that it hides; ``RIGHT`` says what comes out.
"""

import argparse
import collections
import datetime
import pathlib

import numpy as np
import torch
from torch import nn


class Net(nn.Module):
    """A convolution, a norm and a head."""

    def __init__(self, classes=2, width=3):
        super().__init__()
        self.conv = nn.Conv2d(1, width, 3)
        self.norm = nn.BatchNorm2d(width)
        self.fc = nn.Linear(width, classes)

    def forward(self, x):
        """(B, 1, H, W) → (B, classes)."""
        return self.fc(self.norm(self.conv(x)).relu().mean((2, 3)))


class Attributes(dict):
    """A dictionary of options with attributes."""


class Training:
    """An object of a training script that holds its options."""

    def __init__(self):
        self.lr = 0.1


def prefixed(state, prefix):
    """The same tensors with something before each key."""
    return {prefix + key: value for key, value in state.items()}


def scaled(state, factor=0.5):
    """Other weights of the same network."""
    return {
        key: value * factor if value.is_floating_point() else value for key, value in state.items()
    }


OPTIMIZER = {
    "state": {0: {"step": torch.tensor(3.0), "exp_avg": torch.ones(3, 1, 3, 3)}},
    "param_groups": [{"lr": 0.1, "params": [0, 1]}],
}

NESTED = (
    *("state_dict", "model_state_dict", "model_state", "model", "net", "network"),
    *("ema", "ema_state_dict", "weights", "params", "module", "net_state", "classifier"),
)
"""Names under which the state dict is saved."""

SHAPES = {
    "plain": lambda s: s,
    **{name: (lambda s, name=name: {"epoch": 3, name: s}) for name in NESTED},
    "two levels": lambda s: {"checkpoint": {"model": {"state_dict": s}}, "epoch": 3},
    "with the optimizer": lambda s: {"model": s, "optimizer": OPTIMIZER, "best": 0.9},
    "DataParallel": lambda s: prefixed(s, "module."),
    "Fabric": lambda s: {"state": {"model": prefixed(s, "_forward_module.")}},
    "a list": lambda s: {"models": [s], "epoch": 3},
    "Lightning": lambda s: {
        "state_dict": prefixed(s, "model."),
        "hyper_parameters": Attributes(lr=0.1),
        "callbacks": {"ModelCheckpoint": {"best_model_score": torch.tensor(0.9)}},
        "optimizer_states": [OPTIMIZER],
    },
    "Lightning, net": lambda s: {"state_dict": prefixed(s, "net."), "epoch": 3},
    "DataParallel in Lightning": lambda s: {"state_dict": prefixed(s, "model.module.")},
    "compiled": lambda s: prefixed(s, "_orig_mod."),
    "compiled in DataParallel": lambda s: prefixed(s, "module._orig_mod."),
    "a wrapper in the middle": lambda s: {
        key.replace("norm.", "norm.module."): value for key, value in s.items()
    },
    "any prefix": lambda s: prefixed(s, "encoder."),
    "any long prefix": lambda s: prefixed(s, "learner.student.backbone."),
    "metrics in the module": lambda s: {
        "state_dict": {
            **prefixed(s, "model."),
            "val_auc.thresholds": torch.ones(5),
            "criterion.pos_weight": torch.ones(2),
            "train_metrics.BinaryAccuracy.tp": torch.ones(()),
        }
    },
    "counters": lambda s: {**s, "conv.total_ops": torch.ones(1), "total_params": torch.ones(1)},
    "an averaged model": lambda s: {"n_averaged": torch.tensor(3), **prefixed(s, "module.")},
    "without counters": lambda s: {k: v for k, v in s.items() if "num_batches" not in k},
    "half": lambda s: {k: v.half() if v.is_floating_point() else v for k, v in s.items()},
    "NumPy scalar": lambda s: {"model_state_dict": s, "val_rmse": np.sqrt(np.float32(2))},
    "namespace": lambda s: {"model": s, "args": argparse.Namespace(lr=1e-3)},
    "path": lambda s: {"model": s, "best": pathlib.PurePosixPath("runs/1")},
    "date": lambda s: {"model": s, "saved": datetime.datetime(2024, 5, 1)},
    "defaultdict": lambda s: {"model": s, "history": collections.defaultdict(list, a=[1])},
    "object": lambda s: {"model": s, "trainer": Training()},
    "beside numbers": lambda s: {**s, "epoch": 3, "lr": 0.1},
    "stored twice": lambda s: {"model": {**s, **prefixed(s, "backbone.")}},
    "a part stored twice": lambda s: {**s, "body.conv.weight": s["conv.weight"]},
    "averaged beside": lambda s: {"model": s, "model_ema": scaled(s)},
    "averaged beside, timm": lambda s: {"state_dict": s, "state_dict_ema": scaled(s)},
    "averaged in the module": lambda s: {
        "state_dict": {**prefixed(s, "model."), **prefixed(scaled(s), "ema_model.")}
    },
    "another network beside": lambda s: {
        "model": s,
        "discriminator": {"d.weight": torch.ones(2, 2)},
    },
}
"""Name → the content of the file, of a state dict of :class:`Net`."""
