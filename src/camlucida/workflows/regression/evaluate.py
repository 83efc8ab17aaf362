"""``camlucida evaluate-regression``: a checkpoint, a folder of images and a table in; metrics, figures and evidence out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import pandas as pd

from camlucida.analysis.cases.attribution_table import attribution_table
from camlucida.analysis.cases.case_table import case_table
from camlucida.analysis.cases.region_shares import evidence_table, pairs_of_two
from camlucida.attribution.methods import METHODS
from camlucida.core.errors import UsageError
from camlucida.core.files import without_dots, write_toml
from camlucida.core.messages import Message, quoted
from camlucida.datasets.predictions import Predictions
from camlucida.evaluation.predictions.tables import (
    PredictionSettings,
    evaluate_predictions,
    metrics_document,
    records,
)
from camlucida.figures.overlay import check_colormap
from camlucida.io.tables import write_table
from camlucida.metrics.regression import WITHIN
from camlucida.models import Card
from camlucida.models.assumptions import RecognisedCard
from camlucida.models.recognise import recognise
from camlucida.runs import Run, execute
from camlucida.runs.tables import GROUP
from camlucida.workflows.regression.figures import CaseFigures, caption_notes, save_predictions
from camlucida.workflows.regression.sheet import Sheet, SheetColumns, read_sheet
from camlucida.workflows.regression.tables import (
    groups_of_columns,
    groups_of_errors,
    groups_of_truth,
    usual_width,
    with_evidence,
    write_tables,
)

Progress = Callable[..., object]


@dataclass(frozen=True)
class RegressionSettings:
    """What is evaluated, and how.

    Attributes:
        checkpoint: weights, or a folder with ``best_model.pth``.
        images: folder of images.
        table: CSV, TSV, XLSX, Parquet or JSON of true values.
        columns: of the table.
        masks: folder of masks; None looks beside the images.
        split: evaluate only this one.
        model: card or factory; None recognises the checkpoint.
        layer, method: of the maps.
        size: of the model's input, in pixels; None takes the card's, or the usual one.
        threshold: absolute errors from here up are high.
        within: tolerances of the shares.
        bin_width: of groups of the true value; None: 10, or a round width of at most 12 groups.
        colormap: of the maps; its middle is zero.
        samples: rows, counted from 0 as in predictions.json, of which figures are drawn.
    """

    checkpoint: Path
    images: Path
    table: Path
    columns: SheetColumns = field(default_factory=SheetColumns)
    masks: Path | None = None
    split: str | None = None
    model: str | None = None
    layer: str = "auto"
    method: str = "gradcam"
    size: int | None = None
    threshold: float = 5.0
    within: tuple[float, ...] = WITHIN
    bin_width: float | None = None
    colormap: str | None = None
    samples: tuple[int, ...] = ()


@dataclass
class RegressionResult:
    """What came of it.

    Attributes:
        figures: of the predictions; columns of :class:`~camlucida.metrics.score_table.Row`.
        evidence: of the maps in the masks; columns of :class:`~camlucida.analysis.cases.region_shares.EvidenceRow`.
        written: files.
        failures: a line for each row, image or mask that could not be used.
        notes: for the reader.
        settings: of the figures.
    """

    figures: pd.DataFrame = field(default_factory=pd.DataFrame)
    evidence: pd.DataFrame = field(default_factory=pd.DataFrame)
    written: list[Path] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    notes: list[Message] = field(default_factory=list)
    settings: PredictionSettings = field(default_factory=PredictionSettings)


def evaluate_regression_model(
    settings: RegressionSettings,
    out: Path,
    *,
    device: str = "auto",
    batch_size: int | None = None,
    about: Mapping[str, Any] | None = None,
    progress: Progress = lambda done=0, total=None: None,
    measuring: Progress = lambda done=0, total=None: None,
) -> RegressionResult:
    """Run the model on every row of the table that has an image, evaluate it, and write everything into ``out``.

    ``out/run`` is a run that survives a kill: the same call goes on with it. A row, image or mask that cannot be used costs that
    image alone.

    Args:
        study: what is asked.
        out: made if missing; files of the same name are replaced.
        device, batch_size, about, progress: as in :func:`camlucida.runs.execute`.
        measuring: as ``progress``, for the maps whose heat is measured.

    Raises:
        UsageError, ModelError, LayerError: the request is wrong.
    """
    _check(settings)
    sheet = read_sheet(
        settings.table,
        settings.images,
        settings.columns,
        masks=settings.masks,
        split=settings.split,
    )
    wrong = [index for index in settings.samples if not 0 <= index < len(sheet.rows)]
    if wrong:
        raise UsageError(
            f"no sample {wrong[0]}", f"{len(sheet.rows)} rows can be used, counted from 0"
        )
    outputs = 1 if settings.model is None else None
    recognised = recognise(
        settings.checkpoint,
        task="regression",
        outputs=outputs,
        model=settings.model,
        size=settings.size,
    )
    if not recognised.card.labels:
        recognised = recognised.update(labels=(sheet.value_column,))
    outcome = execute(
        _write_cohort(out / "inputs", settings, recognised.card, sheet),
        out / "run",
        resume=True,
        device=device,
        batch_size=batch_size,
        about=about,
        progress=progress,
    )
    notes = [*_model_notes(recognised, settings), *sheet.notes, *outcome.notes]
    failures = [line for _, line in (*sheet.problems, *outcome.failures)]
    result = RegressionResult(failures=failures, notes=list(dict.fromkeys(notes)))
    run = Run.open(out / "run")
    predictions = run_predictions(run, sheet, result.notes)
    if not len(predictions.frame):
        return result
    _evaluate(settings, out, run, predictions, result, measuring)
    return result


def _check(settings: RegressionSettings) -> None:
    """What needs neither table nor model, before anything is written."""
    check_colormap(settings.colormap)
    METHODS[settings.method]
    for option, numbers in (
        ("--within", settings.within),
        ("--bin-width", [1.0 if settings.bin_width is None else settings.bin_width]),
    ):
        if any(not number > 0 for number in numbers):
            raise UsageError(f"{option} {min(numbers):g}", "give a number above 0")


def run_predictions(run: Run, sheet: Sheet, notes: Sequence[Message]) -> Predictions:
    """What the run's model said, in the order of the table; column ``index``: the row's number in it, from 0.

    Raises:
        UsageError: the model has several outputs.
    """
    frame = run.predictions()
    if frame["label"].nunique() > 1:
        what = f"the model has {frame['label'].nunique()} outputs: {', '.join(frame['label'].unique()[:5])}"
        raise UsageError(what, "this command evaluates one value an image")
    numbers = {str(without_dots(row.path)): index for index, row in enumerate(sheet.rows)}
    groups = {f"{GROUP}{name}": name for name in sheet.groups}
    texts = frame[[*groups]].fillna("").rename(columns=groups)
    tidy = frame[["image", "patient", "model"]].assign(
        index=frame["path"].map(numbers), file=frame["path"]
    )
    tidy = pd.concat([tidy, texts, frame[["value", "truth"]]], axis=1)
    tidy["file"] = [Path(path).name for path in tidy["file"]]
    return Predictions(
        "regression", tidy, (), tuple(sheet.groups), tuple(notes), bool(frame["synthetic"].any())
    )


def _write_cohort(folder: Path, settings: RegressionSettings, card: Card, sheet: Sheet) -> Path:
    """COHORT.toml, its table and its model's card."""
    write_table(sheet.frame(), folder / "images.parquet")
    write_toml(folder / "model.toml", card.model_dump(mode="json", exclude_unset=True))
    columns: dict[str, Any] = {
        "path": "path",
        "value": "value",
        "mask": "mask",
        "groups": list(sheet.groups) or None,
    }
    columns |= {
        "patient": "patient" if sheet.patient_column else None,
        "split": "split" if sheet.split_column else None,
    }
    config = {
        "name": settings.table.stem,
        "table": "images.parquet",
        "models": [{"card": "model.toml", "name": _name(settings.checkpoint)}],
        "columns": columns,
        "explain": {"target": "output", "method": settings.method, "layer": settings.layer},
    }
    write_toml(folder / "cohort.toml", config)
    return folder / "cohort.toml"


