"""One finding, and the registry of the checks that make them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from camlucida.core.errors import CamlucidaError
from camlucida.core.messages import ENGLISH, Message, Value, declare, quoted
from camlucida.core.registry import Registry

if TYPE_CHECKING:
    from camlucida.workflows.doctor.examination import Examination

Severity = Literal["ok", "note", "fault"]
Values = dict[str, Value]

declare("doctor", {"error": "{error}", "mend": "{mend}"})


@dataclass(frozen=True)
class Finding:
    """One line of a diagnosis.

    Attributes:
        check: name of the check.
        severity: "ok"; "note": worth knowing; "fault": maps or predictions are wrong until it is
            mended.
        what: what was measured, with the number.
        mend: how to mend it; None where there is nothing to mend.

    >>> print(Finding("batch", "ok", quoted("difference 0")))
    ok    batch: difference 0
    """

    check: str
    severity: Severity
    what: Message
    mend: Message | None = None

    def __str__(self) -> str:
        """One line for a terminal. Never to be parsed."""
        line = f"{self.severity:<5} {self.check}: {self.what}"
        return line if self.mend is None else f"{line.rstrip('.')}. To mend it: {self.mend}"

    def to_json(self) -> dict[str, Any]:
        """As plain data: check, severity, what, mend."""
        return vars(self)


Check = Callable[["Examination"], Iterable[Finding]]

CHECKS: Registry[Check] = Registry("check")
"""In the order in which their findings are listed."""


def finding(
    check: str, severity: Severity, code: str, values: Mapping[str, Value] | None = None
) -> Finding:
    """A finding whose text is declared as ``doctor.CODE``, its mend as ``doctor.CODE_mend``.

    Args:
        check: name of the check.
        severity: as of :class:`Finding`; one that is "ok" has no mend.
        code: of the text, and of its mend, if there is one.
        values: of the text; the mend has none.
    """
    mend_code = f"doctor.{code}_mend"
    needs_mend = severity != "ok" and mend_code in ENGLISH
    mend = Message(mend_code) if needs_mend else None
    return Finding(check, severity, Message(f"doctor.{code}", dict(values or {})), mend)


def of_error(check: str, error: CamlucidaError) -> Finding:
    """A fault that ended a check.

    >>> from camlucida.core.errors import LayerError
    >>> print(of_error("layer", LayerError("no layer has a grid", "state grid=")))
    fault layer: no layer has a grid. To mend it: state grid=
    """
    mend = Message("doctor.mend", {"mend": quoted(error.fix)}) if error.fix else None
    what = Message("doctor.error", {"error": quoted(error.what)})
    return Finding(check, "fault", what, mend)
