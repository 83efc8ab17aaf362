"""What ``camlucida evaluate RUN`` evaluates: the run's models on the images that it has done, with what the run asked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from camlucida.core.errors import UsageError
from camlucida.core.messages import quoted
from camlucida.datasets.cohort import read_cohort
from camlucida.datasets.cohort_file import read_cohort_file
from camlucida.datasets.images import LabelledImages
from camlucida.models import LoadedModel, load_model
from camlucida.runs.plan import classification_labels
from camlucida.runs.read import Run


@dataclass(frozen=True)
class RunModel:
    """One model of a run.

    Attributes:
        name: of the model in the run.
        model: loaded, its weights those of the run.
        cohort: the images that are done, in the run's order.
        methods, layers: of the run.
        targets: of the run; None for the task's default and for the true labels, which evaluation takes by itself.
    """

    name: str
    model: LoadedModel
    cohort: LabelledImages
    methods: tuple[str, ...]
    layers: tuple[str, ...]
    targets: tuple[str, ...] | None


def run_models(run: Run, device: str = "auto") -> Iterator[RunModel]:
    """Each model of a run, loaded when it is its turn.

    Raises:
        UsageError: the cohort's file is gone, or a model's weights are no longer those of the run.
    """
    file = read_cohort_file(run.about["cohort"])
    for described in run.about["models"]:
        model = load_model(described["card"], checkpoint=described["checkpoint"], device=device)
        if model.sha256 != described["sha256"]:
            raise UsageError(
                f"the weights of {described['name']} are not those of {run.folder.root} any more",
                "run it again: camlucida run … --resume",
            )
        members = read_cohort(file, classification_labels(model.card))
        done = {
            entry.image
            for entry in run.entries
            if entry.model == described["name"] and entry.state == "done"
        }
        items = tuple(member for member in members.images if member.id in done)
        waiting = len(members.images) - len(items)
        notes = (
            *members.notes,
            *(
                [quoted(f"{waiting} images that the run has not done are left out")]
                if waiting
                else []
            ),
        )
        recipe = described["recipe"]
        asked = tuple(word for word in recipe["targets"] or () if word != "truth") or None
        cohort = LabelledImages(items, members.problems, notes, members.patients_known)
        yield RunModel(
            described["name"],
            model,
            cohort,
            tuple(recipe["methods"]),
            tuple(recipe["layers"]),
            asked,
        )


def run_marks(run: Run) -> dict[str, Path | None]:
    """Masks and boxes of the run's cohort, as options of ``evaluate``."""
    return {key: Path(run.about[key]) if run.about[key] else None for key in ("masks", "boxes")}
