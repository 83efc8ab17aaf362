"""A study of a regression on disk, and calls of ``evaluate-regression`` on it."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch import nn

from camlucida.cli import main
from camlucida.phantom.nets import small_resnet
from camlucida.workflows.regression import RegressionSettings, evaluate_regression_model
from tests.support.models_on_disk import write_image

COUNT = 8


class Net(nn.Module):
    """A backbone with its head replaced, as training scripts write it."""

    def __init__(self, outputs=1):
        super().__init__()
        self.backbone = small_resnet()
        self.backbone.fc = nn.Sequential(
            nn.Dropout(0.3), nn.Linear(96, 8), nn.ReLU(), nn.Linear(8, outputs)
        )


def write_study(folder, outputs=1):
    torch.manual_seed(0)
    net = Net(outputs)
    net.backbone.fc[3].bias.data += 50
    net.backbone.fc[3].weight.data *= 200
    (folder / "outputs/run_1").mkdir(parents=True)
    torch.save(
        {"epoch": 2, "model_state_dict": net.state_dict()}, folder / "outputs/run_1/best_model.pth"
    )
    for i in range(COUNT):
        write_image(folder / f"Images/anon_{i}_1.png", i)
        if i != 3:
            mask = np.zeros((48, 64), np.uint8)
            mask[12:36, 16:48] = 255
            (folder / "Masks").mkdir(exist_ok=True)
            Image.fromarray(mask).save(folder / f"Masks/anon_{i}_1.{'jpg' if i % 2 else 'png'}")
    ages = [30 + 5 * i for i in range(COUNT)]
    names = [f"anon_{i}_1" for i in range(COUNT)]
    frame = pd.DataFrame(
        {
            "id": names,
            "patient_id": [f"p{i // 2}" for i in range(COUNT)],
            "age": ages,
            "sex": [*"mf"] * 4,
        }
    )
    frame.to_excel(folder / "characteristics.xlsx", index=False)
    return folder


def command(folder, out, *options):
    """Exit code."""
    named = {
        "--checkpoint": "outputs/run_1/best_model.pth",
        "--image-dir": "Images",
        "--excel-path": "characteristics.xlsx",
    }
    words = [word for option, name in named.items() for word in (option, str(folder / name))]
    with pytest.raises(SystemExit) as stopped:
        main(["evaluate-regression", *words, "--size", "64", "--out", str(out), *map(str, options)])
    return stopped.value.code


def evaluated(folder, **options):
    """The same without the command line and without the report."""
    named = {
        "checkpoint": folder / "outputs/run_1/best_model.pth",
        "images": folder / "Images",
        "size": 64,
    }
    return evaluate_regression_model(
        RegressionSettings(**named | {"table": folder / "characteristics.xlsx"} | options),
        folder / "out",
    )


def read(cohort_folder, name="out"):
    records = pd.DataFrame(
        json.loads((cohort_folder / name / "predictions.json").read_text("utf-8"))
    )
    return records, json.loads((cohort_folder / name / "test_metrics.json").read_text("utf-8"))
