"""A selection of maps as one ZIP file."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field

from camlucida.web.routes.common import PROBLEMS, Bench
from camlucida.web.routes.maps import MapRequest, refuse_probe
from camlucida.web.workbench import Workbench

router = APIRouter(prefix="/api/export", tags=["export"], responses=PROBLEMS)

MOST = 60
"""Maps of one file."""


class ExportRequest(BaseModel):
    """Which maps.

    Attributes:
        maps: at least one; of any films and models.
    """

    model_config = ConfigDict(extra="forbid")

    maps: Annotated[list[MapRequest], Field(min_length=1, max_length=MOST)]


@router.post(
    "",
    response_class=Response,
    responses={200: {"content": {"application/zip": {}}, "description": "The ZIP file."}},
)
async def export(request: ExportRequest, bench: Bench) -> Response:
    """Annotated pictures, raw maps (npz), records (JSON) and a table (CSV) of maps, as a ZIP."""
    for each in request.maps:
        refuse_probe(each.method, f"leave it out, or: camlucida explain --method {each.method}")
    maps = await asyncio.to_thread(_with_folders, bench, request.maps)
    content = (await bench.call("export", maps=maps))["zip"]
    headers = {"content-disposition": 'attachment; filename="camlucida.zip"'}
    return Response(content, media_type="application/zip", headers=headers)


def _with_folders(bench: Workbench, maps: list[MapRequest]) -> list[dict[str, Any]]:
    """The requests with the folder of each film's arrays, and its name."""
    made = []
    for each in maps:
        request = bench.with_folder(each.model_dump())
        made.append({**request, "name": bench.films.film(each.film).name})
    return made
