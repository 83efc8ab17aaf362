"""Arguments of jobs, and the files that some of them write."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from camlucida.web.cases import RunCases
from camlucida.web.errors import NotFoundError
from camlucida.web.films import Films

KEPT = 5
"""Files that are kept; the oldest are removed."""

MOST_CASES = 200
"""Cases of one file."""


class JobFiles:
    """The files that jobs write, by the identifier of the job.

    Args:
        folder: made if missing.
        runs: by identifier.
        films: of the server.
    """

    def __init__(self, folder: Path, runs: Mapping[str, RunCases], films: Films) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder, self._runs, self._films = folder, runs, films

    def arguments(self, id: str, kind: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """What a job's call is given.

        Args:
            id: of the job.
            kind: name of the call.
            request: as the client gave it.

        Raises:
            NotFoundError: there is no such film or run.
            ImageError: a film cannot be read.
            UsageError: a condition of the cases is none.
        """
        if kind == "export":
            maps = [self._map(each) for each in request["maps"]]
            return {"maps": maps, "write": request["write"], "path": self._new(id)}
        if kind == "figure":
            return {"request": self._map(request), "path": self._new(id)}
        if kind not in ("cases", "report"):
            return self._films.with_folder(request)
        if request["run"] not in self._runs:
            raise NotFoundError(f"no run {request['run'][:40]!r}", "see GET /api/runs")
        run = self._runs[request["run"]]
        arguments = {"run": str(run.path), "path": self._new(id)}
        if kind == "report":
            return arguments
        chosen = run.numbers(request["where"], request["sort"], request["descending"])
        return arguments | {"numbers": chosen[:MOST_CASES], "write": request["write"]}

    def is_kept(self, id: str) -> bool:
        """Whether the file of a job is there.

        Args:
            id: of the job.
        """
        return (self._folder / id).is_file()

    def file(self, id: str) -> Path:
        """The file of a job that is done.

        Raises:
            NotFoundError: there is none.
        """
        if not self.is_kept(id):
            raise NotFoundError(
                "the file of this job is not there", f"start it again; the last {KEPT} are kept"
            )
        return self._folder / id

    def _new(self, id: str) -> str:
        """Where a job writes its file; room is made for it."""
        for unfinished in filter(Path.is_dir, self._folder.iterdir()):  # of a job that was ended
            shutil.rmtree(unfinished, ignore_errors=True)
        files = sorted(filter(Path.is_file, self._folder.iterdir()), key=_changed)
        for file in files[: max(0, len(files) - KEPT + 1)]:
            file.unlink(missing_ok=True)
        return str(self._folder / id)

    def _map(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """A map of a film, with the folder of the film's arrays and its name."""
        name = self._films.film(str(request["film"])).name
        return {**self._films.with_folder(request), "name": name}


def _changed(file: Path) -> float:
    return file.stat().st_mtime
