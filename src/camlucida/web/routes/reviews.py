"""Readers' verdicts on the cases of a run: saved, continued, compared, exported."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from camlucida.io.tables.write import csv_bytes
from camlucida.web.reviews import Finding, Reviews, Verdict
from camlucida.web.routes.common import PROBLEMS, Bench, Finite
from camlucida.web.routes.runs import cases_of

router = APIRouter(prefix="/api/runs/{run}", tags=["reviews"], responses=PROBLEMS)

Reader = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80)]


class Review(BaseModel):
    """What a reader says of a case.

    Attributes:
        reader: name or number of the reader.
        verdict: whether the map shows where the reader sees the finding.
        finding: what the reader said of the film alone, before the map was shown; None where the
            map was shown at once.
        note: free text.
        region: box that the reader drew, x, y, width, height in pixels of the film.
        mask: in its place the region that the reader painted: lengths of the film's pixels outside
            and inside by turns, row by row, outside first.
        seconds: from the film to the verdict.
    """

    model_config = ConfigDict(extra="forbid")

    reader: Reader
    verdict: Verdict
    finding: Finding | None = None
    note: Annotated[str, Field(max_length=2000)] = ""
    region: tuple[Finite, Finite, Finite, Finite] | None = None
    mask: Annotated[str, Field(max_length=900_000, pattern=r"^[0-9]+( [0-9]+)*$")] | None = None
    seconds: Annotated[Finite, Field(ge=0)] | None = None

    @model_validator(mode="after")
    def _one_region(self) -> Review:
        if self.region is not None and self.mask is not None:
            raise ValueError("a region is a box or a mask; give one of the two")
        return self


@router.put("/cases/{number}/review", status_code=204)
async def save_review(run: str, number: int, review: Review, bench: Bench) -> None:
    """Keep a reader's verdict on a case; a later one replaces it."""
    await asyncio.to_thread(cases_of(bench, run).case, number)
    Reviews(bench.store).save(run, number, review.model_dump())


@router.get("/review")
async def review_progress(
    run: str,
    bench: Bench,
    reader: Annotated[Reader, Query()],
    seed: Annotated[int, Query(ge=0)] = 0,
) -> dict[str, Any]:
    """How far a reader is, and the next case in the random order of a seed."""
    table = await asyncio.to_thread(lambda: cases_of(bench, run).table)
    numbers = table["case_id"].tolist()
    return Reviews(bench.store).progress(run, reader, numbers, seed)


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
