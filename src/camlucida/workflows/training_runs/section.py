"""The pack as a document: every sentence holds a number of these runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from camlucida.analysis.comparison import Comparison
from camlucida.core.messages import Message, Value, declare
from camlucida.metrics.bootstrap import MIN_POSITIVES
from camlucida.report.document import Block, Document, Paragraph, Picture, Points, Section
from camlucida.workflows.training_runs.results import PredictionCheck, TrainingResults
from camlucida.workflows.training_runs.section_maps import consistency, quality
from camlucida.workflows.training_runs.section_tables import classes_of, column_per_run, estimate

declare(
    "pack",
    {
        "title": "Attention maps: {name}",
        "row_images": "images",
        "row_patients": "patients",
        "row_recall": "recall of class {name}",
        "row_artefact": "heat on artefacts (chance: their area)",
        "row_text": "heat on burned-in text (chance: its area)",
        "check_same": (
            "{runs}: computed again for these maps, the predicted class and the probabilities of "
            "every image are those in val_predictions.csv."
        ),
        "check_classes": (
            "{run}: computed again for these maps, the predicted class differs from that in "
            "val_predictions.csv in {differ} of {images} {images:|image|images}{probabilities}."
        ),
        "check_probabilities": (
            "; the probabilities differ by at most {largest:.2g}, in the median image by "
            "{median:.2g}"
        ),
        "check_none": "",
        "check_no_file": (
            "{run}: the run stored no predictions. Its figures are of {images} "
            "{images:|image|images} of a table of classes; which of them the model was trained on "
            "is unknown, so its accuracy may be too high."
        ),
        "stamped": "NOT THE MODEL OF THE STORED PREDICTIONS. {caption}",
        "check_wrong": (
            "{run}: this is more than rounding. The model as loaded here is not the one that "
            "wrote the file, perhaps because of wrong preprocessing: its maps and numbers are "
            "not to be used."
        ),
        "maps": (
            "{runs} ({architecture}): each map ({maps} in all) explains the class {target}, by "
            "{method} at {layer}: {grid} cells, each about {cell:.0f} {cell:|pixel|pixels} of "
            "the image long; nothing smaller can be localised."
        ),
        "target_predicted": "that the model predicts",
        "target_truth": "that is true",
        "target_class": "{name}",
        "seeds": (
            "Runs by seed: figures on the validation images with intervals and chance levels; "
            "below, where the heat of their maps lies."
        ),
        "folds": "Runs by fold, each on the validation images of its own fold.",
        "legend": (
            "Colours: where a map is zero, the image shows as it is; growing values cover it "
            "more and more, from dark red over orange to amber, which is full "
            "colour. All panels of a class grid share one scale, which stands beside it; colours "
            "of different figures are not comparable. A map is no probability, and its highest "
            "value does not prove a finding."
        ),
        "legend_signed": (
            "Colours: where a map is zero, the image shows as it is; red is evidence for the "
            "class, blue against it, both stronger with larger values. All panels of a class "
            "grid share one scale, which stands beside it; colours of different figures are not "
            "comparable. A map is no probability, and its highest value does not prove a finding."
        ),
        "grid": (
            "{run}: one row a true class ({classes}). Each panel: the image with the map over "
            "it; above, the prediction, whether it is right, and the model's probability of it; "
            "a solid frame is right, a dashed one wrong. Full colour is a map value of {scale} "
            "in all panels. Cases were chosen by a rule, not by eye: {rule}."
        ),
        "layers": "{run}: one case of each class at several layers, each map on its own scale.",
        "few": (
            "{run}: {images} {images:|image|images} of {patients} {patients:|patient|patients}, "
            "fewer than {needed} patients: none of its numbers has an interval."
        ),
        "no_patients": (
            "{run}: the patients of the {images} images are unknown; if patients have several, "
            "the intervals are too narrow."
        ),
        "no_class": "{run}: classes without an image that has a map: {classes}.",
        "empty": (
            "{run}: {empty} of {images} {images:|map|maps} {empty:|shows|show} no evidence at all."
        ),
        "gone": (
            "{runs}: the maps no longer exist. Numbers and figures are those recorded when they "
            "did; they are not in the comparison."
        ),
    },
)

METRICS = ("accuracy", "quadratic_kappa", "balanced_accuracy", "macro_f1")


def pack_document(
    name: str,
    trainings: Sequence[TrainingResults],
    comparisons: Mapping[str, Comparison],
    opened: set[str],
    assets: Path,
    short: bool = False,
) -> Document:
    """The section, in no language yet.

    Args:
        name: of the pack.
        trainings: results of every run.
        comparisons: by what varies.
        opened: keys of the runs whose maps exist.
        assets: the folder of the figures.
        short: only tables of results, class grids, the images to look at first, and limits.
    """
    seeds = [training for training in trainings if training.fold is None]
    folds = [training for training in trainings if training.fold is not None]
    legend = Paragraph((_legend(trainings),))
    sections = [
        Section("model", (Points(tuple(_checks(trainings))), Points(tuple(_maps(trainings))))),
        Section("results", tuple(_results(seeds, folds))),
        Section("cases", (legend, *_pictures(trainings, assets, layers=not short))),
        Section("quality", () if short else tuple(quality(seeds, folds))),
        Section("consistency", tuple(consistency(name, comparisons, assets, short))),
        Section("limitations", (Points(tuple(_limits(trainings, comparisons, opened))),)),
    ]
    with_content = tuple(section for section in sections if section.blocks)
    synthetic = any(training.synthetic for training in trainings)
    title = Message("pack.title", {"name": name})
    if any(training.check.wrong for training in trainings):
        title = Message("pack.stamped", {"caption": title})
    return Document(title, with_content, synthetic)


def _checks(trainings: Sequence[TrainingResults]) -> Iterator[Message]:
    """Whether the predictions are those of the runs' files."""
    values: dict[str, Value]
    same = [training.name for training in trainings if training.check.same]
    if same:
        yield Message("pack.check_same", {"runs": same})
    for training in trainings:
        check = training.check
        if not check.images and check.largest is None:
            values = {"run": training.name, "images": training.images}
            yield Message("pack.check_no_file", values)
        elif not check.same:
            values = {
                "run": training.name,
                "differ": check.differ,
                "images": check.images,
                "probabilities": _probabilities(check),
            }
            yield Message("pack.check_classes", values)
        if check.wrong:
            yield Message("pack.check_wrong", {"run": training.name})


