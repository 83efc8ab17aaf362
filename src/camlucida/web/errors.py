"""Errors of the server, and the status with which each error of the package is answered."""

from __future__ import annotations

from camlucida.core.errors import CamlucidaError, UsageError


class NotFoundError(CamlucidaError):
    """There is no such film, model, run, case or job."""

    code = "not_found"


class RefusedError(CamlucidaError):
    """The request does not come from a page of this server, or who sends it is not known."""

    code = "refused"


class TooLargeError(CamlucidaError):
    """A body is larger than the limit."""

    code = "too_large"


class DiskLimitError(CamlucidaError):
    """The films that were given take all the room that the server has."""

    code = "disk_limit"


class BusyError(CamlucidaError):
    """Too many requests wait already."""

    code = "busy"


class CancelledError(CamlucidaError):
    """The work was cancelled, or its process ended."""

    code = "cancelled"


STATUS: dict[type[CamlucidaError], int] = {
    NotFoundError: 404,
    RefusedError: 403,
    TooLargeError: 413,
    DiskLimitError: 507,
    BusyError: 503,
    CancelledError: 409,
    UsageError: 400,
}


def status_of(error: CamlucidaError) -> int:
    """The HTTP status of an error.

    Args:
        error: any of the package.

    >>> status_of(NotFoundError("no film")), status_of(CamlucidaError("a damaged film"))
    (404, 422)
    """
    matches = (status for kind, status in STATUS.items() if isinstance(error, kind))
    return next(matches, 422)
