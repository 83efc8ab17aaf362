"""Typed errors. Each message is one line: what was asked, what was seen, how to mend it."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class CamlucidaError(Exception):
    """Base of every error this package raises on purpose.

    Args:
        what: what went wrong, and where (one line).
        fix: how to mend it (one line), or "" when ``what`` already says so.
    """

    def __init__(self, what: str, fix: str = "") -> None:
        self.what = " ".join(what.split())
        self.fix = " ".join(fix.split())
        super().__init__(f"{self.what} ({self.fix})" if self.fix else self.what)


class UsageError(CamlucidaError):
    """The request itself is wrong: unknown method, label, option or malformed card. Nothing was run. Exit code 2."""


class ImageError(CamlucidaError):
    """One image cannot be read or used. The rest of a batch goes on."""


class ModelError(CamlucidaError):
    """The model cannot be built, loaded or run."""


class ModelMismatchError(ModelError, UsageError):
    """The model can never be what its card, or the caller, says: labels, channels, size, task. Exit code 2."""


class LayerError(CamlucidaError):
    """The layer does not exist, does not fire, or has no spatial grid."""


class TargetError(CamlucidaError):
    """The target does not fit the model's output."""


class UnknownTargetError(TargetError, UsageError):
    """The target can never fit this model, whatever the image: unknown label, or words for another task. Exit code 2."""


class NoEvidenceError(CamlucidaError):
    """The method is undefined here: for instance a score that does not depend on the layer."""


def did_you_mean(asked: str, known: Iterable[str], limit: int = 12) -> str:
    """Near matches of ``asked`` among ``known``, as the last clause of an error message.

    >>> did_you_mean("gradcma", ["gradcam", "eigencam"])
    'did you mean gradcam?'
    """
    names = [str(name) for name in known]
    folded = {name.casefold(): name for name in names}
    for name in names:  # a name of several words is also found by one of them
        for word in name.casefold().replace("_", " ").split():
            folded.setdefault(word, name)
    matches = get_close_matches(asked.casefold(), list(folded), n=3, cutoff=0.6)
    near = list(dict.fromkeys(folded[key] for key in matches))
    if near:
        return f"did you mean {' or '.join(near)}?"
    shown = ", ".join(names[:limit]) + (f", … ({len(names)} in all)" if len(names) > limit else "")
    return f"known: {shown}" if names else "none are known"
