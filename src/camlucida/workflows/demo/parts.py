"""The parts of the demonstration: inputs, the commands a user would type, and their pages.

Commands run in the demo's folder: paths are relative to it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from camlucida.phantom.cohorts import (
    write_density,
    write_ensemble,
    write_multilabel,
    write_regression,
    write_segmentation,
)


@dataclass(frozen=True)
class Part:
    """One task of the demonstration.

    Attributes:
        name: of its folder.
        title, description: for people.
        write: makes the inputs, in ``inputs/NAME``.
        commands: arguments of ``camlucida``, in order; one that fails stops the part.
        pages: file → its description; the report first.
        picture: the figure that stands for it; the first file that matches.
    """

    name: str
    title: str
    description: str
    write: Callable[[Path], Path]
    commands: tuple[tuple[str, ...], ...]
    pages: dict[str, str]
    picture: str


def _report(runs: tuple[str, ...], out: str, *options: str) -> tuple[str, ...]:
    formats = ("--format", "html", "--format", "md", "--format", "tex")
    return ("report", *runs, "--out", out, *formats, *options)


SEEDS = {"results_4": "seed42", "results_5": "seed43", "results_6": "seed44"}
"""Folder of a training run → what report-pack calls it."""

PARTS = (
    Part(
        "chest",
        "A report on a classifier of chest films",
        "One model, five findings: its accuracy, where its maps are hot, and whether the maps "
        "depend on its weights.",
        write_multilabel,
        (
            ("run", "inputs/chest/cohort.toml", "--out", "chest/run", "--resume"),
            (
                "evaluate",
                "chest/run",
                "--metrics",
                "road,average_precision,hit,border_share,outside_body_share,"
                "cascading_randomisation",
            ),
            _report(("chest/run",), "chest/report"),
        ),
        {
            "chest/report/report.html": "report",
            "chest/run/evaluation/evaluation.html": "evaluation of its maps",
        },
        "chest/report/figures/gradcam_1_*.png",
    ),
    Part(
        "ensemble",
        "Three classifiers, their mean, and a patient before and after",
        "Two use the finding, one the letters on the film. Maps are averaged as numbers.",
        write_ensemble,
        (
            (
                *("ensemble", "inputs/ensemble/config_classifiers.toml", "inputs/ensemble/images"),
                *("--boxes", "inputs/ensemble/boxes.csv", "--out", "ensemble"),
            ),
            (
                *("change", "inputs/ensemble/pair/before.png", "inputs/ensemble/pair/after.png"),
                *(
                    "--model",
                    "inputs/ensemble/models/honest_densenet.toml",
                    "--out",
                    "ensemble/change",
                ),
            ),
            _report(("ensemble/run",), "ensemble/report"),
        ),
        {
            "ensemble/report/report.html": "report",
            "ensemble/index.html": "every film and classifier",
            "ensemble/change/change.html": "before and after",
        },
        "ensemble/cases/*/pneumothorax_side_by_side.jpg",
    ),
    Part(
        "heart",
        "A regression: the cardiothoracic ratio",
        "Predicted and true values, best and worst case, and the heat on the heart.",
        write_regression,
        (
            (
                *(
                    "evaluate-regression",
                    "--checkpoint",
                    "inputs/heart/outputs/run_1/best_model.pth",
                ),
                *(
                    "--image-dir",
                    "inputs/heart/Images",
                    "--excel-path",
                    "inputs/heart/characteristics.xlsx",
                    "--out",
                    "heart",
                ),
            ),
            _report(("heart/run",), "heart/report"),
        ),
        {"heart/report/report.html": "report"},
        "heart/gradcam_best_sample.png",
    ),
    Part(
        "density",
        "Breast density in DICOM mammograms: three seeds, three folds",
        "One seed was trained with the view label tied to the class. "
        "Figures of each seed and fold, tables, a LaTeX section.",
        write_density,
        (
            (
                "report-pack",
                *("--run", "inputs/density/results_4", "--run", "inputs/density/results_5"),
                *("--run", "inputs/density/results_6"),
                *("--run", "inputs/density/results_k3_seed42", "--assets-dir", "density"),
            ),
            _report(
                tuple(f"density/.camlucida/{seed}" for seed in SEEDS.values()), "density/report"
            ),
        ),
        {"density/report/report.html": "report"},
        "density/density_gradcam_seed42.png",
    ),
    Part(
        "effusion",
        "A segmentation: the evidence at encoder, decoder and head",
        "Heat inside and outside the region, beside that of shifted regions and of random maps.",
        write_segmentation,
        (
            (
                *(
                    "explain-segmentation",
                    "--model-path",
                    "inputs/effusion/models_1/best_model.pth",
                ),
                *(
                    "--data-dir",
                    "inputs/effusion/Dataset",
                    "--num-samples",
                    "12",
                    "--output-dir",
                    "effusion",
                ),
                *(
                    "--methods",
                    "gradcam,layercam",
                    "--target-layer",
                    "encoder_last,encoder_mid,decoder_last",
                ),
            ),
            _report(("effusion/run",), "effusion/report"),
        ),
        {"effusion/report/report.html": "report", "effusion/index.html": "every film"},
        "effusion/*_analysis.png",
    ),
)
