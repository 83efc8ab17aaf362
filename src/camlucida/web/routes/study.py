"""The reader study: what a reader sees next, the readings, and the comparison of the arms."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from camlucida.attribution.explanation import Explanation
from camlucida.io.decoded import read_decoded
from camlucida.io.tables.write import csv_bytes
from camlucida.metrics.reader_study import RATINGS, ArmFigure
from camlucida.report.viewer.data import decoded_film_data, map_data
from camlucida.report.viewer.encode import encode_floats
from camlucida.web.errors import NotFoundError
from camlucida.web.plain import plain
from camlucida.web.routes.common import PROBLEMS, Bench
from camlucida.web.routes.reviews import Reader
from camlucida.web.study import ARMS, Study, Task
from camlucida.web.workbench import Workbench

router = APIRouter(prefix="/api/study", tags=["study"], responses=PROBLEMS)


class Reading(BaseModel):
    """What a reader says of a case.

    Attributes:
        reader: name or number of the reader.
        case: number of the case, as it was given.
        rating: from 1, definitely absent, to 6, definitely present.
        seconds: from the film to the rating.
        note: free text.
    """

    model_config = ConfigDict(extra="forbid")

    reader: Reader
    case: Annotated[int, Field(ge=0)]
    rating: Annotated[int, Field(ge=1, le=RATINGS)]
    seconds: Annotated[float, Field(gt=0, le=86_400)]
    note: Annotated[str, Field(max_length=2000)] = ""


@router.get("")
async def about(bench: Bench) -> dict[str, Any] | None:
    """The reader study that the server was started for; null where it is for none."""
    return None if bench.study is None else await asyncio.to_thread(bench.study.describe)


@router.get("/next")
async def next_task(bench: Bench, reader: Annotated[Reader, Query()]) -> dict[str, Any]:
    """How far a reader is, and what the arm of the next case shows."""
    return await asyncio.to_thread(_next, bench, study_of(bench), reader)


@router.post("/readings", status_code=204)
async def save_reading(reading: Reading, bench: Bench) -> None:
    """Keep the reading of the case that the reader is at; a reading is final."""
    await asyncio.to_thread(study_of(bench).save, **reading.model_dump())


@router.get("/results")
async def results(bench: Bench) -> list[dict[str, Any]]:
    """Each measure of each arm, and of each pair of arms: readers and patients resampled."""
    figures = await asyncio.to_thread(study_of(bench).results)
    return [_figure(figure) for figure in figures]


@router.get("/readings.csv", response_class=Response)
async def readings_csv(bench: Bench) -> Response:
    """All readings as a table."""
    content = csv_bytes(await asyncio.to_thread(study_of(bench).table))
    headers = {"content-disposition": 'attachment; filename="readings.csv"'}
    return Response(content, media_type="text/csv", headers=headers)


def study_of(bench: Workbench) -> Study:
    """The reader study of the server.

    Raises:
        NotFoundError: it was not started for one.
    """
    if bench.study is None:
        raise NotFoundError(
            "no reader study", "start the server for one: camlucida reader-study RUN"
        )
    return bench.study


def _next(bench: Workbench, study: Study, reader: str) -> dict[str, Any]:
    progress = study.progress(reader)
    task: Task | None = progress.pop("task")
    return progress | {"task": None if task is None else _shown(bench, study, task)}


def _shown(bench: Workbench, study: Study, task: Task) -> dict[str, Any]:
    """What the arm shows of a case: no name of a file, which may tell the finding."""
    film = bench.films.add_entry(study.of_run.film_of(task.case))
    image = read_decoded(bench.films.decoded(film))
    shown: dict[str, Any] = asdict(task) | {
        "label": study.of_run.case(task.case)["label"],
        "film": decoded_film_data(image, f"case {task.position}"),
        "synthetic": image.synthetic,
        "maps": [],
        "numbers": None,
    }
    if task.arm != ARMS[0]:
        explanation = study.of_run.explanations(task.case, image)[0]
        shown["maps"] = [_without_numbers(explanation)]
    if task.arm == ARMS[2]:
        shown["numbers"] = study.numbers(task.case)
    return shown


def _without_numbers(explanation: Explanation) -> dict[str, Any]:
    """A map on its own scale: neither its values nor its score tell what the model predicts."""
    limit = explanation.limit or 1.0
    values = encode_floats(explanation.raw.numpy() / limit)
    hidden = {"score": None, "probability": None, "unit": "none", "values": values, "limit": 1.0}
    return map_data(explanation, "map") | hidden


def _figure(figure: ArmFigure) -> dict[str, Any]:
    interval = figure.interval
    return {
        "measure": figure.measure,
        "arm": figure.arm,
        "against": figure.against,
        "readers": figure.readers,
        "readers_resampled": figure.readers_resampled,
        "estimate": plain(interval.estimate),
        "low": plain(interval.low),
        "high": plain(interval.high),
        "interval_method": interval.interval_method,
        "patients": interval.patients,
        "readings": interval.rows,
    }
