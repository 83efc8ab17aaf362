"""From the folder of a training project to a card, a cohort and the command to run next."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from camlucida.core.errors import UsageError
from camlucida.core.failures import Failure
from camlucida.core.files import toml_text, write_bytes, write_json
from camlucida.core.messages import Message, declare
from camlucida.datasets.cohort_file import read_cohort_file
from camlucida.models.assumptions import RecognisedCard
from camlucida.models.card import read_card
from camlucida.workflows.import_project.annotations import (
    Annotated,
    choose_annotations,
    choose_boxes,
)
from camlucida.workflows.import_project.checkpoints import ProjectModel, choose_checkpoint
from camlucida.workflows.import_project.documents import Documents, sort_documents
from camlucida.workflows.import_project.images import as_folders, choose_images
from camlucida.workflows.import_project.inventory import (
    RECORD,
    Inventory,
    leave_others,
    take_inventory,
)
from camlucida.workflows.import_project.log import ImportLog
from camlucida.workflows.import_project.next_command import (
    ProjectParts,
    next_command,
    runs_with,
    shown,
)
from camlucida.workflows.import_project.tables import (
    ProjectTable,
    choose_table,
    read_project_tables,
)

declare(
    "imported",
    {
        "classifiers": "classifiers {file}: {count} of them, with their weights",
        "region": (
            "label {name}: assumed, as the model has one output and {file} annotates one label"
        ),
    },
)
declare(
    "not_imported",
    {
        "predictions": (
            "predictions {file}: of {count} {count:|image|images}; camlucida evaluate-predictions "
            "reads them"
        ),
    },
)


@dataclass(frozen=True)
class ImportChoices:
    """What the user names, in place of what would be chosen; None chooses.

    Attributes:
        checkpoint, key, model: the weights, the network in them, and a card or factory for them.
        images, table, masks: folder of images, their table, their annotations.
        overwrite: whether files of another content in the output folder are replaced.
    """

    checkpoint: Path | None = None
    key: str | None = None
    model: str | None = None
    images: Path | None = None
    table: Path | None = None
    masks: Path | None = None
    overwrite: bool = False


@dataclass(frozen=True)
class ImportResult:
    """What an import found and wrote.

    Attributes:
        recognised: what is used, and from what it was recognised.
        unused: what was seen and is not used.
        written: files.
        command: words of the command to run next, without the program's name.
        failures: what is missing for a cohort.
    """

    recognised: tuple[Message, ...]
    unused: tuple[Message, ...]
    written: tuple[Path, ...]
    command: tuple[str, ...]
    failures: tuple[Failure, ...] = ()


@dataclass
class _Plan:
    """Files to be written, by name, and the command."""

    files: dict[str, dict[str, Any]] = field(default_factory=dict)
    command: list[str] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)


def import_project(
    folder: Path,
    out: Path,
    choices: ImportChoices | None = None,
    about: Mapping[str, Any] | None = None,
) -> ImportResult:
    """Look at a training project; write ``card.toml``, ``cohort.toml`` and ``import.json``.

    Args:
        folder: of the project.
        out: folder for the files; one inside the project is not searched.
        choices: what the user names.
        about: goes first into ``import.json``.

    Raises:
        UsageError: no such folder, nothing in it to import, a file in ``out`` that would be
            replaced, or a choice that does not fit.
        ModelError: no checkpoint is recognised.
    """
    choices = choices or ImportChoices()
    folder, out = folder.expanduser().absolute(), out.expanduser().absolute()
    log = ImportLog(folder)
    inventory = _with_choices(take_inventory(folder), choices)
    documents = sort_documents(inventory.documents, log)
    if documents.classifiers is not None and choices.checkpoint is None and not choices.model:
        plan = _ensemble_plan(inventory, documents, choices, out, log)
    else:
        plan = _model_plan(inventory, documents, choices, out, log)
    leave_others(inventory, log)
    written = _write(plan, out, choices.overwrite)
    record = {
        **(about or {}),
        "project": str(folder),
        "recognised": log.recognised,
        "not_used": log.unused,
        "next": ["camlucida", *plan.command],
    }
    write_json(out / RECORD, record)
    for name in plan.files:
        _check(out / name)
    return ImportResult(
        tuple(log.recognised),
        tuple(log.unused),
        (*written, out / RECORD),
        tuple(plan.command),
        tuple(plan.failures),
    )


def _with_choices(inventory: Inventory, choices: ImportChoices) -> Inventory:
    """The inventory with the images and the table that the user named."""
    if choices.images is not None:
        from camlucida.io import expand_paths

        images, errors = expand_paths([choices.images.absolute()])
        if errors:
            raise UsageError(f"--images: {errors[0].what}", errors[0].fix)
        inventory = replace(inventory, images=tuple(images))
    if choices.table is not None:
        tables = dict.fromkeys([*inventory.tables, choices.table.absolute()])
        inventory = replace(inventory, tables=tuple(tables))
    return inventory


# ---- one model ----------------------------------------------------------------------------------


def _model_plan(
    inventory: Inventory, documents: Documents, choices: ImportChoices, out: Path, log: ImportLog
) -> _Plan:
    model = _model(inventory, documents, choices, log)
    if model is None:
        return _without_model(inventory, log)
    recognised = model.recognised
    tables = read_project_tables(
        inventory.tables, inventory.images, recognised.card, recognised.outputs, log
    )
    given = None if choices.table is None else choices.table.absolute()
    table = choose_table(tables, given, log)
    recognised = _with_table(recognised, table, log)
    images = choose_images(inventory.images, table, choices.images, log)
    plan = _Plan()
    recognised = recognised.update(name=recognised.card.name or inventory.folder.name)
    if not images:
        plan.files["card.toml"] = _card_fields(recognised, model.checkpoint, out)
        return _without_images(plan, inventory.folder)
    masks = choose_annotations(images, tables, recognised.card.labels, choices.masks, log)
    recognised = _with_region(recognised, masks, log)
    plan.files["card.toml"] = _card_fields(recognised, model.checkpoint, out)
    places = as_folders(images)
    task = recognised.card.task
    runs: tuple[Path, ...] = ()
    if task not in ("segmentation", "regression"):
        runs = runs_with(model.checkpoint, inventory.checkpoints, log)
    _log_predictions(tables, runs, log)
    plan.files["cohort.toml"] = {
        "name": inventory.folder.name,
        "images": [_from(out, place) for place in places],
        **_table_fields(table, out),
        **_annotation_fields(masks, out),
        "model": "card.toml",
        **_columns(table),
    }
    card, cohort = out / "card.toml", out / "cohort.toml"
    parts = ProjectParts(
        checkpoint=model.checkpoint,
        card=card,
        cohort=cohort,
        task=task,
        images=tuple(places),
        table=table,
        annotations=None if masks is None else masks.path,
        runs=runs,
        out=out,
    )
    plan.command = next_command(parts)
    return plan


def _model(
    inventory: Inventory, documents: Documents, choices: ImportChoices, log: ImportLog
) -> ProjectModel | None:
    given, named = choices.checkpoint, choices.model
    if given is None and named is None and documents.card is not None:
        given, named = documents.card_checkpoint, str(documents.card)
    if given is not None:
        given = given.expanduser().absolute()
    return choose_checkpoint(inventory.checkpoints, given, named, choices.key, log)


def _with_table(
    recognised: RecognisedCard, table: ProjectTable | None, log: ImportLog
) -> RecognisedCard:
    """With the task and the names of classes that only the table states."""
    card = recognised.card
    if table is None or table.task is None:
        return recognised
    if card.task is None:
        reason = Message(f"imported.{table.reason}")
        log.use("task_table", task=table.task, file=log.name(table.path), reason=reason)
        recognised = recognised.update(task=table.task)
    if table.labels and not card.labels:
        recognised = recognised.update(labels=table.labels)
    return recognised


def _with_region(
    recognised: RecognisedCard, masks: Annotated | None, log: ImportLog
) -> RecognisedCard:
    """The only region of a segmentation, called as the annotations call theirs."""
    card = recognised.card
    if card.task != "segmentation" or masks is None or len(masks.labels) != 1:
        return recognised
    if recognised.outputs != 1 or card.labels not in ((), ("foreground",)):
        return recognised
    log.use("region", name=masks.labels[0], file=log.name(masks.path))
    return recognised.update(labels=masks.labels)


def _log_predictions(tables: list[ProjectTable], runs: tuple[Path, ...], log: ImportLog) -> None:
    for table in tables:
        if table.kind == "predictions" and table.path.parent not in runs:
            log.leave("predictions", file=log.name(table.path), count=len(table.images))


def _without_model(inventory: Inventory, log: ImportLog) -> _Plan:
    """Where there is no checkpoint."""
    raise UsageError(
        f"no checkpoint in {inventory.folder}",
        "give --checkpoint FILE; stored predictions alone are read by camlucida "
        "evaluate-predictions",
    )


def _without_images(plan: _Plan, folder: Path) -> _Plan:
    error = UsageError(f"no image in {folder}", "say where they are: --images FOLDER")
    plan.failures.append(Failure.of("cohort.toml", error))
    plan.command = ["import", shown(folder), "--images", "FOLDER"]
    return plan


# ---- classifiers --------------------------------------------------------------------------------


def _ensemble_plan(
    inventory: Inventory, documents: Documents, choices: ImportChoices, out: Path, log: ImportLog
) -> _Plan:
    """The classifiers of TorchXRayVision's file, a card each, as one cohort."""
    plan = _Plan()
    file = documents.classifiers
    assert file is not None
    log.use("classifiers", file=log.name(file), count=len(documents.members))
    models = []
    for member in documents.members:
        card = member.card()
        if isinstance(card, Path):
            models.append({"card": _from(out, card), "name": member.title})
            continue
        name = f"card_{member.key}.toml"
        recognised = RecognisedCard(card, None)
        checkpoint = None if card.checkpoint is None else Path(card.checkpoint)
        plan.files[name] = _card_fields(recognised, checkpoint, out)
        models.append({"card": name, "name": member.title})
    images = choose_images(inventory.images, None, choices.images, log)
    if not images:
        return _without_images(plan, inventory.folder)
    tables = read_project_tables(inventory.tables, images, None, None, log)
    boxes = choose_boxes(tables, log)
    places = as_folders(images)
    plan.files["cohort.toml"] = {
        "name": inventory.folder.name,
        "images": [_from(out, place) for place in places],
        "boxes": None if boxes is None else _from(out, boxes),
        "models": models,
    }
    words = ["ensemble", shown(file), *map(shown, places)]
    if boxes is not None:
        words += ["--boxes", shown(boxes)]
    plan.command = [*words, "--out", shown(out / "ensemble")]
    return plan