def _probabilities(check: PredictionCheck) -> Message:
    if check.largest is None or check.median is None:
        return Message("pack.check_none")
    values = {"largest": check.largest, "median": check.median}
    return Message("pack.check_probabilities", values)


def _maps(trainings: Sequence[TrainingResults]) -> Iterator[Message]:
    """What each map is; runs that agree in it in one sentence."""
    groups: dict[tuple[object, ...], list[TrainingResults]] = {}
    for training in trainings:
        grid, cell = training.grid, round(training.cell)
        described = (training.architecture, training.method, training.layer, grid, cell)
        groups.setdefault((*described, training.target), []).append(training)
    for group in groups.values():
        first = group[0]
        values: dict[str, Value] = {
            "runs": [training.name for training in group],
            "architecture": first.architecture,
            "maps": sum(training.images for training in group),
            "target": _target(first.target),
            "method": first.method,
            "layer": first.layer,
            "grid": " × ".join(map(str, first.grid)),
            "cell": first.cell,
        }
        yield Message("pack.maps", values)


def _target(target: str) -> Message:
    if target in ("predicted", "truth"):
        return Message(f"pack.target_{target}")
    return Message("pack.target_class", {"name": target})


def _results(seeds: Sequence[TrainingResults], folds: Sequence[TrainingResults]) -> Iterator[Block]:
    for kind, trainings in (("seeds", seeds), ("folds", folds)):
        if trainings:
            caption, rows = Message(f"pack.{kind}"), _result_rows(trainings)
            yield column_per_run(f"pack_{kind}", caption, trainings, rows)


def _result_rows(trainings: Sequence[TrainingResults]) -> list[tuple[Value, ...]]:
    rows: list[tuple[Value, ...]] = [
        (Message("pack.row_images"), *(training.images for training in trainings)),
        (Message("pack.row_patients"), *(training.patients for training in trainings)),
    ]
    for metric in METRICS:
        figures = [training.figures.get(metric) for training in trainings]
        rows.append((Message(f"metrics.{metric}"), *map(estimate, figures)))
    return [*rows, *_recall_rows(trainings), *_heat_rows(trainings)]


def _recall_rows(trainings: Sequence[TrainingResults]) -> Iterator[tuple[Value, ...]]:
    for name in classes_of(trainings):
        recalls = [training.figures.get(f"recall:{name}") for training in trainings]
        if any(recalls):
            yield Message("pack.row_recall", {"name": name}), *map(estimate, recalls)


def _heat_rows(trainings: Sequence[TrainingResults]) -> Iterator[tuple[Value, ...]]:
    shares = {
        "row_artefact": [training.artefact for training in trainings],
        "row_text": [training.text for training in trainings],
    }
    for code, heat in shares.items():
        if any(share.estimate is not None for share in heat):
            yield Message(f"pack.{code}"), *map(estimate, heat)


def _legend(trainings: Sequence[TrainingResults]) -> Message:
    signed = any(training.signed for training in trainings)
    return Message("pack.legend_signed" if signed else "pack.legend")


def _pictures(
    trainings: Sequence[TrainingResults], assets: Path, layers: bool
) -> Iterator[Picture]:
    for training in trainings:
        values: dict[str, Value] = {
            "run": training.name,
            "classes": list(training.classes),
            "rule": training.rule,
            "scale": training.scale,
        }
        if (assets / f"{training.figure}.png").is_file():
            yield Picture(training.figure, _stamped(training, Message("pack.grid", values)))
        stem = training.layers_figure if layers else ""
        if stem and (assets / f"{stem}.png").is_file():
            caption = Message("pack.layers", {"run": training.name})
            yield Picture(stem, _stamped(training, caption))


def _stamped(training: TrainingResults, caption: Message) -> Message:
    """The caption, which says where the model is not that of the stored predictions."""
    return Message("pack.stamped", {"caption": caption}) if training.check.wrong else caption


def _limits(
    trainings: Sequence[TrainingResults], comparisons: Mapping[str, Comparison], opened: set[str]
) -> Iterator[Message]:
    for training in trainings:
        yield from _limits_of_run(training)
    gone = [training.name for training in trainings if training.key not in opened]
    if gone:
        yield Message("pack.gone", {"runs": gone})
    for by, comparison in comparisons.items():
        for note in comparison.notes:
            yield Message("words.of", {"of": Message(f"words.{by}"), "line": note})


def _limits_of_run(training: TrainingResults) -> Iterator[Message]:
    counts: dict[str, Value] = {"run": training.name, "images": training.images}
    if training.patients < MIN_POSITIVES:
        patients = {"patients": training.patients, "needed": MIN_POSITIVES}
        yield Message("pack.few", {**counts, **patients})
    elif not training.patients_known:
        yield Message("pack.no_patients", counts)
    without = [name for name in training.classes if name not in training.spread]
    if without:
        yield Message("pack.no_class", {"run": training.name, "classes": without})
    if training.empty:
        yield Message("pack.empty", {**counts, "empty": training.empty})
