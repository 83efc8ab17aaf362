"""Which checkpoint of a project is taken, and the card that it gives."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from camlucida.core.errors import CamlucidaError, ModelError
from camlucida.core.messages import Message, declare
from camlucida.models.assumptions import RecognisedCard
from camlucida.models.recognise import recognise
from camlucida.workflows.import_project.log import ImportLog
from camlucida.workflows.segmentation import segmentation_card
from camlucida.workflows.training_runs.folders import PREDICTIONS

declare(
    "imported",
    {
        "checkpoint": "checkpoint {file}",
        "chosen_checkpoint": "checkpoint {file}: chosen of {count}, {rule}",
        "given_checkpoint": "checkpoint {file}: as given",
        "fact": "model: {fact}",
        "named": "model: built as named: {model}",
        "best": "as its name says best",
        "plain": "as no other name says best, and its own states neither an epoch nor last",
        "epoch": "as no other name says best: the highest epoch",
        "last": "as there is no other than the last epoch's",
        "order": "{reason}; of equal ones that with stored predictions, then the last by name",
    },
)
declare(
    "not_imported",
    {
        "checkpoint": "checkpoint {file}: {problem}",
        "checkpoints": (
            "{count} {count:|checkpoint|checkpoints}: {names}; --checkpoint FILE takes another"
        ),
    },
)

_RANKS = (
    ("best", re.compile(r"best", re.IGNORECASE)),
    ("last", re.compile(r"(?:^|[^a-z])(?:last|latest|final|end)(?:[^a-z]|$)", re.IGNORECASE)),
    ("epoch", re.compile(r"(?:epoch|step|iter|ckpt|checkpoint)[_=-]?\d+", re.IGNORECASE)),
)
"""Kind of checkpoint → what its name holds; the first that fits."""

_ORDER = ("best", "plain", "epoch", "last")
_MOST_TRIED = 12
"""Files that are read before the search is given up."""


@dataclass(frozen=True)
class ProjectModel:
    """The model of a project.

    Attributes:
        checkpoint: its weights.
        recognised: the card with what is stated and assumed.
    """

    checkpoint: Path
    recognised: RecognisedCard


def kind_of(path: Path) -> str:
    """What a checkpoint is by its name: "best", "plain", "epoch" or "last".

    Args:
        path: of the file.

    >>> [kind_of(Path(name)) for name in ("best_auc.pth", "net.pt", "epoch_3.pt", "last.ckpt")]
    ['best', 'plain', 'epoch', 'last']
    """
    for kind, pattern in _RANKS:
        if pattern.search(path.stem):
            return kind
    return "plain"


def ordered(paths: Sequence[Path]) -> list[Path]:
    """Checkpoints in the order in which they are tried: best, unnamed, epochs, last.

    Of equal ones those with stored predictions come first, then those later by name; numbers are
    compared as numbers.

    Args:
        paths: of the files.

    >>> [path.name for path in ordered([Path("last.pt"), Path("epoch9.pt"), Path("epoch10.pt")])]
    ['epoch10.pt', 'epoch9.pt', 'last.pt']
    """
    by_name = sorted(paths, key=_natural, reverse=True)
    return sorted(by_name, key=_rank)


def _rank(path: Path) -> tuple[int, bool]:
    return _ORDER.index(kind_of(path)), not (path.parent / PREDICTIONS).is_file()


def _natural(path: Path) -> list[tuple[int, str]]:
    parts = re.split(r"(\d+)", path.as_posix())
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]


def choose_checkpoint(
    paths: Sequence[Path],
    given: Path | None,
    model: str | None,
    key: str | None,
    log: ImportLog,
) -> ProjectModel | None:
    """The first checkpoint, in the order of :func:`ordered`, whose network is recognised.

    Args:
        paths: the candidates.
        given: the one that the user named.
        model: card or factory that the user named for it.
        key: of a file with several networks.
        log: takes what is used and what is not.

    Raises:
        ModelError: the checkpoint that was given, or each that could be tried, is not recognised.
    """
    if given is not None:
        recognised = _recognised(given, model, key)
        log.use("given_checkpoint", file=log.name(given))
        _log_facts(recognised, model, log)
        return ProjectModel(given, recognised)
    candidates = ordered(paths)
    failed: dict[Path, CamlucidaError] = {}
    for path in candidates[:_MOST_TRIED]:
        try:
            recognised = _recognised(path, model, key)
        except CamlucidaError as error:
            failed[path] = error
            continue
        _log_choice(path, candidates, failed, log)
        _log_facts(recognised, model, log)
        return ProjectModel(path, recognised)
    if not failed:
        return None
    first = next(iter(failed.values()))
    raise ModelError(f"no checkpoint of {log.folder} is recognised; {first.what}", first.fix)


def _recognised(path: Path, model: str | None, key: str | None) -> RecognisedCard:
    recognised = recognise(path, model=model, key=key)
    if recognised.card.task != "segmentation" or model is not None or key is not None:
        return recognised
    # A segmentation has another usual size than a classification, and regions as labels.
    return segmentation_card(path)


def _log_choice(
    path: Path, candidates: Sequence[Path], failed: dict[Path, CamlucidaError], log: ImportLog
) -> None:
    usable = [other for other in candidates if other not in failed]
    for other, error in failed.items():
        log.leave("checkpoint", file=log.name(other), problem=error.what)
    if len(usable) == 1:
        log.use("checkpoint", file=log.name(path))
        return
    kind = kind_of(path)
    rule = Message(f"imported.{kind}")
    if sum(kind_of(other) == kind for other in usable) > 1:
        rule = Message("imported.order", {"reason": rule})
    log.use("chosen_checkpoint", file=log.name(path), count=len(usable), rule=rule)
    others = [other for other in usable if other != path]
    log.leave("checkpoints", count=len(others), names=log.names(others))


def _log_facts(recognised: RecognisedCard, model: str | None, log: ImportLog) -> None:
    if model is not None:
        log.use("named", model=model)
    for note in recognised.notes:
        log.use("fact", fact=note)
