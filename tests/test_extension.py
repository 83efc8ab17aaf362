"""A package of the user's: five kinds of thing, one file and one line each, through every command.

It adds a method, a metric, an image reader, a selection rule and a report section, and has no word
of Chinese: its words stand in English in a Chinese report.
"""

from __future__ import annotations

import json
import math
import os
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from camlucida.phantom import film, model_cards
from tests.support.command_line import run
from tests.support.paths import REPOSITORY

FILMS = 4
PACKAGE = {
    "__init__.py": """
        from radiology_extras import method
        from radiology_extras import metric
        from radiology_extras import reader
        from radiology_extras import rule
        from radiology_extras import section
        """,
    "method.py": '''
        from torch import Tensor

        from camlucida.attribution.methods import method

        @method(
            "normgrad",
            "NormGrad",
            "Rebuffi et al. 2020, CVPR",
            description="the norm of each cell's gradient times the norm of its activation",
        )
        def normgrad(activations: Tensor, gradients: Tensor) -> Tensor:
            """Norm of the gradient times norm of the activation, cell by cell."""
            return gradients.norm(dim=1) * activations.norm(dim=1)
        ''',
    "metric.py": '''
        import numpy as np

        from camlucida.metrics import metric

        def annotated_area(heat, annotation):
            """A uniform map scores the share of the image that is annotated."""
            return float(annotation.mean())

        @metric(
            "squared_mass",
            "Squared relevance mass",
            "localisation",
            direction="higher",
            range=(0, 1),
            chance="area",
            chance_level=annotated_area,
            source="Nobody 2026",
        )
        def squared_mass(heat, annotation):
            """Share of the squared positive heat that lies inside the annotation."""
            energy = np.maximum(heat, 0) ** 2
            total = energy.sum()
            return float(energy[annotation].sum() / total) if total else float("nan")
        ''',
    "reader.py": '''
        from io import BytesIO

        import numpy as np

        from camlucida.io import READERS, RawImage
        from camlucida.io.image import Reader, to_display

        def read_npy(path, data, frame):
            """Grey arrays of unsigned integers."""
            array = np.load(BytesIO(data), allow_pickle=False)
            pixels = (array / np.iinfo(array.dtype).max).astype(np.float32)
            return RawImage(pixels, to_display(pixels), path.stem)

        def is_npy(head):
            return head.startswith(b"\\x93NUMPY")

        READERS.add("NumPy", Reader(is_npy, read_npy, suffixes=(".npy",)))
        ''',
    "rule.py": '''
        from camlucida.analysis.selection.base import by_loss, rule
        from camlucida.core.messages import declare

        words = "{chosen} of {cases} cases{short}: smallest {loss} but one first"
        declare("selection", {"second_best": words})

        @rule("second-best", "the smallest loss but one", title="second best", role="runner-up")
        def second_best(pool, request):
            """Cases by their loss, without the first."""
            return by_loss(pool, request, "second_best", _order)

        def _order(losses):
            return losses.where(losses > losses.min(), float("inf"))
        ''',
    "section.py": '''
        from camlucida.core.messages import Message, declare
        from camlucida.report.document import Paragraph, Section
        from camlucida.report.sections.base import section

        declare("film_count", {"text": "This run explains {count} {count:|film|films}."})

        @section("film_count", "How many films")
        def film_count(study):
            """The number of images."""
            count = int(study.cases["image"].nunique())
            text = Message("film_count.text", {"count": count})
            return Section("film_count", (Paragraph((text,)),))
        ''',
}


def _write_package(folder: Path) -> None:
    from textwrap import dedent

    package = folder / "radiology_extras"
    package.mkdir()
    for name, text in PACKAGE.items():
        (package / name).write_text(dedent(text).lstrip())


