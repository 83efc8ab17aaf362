"""What ``camlucida evaluate RUN`` evaluates: the models of a run on the images that are done.

The targets, methods and layers are those of the run, and so are the maps.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from camlucida.core.errors import UsageError
from camlucida.core.messages import Message, declare
from camlucida.datasets.cohort import read_cohort
from camlucida.datasets.cohort_file import read_cohort_file
from camlucida.datasets.images import LabelledImages
from camlucida.evaluation.maps.stored import StoredMaps
from camlucida.models import LoadedModel, load_model
from camlucida.runs.plan import classification_labels
from camlucida.runs.read import Run

declare(
    "evaluated_run",
    {
        "pending": (
            "{count} {count:|image of the run is|images of the run are} not done, and "
            "{count:|is|are} left out."
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
    """

    name: str
    model: LoadedModel
    cohort: LabelledImages
    methods: tuple[str, ...]
    layers: tuple[str, ...]
    targets: tuple[str, ...] | None
    maps: StoredMaps | None = None


def run_models(run: Run, device: str = "auto") -> Iterator[RunModel]:
    """Each model of a run, loaded when it is its turn.

    Args:
        run: an opened run.
        device: as of :func:`~camlucida.models.load_model`.

    Raises:
        UsageError: the cohort's file is gone, or a model's weights are no longer those of the run.
    """
    file = read_cohort_file(run.about["cohort"])
    for described in run.about["models"]:
        model = load_model(
            described["card"],
            checkpoint=described["checkpoint"],
            output=described["output"],
            device=device,
        )
        if model.sha256 != described["sha256"]:
            raise UsageError(
                f"the weights of {described['name']} are not those of {run.folder.root} any more",
                "run it again: camlucida run … --resume",
            )
        members = read_cohort(file, classification_labels(model.card))
        done = _done(run, described["name"])
        items = tuple(member for member in members.images if member.id in done)
        pending = len(members.images) - len(items)
        notes = list(members.notes)
        if pending:
            notes.append(Message("evaluated_run.pending", {"count": pending}))
        recipe = described["recipe"]
        targets = tuple(word for word in recipe["targets"] or () if word != "truth") or None
        yield RunModel(
            described["name"],
            model,
            LabelledImages(items, members.problems, tuple(notes), members.patients_known),
            tuple(recipe["methods"]),
            tuple(recipe["layers"]),
            targets,
            StoredMaps(run, described["name"], model, recipe),
        )


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
        stored = run.about[key]
        paths[key] = Path(stored) if stored else None
    return paths
