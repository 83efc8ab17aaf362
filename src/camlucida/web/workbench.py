"""All that the routes need: settings, films, models, jobs and runs of one server."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from camlucida.core.errors import UsageError
from camlucida.web.cases import RunCases, open_runs
from camlucida.web.films import Films
from camlucida.web.folders import folders_of
from camlucida.web.job_files import JobFiles
from camlucida.web.jobs import Jobs
from camlucida.web.security import Sessions
from camlucida.web.settings import ModelEntry, Settings, StudyPlan
from camlucida.web.store import Store
from camlucida.web.study import Study
from camlucida.web.worker import Worker

STATE_FILE = "workbench.sqlite"

DRAWING = 2
"""Threads that draw small pictures."""


@dataclass
class Workbench:
    """The state of one server.

    Attributes:
        settings: what it was started with.
        store: what outlives it.
        sessions: of browsers.
        films: by identifier.
        worker: the process of the models, for what is answered at once.
        runs: by identifier.
        files: that jobs write.
        jobs: long work.
        drawing: threads that draw small pictures.
        study: the reader study, if the server was started for one.
    """

    settings: Settings
    store: Store = field(init=False)
    sessions: Sessions = field(init=False)
    films: Films = field(init=False)
    worker: Worker = field(init=False)
    runs: dict[str, RunCases] = field(init=False)
    files: JobFiles = field(init=False)
    jobs: Jobs = field(init=False)
    drawing: ThreadPoolExecutor = field(init=False)
    study: Study | None = field(init=False)

    def __post_init__(self) -> None:
        settings = self.settings
        self.store = Store(settings.state / STATE_FILE)
        self.sessions = Sessions(self.store)
        self.films = Films(
            self.store, settings.state / "films", settings.films, settings.limits, settings.show_phi
        )
        models, device = settings.models, settings.device
        folders = folders_of(settings)
        self.worker = Worker(models, device, settings.limits.waiting, folders)
        long_worker = Worker(models, device, folders=folders)
        self.runs = open_runs(settings.runs, settings.comparisons)
        self.files = JobFiles(settings.state / "files", self.runs, self.films)
        self.jobs = Jobs(self.store, long_worker, self.files.arguments, settings.limits.jobs)
        self.drawing = ThreadPoolExecutor(DRAWING, "drawing")
        plan = settings.study
        self.study = None if plan is None else study_of(plan, self.runs, self.store)

    def offered(self, models: Sequence[Mapping[str, Any]], name: str) -> str | None:
        """The identifier of a run's model; None where the server was started without it.

        Args:
            models: of ``run.json``.
            name: of the model in the run.
        """
        wanted = [ModelEntry.of_run(each) for each in models if each["name"] == name]
        same = [e.id for e in self.settings.models if wanted and e.loads_the_same(wanted[0])]
        return same[0] if same else None

    async def call(self, name: str, **arguments: Any) -> dict[str, Any]:
        """Call the process of the models, and wait for it without holding up others.

        Raises:
            CamlucidaError: what was raised there, or the film cannot be read.
        """
        if "film" in arguments:
            arguments = await asyncio.to_thread(self.films.with_folder, arguments)
        future = await asyncio.to_thread(self.worker.call, name, **arguments)
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """End every process and close the files."""
        self.drawing.shutdown(cancel_futures=True)
        self.jobs.close()
        self.worker.stop()
        self.films.close()
        self.store.close()


def study_of(plan: StudyPlan, runs: Mapping[str, RunCases], store: Store) -> Study:
    """The reader study of a plan.

    Args:
        plan: of the study.
        runs: by identifier.
        store: that keeps the readings.

    Raises:
        UsageError: its run is of volumes.
    """
    run = runs[plan.run]
    if run.is_of_volumes:
        raise UsageError(
            "the run is of volumes, and a reader study shows films",
            "read volumes on the page Review: camlucida serve RUN",
        )
    return Study(plan, run, store)
