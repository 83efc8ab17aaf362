"""``camlucida report-pack``: training runs in; class grids, tables, consistency and a LaTeX section out, earlier runs kept."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from camlucida.analysis.cases.attribution_table import attribution_table
from camlucida.analysis.cases.case_table import case_table
from camlucida.analysis.comparison import Comparison, compare
from camlucida.attribution.methods import METHODS
from camlucida.core.errors import CamlucidaError, UsageError
from camlucida.core.messages import Message, prefixed, quoted
from camlucida.io.tables import write_table
from camlucida.report.locale import load_texts
from camlucida.report.render import render_document
from camlucida.report.writers.insert import check_insertable, insert_section, section_name
from camlucida.report.writers.latex import place_of, section
from camlucida.runs import Run
from camlucida.runs.read import is_run
from camlucida.workflows.training_runs.explain import (
    ExplainedTraining,
    ExplainOptions,
    explain_training,
)
from camlucida.workflows.training_runs.folders import TrainingRun, find_training_runs
from camlucida.workflows.training_runs.inputs import read_validation
from camlucida.workflows.training_runs.measure import (
    TrainingResults,
    read_record,
    row_of,
    write_record,
)
from camlucida.workflows.training_runs.pictures import (
    TrainingMaps,
    class_figure,
    comparison_figures,
    layers_figure,
    save,
)
from camlucida.workflows.training_runs.section import pack_document
from camlucida.workflows.training_runs.summary import TrainingSummary, summarise

WORK = ".camlucida"
Progress = Callable[..., object]


@dataclass(frozen=True)
class PackSettings:
    """What is asked.

    Attributes:
        runs: folders of training runs or of cross-validations.
        explain: how to explain.
        name: of the pack: what its figures and its LaTeX section are called after.
        images: folder of images; None looks where the run's files say.
        table: of images and patients; None takes the summary's.
        classes: in their order; empty takes those of the summary or of the predictions.
        seed: of a run that does not say its own.
        per_class: examples a class.
        tex: file of the section; None: ``NAME_model.tex`` in the assets folder.
        work: folder of the runs' maps; None: ``.camlucida`` in the assets folder.
        language: of the section.
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


@dataclass
class PackResult:
    """What came of it.

    Attributes:
        packed: every run of the pack, those of earlier calls too.
        comparisons: by what varies.
        written: files; ``changed``: whether the LaTeX section is another than before.
        failures, notes: lines.
    """

    packed: list[TrainingResults] = field(default_factory=list)
    comparisons: dict[str, Comparison] = field(default_factory=dict)
    written: list[Path] = field(default_factory=list)
    tex: Path | None = None
    changed: bool = False
    failures: list[str] = field(default_factory=list)
    notes: list[Message] = field(default_factory=list)


def pack_runs(
    settings: PackSettings,
    assets: Path,
    *,
    about: Mapping[str, Any] | None = None,
    progress: Progress = lambda done=0, total=None: None,
    measuring: Progress = lambda done=0, total=None: None,
) -> PackResult:
    """Explain every validation image of each training run, and write the pack of these and of earlier ones.

    A training run that cannot be used costs itself alone. Killed, the same call goes on.

    Args:
        settings: what is asked.
        assets: folder of the figures, which is there.
        about: for the runs' records: command, versions.
        progress: of the images explained.
        measuring: of the maps measured.

    Raises:
        UsageError: the request is wrong; nothing is written then.
    """
    texts, name = load_texts(settings.language), section_name([settings.name])
    METHODS[settings.explain.method]
    before = read_record(assets, settings.name)
    tex = settings.tex or assets / f"{name}_model.tex"
    check_insertable(tex, name)
    place = place_of(assets, tex)
    packing = PackResult(tex=tex)
    trainings, packing.failures = find_training_runs(settings.runs, settings.seed)
    told = _explained(settings, assets, _keyed(trainings, before), packing, about or {}, progress)
    if not told:
        return packing
    every = {**{key: TrainingSummary.again(one) for key, one in before.items()}, **told}
    ordered = dict(
        sorted(
            every.items(),
            key=lambda item: (item[1].fold is not None, item[1].seed or 0, item[1].fold or 0),
        )
    )
    opened = {
        key: Run.open(assets / one.run) for key, one in ordered.items() if is_run(assets / one.run)
    }
    _pack(settings, assets, ordered, opened, set(told), before, packing, measuring)
    document = pack_document(name, packing.packed, packing.comparisons, set(opened), assets)
    packing.changed = insert_section(
        tex, name, section(render_document(document, texts), assets, name, place)
    )
    packing.written.append(tex)
    return packing


def _keyed(
    trainings: Sequence[TrainingRun], before: Mapping[str, TrainingResults]
) -> dict[str, TrainingRun]:
    """Key → training run: that of the same seed and fold before, else its own; a fold of a second seed has that in its key.

    Raises:
        UsageError: two runs of one seed and fold.
    """
    of = {(one.seed, one.fold): key for key, one in before.items()}
    found: dict[str, TrainingRun] = {}
    for training in trainings:
        which = training.seed, training.fold
        twin = next((other for other in found.values() if (other.seed, other.fold) == which), None)
        if twin is not None:
            what = f"{twin.folder} and {training.folder} are both {training.key.replace('_', ' ')}"
            raise UsageError(
                f"{what} (seed {training.seed})",
                "give one of them, or the other with another --assets-dir",
            )
        key = of.get(which, training.key)
        taken = key in found or (key in before and which not in of)
        found[f"seed{training.seed}_{key}" if taken else key] = training
    return found


