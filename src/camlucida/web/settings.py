"""What the workbench opens on, and its limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from camlucida.core.errors import UsageError
from camlucida.core.files import slug, unique
from camlucida.io.keyed_files import actual_path

PORT = 8321
LOCAL_NAMES = ("127.0.0.1", "localhost", "[::1]")
"""Host names by which a browser on this machine reaches the server."""


@dataclass(frozen=True)
class Limits:
    """What a client may ask for.

    Attributes:
        body: bytes of a request that is no film.
        film: bytes of one film.
        disk: bytes of all films that were given.
        cache: bytes of decoded films that are kept; the oldest go first.
        waiting: requests that may wait for the model.
        jobs: jobs that may wait.
        seconds: to decode a film.
    """

    body: int = 2**20
    film: int = 256 * 2**20
    disk: int = 8 * 2**30
    cache: int = 2 * 2**30
    waiting: int = 64
    jobs: int = 20
    seconds: float = 60.0


@dataclass(frozen=True)
class ModelEntry:
    """A model that the workbench offers.

    Attributes:
        id: by which requests name it.
        name: for people.
        source: its card, a checkpoint or a factory.
        options: further arguments of :func:`camlucida.models.load_model`.
    """

    id: str
    name: str
    source: str
    options: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of_run(cls, model: Mapping[str, Any]) -> ModelEntry:
        """Without identifier and name, of an entry of ``models`` in ``run.json``."""
        options = {name: model[name] for name in ("checkpoint", "output") if model[name]}
        if "checkpoint" in options:
            options["checkpoint"] = str(actual_path(options["checkpoint"]))
        return cls("", "", str(actual_path(model["card"])), options)

    def loads_the_same(self, other: ModelEntry) -> bool:
        """Whether both are made of one card or factory in one way."""
        sources = {Path(each.source).absolute() for each in (self, other)}
        return len(sources) == 1 and self.options == other.options


@dataclass(frozen=True)
class FilmEntry:
    """A film that the server was started with.

    Attributes:
        name: for people.
        path: of the file.
    """

    name: str
    path: Path


@dataclass(frozen=True)
class StudyPlan:
    """A reader study: which cases of a run are read, and how often.

    Attributes:
        run: identifier.
        where: conditions that its cases meet, as of ``GET /api/runs/{run}/cases``.
        seed: of the order and of the arms.
        sessions: in which every case is read once, each time in another arm.
        washout: days between the end of a session and the next.
    """

    run: str
    where: tuple[str, ...] = ()
    seed: int = 0
    sessions: int = 3
    washout: float = 28


@dataclass(frozen=True)
class Settings:
    """What the server is started with.

    Attributes:
        models: that are offered; the first is chosen at first.
        films: that are offered.
        runs: folders of runs, by identifier.
        comparisons: folders of what ``camlucida compare`` wrote, of any of the runs.
        state: folder for what has to outlive the server.
        host, port: where it listens.
        device: of the models.
        show_phi: whether patients' attributes are read and sent.
        limits: of requests.
        study: a reader study; the server then has no page but that of the study.
    """

    models: tuple[ModelEntry, ...]
    films: tuple[FilmEntry, ...]
    runs: dict[str, Path]
    state: Path
    host: str = "127.0.0.1"
    port: int = PORT
    device: str = "auto"
    show_phi: bool = False
    limits: Limits = Limits()
    study: StudyPlan | None = None
    comparisons: tuple[Path, ...] = ()

    @property
    def origins(self) -> tuple[str, ...]:
        """The addresses of the pages; the one for the user first."""
        host = self.host.strip("[]")
        names = dict.fromkeys((f"[{host}]" if ":" in host else host, *LOCAL_NAMES))
        return tuple(f"http://{name}:{self.port}" for name in names)


def check_host(host: str) -> None:
    """Refuse an address that other machines can reach: the server has no users and no encryption.

    Args:
        host: as the user wrote it.

    Raises:
        UsageError: it is none of this machine alone.

    >>> check_host("127.0.0.1")
    >>> check_host("0.0.0.0")
    Traceback (most recent call last):
        ...
    camlucida.core.errors.UsageError: --host 0.0.0.0 can be reached from other machines, ...
    """
    if host == "localhost":
        return
    try:
        local = ip_address(host.strip("[]")).is_loopback
    except ValueError:
        local = False
    if not local:
        raise UsageError(
            f"--host {host} can be reached from other machines, and the workbench has no accounts",
            "leave --host out, and from another machine open a tunnel: ssh -L "
            f"{PORT}:127.0.0.1:{PORT} THIS_MACHINE",
        )


def identifiers(names: Sequence[str]) -> list[str]:
    """Short names for addresses, each once.

    Args:
        names: for people.

    >>> identifiers(["A model", "A model"])
    ['a_model', 'a_model_2']
    """
    taken: set[str] = set()
    return [slug(unique(name, taken)).lower() for name in names]
