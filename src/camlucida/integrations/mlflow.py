"""The results of a run as an MLflow run: metrics with intervals and chance levels, and pages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from camlucida import __version__
from camlucida.core.errors import CamlucidaError, UsageError
from camlucida.core.files import slug
from camlucida.report.passport.checks import Check, interval_or_none
from camlucida.report.passport.page import Passport
from camlucida.runs import Run
from camlucida.workflows.passport import passports

PAGES = {
    "report": ("report*.html", "report*.pdf", "report*.md"),
    "passport": ("*_passport.*",),
    "evaluation": ("*.html", "*.csv", "*.json", "*.png"),
}
"""Folder of a run → the files of it that are artefacts, where they were written."""

FILE_STORE = "MLFLOW_ALLOW_FILE_STORE"
"""Variable without which MLflow 3 refuses a tracking store of files."""

CONTENT = "camlucida.content_sha256"
MODEL = "camlucida.model"


@dataclass(frozen=True)
class Logged:
    """What became of one model.

    Attributes:
        model: its name in the run.
        run_id: of the MLflow run.
        metrics: how many were logged; 0 where the run was there already.
        artefacts: names of the files.
    """

    model: str
    run_id: str
    metrics: int
    artefacts: tuple[str, ...]


def log_run(run: Run, tracking_uri: str | None, experiment: str = "camlucida") -> list[Logged]:
    """Log each model of a run as one MLflow run.

    The same results are logged once: a model whose MLflow run has the same content hash is left
    as it is.

    Args:
        run: computed, best with its evaluation, report and passport; no model is run.
        tracking_uri: of the tracking server or store; None for MLflow's own default.
        experiment: its name, made if missing.

    Raises:
        UsageError: MLflow is not installed, or nothing is done in the run yet.
        CamlucidaError: MLflow refuses the request or cannot be reached.
    """
    client = _client(tracking_uri)
    made = passports(run, run.folder.root)
    try:
        number = _experiment(client, experiment)
        return [_log_model(client, number, run, passport) for passport in made]
    except Exception as error:
        raise CamlucidaError(
            f"MLflow: {' '.join(str(error).split())}", "check --tracking-uri and its server"
        ) from error


def _client(tracking_uri: str | None) -> Any:
    try:
        from mlflow import MlflowClient
    except ImportError as error:
        raise UsageError("logging needs MLflow", 'pip install "camlucida[mlflow]"') from error
    try:
        return MlflowClient(tracking_uri=tracking_uri)
    except Exception as error:
        raise _refused(error) from error


def _refused(error: Exception) -> UsageError:
    """Why there is no client, and what mends it; MLflow's own words are long."""
    text = " ".join(str(error).split())
    if FILE_STORE in text:
        return UsageError(
            "MLflow writes a folder of files only where that is allowed",
            f"set {FILE_STORE}=true, or give the --tracking-uri of a server",
        )
    if "unsupported URI" in text:
        return UsageError(
            "this MLflow client writes to a server or a folder, not to a database",
            f"give --tracking-uri http://HOST:PORT, or file:FOLDER with {FILE_STORE}=true; the "
            "whole package, pip install mlflow, knows databases",
        )
    return UsageError(f"MLflow: {text}", "give --tracking-uri")


def _experiment(client: Any, name: str) -> str:
    known = client.get_experiment_by_name(name)
    return str(client.create_experiment(name) if known is None else known.experiment_id)


def _log_model(client: Any, experiment: str, run: Run, passport: Passport) -> Logged:
    name = str(passport.model["name"])
    tags = _tags(passport)
    # One that was interrupted has its tags, but not all of its files.
    same = f"tags.`{CONTENT}` = '{tags[CONTENT]}' and attributes.status = 'FINISHED'"
    # A search cannot quote every name that a model may have.
    for before in client.search_runs([experiment], same):
        if before.data.tags.get(MODEL) == name:
            return Logged(name, str(before.info.run_id), 0, ())
    created = client.create_run(experiment, run_name=f"{passport.run} {name}", tags=tags)
    identity = str(created.info.run_id)
    try:
        metrics, artefacts = _log_contents(client, identity, run, passport)
    except BaseException:
        with suppress(Exception):  # the first error is raised
            client.set_terminated(identity, "FAILED")
        raise
    client.set_terminated(identity)
    return Logged(name, identity, metrics, tuple(artefacts))


def _log_contents(
    client: Any, identity: str, run: Run, passport: Passport
) -> tuple[int, list[str]]:
    """Log parameters, metrics and files; returns the number of metrics and the files' names."""
    metrics = metric_values(passport.checks)
    for key, value in _parameters(passport).items():
        client.log_param(identity, key, value)
    for key, number in metrics.items():
        client.log_metric(identity, key, number)
    artefacts = []
    for folder, path in artefact_files(run.folder.root):
        client.log_artifact(identity, str(path), folder)
        artefacts.append(path.name)
    return len(metrics), artefacts


def _tags(passport: Passport) -> dict[str, str]:
    return {
        CONTENT: passport.content,
        MODEL: str(passport.model["name"]),
        "camlucida.version": __version__,
        "camlucida.weights_sha256": str(passport.model["sha256"]),
        "camlucida.synthetic": str(passport.synthetic).lower(),
        "camlucida.mismatch": str(passport.mismatch).lower(),
        "camlucida.use": "research use only",
    }


def _parameters(passport: Passport) -> dict[str, str]:
    model = passport.model
    facts: dict[str, Any] = {
        "cohort": passport.about["name"],
        "task": model["resolved"]["task"],
        "factory": model["resolved"]["factory"],
        "seed": model["seed"],
        "fold": model["fold"],
        "maps": ", ".join(passport.maps),
        **passport.counts,
    }
    return {name: str(value) for name, value in facts.items() if value is not None}


def metric_values(checks: Sequence[Check]) -> dict[str, float]:
    """Key → number, as MLflow takes them.

    A key is ``KIND/NAME`` or ``KIND/NAME/MAPS``; the ends of the interval and the chance level have
    the same key with ``_low``, ``_high`` and ``_chance``.

    Args:
        checks: of a passport.
    """
    values: dict[str, float] = {}
    for check in checks:
        parts = [check.kind, check.name, *([check.series] if check.series else [])]
        key = "/".join(map(slug, parts))
        for name, number in interval_or_none(check.value).items():
            values[key if name == "estimate" else f"{key}_{name}"] = number
    return values


def artefact_files(root: Path) -> Iterator[tuple[str, Path]]:
    """The files of :data:`PAGES` that are in the folder of a run, with their sub-folder.

    Args:
        root: folder of the run.
    """
    yield "", root / "run.json"
    for folder, patterns in PAGES.items():
        for pattern in patterns:
            for path in sorted((root / folder).glob(pattern)):
                yield folder, path