def _explained(
    settings: PackSettings,
    assets: Path,
    trainings: Mapping[str, TrainingRun],
    packing: PackResult,
    about: Mapping[str, Any],
    progress: Progress,
) -> dict[str, TrainingSummary]:
    """Every training run that can be explained."""
    told: dict[str, TrainingSummary] = {}
    notes: dict[Message, list[str]] = {}
    for key, training in trainings.items():
        out = (settings.work or assets / WORK) / key
        try:
            validation = read_validation(
                training, images=settings.images, table=settings.table, classes=settings.classes
            )
            found = explain_training(training, validation, settings.explain, out, about, progress)
        except CamlucidaError as error:
            packing.failures.append(f"{training.folder}: {error}")
            continue
        packing.failures += [*validation.problems, *found.failures]
        for note in (*validation.notes, *found.notes):
            notes.setdefault(note, []).append(key)
        told[key] = _told(key, training, found, settings, assets, out)
    packing.notes += [prefixed(", ".join(keys), note) for note, keys in notes.items()]
    return told


def _told(
    key: str,
    training: TrainingRun,
    found: ExplainedTraining,
    settings: PackSettings,
    assets: Path,
    out: Path,
) -> TrainingSummary:
    stem = (
        f"{section_name([settings.name])}_gradcam_{key}"
        if training.fold is None
        else f"{key}_gradcam"
    )
    folder, run = (
        Path(os.path.relpath(path.resolve(), assets.resolve())).as_posix()
        for path in (training.folder, out)
    )
    return TrainingSummary(
        key=key,
        seed=training.seed,
        fold=training.fold,
        folder=folder,
        run=run,
        target=settings.explain.target,
        figure=stem,
        check=found.check,
        classes=found.card.labels,
    )


def _pack(
    settings: PackSettings,
    assets: Path,
    told: Mapping[str, TrainingSummary],
    opened: Mapping[str, Run],
    new: set[str],
    before: Mapping[str, TrainingResults],
    packing: PackResult,
    measuring: Progress,
) -> None:
    """Numbers, tables and figures of all runs."""
    runs = list(opened.values())
    cases = case_table(runs)
    heat = attribution_table(runs, cases, measuring)
    packed: dict[str, TrainingResults] = {}
    for key, one in told.items():
        if key not in opened:
            packed[key] = before[key]
            continue
        maps = TrainingMaps(opened[key], list(opened).index(key), cases, heat)
        if key in new or not (assets / f"{before[key].figure}.png").is_file():
            drawn = class_figure(maps, one, settings.per_class)
            packing.written += save(assets, drawn)
            layered = layers_figure(maps, one, section_name([settings.name]))
            packing.written += save(assets, layered) if layered else []
            shown = (drawn.scale, drawn.rule, drawn.signed, layered.stem if layered else "")
        else:
            shown = (
                before[key].scale,
                before[key].rule,
                before[key].signed,
                before[key].layers_figure,
            )
        packed[key] = summarise(maps, one, *shown)
    packing.packed = list(packed.values())
    packing.comparisons = _comparisons(
        list(packed.values()), list(opened), runs, cases, heat, packing
    )
    packing.written += _tables(assets, packing)
    packing.written += comparison_figures(
        assets, section_name([settings.name]), packing.comparisons, runs
    )
    packing.written.append(write_record(assets, settings.name, packed))


def _comparisons(
    packed: Sequence[TrainingResults],
    opened: Sequence[str],
    runs: Sequence[Run],
    cases: pd.DataFrame,
    heat: pd.DataFrame,
    packing: PackResult,
) -> dict[str, Comparison]:
    """Seeds among the runs of no fold; folds; layers of every run that has several."""
    at = {key: place for place, key in enumerate(opened)}
    here = [one for one in packed if one.key in at]
    alike = [one for one in here if one.classes == here[0].classes]
    for one in (one for one in here if one not in alike):
        first, its = (", ".join(each.classes) for each in (here[0], one))
        packing.notes.append(
            quoted(
                f"{one.name}, with the classes {its}, is not compared with {here[0].name}, with {first}"
            )
        )
    main = pd.Series(False, index=cases.index)
    for one in here:
        main |= (cases["run"] == at[one.key]) & (cases["layer"] == one.layer)
    layered = [
        at[one.key] for one in here if cases[cases["run"] == at[one.key]]["layer"].nunique() > 1
    ]
    wanted = {
        "seed": main & cases["run"].isin([at[one.key] for one in alike if one.fold is None]),
        "fold": main & cases["run"].isin([at[one.key] for one in alike if one.fold is not None]),
        "layer": cases["run"].isin(layered),
    }
    found = {}
    for by, rows in wanted.items():
        enough = 1 if by == "layer" else 2
        if cases["run"][rows].nunique() < enough:
            continue
        try:
            found[by] = compare(runs, cases[rows], heat[rows], by)
        except UsageError as error:
            packing.notes.append(prefixed(f"not compared by {by}", quoted(str(error))))
    return found


def _tables(assets: Path, packing: PackResult) -> list[Path]:
    tables = {"seeds_table": pd.DataFrame([row_of(one) for one in packing.packed])}
    if "seed" in packing.comparisons:
        tables["consistency"] = packing.comparisons["seed"].cases
    if "layer" in packing.comparisons:
        tables["layers"] = packing.comparisons["layer"].pairs
    for name, table in tables.items():
        write_table(table, assets / f"{name}.csv")
    return [assets / f"{name}.csv" for name in tables]
