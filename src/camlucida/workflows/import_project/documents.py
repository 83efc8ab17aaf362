"""TOML files of a project that this program reads: cards, cohorts, classifiers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from camlucida.core.errors import CamlucidaError
from camlucida.core.messages import declare
from camlucida.datasets.classifiers import Classifier, read_classifiers
from camlucida.datasets.cohort_file import read_cohort_file
from camlucida.models.card import read_card
from camlucida.workflows.import_project.log import ImportLog

declare("imported", {"card": "card {file}: as somebody wrote it, in place of recognising"})
declare(
    "not_imported",
    {
        "cohort": "cohort {file}: camlucida run takes it as it is",
        "cards": (
            "{count} {count:|card|cards} of which none is taken: {names}; --model CARD takes one"
        ),
        "classifiers": "classifiers {names}: camlucida ensemble takes one file",
        "document": "{file}: {problem}",
    },
)


@dataclass(frozen=True)
class Documents:
    """What was found.

    Attributes:
        card: the only card whose checkpoint is there; None for none.
        card_checkpoint: of it.
        classifiers: the only file of classifiers; None for none.
        members: of it.
    """

    card: Path | None = None
    card_checkpoint: Path | None = None
    classifiers: Path | None = None
    members: tuple[Classifier, ...] = ()


def sort_documents(paths: Sequence[Path], log: ImportLog) -> Documents:
    """Cards, cohorts and classifiers among TOML files.

    Args:
        paths: of documents of any kind.
        log: takes what is used and what is not.
    """
    cards: dict[Path, Path] = {}
    classifiers: dict[Path, tuple[Classifier, ...]] = {}
    for path in paths:
        if path.suffix.lower() != ".toml":
            continue
        checkpoint = _checkpoint_of_card(path)
        if checkpoint is not None:
            cards[path] = checkpoint
        elif _is_cohort(path):
            log.leave("cohort", file=log.name(path))
        elif b"[classifiers" in path.read_bytes():
            try:
                classifiers[path] = read_classifiers(path)
            except CamlucidaError as error:
                log.leave("document", file=log.name(path), problem=error.what)
    if len(cards) > 1:
        log.leave("cards", count=len(cards), names=log.names(cards))
    if len(classifiers) > 1:
        log.leave("classifiers", names=log.names(classifiers))
    documents = Documents()
    if len(cards) == 1 and not classifiers:
        card, checkpoint = next(iter(cards.items()))
        log.use("card", file=log.name(card))
        documents = Documents(card, checkpoint)
    if len(classifiers) == 1:
        file, members = next(iter(classifiers.items()))
        documents = Documents(classifiers=file, members=members)
    return documents


def _checkpoint_of_card(path: Path) -> Path | None:
    """The weights of a card, where it is one and they are there."""
    try:
        card, base = read_card(path)
    except CamlucidaError:
        return None
    if card.checkpoint is None:
        return None
    checkpoint = base / Path(card.checkpoint).expanduser()
    return checkpoint if checkpoint.is_file() else None


def _is_cohort(path: Path) -> bool:
    try:
        read_cohort_file(path)
    except CamlucidaError:
        return False
    return True
