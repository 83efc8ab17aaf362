"""What the routes share: the workbench of a request, and the shapes of replies."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Request
from pydantic import BaseModel, Field

from camlucida.web.workbench import Workbench


def workbench_of(request: Request) -> Workbench:
    """The workbench of the server that the request came to."""
    workbench: Workbench = request.app.state.workbench
    return workbench


Bench = Annotated[Workbench, Depends(workbench_of)]

Finite = Annotated[float, Field(allow_inf_nan=False)]
"""A number that JSON has; Python's reader takes Infinity and NaN too."""


class Problem(BaseModel):
    """An error: what went wrong, and how to mend it.

    Attributes:
        code: kind of error.
        what: what was requested and what was seen.
        fix: how to mend it; "" where ``what`` says so.
    """

    code: str
    what: str
    fix: str


PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "description": description}
    for status, description in {
        400: "The request is wrong.",
        401: "The browser is not known.",
        403: "The request does not come from a page of this server.",
        404: "There is no such thing.",
        422: "The film or the model cannot do this.",
        503: "Too many requests wait.",
    }.items()
}