# ---- files --------------------------------------------------------------------------------------


def _card_fields(recognised: RecognisedCard, checkpoint: Path | None, out: Path) -> dict[str, Any]:
    fields = recognised.card.model_dump(mode="json", exclude_unset=True, exclude_none=True)
    if checkpoint is not None:
        fields["checkpoint"] = _from(out, checkpoint)
    return fields


def _table_fields(table: ProjectTable | None, out: Path) -> dict[str, Any]:
    if table is None:
        return {}
    return {"table": _from(out, table.path), "split": table.split}


def _annotation_fields(masks: Annotated | None, out: Path) -> dict[str, Any]:
    if masks is None:
        return {}
    return {"boxes" if masks.is_boxes else "masks": _from(out, masks.path)}


def _columns(table: ProjectTable | None) -> dict[str, Any]:
    if table is None:
        return {}
    columns: dict[str, Any] = {}
    if table.value:
        columns["value"] = table.value
    if table.label_column:
        columns["labels"] = table.label_column
    return {"columns": columns} if columns else {}


def _from(folder: Path, path: Path) -> str:
    """A path from a folder, so that both can be moved together; absolute on another tree."""
    path = path.absolute()
    try:
        common = Path(os.path.commonpath([folder, path]))
    except ValueError:  # on another drive
        return path.as_posix()
    if common == Path(common.anchor):
        return path.as_posix()
    return Path(os.path.relpath(path, folder)).as_posix()


def _write(plan: _Plan, out: Path, overwrite: bool) -> list[Path]:
    """Write the files; none of them where one would replace another content unasked."""
    texts = {out / name: toml_text(fields).encode() for name, fields in plan.files.items()}
    for path, data in texts.items():
        if path.is_file() and path.read_bytes() != data and not overwrite:
            raise UsageError(
                f"{path} is there already, with another content",
                "give another --out, or --overwrite to replace it",
            )
    for path, data in texts.items():
        write_bytes(path, data)
    return list(texts)


def _check(path: Path) -> None:
    """Read what was written, as the next command will."""
    if path.name == "cohort.toml":
        read_cohort_file(path)
    else:
        read_card(path)
