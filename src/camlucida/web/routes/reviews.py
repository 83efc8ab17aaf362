"""Readers' verdicts on the cases of a run: saved, continued, compared, exported."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from camlucida.io.tables.write import csv_bytes
from camlucida.web.cases import RunCases
from camlucida.web.inputs import decoded_image, shown_data, shown_map_data
from camlucida.web.reviews import Finding, Reviews, Verdict
from camlucida.web.routes.common import PROBLEMS, Bench, Finite
from camlucida.web.routes.runs import cases_of
from camlucida.web.workbench import Workbench

router = APIRouter(prefix="/api/runs/{run}", tags=["reviews"], responses=PROBLEMS)

Reader = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80)]


class _Judged(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reader: Reader
    region: tuple[Finite, Finite, Finite, Finite] | None = None
    mask: Annotated[str, Field(max_length=900_000, pattern=r"^[0-9]+( [0-9]+)*$")] | None = None
    seconds: Annotated[Finite, Field(ge=0)] | None = None

    @model_validator(mode="after")
    def _one_region(self) -> _Judged:
        if self.region is not None and self.mask is not None:
            raise ValueError("a region is a box or a mask; give one of the two")
        return self


class FilmFinding(_Judged):
    """What a reader says of the film alone, before the map is shown.

    Attributes:
        reader: name or number of the reader.
        finding: whether the finding is there.
        region: box that the reader drew, x, y, width, height in pixels of the film.
        mask: in its place the region that the reader painted: lengths of the film's pixels outside
            and inside by turns, row by row, outside first.
        seconds: from the film to this answer.
    """

    finding: Finding


class Review(_Judged):
    """What a reader says of a map.

    Attributes:
        reader: name or number of the reader.
        verdict: whether the map shows where the reader sees the finding.
        note: free text.
        region, mask: as of what is said of the film alone, and passed over where the reader said
            something of it.
        seconds: from the film to the verdict.
    """

    verdict: Verdict
    note: Annotated[str, Field(max_length=2000)] = ""


@router.put("/cases/{number}/finding")
async def save_finding(run: str, number: int, finding: FilmFinding, bench: Bench) -> dict[str, Any]:
    """Keep what a reader says of the film alone, which is final, and show the map."""
    of_run = cases_of(bench, run)
    await asyncio.to_thread(of_run.case, number)
    reviews = Reviews(bench.store)
    reviews.save_finding(run, number, finding.model_dump())
    revealed = await asyncio.to_thread(_revealed, bench, of_run, number)
    return {"finding": reviews.finding(run, number, finding.reader), "revealed": revealed}


@router.put("/cases/{number}/review", status_code=204)
async def save_review(run: str, number: int, review: Review, bench: Bench) -> None:
    """Keep a reader's verdict on a case; a later one replaces it."""
    await asyncio.to_thread(cases_of(bench, run).case, number)
    Reviews(bench.store).save(run, number, review.model_dump())


@router.get("/review")
async def next_case(
    run: str,
    bench: Bench,
    reader: Annotated[Reader, Query()],
    seed: Annotated[int, Query(ge=0)] = 0,
    blinded: bool = False,
) -> dict[str, Any]:
    """How far a reader is, and the next case in the random order of a seed.

    The case has neither the name of its file nor its outcome. Where the review is ``blinded``,
    ``revealed``, the map and the prediction, is null until the reader has said something of the
    film alone.
    """
    return await asyncio.to_thread(_next, bench, cases_of(bench, run), reader, seed, blinded)


@router.get("/agreement")
async def agreement(run: str, bench: Bench) -> dict[str, Any]:
    """Verdicts of each reader; Cohen's kappa of each pair, resampled over patients."""
    table = await asyncio.to_thread(lambda: cases_of(bench, run).table)
    patients = dict(zip(table["case_id"].tolist(), table["patient"].tolist()))
    return await asyncio.to_thread(Reviews(bench.store).agreement, run, patients)


@router.get("/reviews.csv", response_class=Response)
async def reviews_csv(run: str, bench: Bench) -> Response:
    """All verdicts as a table, which a spreadsheet opens without running anything."""
    cases_of(bench, run)
    content = csv_bytes(Reviews(bench.store).table(run))
    headers = {"content-disposition": 'attachment; filename="reviews.csv"'}
    return Response(content, media_type="text/csv", headers=headers)


def _next(
    bench: Workbench, of_run: RunCases, reader: str, seed: int, blinded: bool
) -> dict[str, Any]:
    numbers = of_run.table["case_id"].tolist()
    reviews = Reviews(bench.store)
    progress = reviews.progress(of_run.id, reader, numbers, seed)
    number = progress.pop("next")
    if number is None:
        return progress | {"case": None}
    film = bench.films.add_entry(of_run.film_of(number))
    shown = shown_data(
        bench.films.decoded(film), f"case {progress['done'] + 1}", of_run.is_volume(number)
    )
    del shown["notes"]  # they may name the file
    finding = reviews.finding(of_run.id, number, reader)
    is_open = finding is not None or not blinded
    revealed = _revealed(bench, of_run, number) if is_open else None
    about = {"number": number, "target": of_run.case(number)["target"]}
    return progress | {"case": about | shown | {"finding": finding, "revealed": revealed}}


def _revealed(bench: Workbench, of_run: RunCases, number: int) -> dict[str, Any]:
    """The map of a case, and the prediction that it explains."""
    film = bench.films.add_entry(of_run.film_of(number))
    image = decoded_image(bench.films.decoded(film), of_run.is_volume(number))
    explanation = of_run.explanations(number, image)[0]
    probability = of_run.case(number)["probability"]
    return {"maps": [shown_map_data(explanation, "map")], "probability": probability}