def _write_cohort(folder: Path) -> None:
    (folder / "films").mkdir()
    masks = folder / "masks" / "pneumothorax"
    masks.mkdir(parents=True)
    lines = ["image,patient,pneumothorax"]
    for seed in range(FILMS):
        present = seed % 2 == 0
        drawn = film(seed, ["pneumothorax"] if present else [], size=128)
        np.save(folder / f"films/{seed}.npy", drawn.image)
        lines.append(f"{seed}.npy,p{seed},{int(present)}")
        if present:
            np.save(masks / f"{seed}.npy", drawn.masks["pneumothorax"])
    (folder / "labels.csv").write_text("\n".join([*lines, ""]))
    (folder / "cohort.toml").write_text(
        f"""
        name = "extension"
        images = "films"
        table = "labels.csv"
        masks = "masks"
        model = {json.dumps(str(model_cards()["honest_resnet"]))}
        [explain]
        target = "pneumothorax"
        method = ["gradcam", "normgrad"]
        """
    )


def _outputs(folder: Path, *commands: str) -> list[str]:
    """What commands print from the folder that holds the package, all in one new process."""
    words = [["--import", "radiology_extras", *shlex.split(command)] for command in commands]
    process = [sys.executable, "-m", "tests.support.commands", json.dumps(words)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(REPOSITORY), *sys.path])}
    done = subprocess.run(process, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    outputs: list[str] = json.loads(done.stdout)
    return outputs


@pytest.fixture(scope="module")
def commands(tmp_path_factory) -> tuple[Path, list[str]]:
    """A folder in which every command has run, and what the commands printed."""
    folder = tmp_path_factory.mktemp("extension")
    _write_package(folder)
    _write_cohort(folder)
    card = shlex.quote(str(model_cards()["honest_resnet"]))
    report = "report run --rule second-best --format md --out report"
    outputs = _outputs(
        folder,
        f"explain films --model {card} --target pneumothorax --method normgrad --out explained",
        "run cohort.toml --out run",
        "evaluate run --metrics squared_mass --baselines center",
        report,
        f"{report} --language zh",
        "methods --json",
        "metrics --json",
    )
    return folder, outputs


@pytest.fixture(scope="module")
def folder(commands) -> Path:
    """The folder of the commands."""
    return commands[0]


def test_explain_reads_the_format_and_uses_the_method(folder: Path) -> None:
    records = json.loads((folder / "explained/explanations.json").read_text("utf-8"))
    assert len(records) == FILMS
    assert {record["method"] for record in records} == {"normgrad"}
    assert "NormGrad" in (folder / "explained/index.html").read_text("utf-8")


def test_the_metric_is_evaluated_beside_its_chance_level(folder: Path) -> None:
    summary = pd.read_csv(folder / "run/evaluation/summary.csv")
    rows = summary[summary["metric"] == "squared_mass"]
    assert {"gradcam", "normgrad", "center"} <= set(rows["method"])
    for chance in rows["chance"]:
        assert math.isfinite(chance)
        assert 0 < chance < 0.5
    page = (folder / "run/evaluation/evaluation.html").read_text("utf-8")
    assert "Squared relevance mass" in page


def test_the_report_names_each(folder: Path) -> None:
    text = (folder / "report/report.md").read_text("utf-8")
    assert "How many films" in text
    assert f"This run explains {FILMS} films." in text
    assert "NormGrad" in text
    assert "the norm of each cell's gradient times the norm of its activation" in text
    assert "runner-up" in text
    assert "Squared relevance mass" in text


def test_the_chinese_report_falls_back_to_english(folder: Path) -> None:
    text = (folder / "report/report_zh.md").read_text("utf-8")
    assert "How many films" in text
    assert f"This run explains {FILMS} films." in text
    assert "the norm of each cell's gradient times the norm of its activation" in text
    assert "runner-up" in text
    assert "方法" in text


def test_lists_name_what_the_package_adds(commands) -> None:
    *_, methods, metrics = commands[1]
    assert "normgrad" in methods
    assert "squared_mass" in metrics


def test_a_package_that_is_not_there_is_one_line(tmp_path: Path, capsys) -> None:
    done = run(capsys, tmp_path, "--import", "no_such_package", "methods")
    assert done.code == 2
    assert done.err.startswith("error: --import no_such_package: there is no such package")
    assert done.err.count("\n") == 1
