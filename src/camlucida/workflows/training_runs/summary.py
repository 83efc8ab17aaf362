"""From the maps of one training run to what is kept of it."""

from __future__ import annotations

from dataclasses import dataclass

from camlucida.core.messages import Message
from camlucida.workflows.training_runs.maps import TrainingMaps
from camlucida.workflows.training_runs.measure import (
    contrast_of,
    figures_of,
    lift_of,
    share_of,
    spread_of,
)
from camlucida.workflows.training_runs.results import PredictionCheck, TrainingResults


@dataclass(frozen=True)
class TrainingSummary:
    """What is known of a training run beside its maps; attributes as in :class:`TrainingResults`.

    Attributes:
        classes: in their order.
    """

    key: str
    seed: int | None
    fold: int | None
    folder: str
    run: str
    target: str
    figure: str
    check: PredictionCheck
    classes: tuple[str, ...]

    @staticmethod
    def of_results(results: TrainingResults) -> TrainingSummary:
        """The summary of a run of an earlier call."""
        return TrainingSummary(
            key=results.key,
            seed=results.seed,
            fold=results.fold,
            folder=results.folder,
            run=results.run,
            target=results.target,
            figure=results.figure,
            check=results.check,
            classes=results.classes,
        )


@dataclass(frozen=True)
class GridFacts:
    """What a report states of a run's class grid; attributes as in :class:`TrainingResults`."""

    scale: str
    rule: Message
    signed: bool
    layers_figure: str

    @staticmethod
    def of_results(results: TrainingResults) -> GridFacts:
        """Those of an earlier call."""
        return GridFacts(results.scale, results.rule, results.signed, results.layers_figure)


def summarise(maps: TrainingMaps, summary: TrainingSummary, grid: GridFacts) -> TrainingResults:
    """Every number of a run that the pack states.

    Args:
        maps: of the run.
        summary: of the run.
        grid: of its figure.
    """
    cases, heat = maps.main, maps.main_heat
    first_row, patients = cases.iloc[0], cases["patient"]
    present = [name for name in summary.classes if (cases["true_class"] == name).any()]
    ends = (present[0], present[-1]) if len(present) > 1 else ("", "")
    return TrainingResults(
        key=summary.key,
        seed=summary.seed,
        fold=summary.fold,
        folder=summary.folder,
        run=summary.run,
        architecture=str(first_row["architecture"]),
        classes=summary.classes,
        method=str(first_row["method"]),
        layer=str(first_row["layer"]),
        grid=tuple(first_row["grid"]),
        cell=maps.cell(),
        target=summary.target,
        images=int(cases["image"].nunique()),
        patients=int(patients.nunique()),
        patients_known=bool(maps.run.about["patients_known"]),
        empty=int((cases["empty_reason"] != "").sum()),
        synthetic=bool(cases["synthetic"].any()),
        figures=figures_of(maps.run),
        artefact=share_of(heat, patients, "artefact"),
        lift=lift_of(heat, patients, "artefact"),
        text=share_of(heat, patients, "text"),
        spread=spread_of(cases, heat, summary.classes),
        contrast=contrast_of(cases, heat, *ends),
        contrast_of=ends if ends[1] else (),
        check=summary.check,
        figure=summary.figure,
        scale=grid.scale,
        rule=grid.rule,
        signed=grid.signed,
        layers_figure=grid.layers_figure,
    )
