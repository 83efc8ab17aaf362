"""Long work: started, followed, cancelled."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Body, Request
from fastapi.responses import FileResponse, StreamingResponse

from camlucida.web.errors import NotFoundError
from camlucida.web.jobs import FINISHED
from camlucida.web.routes.common import PROBLEMS, Bench
from camlucida.web.routes.maps import (
    CasesJob,
    CurveJob,
    ExportJob,
    FigureJob,
    MapJob,
    OcclusionJob,
    ReportJob,
)
from camlucida.web.routes.runs import cases_of
from camlucida.web.workbench import Workbench

router = APIRouter(prefix="/api/jobs", tags=["jobs"], responses=PROBLEMS)

AnyJob = Annotated[
    MapJob | OcclusionJob | CurveJob | FigureJob | ExportJob | CasesJob | ReportJob,
    Body(discriminator="kind"),
]

SECONDS = 10.0
"""After which an event is sent though nothing has changed: the connection is still there."""


@router.get("")
async def jobs(bench: Bench) -> list[dict[str, Any]]:
    """The jobs without their results, newest first; ``file`` says whether a file is kept."""
    return [each | {"file": bench.files.is_kept(each["id"])} for each in bench.jobs.all()]


@router.post("", status_code=202)
async def add_job(request: AnyJob, bench: Bench) -> dict[str, Any]:
    """Put long work into the queue."""
    if isinstance(request, CasesJob | ReportJob):
        cases_of(bench, request.run)
    else:
        for each in request.maps if isinstance(request, ExportJob) else [request]:
            bench.films.film(each.film)
    return bench.jobs.add(request.kind, request.model_dump(exclude={"kind"}))


@router.get("/{job}")
async def job_of(job: str, bench: Bench) -> dict[str, Any]:
    """A job, with its result or error when it is finished."""
    return bench.jobs.job(job)


@router.get("/{job}/file", response_class=FileResponse)
async def file_of(job: str, bench: Bench) -> FileResponse:
    """The file of a job that writes one: a ZIP file, a picture (PNG), or the report as HTML."""
    result = bench.jobs.job(job)["result"] or {}
    if "name" not in result:
        raise NotFoundError("the job has no file", "follow it until it is done")
    path = bench.files.file(job)
    # A page that is saved, not one of the server's: it may not run in its place.
    return FileResponse(path, media_type="application/octet-stream", filename=result["name"])


@router.delete("/{job}")
async def cancel_job(job: str, bench: Bench) -> dict[str, Any]:
    """Cancel a job that waits or runs."""
    return await asyncio.to_thread(bench.jobs.cancel, job)


@router.get("/{job}/events")
async def job_events(job: str, request: Request, bench: Bench) -> StreamingResponse:
    """The job as server-sent events, one whenever it changes; the last when it is finished."""
    bench.jobs.job(job)
    return StreamingResponse(_events(job, request, bench), media_type="text/event-stream")


async def _events(job: str, request: Request, bench: Workbench) -> AsyncIterator[str]:
    last = None
    while not (bench.jobs.is_ending or await request.is_disconnected()):
        last = await asyncio.to_thread(bench.jobs.wait, job, last, SECONDS)
        yield f"data: {json.dumps(last)}\n\n"
        if last["state"] in FINISHED:
            return
