"""Where everything comes from: what to keep, and what to type, to get the same again. No date: the same runs, the same report."""

from __future__ import annotations

from typing import Any

from camlucida import __version__
from camlucida.report.document import Block, Paragraph, Section, Sentence, Table, Value
from camlucida.report.study import Study
from camlucida.runs import Run


def provenance(study: Study) -> Section:
    """Runs, commands and versions; models with the hash of their weights."""
    blocks: list[Block] = [
        Paragraph(
            (Sentence("provenance.report", {"version": __version__, "runs": len(study.runs)}),)
        ),
        *(
            Table(f"run_{i}", Sentence("provenance.run", {"name": name}), _RUN, _run(run))
            for i, (name, run) in enumerate(zip(study.names, study.runs), 1)
        ),
        Table(
            "weights",
            Sentence("provenance.models"),
            tuple(
                Sentence(f"provenance.models_{name}")
                for name in ("model", "factory", "seed", "fold", "sha256")
            ),
            tuple(
                dict.fromkeys(_model(model) for run in study.runs for model in run.about["models"])
            ),
        ),
    ]
    return Section("provenance", tuple(blocks))


_RUN = (Sentence("provenance.run_what"), Sentence("provenance.run_value"))


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
        (Sentence(f"provenance.run_{name}"), value) for name, value in found.items() if value
    )


def _model(model: dict[str, Any]) -> tuple[Value, ...]:
    said = ["" if model[key] is None else str(model[key]) for key in ("seed", "fold")]
    return (model["name"], model["resolved"]["factory"], *said, model["sha256"])
