"""From the maps of one training run to what is kept of it."""

from __future__ import annotations

from dataclasses import dataclass

from camlucida.core.messages import Message
from camlucida.workflows.training_runs.measure import (
    PredictionCheck,
    TrainingResults,
    contrast_of,
    figures_of,
    lift_of,
    share_of,
    spread_of,
)
from camlucida.workflows.training_runs.pictures import TrainingMaps


@dataclass(frozen=True)
class TrainingSummary:
    """What is known of a training run beside its maps.

    Attributes:
        key, seed, fold, folder, run, target, figure: as in :class:`~camlucida.workflows.training_runs.measure.TrainingResults`.
        check: of its predictions.
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
    def again(one: TrainingResults) -> TrainingSummary:
        """Of an earlier call."""
        return TrainingSummary(
            one.key,
            one.seed,
            one.fold,
            one.folder,
            one.run,
            one.target,
            one.figure,
            one.check,
            one.classes,
        )


def summarise(
    maps: TrainingMaps, told: TrainingSummary, scale: str, rule: Message, signed: bool, layers: str
) -> TrainingResults:
    """Every number of a run that the pack states."""
    cases, heat = maps.main, maps.main_heat
    contrast = [name for name in told.classes if (cases["true_class"] == name).any()]
    first, last = (contrast[0], contrast[-1]) if len(contrast) > 1 else ("", "")
    return TrainingResults(
        key=told.key,
        seed=told.seed,
        fold=told.fold,
        folder=told.folder,
        run=told.run,
        architecture=str(cases["architecture"].iloc[0]),
        classes=told.classes,
        method=str(cases["method"].iloc[0]),
        layer=str(cases["layer"].iloc[0]),
        grid=tuple(cases["grid"].iloc[0]),
        cell=maps.cell(),
        target=told.target,
        images=int(cases["image"].nunique()),
        patients=int(cases["patient"].nunique()),
        patients_known=bool(maps.run.about["patients_known"]),
        empty=int((cases["empty_reason"] != "").sum()),
        synthetic=bool(cases["synthetic"].any()),
        figures=figures_of(maps.run),
        artefact=share_of(heat, cases["patient"], "artefact"),
        lift=lift_of(heat, cases["patient"], "artefact"),
        text=share_of(heat, cases["patient"], "text"),
        spread=spread_of(cases, heat, told.classes),
        contrast=contrast_of(cases, heat, first, last),
        contrast_of=(first, last) if last else (),
        check=told.check,
        figure=told.figure,
        scale=scale,
        rule=rule,
        signed=signed,
        layers_figure=layers,
    )
