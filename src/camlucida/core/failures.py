"""Items that failed while the rest went on, as data: which one, what kind of error, which fix."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from camlucida.core.errors import CamlucidaError


@dataclass(frozen=True)
class Failure:
    """One item that could not be used, such as an image.

    Attributes:
        image: its path or name.
        code: the kind of error, such as ``image``, ``no_evidence`` or ``write``.
        what: what went wrong, in one line.
        fix: how to mend it, in one line; "" where ``what`` already says so.

    >>> str(Failure("a.png", "image", "a.png: not an image", "give a PNG"))
    'a.png: not an image (give a PNG)'
    """

    image: str
    code: str
    what: str
    fix: str = ""

    def __str__(self) -> str:
        """One line for a terminal. Never to be parsed."""
        return f"{self.what} ({self.fix})" if self.fix else self.what

    def to_json(self) -> dict[str, str]:
        """As plain data: image, code, what, fix.

        >>> Failure("a.png", "image", "a.png: not an image").to_json()["code"]
        'image'
        """
        return asdict(self)

    @classmethod
    def of(cls, image: str, error: CamlucidaError, *, named: bool = False) -> Failure:
        """The failure of ``image`` with this error.

        Args:
            image: path or name.
            error: what was raised.
            named: put the image's name before ``what``, where the error does not mention it.

        >>> from camlucida.core.errors import NoEvidenceError
        >>> Failure.of("a.png", NoEvidenceError("no gradient"), named=True)
        Failure(image='a.png', code='no_evidence', what='a.png: no gradient', fix='')
        """
        named = named and not error.what.startswith(image)
        what = f"{image}: {error.what}" if named else error.what
        return cls(image, error.code, what, error.fix)
