"""A checkpoint, a folder of images and a table in; metrics, figures and evidence out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import pandas as pd

from camlucida.analysis.cases.attribution_table import attribution_table, case_annotations
from camlucida.analysis.cases.case_table import case_table
from camlucida.analysis.cases.concentration import Concentration, best_against_worst
from camlucida.analysis.cases.region_shares import ImageGroup, evidence_table, pairs_of_two
from camlucida.core.errors import UsageError
from camlucida.core.failures import Failure
from camlucida.core.files import without_dots, write_toml
from camlucida.core.messages import Message, Value, declare
from camlucida.datasets.predictions import Predictions
from camlucida.datasets.recorded_splits import find_recorded_split
from camlucida.datasets.splits import TRAINING_NOTES, training_notes
from camlucida.evaluation.predictions.tables import (
    Document,
    PredictionSettings,
    evaluate_predictions,
    metrics_document,
    records,
)
from camlucida.figures.regression import OWN_SCALE
from camlucida.io.keyed_files import actual_path, inputs_folder
from camlucida.io.tables import write_table
from camlucida.models import Card
from camlucida.models.assumptions import RecognisedCard
from camlucida.models.recognise import find_checkpoint, recognise
from camlucida.runs import Run, execute
from camlucida.runs.keyed import kept_failures, kept_notes, keyed_folder
from camlucida.runs.tables import GROUP
from camlucida.workflows.regression.figures import (
    CaseFigures,
    ChosenCase,
    caption_notes,
    save_predictions,
)
from camlucida.workflows.regression.settings import RegressionResult, RegressionSettings
from camlucida.workflows.regression.sheet import Sheet
from camlucida.workflows.regression.sheet_reader import read_sheet
from camlucida.workflows.regression.tables import (
    groups_of_columns,
    groups_of_errors,
    groups_of_truth,
    usual_width,
    with_evidence,
    write_tables,
)
from camlucida.workflows.report import write_report

declare(
    "regression",
    {
        "model_named": "model: {model}, as its card states",
        "chosen": "{figure}: {image}; {rule}",
    },
)

Progress = Callable[..., object]


def evaluate_regression_model(
    settings: RegressionSettings,
    out: Path,
    *,
    device: str = "auto",
    batch_size: int | None = None,
    about: Mapping[str, Any] | None = None,
    deidentify: bool = False,
    progress: Progress = lambda done=0, total=None: None,
    measuring: Progress = lambda done=0, total=None: None,
) -> RegressionResult:
    """Run the model on every row of the table that has an image, and evaluate it.

    ``out/run`` is a run that survives a kill: the same call resumes it. A row, image or mask that
    cannot be used costs that image alone.

    Args:
        settings: what is evaluated.
        out: made if missing; files of the same name are replaced.
        device, batch_size, about, deidentify, progress: as in :func:`camlucida.runs.execute`.
        measuring: as ``progress``, for the maps whose heat is measured.

    Raises:
        UsageError, ModelError, LayerError: the request is wrong.
    """
    settings.check()
    keyed = keyed_folder(out / "run", deidentify)
    recognised = _recognised(settings)
    sheet = read_sheet(
        settings.table,
        settings.images,
        settings.columns,
        masks=settings.masks,
        split=settings.split,
        recorded=find_recorded_split(find_checkpoint(settings.checkpoint), recognised.options),
    )
    sheet = sheet.within(settings.least, settings.most)
    settings.check_samples(len(sheet.rows))
    if not recognised.card.labels:
        recognised = recognised.update(labels=(sheet.value_column,))
    outcome = execute(
        _write_cohort(
            inputs_folder(out, keyed) / "inputs", settings, recognised.card, sheet, keyed
        ),
        out / "run",
        resume=True,
        device=device,
        batch_size=batch_size,
        about=about,
        deidentify=keyed,
        progress=progress,
    )
    run = Run.open(out / "run")
    of_run = [note for note in outcome.notes if note.code not in TRAINING_NOTES]
    of_run += training_notes([row.split for row in sheet.rows], settings.split)
    of_inputs = kept_notes(run.about, [*_model_notes(recognised, settings), *sheet.notes])
    notes = dict.fromkeys([*of_inputs, *of_run])
    failures = [*kept_failures(run.about, sheet.failures), *outcome.failures]
    result = RegressionResult(failures=failures, notes=list(notes))
    predictions = run_predictions(run, sheet, result.notes)
    if len(predictions.frame):
        _evaluate(settings, out, run, predictions, result, measuring)
    return result


def write_regression_report(result: RegressionResult, out: Path, threshold: float) -> None:
    """Write ``out/report`` from the run in ``out/run``, and add it to what the result lists.

    Args:
        result: of :func:`evaluate_regression_model`.
        out: its folder.
        threshold: absolute errors from here up are high.
    """
    page, failed = write_report(
        [out / "run"],
        out / "report",
        error_threshold=threshold,
        settings=result.prediction_settings,
    )
    result.written.append(page)
    result.failures += [Failure("", "report", str(line)) for line in failed]


def run_predictions(run: Run, sheet: Sheet, notes: Sequence[Message]) -> Predictions:
    """The predictions of a run, in the order of the table.

    Column ``index`` is the row's number in the table, from 0.

    Args:
        run: of one model with one output.
        sheet: that the run was made from.
        notes: for the reader.

    Raises:
        UsageError: the model has several outputs.
    """
    frame = run.predictions()
    labels = frame["label"].unique()
    if len(labels) > 1:
        what = f"the model has {len(labels)} outputs: {', '.join(labels[:5])}"
        raise UsageError(what, "this command evaluates one value an image")
    numbers = {str(without_dots(row.path)): index for index, row in enumerate(sheet.rows)}
    group_columns = {f"{GROUP}{name}": name for name in sheet.groups}
    groups = frame[[*group_columns]].fillna("").rename(columns=group_columns)
    paths = frame["path"].map(actual_path).map(str)
    files = [Path(path).name for path in frame["path"]]
    images = frame[["image", "patient", "model"]].assign(index=paths.map(numbers), file=files)
    table = pd.concat([images, groups, frame[["value", "truth"]]], axis=1)
    synthetic = bool(frame["synthetic"].any())
    return Predictions("regression", table, (), tuple(sheet.groups), tuple(notes), synthetic)


def _recognised(settings: RegressionSettings) -> RecognisedCard:
    """The card that the user named, or a recognised one."""
    outputs = 1 if settings.model is None else None
    return recognise(
        settings.checkpoint,
        task="regression",
        outputs=outputs,
        model=settings.model,
        size=settings.size,
    )


def _model_notes(recognised: RecognisedCard, settings: RegressionSettings) -> list[Message]:
    """What the model was recognised as, and what is assumed; or the card that was named."""
    if settings.model is not None:
        return [Message("regression.model_named", {"model": settings.model})]
    return list(recognised.notes)


def _write_cohort(
    folder: Path, settings: RegressionSettings, card: Card, sheet: Sheet, keyed: bool
) -> Path:
    """COHORT.toml, its table and its model's card; the path of the first."""
    write_table(sheet.frame(), folder / "images.parquet")
    write_toml(folder / "model.toml", card.model_dump(mode="json", exclude_unset=True))
    columns = {
        "path": "path",
        "value": "value",
        "mask": "mask" if any(row.mask for row in sheet.rows) else None,
        "groups": list(sheet.groups) or None,
        "patient": "patient" if sheet.patient_column else None,
        "split": "split" if sheet.split_column else None,
    }
    name = "model" if keyed else _model_name(settings.checkpoint)
    cohort = {
        "name": "regression" if keyed else settings.table.stem,
        "table": "images.parquet",
        "masks": None if settings.masks is None else str(settings.masks.absolute()),
        "models": [{"card": "model.toml", "name": name}],
        "columns": columns,
        "explain": {"target": "output", "method": settings.method, "layer": settings.layer},
    }
    write_toml(folder / "cohort.toml", cohort)
    return folder / "cohort.toml"


