"""Runs with keyed names: ``camlucida run --deidentify``.

The run holds no name of an image, a patient, a file or a folder. What its names stand for is
recorded with the user (:mod:`camlucida.io.keyed_files`), by whom it is resumed and evaluated.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from camlucida.core.errors import CamlucidaError, UsageError
from camlucida.core.failures import Failure
from camlucida.core.messages import Message
from camlucida.datasets.cohort_file import CohortFile
from camlucida.datasets.keyed_names import (
    keyed_cohort,
    keyed_failure,
    keyed_message,
    keyed_problem,
    keyed_words,
    known_names,
)
from camlucida.io.dicom.patients import keyed_name
from camlucida.io.keyed_files import (
    KeyedFile,
    actual_path,
    add_files,
    keyed_path,
    original,
    recorded_files,
)
from camlucida.runs.compute import ItemResult
from camlucida.runs.folder import RunFolder
from camlucida.runs.identity import canonical
from camlucida.runs.items import MissingMap
from camlucida.runs.plan import ModelPlan

IMAGE_NAMES, GIVEN, KEYED = "image_names", "given", "keyed"
"""Entry of every record on how images are named, and its values."""

DEIDENTIFIED = "deidentified"
"""Key of ``run.json``."""

_FILES = ("masks", "boxes", "regions")
_CONFIG = ("split", "explain")
"""Keys of a cohort that name no file."""

_ROOTED = re.compile(r"(^|:)(?:/|[A-Za-z]:\\)[^:]*[/\\]")


def is_keyed(about: Mapping[str, Any]) -> bool:
    """Whether a run has keyed names.

    Args:
        about: the content of ``run.json``.

    >>> is_keyed({})
    False
    """
    return bool(about.get(DEIDENTIFIED))


def wants_keys(requested: bool, earlier: Mapping[str, Any], folder: str | Path) -> bool:
    """Whether a run is keyed: as requested, and as it was begun.

    Args:
        requested: now.
        earlier: ``run.json`` of the run that goes on; empty for a new one.
        folder: of the run.

    Raises:
        UsageError: it was begun with the names as they are.
    """
    if requested and earlier and not is_keyed(earlier):
        raise UsageError(f"{folder} holds a run whose names are as given", "give another --out")
    return requested or is_keyed(earlier)


def keyed_folder(folder: Path, requested: bool) -> bool:
    """Whether the run that a folder holds, or will hold, has keyed names.

    Args:
        folder: of a run, or of none yet.
        requested: now.

    Raises:
        UsageError: the folder holds a run with the names as they are.
    """
    run = RunFolder(folder)
    return wants_keys(requested, run.read_about() if run.about.is_file() else {}, folder)


def group_of(file: CohortFile) -> str:
    """The group of a cohort's names, the same for all of its shards.

    Args:
        file: the cohort.
    """
    return keyed_name("cohort", str(file.path))


def keyed_plans(file: CohortFile, plans: Sequence[ModelPlan]) -> list[ModelPlan]:
    """The plans under keyed names; what these stand for is recorded with the user.

    Args:
        file: the cohort.
        plans: of its models.

    Raises:
        UsageError: the record cannot be written.
    """
    group = group_of(file)
    files = {"cohort": KeyedFile("", str(file.path))}
    for key in _FILES:
        given = getattr(file.config, key)
        if given is not None:
            files[key] = KeyedFile("", str(file.resolve(given)))
    if plans[0].cohort.masks is not None:  # they may lie beside the images
        files["masks"] = KeyedFile("", str(plans[0].cohort.masks.absolute()))
    keyed = []
    for plan in plans:
        cohort, of_images = keyed_cohort(plan.cohort, group, plan.card["labels"])
        names = known_names(cohort.images)
        notes = tuple(keyed_message(note, names) for note in plan.notes)
        files |= of_images
        files |= _model_files(plan)
        keyed.append(replace(plan, cohort=cohort, notes=notes))
    add_files(group, files)
    return keyed


def _model_files(plan: ModelPlan) -> dict[str, KeyedFile]:
    """Card and checkpoint of a model; a factory is no path, and is kept as a name."""
    entry, name = plan.entry, keyed_name("model", plan.name)
    files = {f"{name}-card": KeyedFile("", entry.card)}
    if entry.checkpoint is not None:
        files[f"{name}-checkpoint"] = KeyedFile("", entry.checkpoint)
    return files


def keyed_record(record: dict[str, Any], file: CohortFile) -> dict[str, Any]:
    """``run.json`` of a run under keyed names.

    Args:
        record: of the plans of :func:`keyed_plans`.
        file: the cohort.
    """
    group = group_of(file)
    config = {key: value for key, value in record["config"].items() if key in _CONFIG}
    paths = {
        key: None if record[key] is None else keyed_path(group, key).as_posix() for key in _FILES
    }
    models = [_keyed_model(model, group) for model in record["models"]]
    kept = {
        **record,
        "name": file.config.name or "cohort",
        "cohort": keyed_path(group, "cohort").as_posix(),
        "config": config,
        **paths,
        "models": models,
        DEIDENTIFIED: True,
    }
    return without_command(kept)


def without_command(about: Mapping[str, Any]) -> dict[str, Any]:
    """A record of images with keyed names: without the command line, whose words name files.

    Args:
        about: with any entries.

    >>> without_command({"command": "camlucida run doe.toml", "versions": {}})
    {'versions': {}, 'image_names': 'keyed'}
    """
    kept = {name: value for name, value in about.items() if name != "command"}
    return kept | {IMAGE_NAMES: KEYED}


def _keyed_model(model: dict[str, Any], group: str) -> dict[str, Any]:
    name = keyed_name("model", str(model["name"]))
    checkpoint = None
    if model["checkpoint"] is not None:
        checkpoint = keyed_path(group, f"{name}-checkpoint").as_posix()
    resolved = model["resolved"] | {"checkpoint": None}
    resolved["factory"] = without_folder(str(resolved["factory"]))
    card = json.loads(model["recipe"]["card"])
    card["factory"] = without_folder(str(card["factory"]))
    return {
        **model,
        "card": keyed_path(group, f"{name}-card").as_posix(),
        "checkpoint": checkpoint,
        "resolved": resolved,
        "recipe": model["recipe"] | {"card": canonical(card)},
    }


def without_folder(factory: str) -> str:
    """A factory without the folder of its file, if that is stated from the root.

    Args:
        factory: ``where:what``.

    >>> without_folder("/home/doe/net.py:build"), without_folder("hf:timm/resnet18")
    ('net.py:build', 'hf:timm/resnet18')
    """
    return _ROOTED.sub(r"\1", factory)


def keyed_result(result: ItemResult) -> ItemResult:
    """What became of an image, without words that may name its file.

    Args:
        result: of an image; of one that is not keyed it stays as it is.
    """
    image = result.image
    if image.keyed is None:
        return result
    missing = []
    for each in result.missing:
        what, fix = keyed_words(image, each.code, each.what, each.fix)
        missing.append(MissingMap(each.target, each.method, each.layer, each.code, what, fix))
    failure = None if result.failure is None else keyed_failure(image, result.failure)
    return replace(result, failure=failure, missing=tuple(missing))


def keyed_file(about: Mapping[str, Any], key: str, path: Path) -> str:
    """What the record of a keyed run says of a file that is used with it.

    Args:
        about: ``run.json`` of the run.
        key: what the file is.
        path: where it is.
    """
    group = Path(about["cohort"]).parts[1]
    add_files(group, {key: KeyedFile("", str(path.absolute()))})
    return keyed_path(group, key).as_posix()


def names_behind(about: Mapping[str, Any]) -> dict[str, str]:
    """Every name of the files of a run → the keyed one; empty of a run without keyed names.

    Args:
        about: ``run.json``.

    >>> names_behind({})
    {}
    """
    if not is_keyed(about):
        return {}
    names: dict[str, str] = {}
    for keyed, file in recorded_files(Path(about["cohort"]).parts[1]).items():
        path = Path(file.path)
        given = (path.stem, path.name, file.path, file.name)
        names |= dict.fromkeys(filter(None, given), keyed)
    return names


def kept_notes(
    about: Mapping[str, Any], notes: Iterable[Message], words: Iterable[str] = ()
) -> list[Message]:
    """Notes as a record of the run has them: without the names of files where names are keyed.

    Args:
        about: ``run.json``.
        notes: any.
        words: that name no file, such as those of models.
    """
    names = names_behind(about) | {word: word for word in words}
    return [keyed_message(note, names) if is_keyed(about) else note for note in notes]


def kept_failures(about: Mapping[str, Any], failures: Iterable[Failure]) -> list[Failure]:
    """Failures of files as a record of the run has them: without words where names are keyed.

    Args:
        about: ``run.json``.
        failures: under the names of their files.
    """
    names = names_behind(about)
    return [keyed_problem(each, names) if is_keyed(about) else each for each in failures]


def kept_failure(about: Mapping[str, Any], failure: Failure) -> Failure:
    """The failure of an image or model of the run; without its words where names are keyed.

    Args:
        about: ``run.json``.
        failure: under the name that the run has for it.

    >>> failure = Failure("a", "image", "a: doe.png is no mask")
    >>> kept_failure({}, failure) == failure
    True
    >>> kept_failure({"deidentified": True}, failure).what.partition(";")[0]
    'a: not computed (image)'
    """
    if not is_keyed(about):
        return failure
    words = Message("privacy.without_words", {"code": failure.code})
    return Failure(failure.image, failure.code, f"{failure.image}: {words}")


def kept_record(about: Mapping[str, Any], record: Mapping[str, Any]) -> dict[str, Any]:
    """What a record begins with; without the command line where names are keyed.

    Args:
        about: ``run.json``.
        record: of a command.
    """
    return without_command(record) if is_keyed(about) else dict(record)


def problem_line(about: Mapping[str, Any], error: CamlucidaError) -> str:
    """The line on annotations that cannot be read; without its words where names are keyed.

    Args:
        about: ``run.json``.
        error: of reading.

    >>> problem_line({}, CamlucidaError("doe.png is no mask"))
    'doe.png is no mask'
    """
    return str(Message("privacy.annotation") if is_keyed(about) else error)


def names_of(about: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Each keyed name of a run, and the file it stands for.

    Args:
        about: ``run.json``.

    Raises:
        UsageError: the run has no keyed names, or there is no record of them here.
    """
    if not is_keyed(about):
        raise UsageError(
            f"the run {about['name']!r} has the names of its files", "leave --names out"
        )
    source_file(about, about["cohort"])
    files = recorded_files(Path(about["cohort"]).parts[1])
    return [(name, file.path) for name, file in files.items()]


def source_file(about: Mapping[str, Any], stored: str) -> Path:
    """The file behind a path of ``run.json``.

    Args:
        about: ``run.json``.
        stored: one of its paths.

    Raises:
        UsageError: it is keyed, and there is no record of it here.
    """
    if is_keyed(about) and original(stored) is None:
        raise UsageError(
            f"the run {about['name']!r} has keyed names, and what they stand for is not recorded "
            "for this user",
            "use it where it was computed; what needs neither image nor model works everywhere",
        )
    return actual_path(stored)
