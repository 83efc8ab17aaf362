"""Typed errors. Each is one line: what was requested, what was seen, how to mend it."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import ClassVar


class CamlucidaError(Exception):
    """Base of every error this package raises on purpose.

    Args:
        what: what went wrong, and where (one line).
        fix: how to mend it (one line), or "" when ``what`` already says so.

    Attributes:
        code: the kind of error, for records; the same in every language.

    >>> str(ImageError("a.png is empty", "copy it again"))
    'a.png is empty (copy it again)'
    """

    code: ClassVar[str] = "error"

    def __init__(self, what: str, fix: str = "") -> None:
        self.what = " ".join(what.split())
        self.fix = " ".join(fix.split())
        line = f"{self.what} ({self.fix})" if self.fix else self.what
        super().__init__(line)

    def to_json(self) -> dict[str, str]:
        """As plain data, for the record of a run.

        Returns:
            ``code``, ``what`` and ``fix``.

        >>> ImageError("a.png is empty", "copy it again").to_json()
        {'code': 'image', 'what': 'a.png is empty', 'fix': 'copy it again'}
        """
        return {"code": self.code, "what": self.what, "fix": self.fix}


class UsageError(CamlucidaError):
    """The request itself is wrong: unknown method, label or option, or a malformed card.

    Nothing was run. Exit code 2.
    """

    code = "usage"


class ImageError(CamlucidaError):
    """One image cannot be read or used. The rest of a batch goes on."""

    code = "image"


class ModelError(CamlucidaError):
    """The model cannot be built, loaded or run."""

    code = "model"


class ModelMismatchError(ModelError, UsageError):
    """The model can never be what its card, or the caller, states: labels, channels, size, task.

    Exit code 2.
    """

    code = "model_mismatch"


class LayerError(CamlucidaError):
    """The layer does not exist, does not fire, or has no spatial grid."""

    code = "layer"


class TargetError(CamlucidaError):
    """The target does not fit the model's output."""

    code = "target"


class EmptyRegionError(TargetError):
    """The region to be explained is empty in this image: nothing is predicted, or nothing is true.

    It is a fact about the image, so the image has no map of it and has not failed.
    """

    code = "empty_region"


class UnknownTargetError(TargetError, UsageError):
    """The target can never fit this model, whatever the image: an unknown label, another task.

    Exit code 2.
    """

    code = "unknown_target"


class NoEvidenceError(CamlucidaError):
    """The method is undefined here: for instance a score that does not depend on the layer."""

    code = "no_evidence"


def did_you_mean(name: str, names: Iterable[str], limit: int = 12) -> str:
    """Near matches of a name, as the last clause of an error message.

    Args:
        name: what was requested.
        names: what exists. A name of several words is also matched by one of them.
        limit: of names listed where none is near.

    >>> did_you_mean("gradcma", ["gradcam", "eigencam"])
    'did you mean gradcam?'
    >>> did_you_mean("rise", ["gradcam", "eigencam"])
    'known: gradcam, eigencam'
    """
    names = [str(candidate) for candidate in names]
    by_word = {candidate.casefold(): candidate for candidate in names}
    for candidate in names:
        spaced = candidate.casefold().replace("_", " ")
        for word in spaced.split():
            by_word.setdefault(word, candidate)
    words = list(by_word)
    matches = get_close_matches(name.casefold(), words, n=3, cutoff=0.6)
    # A dict, not a set: the closest match stays first.
    near = dict.fromkeys(by_word[word] for word in matches)
    if near:
        choice = " or ".join(near)
        return f"did you mean {choice}?"
    if not names:
        return "none are known"
    listed = ", ".join(names[:limit])
    rest = f", … ({len(names)} in all)" if len(names) > limit else ""
    return f"known: {listed}{rest}"
