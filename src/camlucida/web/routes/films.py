"""Films: the list, giving and removing one, and its samples for the viewer."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from camlucida.web.alignment import Align
from camlucida.web.films import KnownFilm
from camlucida.web.inputs import shown_data
from camlucida.web.routes.common import PROBLEMS, Bench
from camlucida.web.workbench import Workbench

router = APIRouter(prefix="/api/films", tags=["films"], responses=PROBLEMS)


@router.get("")
async def films(bench: Bench) -> list[dict[str, Any]]:
    """The films: those that the server was started with, then those that were given."""
    return [film.to_json() for film in bench.films.all()]


@router.post(
    "",
    status_code=201,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/octet-stream": {"schema": {"type": "string", "format": "binary"}}
            },
        }
    },
)
async def add_film(
    request: Request,
    bench: Bench,
    name: Annotated[str, Query(max_length=1000, description="For people alone.")] = "film",
) -> dict[str, Any]:
    """Give a film (PNG, JPEG, TIFF, DICOM) or volume as the body of the request.

    A volume is NIfTI, a DICOM file of many frames, or a ZIP of the DICOM files of one series.
    """
    film = await bench.films.add(name, request.stream())
    return film.to_json()


@router.get("/{film}")
async def film_data_of(film: str, bench: Bench, volume: bool = False) -> Response:
    """The samples of a film or volume in the form of the viewer, and what is known of it.

    A DICOM file of many frames is both, and given as the volume where ``volume`` says so.
    """
    body = await asyncio.to_thread(_encoded, bench, film, volume)
    headers = {"cache-control": "private, max-age=3600"}  # an identifier is of one content
    return Response(body, media_type="application/json", headers=headers)


@router.get("/{film}/alignment/{other}")
async def alignment_of(
    film: str, other: str, bench: Bench, align: Align = "auto"
) -> dict[str, Any]:
    """How another film of the patient, a later one, lies on a film.

    ``after = matrix · before + offset``, each row and column, pixel centres at whole numbers.
    Nothing checks that both are of one patient.
    """
    folder = await asyncio.to_thread(bench.films.decoded, other)
    return await bench.call("align", film=film, other=str(folder), align=align)


@router.delete("/{film}", status_code=204)
async def remove_film(film: str, bench: Bench) -> None:
    """Forget a film that was given."""
    await asyncio.to_thread(bench.films.remove, film)
    await asyncio.to_thread(bench.worker.forget, film)


def _encoded(bench: Workbench, film: str, volume: bool) -> bytes:
    folder = bench.films.decoded(film)
    known: KnownFilm = bench.films.film(film)
    return json.dumps({**shown_data(folder, known.name, volume), **known.to_json()}).encode()
