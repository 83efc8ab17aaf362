"""What ``camlucida evaluate RUN`` evaluates: the models of a run on the images that are done.

The targets, methods and layers are those of the run, and so are the maps.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from camlucida.core.errors import UsageError
from camlucida.core.messages import Message, Value, declare
from camlucida.datasets.cohort import CohortImage, read_cohort
from camlucida.datasets.cohort_file import CohortConfig, read_cohort_file
from camlucida.datasets.column_truth import truth_of_columns
from camlucida.datasets.ground_truth import GroundTruth
from camlucida.datasets.images import LabelledImages
from camlucida.datasets.keyed_names import keyed_cohort
from camlucida.datasets.true_masks import BACKGROUNDS
from camlucida.evaluation.maps.stored import StoredMaps
from camlucida.io.keyed_files import actual_path
from camlucida.io.tables import fold
from camlucida.models import LoadedModel, load_model
from camlucida.runs.keyed import group_of, is_keyed, source_file
from camlucida.runs.plan import classification_labels, split_of_model
from camlucida.runs.read import Run

declare(
    "evaluated_run",
    {
        "pending": (
            "{count} {count:|image of the run is|images of the run are} not done, and "
            "{count:|is|are} left out."
        ),
        "columns": (
            "The ground truth is in the cohort's columns {columns}. A mask file or a box there "
            "names no label, and counts for each label that is explained."
        ),
        "no_label": (
            "The masks in the cohort's column {columns} name no label, and the model segments "
            "{labels}: they are no ground truth of either. Give a mask a label (--masks)."
        ),
    },
)


@dataclass(frozen=True)
class RunModel:
    """One model of a run.

    Attributes:
        name: of the model in the run.
        model: loaded, its weights those of the run.
        cohort: the images that are done, in the order of the run.
        methods, layers: of the run.
        targets: of the run; None for the task's default and for the true labels, which the
            evaluation requests itself.
        maps: that the run stores; None where there is no run.
        truth: that the cohort's table names; None where it names none.
    """

    name: str
    model: LoadedModel
    cohort: LabelledImages
    methods: tuple[str, ...]
    layers: tuple[str, ...]
    targets: tuple[str, ...] | None
    maps: StoredMaps | None = None
    truth: GroundTruth | None = None


def run_models(run: Run, device: str = "auto") -> Iterator[RunModel]:
    """Each model of a run, loaded when it is its turn.

    Args:
        run: an opened run.
        device: as of :func:`~camlucida.models.load_model`.

    Raises:
        UsageError: the cohort's file is gone, or a model's weights are no longer those of the run.
    """
    file = read_cohort_file(source_file(run.about, run.about["cohort"]))
    for described in run.about["models"]:
        model = load_model(
            str(actual_path(described["card"])),
            checkpoint=_optional_file(described["checkpoint"]),
            output=described["output"],
            device=device,
        )
        if model.sha256 != described["sha256"]:
            raise UsageError(
                f"the weights of {described['name']} are not those of {run.folder.root} any more",
                "run it again: camlucida run … --resume",
            )
        labels = classification_labels(model.card)
        volumes = model.card.volume is not None
        members = read_cohort(file, labels, split_of_model(file, model), volumes)
        if is_keyed(run.about):
            members, _ = keyed_cohort(members, group_of(file), labels)
        done = _done(run, described["name"])
        items = tuple(member for member in members.images if member.id in done)
        pending = len(members.images) - len(items)
        notes = list(members.notes)
        if pending:
            notes.append(Message("evaluated_run.pending", {"count": pending}))
        truth, of_columns = _truth_of_columns(file.config, items, model)
        recipe = described["recipe"]
        targets = tuple(word for word in recipe["targets"] or () if word != "truth") or None
        yield RunModel(
            described["name"],
            model,
            LabelledImages(items, members.problems, (*notes, *of_columns), members.patients_known),
            tuple(recipe["methods"]),
            tuple(recipe["layers"]),
            targets,
            StoredMaps(run, described["name"], model, recipe),
            truth,
        )


def _truth_of_columns(
    config: CohortConfig, images: Sequence[CohortImage], model: LoadedModel
) -> tuple[GroundTruth | None, list[Message]]:
    """The ground truth of a cohort's columns, unless it gives annotations apart from them."""
    columns = [name for name in (config.columns.mask, config.columns.box) if name is not None]
    if not columns or config.masks is not None or config.boxes is not None:
        return None, []
    values: dict[str, Value] = {"columns": ", ".join(columns)}
    labels = [label for label in model.card.labels if fold(label) not in BACKGROUNDS]
    if model.card.task == "segmentation" and len(labels) > 1:
        values["labels"] = ", ".join(labels)
        return None, [Message("evaluated_run.no_label", values)]
    truth = truth_of_columns(images, model.card.labels)
    return truth, [Message("evaluated_run.columns", values)]


def _done(run: Run, model: str) -> set[str]:
    """The images that a model of the run has done."""
    of_model = [entry for entry in run.entries if entry.model == model]
    return {entry.image for entry in of_model if entry.state == "done"}


def run_annotations(run: Run) -> dict[str, Path | None]:
    """Masks and boxes of the run's cohort, as options of ``evaluate``.

    Returns:
        "masks" and "boxes" → path; None where the run has no such file.
    """
    paths: dict[str, Path | None] = {}
    for key in ("masks", "boxes"):
        paths[key] = _optional_file(run.about[key])
    return paths


def run_regions(run: Run) -> Path | None:
    """The folder of masks of regions that the run's cohort names; None where it names none.

    Args:
        run: an opened run.
    """
    return _optional_file(run.about.get("regions"))


def _optional_file(stored: str | None) -> Path | None:
    return actual_path(stored) if stored else None
