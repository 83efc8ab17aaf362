"""Where everything comes from: what to keep, and what to type, to get the same again. No date: the same runs, the same report."""

from __future__ import annotations

from typing import Any

from camlucida import __version__
from camlucida.core.messages import declare
from camlucida.report.data import ReportData
from camlucida.report.document import Block, Message, Paragraph, Section, Table, Value
from camlucida.report.sections.base import section
from camlucida.runs import Run

declare(
    "provenance",
    {
        "report": (
            "Made by camlucida {version} from {runs} {runs:|run|runs}. The same "
            "{runs:|run gives|runs give} the same report; no date is part of it."
        ),
        "run": "Run “{name}”.",
        "run_what": "What",
        "run_value": "Value",
        "run_folder": "Folder",
        "run_cohort": "Cohort file",
        "run_command": "Command",
        "run_device": "Device",
        "run_batch": "Images in one forward pass",
        "run_versions": "Versions",
        "models": "Models and the SHA-256 of their weights.",
        "models_model": "Model",
        "models_factory": "Factory",
        "models_seed": "Seed",
        "models_fold": "Fold",
        "models_sha256": "SHA-256",
    },
)


@section("provenance", "Provenance")
def provenance(report: ReportData) -> Section:
    """Runs, commands and versions; models with the hash of their weights."""
    blocks: list[Block] = [
        Paragraph(
            (Message("provenance.report", {"version": __version__, "runs": len(report.runs)}),)
        ),
        *(
            Table(f"run_{i}", Message("provenance.run", {"name": name}), _RUN, _run(run))
            for i, (name, run) in enumerate(zip(report.names, report.runs), 1)
        ),
        Table(
            "weights",
            Message("provenance.models"),
            tuple(
                Message(f"provenance.models_{name}")
                for name in ("model", "factory", "seed", "fold", "sha256")
            ),
            tuple(
                dict.fromkeys(_model(model) for run in report.runs for model in run.about["models"])
            ),
        ),
    ]
    return Section("provenance", tuple(blocks))


_RUN = (Message("provenance.run_what"), Message("provenance.run_value"))


def _run(run: Run) -> tuple[tuple[Value, ...], ...]:
    about = run.about
    found: dict[str, Value] = {
        "folder": str(run.folder.root.absolute()),
        "cohort": about["cohort"],
        "command": about.get("command", ""),
        "device": about["device"],
        "batch": about["batch_size"],
        "versions": [f"{name} {version}" for name, version in about.get("versions", {}).items()],
    }
    return tuple(
        (Message(f"provenance.run_{name}"), value) for name, value in found.items() if value
    )


def _model(model: dict[str, Any]) -> tuple[Value, ...]:
    said = ["" if model[key] is None else str(model[key]) for key in ("seed", "fold")]
    return (model["name"], model["resolved"]["factory"], *said, model["sha256"])