def _name(checkpoint: Path) -> str:
    """ "run_1" of ``outputs/run_1/best_model.pth``: the file's own name is the same in every run."""
    return (
        checkpoint.absolute().name
        if checkpoint.is_dir()
        else checkpoint.absolute().parent.name or checkpoint.stem
    )


def _model_notes(recognised: RecognisedCard, settings: RegressionSettings) -> list[Message]:
    """What the model was recognised as, and what is assumed; or the card that was named."""
    if settings.model is not None:
        return [quoted(f"model: {settings.model}, as its card states")]
    return list(recognised.notes)


def _evaluate(
    settings: RegressionSettings,
    out: Path,
    run: Run,
    predictions: Predictions,
    result: RegressionResult,
    measuring: Progress,
) -> None:
    """Everything after the run."""
    width = settings.bin_width or usual_width(predictions.frame["truth"])
    result.settings = PredictionSettings(within=settings.within, bin_width=width)
    result.figures = evaluate_predictions(predictions, result.settings)
    cases = case_table([run])
    masked = cases[[isinstance(path, str) and Path(path).is_file() for path in cases["mask"]]]
    heat = attribution_table([run], masked, measuring)
    result.failures += [line for line in heat.attrs["problems"] if line not in result.failures]
    low, high = groups_of_errors(predictions.frame, settings.threshold)
    columns = groups_of_columns(predictions.frame, predictions.groups)
    bins = groups_of_truth(predictions.frame, width)
    groups = [low, high, *chain.from_iterable(columns), *bins]
    pairs = [(high, low), *pairs_of_two(columns)]
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
    result.notes += [quoted(f"{name}: {case.file}; {case.chosen}") for name, case in chosen.items()]
    document = metrics_document(predictions, result.figures, result.settings) | {
        "error_threshold": settings.threshold,
        "mask_evidence": records(result.evidence),
        "selection": {
            name: {"image": case.file, "rule": case.chosen} for name, case in chosen.items()
        },
        "notes": result.notes,
        "model": {key: run.about["models"][0][key] for key in ("name", "sha256", "resolved")},
    }
    frame = with_evidence(predictions.frame, cases, pictures.heat)
    result.written += write_tables(
        out, result.figures, result.evidence, document, frame, settings.threshold
    )
    result.written += save_predictions(out, predictions, result.figures)
    result.written += pictures.save(out, chosen, "shared scale of best and worst")
    samples = {}
    for index in settings.samples:
        try:
            samples[f"gradcam_sample_{index}"] = pictures.sample(index)
        except UsageError as error:
            result.failures.append(str(error))
    result.written += pictures.save(
        out, samples, "own scale" if len(samples) == 1 else "shared scale of the samples asked for"
    )
