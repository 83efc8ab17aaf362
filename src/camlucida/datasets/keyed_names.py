"""Keyed names in place of those of files, patients and tables, in everything that is said of them.

What is not known to be free of such names is left out: a message keeps its numbers and the words of
the model, a failure its kind.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from camlucida.core.failures import Failure
from camlucida.core.messages import Estimate, Message, Value, declare
from camlucida.datasets.cohort import Cohort, CohortImage
from camlucida.datasets.image_names import is_of_image
from camlucida.datasets.images import LabelledImage
from camlucida.io.dicom.patients import case_name, keyed_name
from camlucida.io.image import image_id
from camlucida.io.keyed_files import KeyedFile, keyed_path

declare(
    "privacy",
    {
        "named": "images are named as their files are; --deidentify gives keyed names",
        "keyed": "images have keyed names: camlucida show RUN --names tells you the files",
        "left_out": "{case}: left out ({code})",
        "without_words": (
            "not computed ({code}); the words of the error may name a file, and are left out"
        ),
        "annotation": "an annotation cannot be read",
    },
)

LEFT_OUT = "…"
"""In place of a text that may name a file or a person."""

PLAIN_TABLES = frozenset(
    (
        *("preprocessing", "assumed", "task", "activation", "unit_scale", "caution", "measurable"),
        *("intervals", "forms", "scores", "words", "misplaced", "layer", "fusion", "image_inputs"),
        *("empty", "metric_names", "tasks"),
    )
)
"""Tables of messages on models and numbers alone."""

PLAIN_VALUES = frozenset(
    (
        *("label", "labels", "of_model", "option", "split", "fields", "model", "method", "layer"),
        *("reason", "metric", "metrics", "what", "values", "column", "columns"),
    )
)
"""Placeholders of other tables that hold words of the model or of the request."""

PLAIN_FAILURES = frozenset(("no_evidence", "empty_region", "died"))
"""Failures whose words name no file but the image's own."""

_LITERAL = frozenset(("words.plain", "words.quoted"))

Names = Mapping[str, str]
"""A name as it is given → the keyed one."""


def keyed_cohort(
    cohort: Cohort, group: str, labels: Sequence[str] = ()
) -> tuple[Cohort, dict[str, KeyedFile]]:
    """A cohort under keyed names, and what these stand for.

    Args:
        cohort: as it was read.
        group: of the names.
        labels: of the model, which messages may name.

    Returns:
        The cohort, whose images keep their paths for the readers; keyed name → file.
    """
    images = [_keyed_image(image, group) for image in cohort.images]
    names = dict(zip(labels, labels)) | known_names(images)
    files = {image.id: _file(image) for image in images}
    problems = []
    for problem in cohort.problems:
        failed = keyed_problem(problem, names)
        problems.append(failed)
        if is_of_image(problem):
            files.setdefault(failed.image, KeyedFile("", str(Path(problem.image).absolute())))
    notes = tuple(keyed_message(note, names) for note in cohort.notes)
    return replace(cohort, images=tuple(images), problems=tuple(problems), notes=notes), files


def _keyed_image(image: CohortImage, group: str) -> CohortImage:
    case = case_name(image.id)
    return replace(
        image,
        id=case,
        patient=keyed_name("patient", image.patient),
        original_id=image.id,
        keyed=keyed_path(group, case),
    )


def _file(image: CohortImage) -> KeyedFile:
    mask = "" if image.mask is None else str(image.mask.absolute())
    return KeyedFile(image.original_id, str(image.path.absolute()), mask)


def known_names(images: Iterable[LabelledImage]) -> dict[str, str]:
    """Every name of images that have keyed ones.

    Args:
        images: of a keyed cohort.
    """
    names: dict[str, str] = {}
    for image in images:
        given = (image.original_id, str(image.path), image.path.name, image_id(image.path, None))
        names |= dict.fromkeys(given, image.id)
        names[image.id] = image.id
    return names


def keyed_message(message: Message, names: Names) -> Message:
    """A message without the names of files and persons.

    Args:
        message: any.
        names: that are known.

    >>> note = Message("notes.no_mask", {"count": 2, "names": "doe, roe"})
    >>> keyed_message(note, {"doe": "case-1", "roe": "case-2"}).values["names"]
    'case-1, case-2'
    >>> keyed_message(note, {}).values["names"]
    '…'
    """
    if message.code.partition(".")[0] in PLAIN_TABLES - {"words"}:
        return message
    values = {name: _keyed_value(name, value, names) for name, value in message.values.items()}
    return Message(message.code, values)


def _keyed_value(placeholder: str, value: Value, names: Names) -> Value:
    if isinstance(value, Message) and value.code in _LITERAL:
        text = str(value.values["text"])
        return Message(value.code, {"text": _keyed_text(placeholder, text, names)})
    if isinstance(value, Message):
        return keyed_message(value, names)
    if isinstance(value, str):
        return _keyed_text(placeholder, value, names)
    if isinstance(value, (int, float, Estimate)) or not isinstance(value, Sequence):
        return value
    return [_keyed_item(placeholder, item, names) for item in value]


def _keyed_item(placeholder: str, item: str | Message, names: Names) -> str | Message:
    if isinstance(item, Message):
        return keyed_message(item, names)
    return _keyed_text(placeholder, item, names)


def _keyed_text(placeholder: str, text: str, names: Names) -> str:
    """A list of names under keyed ones; a text of another kind as it is, if it can name nobody."""
    parts = text.split(", ")
    keyed = [LEFT_OUT if part == LEFT_OUT else names.get(part) for part in parts]
    if all(keyed):
        return ", ".join(map(str, keyed))
    return text if placeholder in PLAIN_VALUES else LEFT_OUT


def keyed_problem(failure: Failure, names: Names) -> Failure:
    """A failure of an image that is in no cohort, or of a table, without its words.

    Args:
        failure: with the path of its image.
        names: that are known.
    """
    case = names.get(failure.image) or case_name(image_id(Path(failure.image), None))
    if failure.code in PLAIN_FAILURES:
        what = failure.what.replace(failure.image, case)
        return Failure(case, failure.code, what, failure.fix)
    values: dict[str, Value] = {"case": case, "code": failure.code}
    return Failure(case, failure.code, str(Message("privacy.left_out", values)))


def keyed_failure(image: CohortImage, failure: Failure) -> Failure:
    """The failure of an image of a cohort, under the image's keyed name.

    Args:
        image: of a cohort that may be keyed.
        failure: any of it.
    """
    if image.keyed is None:
        return failure
    what, fix = keyed_words(image, failure.code, failure.what, failure.fix)
    named = what if what.startswith(image.id) else f"{image.id}: {what}"
    return Failure(image.id, failure.code, named, fix)


def keyed_words(image: CohortImage, code: str, what: str, fix: str) -> tuple[str, str]:
    """The words of an error, if they can name nothing but the image; else none.

    Args:
        image: of a keyed cohort.
        code: kind of the error.
        what, fix: its words.
    """
    if code in PLAIN_FAILURES:
        return what.replace(str(image.path), image.id), fix
    return str(Message("privacy.without_words", {"code": code})), ""
