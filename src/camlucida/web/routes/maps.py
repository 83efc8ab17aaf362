"""Maps, and the scores of films of which a part is hidden."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from camlucida.attribution.methods import METHODS
from camlucida.core.errors import UsageError
from camlucida.evaluation.maps.interventions import PLACES, Action, Cover
from camlucida.web.alignment import Align
from camlucida.web.export import KINDS, Kind
from camlucida.web.routes.common import PROBLEMS, Bench, Finite

router = APIRouter(prefix="/api", tags=["maps"], responses=PROBLEMS)

Name = Annotated[str, Field(min_length=1, max_length=200)]

TargetName = Annotated[str, Field(min_length=1, max_length=1000)]
"""A label may be a sentence."""

Kinds = Annotated[list[Kind], Field(min_length=1, max_length=10)]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid")

    model: Name
    film: Name
    target: TargetName


class MapRequest(_Request):
    """Which map.

    Attributes:
        model, film: identifiers.
        target: a label, or other words of ``camlucida explain --target``.
        method: name of a method.
        layer: "auto" or a path.
    """

    method: Name = "gradcam"
    layer: Name = "auto"


class RegionRequest(_Request):
    """A region of a film, and what to do with it.

    Attributes:
        box: x, y, width, height in pixels of the film.
        mask: runs of pixels outside and inside by turns, row by row, as numbers with blanks.
        action: hide the region, or keep it alone.
        cover: what stands where something is hidden.
        places: how many equally large regions elsewhere it is compared with; 0 for none.
    """

    box: tuple[Finite, Finite, Finite, Finite] | None = None
    mask: Annotated[str, Field(max_length=900_000)] | None = None
    action: Action = "hide"
    cover: Cover = "blur"
    places: Annotated[int, Field(ge=0, le=100)] = PLACES


class OcclusionRequest(_Request):
    """An even grid of cells, hidden one after the other.

    Attributes:
        cells: of a side.
        cover: what stands where a cell is hidden.
    """

    cells: Annotated[int, Field(ge=2, le=32)] = 8
    cover: Cover = "blur"


class CurveRequest(MapRequest):
    """A map whose hottest cells are hidden.

    Attributes:
        cover: what stands where a cell is hidden. "inpaint" is for films, and leaves one cell.
        cells: how many are hidden at one more step of the curve.
    """

    cover: Cover = "blur"
    cells: Annotated[int, Field(ge=1, le=1_000_000)] | None = None


class ChangeRequest(MapRequest):
    """A map of a film, and the same of a later film of the patient.

    Attributes:
        later: identifier of the later film.
        align: how it is laid on the first, as of ``GET /api/films/{film}/alignment/{other}``.
    """

    later: Name
    align: Align = "auto"


class MapJob(MapRequest):
    """A map that takes many forward passes."""

    kind: Literal["map"]


class OcclusionJob(OcclusionRequest):
    """Occlusion of a whole film."""

    kind: Literal["occlusion"]


class CurveJob(CurveRequest):
    """A deletion curve beside random orders."""

    kind: Literal["curve"]


class FigureJob(MapRequest):
    """A map as one picture with title, legend and notice (PNG)."""

    kind: Literal["figure"]


class ExportJob(BaseModel):
    """Maps as one ZIP file, with every prediction for their films.

    Attributes:
        maps: at least one; of any films and models.
        write: kinds of files of each map, as of ``camlucida explain --write``.
    """

    model_config = ConfigDict(extra="forbid")

    kind: Literal["export"]
    maps: Annotated[list[MapRequest], Field(min_length=1, max_length=60)]
    write: Kinds = list(KINDS)


class CasesJob(BaseModel):
    """The stored maps of a run's first 200 cases that meet every condition, as one ZIP file.

    Attributes:
        run: identifier.
        where, sort, descending: as of ``GET /api/runs/{run}/cases``.
        write: as of the export of maps.
    """

    model_config = ConfigDict(extra="forbid")

    kind: Literal["cases"]
    run: Name
    where: Annotated[list[Name], Field(max_length=20)] = []
    sort: Name = "case_id"
    descending: bool = False
    write: Kinds = list(KINDS)


class ReportJob(BaseModel):
    """The report of a run as one HTML file.

    Attributes:
        run: identifier.
    """

    model_config = ConfigDict(extra="forbid")

    kind: Literal["report"]
    run: Name


@router.post("/maps")
async def make_map(request: MapRequest, bench: Bench) -> dict[str, Any]:
    """One map in the form of the viewer. A method of many forward passes is made as a job."""
    refuse_probe(request.method, 'send it to /api/jobs, kind "map"')
    return await bench.call("map", **request.model_dump())


@router.post("/change")
async def test_change(request: ChangeRequest, bench: Bench) -> dict[str, Any]:
    """How score and map change from a film to a later one, and how through movement alone.

    For the latter the first film is moved as the later one lies, and explained again.
    """
    refuse_probe(request.method, "camlucida change measures it")
    folder = await asyncio.to_thread(bench.films.decoded, request.later)
    return await bench.call("change", **request.model_dump(), later_folder=str(folder))


@router.post("/region")
async def test_region(request: RegionRequest, bench: Bench) -> dict[str, Any]:
    """Hide a region, or keep it alone, and see what the score does."""
    return await bench.call("region", **request.model_dump())


def refuse_probe(method: str, fix: str) -> None:
    """Maps that are answered at once take one forward pass.

    Args:
        method: name of a method.
        fix: what to do instead.

    Raises:
        UsageError: it takes many.
    """
    if METHODS[METHODS.canonical(method)].kind in ("probe", "input"):
        raise UsageError(f"{method} runs the model again, most often many times", fix)
