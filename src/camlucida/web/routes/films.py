"""Films: the list, giving and removing one, and its samples for the viewer."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from camlucida.io.decoded import read_decoded
from camlucida.report.viewer.data import decoded_film_data
from camlucida.web.films import KnownFilm
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
    """Give a film: a PNG, JPEG, TIFF or DICOM file as the body of the request."""
    film = await bench.films.add(name, request.stream())
    return film.to_json()


@router.get("/{film}")
async def film_data_of(film: str, bench: Bench) -> Response:
    """The samples of a film in the form of the viewer, and what is known of it."""
    body = await asyncio.to_thread(_encoded, bench, film)
    headers = {"cache-control": "private, max-age=3600"}  # an identifier is of one content
    return Response(body, media_type="application/json", headers=headers)


@router.delete("/{film}", status_code=204)
async def remove_film(film: str, bench: Bench) -> None:
    """Forget a film that was given."""
    await asyncio.to_thread(bench.films.remove, film)


def _encoded(bench: Workbench, film: str) -> bytes:
    folder = bench.films.decoded(film)
    image = read_decoded(folder)
    known: KnownFilm = bench.films.film(film)
    notes = [str(warning) for warning in image.warnings]
    data = {"film": decoded_film_data(image, known.name), "notes": notes, **known.to_json()}
    return json.dumps(data | {"synthetic": image.synthetic}).encode()
