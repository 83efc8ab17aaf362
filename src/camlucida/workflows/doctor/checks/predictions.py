"""Stored predictions: does the card's preprocessing reproduce them, and else which does?"""

from __future__ import annotations

from collections.abc import Iterator

from camlucida.core.errors import UsageError
from camlucida.core.messages import Value, declare
from camlucida.workflows.doctor.examination import Examination
from camlucida.workflows.doctor.finding import Finding, Severity, finding
from camlucida.workflows.preprocessing_fit import Fit
from camlucida.workflows.preprocessing_fit.candidates import described
from camlucida.workflows.preprocessing_fit.job import fit_loaded

SECONDS = 60.0
"""After this time no more pipelines are tried."""

declare(
    "doctor",
    {
        "reproduced": (
            "the card's preprocessing reproduces the stored predictions of {images} images (mean "
            "error {error})"
        ),
        "other_input": (
            "the stored predictions of {images} images are reproduced by another preprocessing "
            "than the card's: {pipeline} (mean error {error})"
        ),
        "other_input_mend": (
            "camlucida fit-preprocessing with the same model, predictions and images writes its "
            "card"
        ),
        "not_reproduced": (
            "of {tried} pipelines none reproduces the stored predictions of {images} images; the "
            "best, {pipeline}, has a mean error of {error}"
        ),
        "not_reproduced_mend": (
            "see whether they are of this checkpoint: another epoch or fold, averaged weights, "
            "classes in another order"
        ),
        "constant_predictions": (
            "the stored predictions of {images} images do not vary, and cannot tell pipelines apart"
        ),
        "constant_predictions_mend": "give predictions of more images",
    },
)


def check(examination: Examination) -> Iterator[Finding]:
    """Whether the model, with its card's preprocessing, is that of stored predictions."""
    if examination.predictions is None:
        return
    if examination.packaged:
        raise UsageError("--predictions needs the images that they are of", "name their folder")
    fit = fit_loaded(examination.model, examination.predictions, examination.paths, seconds=SECONDS)
    examination.fit = fit
    yield _finding(fit)


def _finding(fit: Fit) -> Finding:
    best = fit.best
    values: dict[str, Value] = {
        "images": best.agreement.images,
        "error": f"{best.agreement.error:.2g}",
    }
    pipeline = {"pipeline": described(best.keys) or "as by default"}
    if fit.verdict == "constant":
        return finding("predictions", "note", "constant_predictions", {"images": values["images"]})
    if fit.verdict == "same":
        if fit.stated:
            return finding("predictions", "ok", "reproduced", values)
        return finding("predictions", "fault", "other_input", {**values, **pipeline})
    severity: Severity = "note" if fit.verdict == "close" and fit.stated else "fault"
    tried = {"tried": fit.tried}
    return finding("predictions", severity, "not_reproduced", {**values, **pipeline, **tried})
