"""The documentation names everything, links to what exists, and shows code that is Python."""

from __future__ import annotations

import ast
import importlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import typer

from camlucida.attribution.explanation import Explanation
from camlucida.attribution.methods import METHODS
from camlucida.attribution.requests import REQUEST_WORDS
from camlucida.cli import app
from camlucida.core.geometry import Geometry
from camlucida.core.messages.templates import ENGLISH
from camlucida.core.regions import Box
from camlucida.core.scan import Scan
from camlucida.datasets.cohort_file import CohortConfig
from camlucida.evaluation.maps.baselines import BASELINES
from camlucida.evaluation.maps.folder import TABLES
from camlucida.evaluation.maps.rows import ROW
from camlucida.figures.records import record
from camlucida.io import READERS
from camlucida.metrics import METRICS
from camlucida.models import Card, InputSpec
from camlucida.models.families import FAMILIES
from camlucida.models.layer_list import LayerInfo
from camlucida.models.preprocessing import VolumeInput
from camlucida.phantom import FINDINGS, model_cards
from camlucida.workflows.doctor import CHECKS
from tests.support.paths import REPOSITORY

ROOT = REPOSITORY
DOCS = ROOT / "docs"
PAGES = [*sorted(DOCS.rglob("*.md")), ROOT / "README.md", ROOT / "CHANGELOG.md"]
BLOCK = re.compile(r"^(<!-- runnable.*?-->\n)?```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def page(name: str) -> str:
    """The text of the page of this file name, in whichever group it stands."""
    (path,) = (path for path in DOCS.rglob(name) if path.parent.name != "api")
    return path.read_text("utf-8")


def first_cells(text: str) -> set[str]:
    """What stands in backquotes in the first column of the tables of a page."""
    rows = [re.split(r"(?<!\\)\|", line)[1] for line in text.splitlines() if line.startswith("|")]
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row)}