def _model_name(checkpoint: Path) -> str:
    """``run_1`` of ``outputs/run_1/best_model.pth``: the file has the same name in every run."""
    checkpoint = checkpoint.absolute()
    return checkpoint.name if checkpoint.is_dir() else checkpoint.parent.name or checkpoint.stem


def _evaluate(
    settings: RegressionSettings,
    out: Path,
    run: Run,
    predictions: Predictions,
    result: RegressionResult,
    measuring: Progress,
) -> None:
    """Everything after the run.

    Raises:
        UsageError: the run has no map at all, as by a method that does not fit the model.
    """
    cases = case_table([run])
    if cases.empty:
        reason = run.failures[0]
        raise UsageError(reason.what, reason.fix)
    width = settings.bin_width or usual_width(predictions.frame["truth"])
    result.prediction_settings = PredictionSettings(within=settings.within, bin_width=width)
    result.figures = evaluate_predictions(predictions, result.prediction_settings)
    masked = cases.loc[_have_masks(run, cases)]
    heat = attribution_table([run], masked, measuring)
    _add_problems(result.failures, heat.attrs["problems"])
    groups, pairs = _groups(predictions, settings.threshold, width)
    result.evidence = evidence_table(masked, heat, groups, pairs)
    pictures = CaseFigures(
        run,
        cases,
        heat.reindex(cases.index),
        settings.threshold,
        settings.colormap,
        caption_notes(result.notes),
    )
    chosen = pictures.best_and_worst()
    result.concentration = best_against_worst(run, cases)
    if result.concentration is not None:
        result.notes += result.concentration.messages
    result.notes += [_chosen_note(name, each) for name, each in chosen.items()]
    document = _document(settings, run, predictions, result, chosen)
    frame = with_evidence(predictions.frame, cases, pictures.heat)
    result.written += write_tables(
        out, result.figures, result.evidence, document, frame, settings.threshold, settings.listed
    )
    if result.concentration is not None:
        write_table(result.concentration.frame(), out / "concentration.csv")
        result.written.append(out / "concentration.csv")
    result.written += save_predictions(out, predictions, result.figures, settings.unit)
    result.written += pictures.save(out, chosen, Message("value_figures.scale_of_both"))
    _save_samples(settings, out, pictures, result)


