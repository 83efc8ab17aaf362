"""Provenance: what it takes to make the same report again. It has no date."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from camlucida import __version__
from camlucida.core.messages import declare
from camlucida.report.data import ReportData
from camlucida.report.document import (
    Block,
    CellValue,
    Code,
    Facts,
    Message,
    Paragraph,
    Section,
    Subsection,
    Table,
    Value,
)
from camlucida.report.sections.base import section
from camlucida.runs import Run
from camlucida.runs.keyed import is_keyed

declare(
    "provenance",
    {
        "report": (
            "Made by camlucida {version} from {runs} {runs:|run|runs}. The report "
            "has no date: the same {runs:|run gives|runs give} the same report."
        ),
        "run": "Run “{name}”",
        "run_folder": "Folder",
        "run_cohort": "Cohort file",
        "run_command": "Command",
        "run_device": "Device",
        "run_batch": "Batch size",
        "run_versions": "Versions",
        "models": "Models and their weights.",
        "models_model": "Model",
        "models_factory": "Factory",
        "models_seed": "Seed",
        "models_fold": "Fold",
        "models_sha256": "SHA-256 of the weights",
    },
)


@section("provenance", "Provenance", needs=())
def provenance(report: ReportData) -> Section:
    """Runs, commands and versions; models with the hash of their weights. No date."""
    counts: dict[str, Value] = {"version": __version__, "runs": len(report.runs)}
    blocks: list[Block] = [Paragraph((Message("provenance.report", counts),))]
    for name, run in zip(report.names, report.runs):
        title = Message("provenance.run", {"name": name})
        blocks.append(Subsection(title, (Facts(tuple(_run(run))),)))
    models: dict[tuple[str, ...], None] = {}
    for run in report.runs:
        for model in run.about["models"]:
            models[_model(model)] = None
    names = ("model", "factory", "seed", "fold", "sha256")
    head = tuple(Message(f"provenance.models_{name}") for name in names)
    rows: list[tuple[CellValue, ...]] = []
    for *cells, sha256 in models:
        rows.append((*cells, Code(sha256)))
    blocks.append(Table("weights", Message("provenance.models"), head, tuple(rows)))
    return Section("provenance", tuple(blocks))


def _run(run: Run) -> Iterator[tuple[Message, CellValue]]:
    """What is known of a run, by name."""
    about = run.about
    versions = [f"{name} {version}" for name, version in about.get("versions", {}).items()]
    folder = run.folder.root.absolute()
    keyed = is_keyed(about)
    facts: dict[str, CellValue] = {
        "folder": Code(folder.name if keyed else str(folder)),
        "cohort": "" if keyed else Code(str(about["cohort"])),
        "command": Code(about["command"]) if about.get("command") else "",
        "device": about["device"],
        "batch": about["batch_size"],
        "versions": versions,
    }
    for name, value in facts.items():
        if value:
            yield Message(f"provenance.run_{name}"), value


def _model(model: dict[str, Any]) -> tuple[str, ...]:
    resolved = model["resolved"]
    trained = ["–" if model[key] is None else str(model[key]) for key in ("seed", "fold")]
    return (str(model["name"]), str(resolved["factory"]), *trained, str(model["sha256"]))
