"""Runs and their cases: filtered, sorted, page by page; one case with its film and its maps."""

from __future__ import annotations

import asyncio
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Query, Response
from PIL import Image

from camlucida.figures.overlay import reduced_overlay
from camlucida.figures.volumes.shown import in_one_plane
from camlucida.io.tables.write import csv_bytes
from camlucida.web.cases import MOST, RunCases
from camlucida.web.errors import NotFoundError
from camlucida.web.export import annotated_png, png_name
from camlucida.web.inputs import decoded_image, shown_map_data
from camlucida.web.routes.common import PROBLEMS, Bench
from camlucida.web.workbench import Workbench

router = APIRouter(prefix="/api/runs", tags=["runs"], responses=PROBLEMS)

THUMBNAIL = 192
"""Pixels of the longer side of a small picture."""


LAST = 2**53 - 1
"""The largest whole number of JavaScript, and less than a table's row number may be."""


@router.get("")
async def runs(bench: Bench) -> list[dict[str, Any]]:
    """The runs that the server was started with."""
    return [{"id": id, "name": cases.path.name} for id, cases in bench.runs.items()]


@router.get("/{run}")
async def run_of(run: str, bench: Bench) -> dict[str, Any]:
    """A run, and the columns of its cases."""
    return await asyncio.to_thread(cases_of(bench, run).describe)


@router.get("/{run}/cases")
async def cases(
    run: str,
    bench: Bench,
    where: Annotated[list[str], Query(max_length=20)] = [],  # noqa: B006, FastAPI copies it
    sort: str = "case_id",
    descending: bool = False,
    cursor: Annotated[int, Query(ge=0, le=LAST)] = 0,
    limit: Annotated[int, Query(ge=1, le=MOST)] = 60,
) -> dict[str, Any]:
    """Cases that meet every condition (``outcome=FP``, ``probability>=0.5``), in order."""
    of_run = cases_of(bench, run)
    page = await asyncio.to_thread(of_run.page, where, sort, descending, cursor, limit)
    return {"cases": page.rows, "total": page.total, "next": page.next}


@router.get("/{run}/cases.csv", response_class=Response)
async def cases_csv(
    run: str,
    bench: Bench,
    where: Annotated[list[str], Query(max_length=20)] = [],  # noqa: B006, FastAPI copies it
) -> Response:
    """The cases that meet every condition as a table, with what was measured of them."""
    table = await asyncio.to_thread(cases_of(bench, run).matching, where)
    content = await asyncio.to_thread(csv_bytes, table)
    headers = {"content-disposition": 'attachment; filename="cases.csv"'}
    return Response(content, media_type="text/csv", headers=headers)


@router.get("/{run}/points")
async def points(
    run: str,
    bench: Bench,
    x: str,
    y: str | None = None,
    where: Annotated[list[str], Query(max_length=20)] = [],  # noqa: B006, FastAPI copies it
) -> dict[str, Any]:
    """Values of one column or two, for a plot, of the cases that meet every condition."""
    return await asyncio.to_thread(cases_of(bench, run).points, x, y, where)


@router.get("/{run}/cases/{number}")
async def case_of(run: str, number: int, bench: Bench) -> dict[str, Any]:
    """One case: its row and measurements, its film's identifier and the film's stored maps."""
    return await asyncio.to_thread(_case, bench, cases_of(bench, run), number)


@router.get("/{run}/cases/{number}/thumbnail.png", response_class=Response)
async def thumbnail(run: str, number: int, bench: Bench) -> Response:
    """A small picture of a case: its map over its film."""
    # In threads of their own: many that are drawn at once hold up no query.
    make = partial(_thumbnail, bench, cases_of(bench, run), number)
    png = await asyncio.get_running_loop().run_in_executor(bench.drawing, make)
    headers = {"cache-control": "private, max-age=3600"}
    return Response(png, media_type="image/png", headers=headers)


@router.get("/{run}/cases/{number}/figure.png", response_class=Response)
async def case_figure(run: str, number: int, bench: Bench) -> Response:
    """The map of a case as one picture, with title, legend and notice."""
    make = partial(_figure, bench, cases_of(bench, run), number)
    name, png = await asyncio.get_running_loop().run_in_executor(bench.drawing, make)
    headers = {"content-disposition": f"attachment; filename*=utf-8''{quote(name)}"}
    return Response(png, media_type="image/png", headers=headers)


def cases_of(bench: Workbench, run: str) -> RunCases:
    """The cases of a run.

    Raises:
        NotFoundError: there is no such run.
    """
    if run not in bench.runs:
        raise NotFoundError(f"no run {run[:40]!r}", "see GET /api/runs")
    return bench.runs[run]


def _case(bench: Workbench, of_run: RunCases, number: int) -> dict[str, Any]:
    row = of_run.case(number)
    film = bench.films.add_entry(of_run.film_of(number))
    volume = of_run.is_volume(number)
    image = decoded_image(bench.films.decoded(film), volume)
    explanations = of_run.explanations(number, image)
    maps = [shown_map_data(each, str(index)) for index, each in enumerate(explanations)]
    synthetic = of_run.saw_synthetic_images(row["model"])
    marks: dict[str, Any] = {"synthetic_model": synthetic, "mismatch": of_run.mismatch}
    marks["truth"] = of_run.ground_truth(number, explanations[0])
    model = bench.offered(of_run.run.about["models"], row["model"])
    about = {"case": row, "film": film, "volume": volume, "maps": maps, "model": model}
    return about | marks


def _figure(bench: Workbench, of_run: RunCases, number: int) -> tuple[str, bytes]:
    """Name and content of the file."""
    entry = of_run.film_of(number)
    film = bench.films.add_entry(entry)
    image = decoded_image(bench.films.decoded(film), of_run.is_volume(number))
    (explanation, *_) = of_run.explanations(number, image)
    return png_name(explanation, entry.name), annotated_png(explanation)


def _thumbnail(bench: Workbench, of_run: RunCases, number: int) -> bytes:
    entry = of_run.film_of(number)
    kept = _thumbnail_file(bench, of_run, number)
    if not kept.is_file():
        film = bench.films.add_entry(entry)
        image = decoded_image(bench.films.decoded(film), of_run.is_volume(number))
        (explanation,) = in_one_plane(of_run.explanations(number, image)[:1])
        buffer = BytesIO()
        Image.fromarray(reduced_overlay(explanation, THUMBNAIL)).save(buffer, "PNG")
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_bytes(buffer.getvalue())
    return kept.read_bytes()


def _thumbnail_file(bench: Workbench, of_run: RunCases, number: int) -> Path:
    row = of_run.run.explanations().iloc[number]
    name = f"{row['identity']}-{row['part']}-{row['row']}.png"
    return bench.settings.state / "thumbnails" / of_run.id / name