def _have_masks(run: Run, cases: pd.DataFrame) -> list[bool]:
    """Whether there is a mask in the image of each case."""
    annotations = case_annotations([run], cases, [])
    rows: Any = cases.to_dict("records")
    return [annotations[0, row["model"]].has_mask(row) for row in rows]


def _add_problems(failures: list[Failure], problems: Sequence[str]) -> None:
    """Add masks that cannot be read, unless the run met them already."""
    lines = {str(failure) for failure in failures}
    failures += [Failure("", "annotation", line) for line in problems if line not in lines]


def _groups(
    predictions: Predictions, threshold: float, width: float
) -> tuple[list[ImageGroup], list[tuple[ImageGroup, ImageGroup]]]:
    """Groups of images, and the pairs of them whose evidence is compared."""
    low, high = groups_of_errors(predictions.frame, threshold)
    by_column = groups_of_columns(predictions.frame, predictions.groups)
    bins = groups_of_truth(predictions.frame, width)
    groups = [low, high, *chain.from_iterable(by_column), *bins]
    return groups, [(high, low), *pairs_of_two(by_column)]


def _chosen_note(name: str, chosen: ChosenCase) -> Message:
    values: dict[str, Value] = {"figure": name, "image": chosen.case.file, "rule": chosen.rule}
    return Message("regression.chosen", values)


def _document(
    settings: RegressionSettings,
    run: Run,
    predictions: Predictions,
    result: RegressionResult,
    chosen: Mapping[str, ChosenCase],
) -> Document:
    """The content of ``test_metrics.json``."""
    selection = {
        name: {"image": each.case.file, "rule": each.rule.to_json()}
        for name, each in chosen.items()
    }
    model = run.about["models"][0]
    return {
        **metrics_document(predictions, result.figures, result.prediction_settings),
        "error_threshold": settings.threshold,
        "mask_evidence": records(result.evidence),
        "concentration": _concentration_records(result.concentration),
        "selection": selection,
        "notes": result.notes,
        "model": {key: model[key] for key in ("name", "sha256", "resolved")},
    }


def _concentration_records(concentration: Concentration | None) -> list[Document]:
    return [] if concentration is None else records(concentration.frame())


def _save_samples(
    settings: RegressionSettings, out: Path, pictures: CaseFigures, result: RegressionResult
) -> None:
    """The figures of ``--sample``; one without a map is a failure."""
    samples: dict[str, ChosenCase] = {}
    for index in settings.samples:
        try:
            samples[f"gradcam_sample_{index}"] = pictures.sample(index)
        except UsageError as error:
            result.failures.append(Failure.of(f"sample {index}", error))
    scale = OWN_SCALE if len(samples) == 1 else Message("value_figures.scale_of_samples")
    result.written += pictures.save(out, samples, scale)
