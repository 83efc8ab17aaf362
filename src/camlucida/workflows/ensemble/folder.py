"""The folder of an ensemble: a folder an image, tables, a record and one page. No model is run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from camlucida.analysis.ensemble.findings import EnsembleFindings, FindingChoice
from camlucida.core.errors import CamlucidaError
from camlucida.core.failures import Failure
from camlucida.core.files import slug, unique, write_json
from camlucida.core.numbers import number
from camlucida.datasets.annotation_names import with_names_of_images
from camlucida.datasets.ground_truth import GroundTruth
from camlucida.io.keyed_files import image_source
from camlucida.io.message_tables import add_english
from camlucida.io.tables import write_table
from camlucida.report.writers.html import write_page
from camlucida.runs.keyed import kept_failure, kept_notes, kept_record
from camlucida.workflows.ensemble.image_folder import ImageFolder
from camlucida.workflows.ensemble.page import dominated_message, ensemble_page
from camlucida.workflows.ensemble.run import EnsembleRun
from camlucida.workflows.ensemble.tables import (
    ENSEMBLE,
    LOCALISATION_COLUMNS,
    localisation_summary,
)


@dataclass
class EnsembleOutput:
    """What was written.

    Attributes:
        index: the page.
        images: one an image: the content of its ``metadata.json``, its ``folder`` and its ``view``.
        rows, localised: of ``ensemble.csv`` and ``localisation.csv``.
        failures: classifiers and images that could not be used, boxes that could not be compared.
        record: content of ``ensemble.json``.
        titles: key of a classifier → its name for people.
    """

    index: Path
    images: list[dict[str, Any]] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)
    localised: list[dict[str, Any]] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    record: dict[str, Any] = field(default_factory=dict)
    titles: Mapping[str, str] = field(default_factory=dict)

    def lines(self) -> Iterator[str]:
        """For the terminal: the findings of each image, their mean probability and agreement."""
        for case in self.images:
            yield f"{case['image']}:" + ("" if case["findings"] else " nothing to show")
            for finding in case["findings"]:
                yield f"  {finding['label']}: {', '.join(_numbers(finding, self.titles))}"


def write_ensemble(
    run: EnsembleRun,
    findings: EnsembleFindings,
    choice: FindingChoice,
    truth: GroundTruth | None,
    out: Path,
    about: Mapping[str, Any],
    formats: Sequence[str] = ("jpg",),
    progress: Callable[..., object] = lambda done=0, total=None: None,
) -> EnsembleOutput:
    """Write ``cases/``, ``ensemble.csv``, ``localisation.csv``, ``ensemble.json``, ``index.html``.

    Args:
        run: what was run, with its failures and notes.
        findings: the run as read.
        choice: which findings are shown.
        truth: boxes that readers drew; None without.
        out: the folder.
        about: the command and the versions.
        formats: of the figures side by side and of boxes.
        progress: called with the number of images done since the last call, and once with their
            total.
    """
    failures = [*run.unusable, *run.failures]
    output = EnsembleOutput(out / "index.html", failures=failures, titles=run.titles)
    taken: set[str] = set()
    images = findings.images()
    if truth is not None:
        truth = with_names_of_images(truth, run.run.image_names())
    progress(0, total=len(images))
    for image in images:
        folder = f"cases/{slug(unique(image, taken))}"
        writer = ImageFolder(findings, run.titles, choice, truth, out, folder, formats)
        _add_image(output, writer, image)
        progress(1)
    rows = add_english(pd.DataFrame(output.rows), "reason", "empty_reason")
    write_table(rows, out / "ensemble.csv")
    (out / "localisation.csv").unlink(missing_ok=True)  # of an earlier request
    if truth is not None:
        localised = pd.DataFrame(output.localised, columns=LOCALISATION_COLUMNS)
        write_table(localised, out / "localisation.csv")
    output.record = _record(run, findings, choice, truth, about, output)
    write_json(out / "ensemble.json", output.record)
    summary = localisation_summary(output.localised, [*findings.names, ENSEMBLE])
    write_page(ensemble_page(output.record, output.images, run.titles, summary), output.index)
    return output


def _add_image(output: EnsembleOutput, writer: ImageFolder, image: str) -> None:
    """An image that cannot be shown is a failure, and the others go on."""
    try:
        record = writer.write(image)
    except CamlucidaError as error:
        of_run = writer.findings.run.about
        failure = Failure.of(image, error, named=True)
        output.failures.append(kept_failure(of_run, failure))
        return
    output.images.append(record.case | {"folder": record.folder, "view": record.view})
    output.rows += record.rows
    output.localised += record.localised
    output.failures += record.failures


def _numbers(finding: Mapping[str, Any], titles: Mapping[str, str]) -> Iterator[str]:
    """What is known of a finding, for a line of the terminal."""
    if finding["probability"] is not None:
        yield f"mean probability {number(finding['probability'], 'p')}"
    if finding["agreement"] is not None:
        yield f"agreement {finding['agreement']:.2f}"
        if finding["null"] is not None:
            yield f"by chance {finding['null']:.2f}"
    elif finding["agreement_reason"] is not None:
        yield str(finding["agreement_reason"])
    dominated = dominated_message(finding, titles)
    if dominated is not None:
        yield str(dominated)


def _record(
    run: EnsembleRun,
    findings: EnsembleFindings,
    choice: FindingChoice,
    truth: GroundTruth | None,
    about: Mapping[str, Any],
    output: EnsembleOutput,
) -> dict[str, Any]:
    """The content of ``ensemble.json``: the audit trail, without a time."""
    total = sum(findings.weights.values())
    shown = [image_source(case["image"], case["path"]) for case in output.images]
    unused = [] if truth is None else truth.unused((name, str(path)) for name, path in shown)
    of_run = run.run.about
    others = output.failures[len(run.unusable) :]
    failures = [*(kept_failure(of_run, each) for each in run.unusable), *others]
    return {
        **kept_record(of_run, about),
        "models": [_model(model, run.titles, total) for model in of_run["models"]],
        "top": choice.top,
        "threshold": choice.threshold,
        "labels": list(choice.labels),
        "scale": findings.scale,
        "weighting": findings.weighting,
        "images": len(output.images),
        "synthetic": any(case.get("synthetic") for case in output.images),
        "failures": [failure.to_json() for failure in failures],
        "notes": [*run.notes, *kept_notes(of_run, unused)],
        "notice": "Research use only",
    }


def _model(model: Mapping[str, Any], titles: Mapping[str, str], total: float) -> dict[str, Any]:
    card = model["resolved"]
    return {
        "key": model["name"],
        "title": titles.get(model["name"], model["name"]),
        "weight": float(model["weight"]),
        "share": float(model["weight"]) / total,
        "sha256": model["sha256"],
        "card": model["card"],
        "description": card["description"],
        "task": card["task"],
        "input_size": card["input"]["size"],
        "labels": [label for label in card["labels"] if label],
        "method": list(model["recipe"]["methods"]),
        "layer": list(model["recipe"]["layers"]),
    }
