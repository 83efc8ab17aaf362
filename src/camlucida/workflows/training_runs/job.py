"""Training runs into an article: figures, tables, consistency and a LaTeX section.

Runs that were packed before are kept.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from camlucida.analysis.cases.attribution_table import attribution_table
from camlucida.analysis.cases.case_table import case_table
from camlucida.analysis.comparison import Comparison
from camlucida.analysis.comparison.look_first import ranked_disagreements
from camlucida.attribution.methods import METHODS
from camlucida.core.errors import CamlucidaError, LayerError, UsageError
from camlucida.core.failures import Failure
from camlucida.core.messages import Message, Value, declare, prefixed
from camlucida.datasets.keyed_names import LEFT_OUT
from camlucida.figures.notice import stamped
from camlucida.figures.style import can_draw, drawn_with
from camlucida.io.message_tables import add_english
from camlucida.io.tables import write_table
from camlucida.models import InputSpec
from camlucida.report.locale import load_texts
from camlucida.report.render import render_document
from camlucida.report.writers.insert import check_insertable, insert_section, section_name
from camlucida.report.writers.latex import Heading, picture_prefix, section
from camlucida.runs import Run
from camlucida.runs.keyed import kept_failures, kept_notes
from camlucida.runs.read import is_run
from camlucida.workflows.training_runs.comparisons import compare_training_runs
from camlucida.workflows.training_runs.explain import (
    ExplainedTraining,
    ExplainOptions,
    explain_training,
)
from camlucida.workflows.training_runs.folders import (
    TrainingRun,
    find_run_folder,
    find_training_runs,
)
from camlucida.workflows.training_runs.image_finder import TableOptions
from camlucida.workflows.training_runs.maps import TrainingMaps
from camlucida.workflows.training_runs.mismatch import mismatch_error
from camlucida.workflows.training_runs.pictures import (
    class_figure,
    comparison_figures,
    layers_figure,
)
from camlucida.workflows.training_runs.results import (
    TrainingResults,
    pack_is_keyed,
    read_record,
    write_record,
)
from camlucida.workflows.training_runs.section import pack_document
from camlucida.workflows.training_runs.summary import GridFacts, TrainingSummary, summarise
from camlucida.workflows.training_runs.table_validation import read_table_validation
from camlucida.workflows.training_runs.validation import read_validation

declare(
    "pack_job",
    {"found_by_name": "{name}: the only training run of this name is {folder}, which is taken"},
)

WORK = ".camlucida"
Progress = Callable[..., object]


@dataclass(frozen=True)
class PackSettings:
    """What is packed, and how.

    Attributes:
        runs: folders of training runs or of cross-validations.
        explain: how to explain.
        name: of the pack: what its figures and its LaTeX section are called after.
        images: folder of images; None: as the run's files state.
        table: of images and patients; None takes the summary's.
        classes: in their order; empty takes those of the summary or of the predictions.
        seed: of a run that does not state its own.
        per_class: examples a class.
        tex: file of the section; None: ``NAME_model.tex`` in the assets folder.
        work: folder of the runs' maps; None: ``.camlucida`` in the assets folder.
        language: of the section.
        level: of the section's heading in LaTeX.
        short: leave out what an appendix would hold.
        accept_mismatch: pack a run whose model does not reproduce its stored predictions too;
            its figures are stamped.
        table_options: sheet, names of images and of classes.
        deidentify: keyed names of images and patients, and no name of a file or folder; a pack
            that was begun so goes on so.
    """

    runs: tuple[Path, ...]
    explain: ExplainOptions = field(default_factory=ExplainOptions)
    name: str = "density"
    images: Path | None = None
    table: Path | None = None
    classes: tuple[str, ...] = ()
    seed: int | None = None
    per_class: int = 3
    tex: Path | None = None
    work: Path | None = None
    language: str = "en"
    level: Heading = "section"
    short: bool = False
    accept_mismatch: bool = False
    table_options: TableOptions = field(default_factory=TableOptions)
    deidentify: bool = False

    @property
    def file_name(self) -> str:
        """The name as files and sections have it."""
        return section_name([self.name])


@dataclass
class PackResult:
    """What was packed and written.

    Attributes:
        trainings: results of every run of the pack, those of earlier calls too.
        comparisons: by what varies.
        written: files.
        tex: file of the section.
        changed: whether the section is another than before.
        failures: training runs and images that could not be used.
        notes: for the reader.
    """

    trainings: list[TrainingResults] = field(default_factory=list)
    comparisons: dict[str, Comparison] = field(default_factory=dict)
    written: list[Path] = field(default_factory=list)
    tex: Path | None = None
    changed: bool = False
    failures: list[Failure] = field(default_factory=list)
    notes: list[Message] = field(default_factory=list)


def pack_runs(
    settings: PackSettings,
    assets: Path,
    *,
    about: Mapping[str, Any] | None = None,
    progress: Progress = lambda done=0, total=None: None,
    measuring: Progress = lambda done=0, total=None: None,
) -> PackResult:
    """Explain every validation image of each training run, and pack these and earlier runs.

    A training run that cannot be used costs itself alone. Killed, the same call resumes.

    Args:
        settings: what is packed.
        assets: folder of the figures; it exists.
        about: for the runs' records: command, versions.
        progress: of the images explained.
        measuring: of the maps measured.

    Raises:
        UsageError: the request is wrong; nothing is written then.
    """
    texts, name = load_texts(settings.language), settings.file_name
    METHODS[settings.explain.method]
    before = read_record(assets, settings.name)
    settings = replace(settings, deidentify=pack_is_keyed(assets, settings.deidentify))
    tex = settings.tex or assets / f"{name}_model.tex"
    check_insertable(tex, name)
    assets_path = picture_prefix(assets, tex)
    folders = [find_run_folder(path) for path in settings.runs]
    trainings, failures = find_training_runs(folders, settings.seed)
    if not trainings and all(failure.code == UsageError.code for failure in failures):
        raise UsageError("; ".join(map(str, failures)))
    pack = _Pack(settings, assets, before, PackResult(tex=tex, failures=failures))
    for path, folder in zip(settings.runs, folders):
        if folder != path:
            values: dict[str, Value] = {"name": str(path), "folder": str(folder)}
            pack.result.notes.append(Message("pack_job.found_by_name", values))
    new = pack.explain(trainings, about or {}, progress)
    if not new:
        return pack.result
    with drawn_with(texts=texts):
        opened = pack.measure(new, measuring)
        result = pack.result
        document = pack_document(
            name, result.trainings, result.comparisons, opened, assets, settings.short
        )
    if not can_draw(texts):
        result.notes.append(Message("page.figures_in_english"))
    latex = section(render_document(document, texts), assets, name, assets_path, settings.level)
    result.changed = insert_section(tex, name, latex)
    result.written.append(tex)
    return result


@dataclass
class _Pack:
    """A pack while it is made.

    Attributes:
        before: results of earlier calls, by key.
        result: what is made of them and of this call.
        inputs: preprocessing of the runs whose models reproduce their predictions.
    """

    settings: PackSettings
    assets: Path
    before: Mapping[str, TrainingResults]
    result: PackResult
    inputs: list[InputSpec] = field(default_factory=list)

    def explain(
        self, trainings: Sequence[TrainingRun], about: Mapping[str, Any], progress: Progress
    ) -> dict[str, TrainingSummary]:
        """Key → summary of every training run that can be explained.

        Raises:
            LayerError: the request names a layer that no run has.
        """
        summaries: dict[str, TrainingSummary] = {}
        keys_of_note: dict[Message, list[str]] = {}
        work = self.settings.work or self.assets / WORK
        without_layer: list[LayerError] = []
        for key, training in _by_key(trainings, self.before).items():
            try:
                explained, notes = self._explain_one(training, work / key, about, progress)
            except CamlucidaError as error:
                if isinstance(error, LayerError):
                    without_layer.append(error)
                failure = Failure.of(str(training.folder), error, named=True)
                self.result.failures.append(failure)
                continue
            for note in notes:
                keys_of_note.setdefault(note, []).append(key)
            summaries[key] = self._summary(key, training, explained, work / key)
        if without_layer and len(without_layer) == len(trainings):
            raise without_layer[0]
        for note, keys in keys_of_note.items():
            self.result.notes.append(prefixed(", ".join(keys), note))
        return summaries

    def measure(self, new: Mapping[str, TrainingSummary], measuring: Progress) -> set[str]:
        """Numbers, tables and figures of all runs; keys of those whose maps exist."""
        earlier = {key: TrainingSummary.of_results(each) for key, each in self.before.items()}
        summaries = dict(sorted({**earlier, **new}.items(), key=_order))
        opened: dict[str, Run] = {}
        for key, summary in summaries.items():
            if is_run(self.assets / summary.run):
                opened[key] = Run.open(self.assets / summary.run)
        runs = list(opened.values())
        cases = case_table(runs)
        heat = attribution_table(runs, cases, measuring)
        results: dict[str, TrainingResults] = {}
        for key, summary in summaries.items():
            if key in opened:
                maps = TrainingMaps(opened[key], list(opened).index(key), cases, heat)
                with stamped(summary.check.wrong):
                    grid = self._grid(maps, summary, key in new)
                results[key] = summarise(maps, summary, grid)
            else:
                results[key] = self.before[key]
        self.result.trainings = list(results.values())
        self.result.comparisons, notes = compare_training_runs(
            self.result.trainings, opened, cases, heat
        )
        self.result.notes += notes
        self._write(results, runs)
        return set(opened)

    def _explain_one(
        self, training: TrainingRun, out: Path, about: Mapping[str, Any], progress: Progress
    ) -> tuple[ExplainedTraining, list[Message]]:
        settings = self.settings
        read = read_table_validation if training.predictions is None else read_validation
        validation = read(
            training,
            images=settings.images,
            table=settings.table,
            classes=settings.classes,
            options=settings.table_options,
        )
        likely = tuple(dict.fromkeys(self.inputs))
        explained = explain_training(
            training,
            validation,
            settings.explain,
            out,
            about,
            progress,
            likely,
            settings.deidentify,
        )
        of_run = explained.run.about
        self.result.failures += kept_failures(of_run, validation.failures)
        self.result.failures += explained.failures
        if explained.check.wrong and not settings.accept_mismatch:
            device = settings.explain.device
            raise mismatch_error(validation, explained, device)
        if not explained.check.wrong:
            self.inputs.append(explained.card.input)
        return explained, [*kept_notes(of_run, validation.notes), *explained.notes]

    def _summary(
        self, key: str, training: TrainingRun, explained: ExplainedTraining, out: Path
    ) -> TrainingSummary:
        settings, stem = self.settings, f"{key}_gradcam"
        if training.fold is None:
            stem = f"{settings.file_name}_gradcam_{key}"
        return TrainingSummary(
            key=key,
            seed=training.seed,
            fold=training.fold,
            folder=LEFT_OUT if settings.deidentify else self._from_assets(training.folder),
            run=self._from_assets(out),
            target=settings.explain.target,
            figure=stem,
            check=explained.check,
            classes=explained.card.labels,
        )

    def _from_assets(self, path: Path) -> str:
        return Path(os.path.relpath(path.resolve(), self.assets.resolve())).as_posix()

    def _grid(self, maps: TrainingMaps, summary: TrainingSummary, new: bool) -> GridFacts:
        """Draw the class grid, unless an earlier call drew it of the same maps."""
        earlier = self.before.get(summary.key)
        if not new and earlier and (self.assets / f"{earlier.figure}.png").is_file():
            return GridFacts.of_results(earlier)
        grid = class_figure(maps, summary, self.settings.per_class)
        self.result.written += grid.save(self.assets)
        layers = layers_figure(maps, summary, self.settings.file_name)
        if layers is not None:
            self.result.written += layers.save(self.assets)
        return GridFacts(grid.scale, grid.rule, grid.signed, layers.stem if layers else "")

    def _write(self, results: Mapping[str, TrainingResults], runs: Sequence[Run]) -> None:
        """Tables, figures of the comparisons, and the record."""
        result, name = self.result, self.settings.file_name
        tables = {"seeds_table": pd.DataFrame([each.table_row() for each in result.trainings])}
        if "seed" in result.comparisons:
            tables["consistency"] = add_english(result.comparisons["seed"].cases, "reason")
            ranked = ranked_disagreements(result.comparisons["seed"])
            tables["look_first"] = add_english(ranked, "reason")
        if "layer" in result.comparisons:
            tables["layers"] = result.comparisons["layer"].pairs
        for table_name, table in tables.items():
            path = self.assets / f"{table_name}.csv"
            write_table(table, path)
            result.written.append(path)
        with stamped(any(each.check.wrong for each in result.trainings)):
            result.written += comparison_figures(self.assets, name, result.comparisons, runs)
        keyed = self.settings.deidentify
        result.written.append(write_record(self.assets, self.settings.name, results, keyed))


def _order(item: tuple[str, TrainingSummary]) -> tuple[bool, int, int]:
    """Runs by seed, then folds by seed and number."""
    summary = item[1]
    return summary.fold is not None, summary.seed or 0, summary.fold or 0


def _by_key(
    trainings: Sequence[TrainingRun], before: Mapping[str, TrainingResults]
) -> dict[str, TrainingRun]:
    """Key → training run.

    The key is that of the same seed and fold in an earlier call, else the run's; a fold of a
    second seed has the seed in its key.

    Raises:
        UsageError: two runs of one seed and fold.
    """
    earlier_keys = {(each.seed, each.fold): key for key, each in before.items()}
    by_identity: dict[tuple[int | None, int | None], TrainingRun] = {}
    by_key: dict[str, TrainingRun] = {}
    for training in trainings:
        identity = training.seed, training.fold
        twin = by_identity.setdefault(identity, training)
        if twin is not training:
            both = f"{twin.folder} and {training.folder}"
            what = f"{both} are both {training.key.replace('_', ' ')} (seed {training.seed})"
            fix = "give one of them, or the other with another --assets-dir"
            raise UsageError(what, fix)
        key = earlier_keys.get(identity, training.key)
        taken = key in by_key or (key in before and identity not in earlier_keys)
        by_key[f"seed{training.seed}_{key}" if taken else key] = training
    return by_key