def anchors(text: str) -> set[str]:
    """The anchors that a forge makes of a page's headings."""
    titles = re.findall(r"^#+ (.+)$", BLOCK.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def blocks(language: str) -> Iterator[tuple[str, str, str]]:
    """(page, mark, code) of each fenced block."""
    for path in PAGES:
        for mark, kind, code in BLOCK.findall(path.read_text("utf-8")):
            if kind == language:
                yield path.name, mark, code


def named_commands(group: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    """Each command by its words; those of a group one after the other."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from named_commands(command, f"{before}{name} ")
        else:
            yield f"{before}{name}", command


def commands() -> dict[str, list[str]]:
    """Command → its long options."""
    found = {}
    for name, command in named_commands(typer.main.get_command(app)):
        options = [option for parameter in command.params for option in parameter.opts]
        found[name] = [
            option for option in options if option.startswith("--") and option != "--help"
        ]
    return found


@pytest.mark.parametrize("name", list(METHODS))
def test_every_method_has_a_row_and_a_heading(name: str) -> None:
    text = page("methods.md")
    assert name in first_cells(text)
    heading = re.search(rf"^### `{name}`\n(.*?)(?=^##|\Z)", text, re.MULTILINE | re.DOTALL)
    assert heading
    paper = METHODS[name].paper
    if not paper.startswith("baseline"):
        assert paper.split(",")[0].split("pytorch-grad-cam")[0].strip() in heading[1]


@pytest.mark.parametrize("name", list(METRICS))
def test_every_metric_is_documented(name: str) -> None:
    assert name in first_cells(page("metrics.md"))


@pytest.mark.parametrize("name", list(BASELINES))
def test_every_baseline_is_documented(name: str) -> None:
    assert f"`{name}`" in page("evaluate.md")


def test_every_table_of_an_evaluation_is_documented() -> None:
    assert {*TABLES, "evaluation.json", "summary.csv"} <= first_cells(page("evaluate.md"))
    for column in ROW:
        assert f"`{column}`" in page("evaluate.md")


@pytest.mark.parametrize(
    "field", [*Card.model_fields, *InputSpec.model_fields, *VolumeInput.model_fields]
)
def test_every_card_field_is_documented(field: str) -> None:
    if field != "input":
        assert field in first_cells(page("model-cards.md"))
    else:
        assert "[input]" in page("model-cards.md")


@pytest.mark.parametrize("command", list(commands()))
def test_every_command_and_option_is_documented(command: str) -> None:
    pages = {
        "layers": "layers.md",
        "evaluate": "evaluate.md",
        "evaluate-chexlocalize": "evaluate.md",
        "metrics": "metrics.md",
        "benchmark": "benchmark.md",
        "evaluate-predictions": "predictions.md",
        "evaluate-regression": "regression.md",
        "ensemble": "ensemble.md",
        "case": "report.md",
        "import": "runs.md",
        "change": "change.md",
        "report": "report.md",
        "report-pack": "report-pack.md",
        "compare": "compare.md",
        "serve": "workbench.md",
        "reader-study": "reader-study.md",
        "explain-segmentation": "segmentation.md",
        "export dicom": "dicom.md",
        "watch": "dicom.md",
    }
    pages["doctor"] = "doctor.md"
    pages |= dict.fromkeys(("passport", "log"), "passport.md")
    pages |= dict.fromkeys(("run", "runs list", "show"), "runs.md")
    pages |= dict.fromkeys(("merge", "runs compact"), "scale-out.md")
    pages |= dict.fromkeys(("fit-preprocessing", "read-transform"), "preprocessing.md")
    text = page(pages.get(command, "explain.md"))
    assert f"camlucida {command}" in text
    for option in commands()[command]:
        assert re.search(rf"`{option}\b", text), option


@pytest.mark.parametrize("name", list(CHECKS))
def test_every_check_of_the_doctor_is_documented(name: str) -> None:
    assert name in first_cells(page("doctor.md"))


@pytest.mark.parametrize("name", list(FAMILIES))
def test_every_family_is_documented(name: str) -> None:
    assert name in first_cells(page("layers.md"))


def test_aliases_are_documented() -> None:
    from camlucida.models.families.unet import ALIASES

    assert {*ALIASES} <= first_cells(page("layers.md"))


def test_layer_columns_are_documented() -> None:
    assert "`stride`" in page("layers.md")
    assert "`calls`" in page("layers.md")
    assert {"stride", "calls"} <= set(LayerInfo.__dataclass_fields__)


@pytest.mark.parametrize(
    "word", [re.findall(r"[a-z]{3,}", pattern)[0] for pattern, _ in REQUEST_WORDS]
)
def test_every_target_word_is_documented(word: str) -> None:
    assert any(re.match(rf"{word}(?![a-z])", cell) for cell in first_cells(page("targets.md")))


@pytest.mark.parametrize("name", list(READERS))
def test_every_format_is_documented(name: str) -> None:
    assert name in page("images.md")


def test_every_key_of_a_record_is_documented() -> None:
    scan = Scan(torch.zeros(1, 2, 2), np.zeros((2, 2), np.uint8), Geometry.identity((2, 2)), "x")
    explanation = Explanation(torch.ones(2, 2), 1.0, 0.5, "a", "gradcam", "layer", True, scan)
    cells = first_cells(page("explain.md"))
    assert {*record(explanation, {}), "mask", "boxes"} <= cells
    for name in Box.__dataclass_fields__:
        assert f"`{name}`" in page("explain.md")


def test_phantom_names_its_findings_and_models() -> None:
    text = page("phantom.md")
    for name in (*FINDINGS, *model_cards()):
        assert f"`{name}`" in text


def test_phantom_states_what_training_measured() -> None:
    measured = json.loads(
        (next(iter(model_cards().values())).parent / "training.json").read_text("utf-8")
    )
    rows = [
        line.split("|")[1:-1]
        for line in page("phantom.md").splitlines()
        if line.startswith("| `") and line.count("|") == 6
    ]
    assert rows

    def interval(entry: dict[str, Any]) -> str:
        return "{:.3f} ({:.3f} to {:.3f})".format(entry["auc"], *entry["interval95"])

    for row in rows:
        name, held_out, independent, finding, marker = (cell.strip(" `") for cell in row)
        entry = measured[name]
        falls = [
            entry["mean_logit_fall"][f"{what}_removed"]["pneumothorax"]
            for what in ("finding", "marker")
        ]
        other = entry["marker_independent"]
        assert held_out == interval(entry["held_out"]["pneumothorax"])
        assert independent == ("–" if other is None else interval(other["pneumothorax"]))
        assert [finding, marker] == [f"{fall:.1f}".replace("-", "−") for fall in falls]


def test_index_links_every_page() -> None:
    index = page("index.md")
    for path in DOCS.rglob("*.md"):
        link = path.relative_to(DOCS).as_posix()
        assert link == "index.md" or f"({link})" in index


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_relative_links_resolve(path: Path) -> None:
    text = BLOCK.sub("", path.read_text("utf-8"))
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", link):
            continue
        file, _, anchor = link.partition("#")
        target = path.parent / file if file else path
        assert target.exists(), link
        if anchor and target.suffix == ".md":
            assert anchor in anchors(target.read_text("utf-8")), link


def test_python_blocks_are_python() -> None:
    found = list(blocks("python"))
    assert any(mark for _, mark, _ in found)
    for name, _, code in found:
        ast.parse(code, filename=name)


def test_cards_in_the_documentation_are_cards() -> None:
    import tomllib

    for _, _, code in blocks("toml"):
        content = tomllib.loads(code)
        (CohortConfig if "images" in content else Card).model_validate(content)


def test_extension_examples_work(tmp_path: Path) -> None:
    """The blocks marked "executed" run; what they register is used, then taken back."""
    registries = (METHODS, METRICS, FAMILIES, READERS)
    before = [dict(registry._items) for registry in registries]
    texts = dict(ENGLISH)
    try:
        for _, mark, code in blocks("python"):
            if "executed" in mark:
                exec(compile(code, "extending.md", "exec"), {"__name__": "example"})
        _use_extensions(tmp_path)
    finally:
        for registry, items in zip(registries, before, strict=True):
            registry._items.clear()
            registry._items.update(items)
        ENGLISH.clear()
        ENGLISH.update(texts)


def _use_extensions(folder: Path) -> None:
    from camlucida import explain, read_image

    torch.manual_seed(0)  # the outputs of some networks would sum to 1, as probabilities do
    net = torch.nn.Sequential(
        torch.nn.Conv2d(1, 2, 3),
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(2, 2),
    )
    (explanation,) = explain(net, torch.rand(1, 1, 8, 8), method="normgrad", layer="0")
    assert explanation.grid == (6, 6)
    assert "regnet" in FAMILIES
    heat, annotation = np.array([[1.0, 2.0]]), np.array([[False, True]])
    assert METRICS["squared_mass"].run(heat, annotation) == 0.8
    np.save(folder / "a.npy", np.array([[0, 65535]], np.uint16))
    assert read_image(folder / "a.npy").pixels.tolist() == [[0.0, 1.0]]


def test_names_that_the_documentation_imports_exist() -> None:
    for name, _, code in blocks("python"):
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("camlucida"):
                module = importlib.import_module(str(node.module))
                for alias in node.names:
                    assert hasattr(module, alias.name), f"{name}: {node.module}.{alias.name}"
