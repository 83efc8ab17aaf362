"""What the server is started with, and its start."""

from __future__ import annotations

import os
import socket
import webbrowser
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path
from types import FrameType

import uvicorn

from camlucida.core.errors import CamlucidaError, UsageError
from camlucida.io import expand_paths, write_synthetic_png
from camlucida.io.card_file import is_of_volumes
from camlucida.io.volumes import expand_volumes
from camlucida.io.volumes.nifti import is_nifti
from camlucida.models.card import read_card
from camlucida.phantom import image, model_cards
from camlucida.phantom.cohorts.ensemble import write_pair
from camlucida.runs import Run
from camlucida.runs.folder import RunFolder
from camlucida.runs.keyed import is_keyed
from camlucida.runs.read import find_runs, is_run
from camlucida.web.app import create_app, guarded
from camlucida.web.comparisons import comparisons_in
from camlucida.web.log import LOG_FILE, logged
from camlucida.web.security import OPEN
from camlucida.web.settings import (
    FilmEntry,
    ModelEntry,
    Settings,
    check_host,
    identifiers,
)

DEEPEST = 3
"""Folders below the given one in which runs are looked for."""

PACKAGED_FILMS = (
    ("healthy", 11, ()),
    ("pneumothorax", 12, ("pneumothorax",)),
    ("nodule and effusion", 13, ("nodule", "effusion")),
    ("consolidation", 14, ("consolidation",)),
    ("cardiomegaly", 15, ("cardiomegaly",)),
)
"""Synthetic films: name, seed and findings."""

PACKAGED_PAIR = ("before", "after")
"""Synthetic films of one patient, for the page Compare."""

FILM_SIZE = 512


def settings_of(
    items: Sequence[str],
    cards: Sequence[str],
    state: Path,
    *,
    host: str,
    port: int,
    device: str,
    show_phi: bool,
) -> Settings:
    """What the user named, as settings.

    Args:
        items: folders of runs or comparisons, folders that hold some, films, or volumes.
        cards: models, in place of those of the runs and the packaged ones.
        state: folder for what outlives the server.
        host, port, device, show_phi: as in :class:`~camlucida.web.settings.Settings`.

    Raises:
        UsageError: an item is neither a run nor a film, or ``host`` can be reached from elsewhere.
    """
    check_host(host)
    of_volumes = any(map(is_of_volumes, chain.from_iterable(map(_cards_in, cards))))
    folders: list[Path] = []
    comparisons: list[Path] = []
    films: list[FilmEntry] = []
    for item in items:
        inside, compared = _runs_in(Path(item)), comparisons_in(Path(item), DEEPEST)
        folders += inside
        comparisons += compared
        if not (inside or compared):
            films += _films(item, of_volumes)
    runs = dict(zip(identifiers([_run_name(folder) for folder in folders]), folders))
    if not items:
        films = list(packaged_films(state / "packaged"))
    models = _named_models(cards) or [*_models_of_runs(folders), *_packaged_models()]
    return Settings(
        models=tuple(_distinct(models)),
        films=tuple(films),
        runs=runs,
        state=state,
        host=host,
        port=port,
        device=device,
        show_phi=show_phi,
        comparisons=tuple(comparisons),
    )


def default_state() -> Path:
    """``$XDG_STATE_HOME/camlucida``, else ``~/.local/state/camlucida``."""
    home = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(home, "camlucida")


def packaged_films(folder: Path) -> Iterator[FilmEntry]:
    """Synthetic films, written where they are missing.

    Args:
        folder: made if missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, seed, findings in PACKAGED_FILMS:
        path = folder / f"{name.replace(' ', '_')}.png"
        if not path.is_file():
            write_synthetic_png(path, image(seed, findings, marker="L", size=FILM_SIZE))
        yield FilmEntry(f"synthetic: {name}", path)
    pair = {name: folder / "pair" / f"{name}.png" for name in PACKAGED_PAIR}
    if not all(path.is_file() for path in pair.values()):
        write_pair(folder / "pair")
    for name, path in pair.items():
        yield FilmEntry(f"synthetic: a patient, {name}", path)


def serve(settings: Settings, browser: bool, ready: Callable[[str], object]) -> None:
    """Run the server until it is interrupted.

    Args:
        settings: what it is started with.
        browser: whether the pages are opened in the user's browser.
        ready: called with the one-time address, as soon as the port is taken.

    Raises:
        UsageError: the port or the state folder cannot be used.
    """
    with _listening(settings) as listener:
        app = create_app(settings)
        token = app.state.workbench.sessions.new_token()
        address = f"{settings.origins[0]}{OPEN}?token={token}"
        ready(address)
        if browser:
            webbrowser.open(address)
        config = uvicorn.Config(
            guarded(app), log_config=None, server_header=False, access_log=False
        )
        with logged(settings.state / LOG_FILE):
            EndingServer(config, app.state.workbench.jobs.end).run(sockets=[listener])


class EndingServer(uvicorn.Server):
    """A server that says when it is to end: it waits for the pages that follow a job.

    Args:
        config: of the server.
        end: called at the signal.
    """

    def __init__(self, config: uvicorn.Config, end: Callable[[], object]) -> None:
        super().__init__(config)
        self._end = end

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """At a signal."""
        self._end()
        super().handle_exit(sig, frame)


def _listening(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host.strip("[]"), settings.port))
        listener.listen()  # a browser that is quicker than the server waits
    except OSError as error:
        listener.close()
        raise UsageError(
            f"port {settings.port} of {settings.host} cannot be used: {error.strerror}",
            f"choose another: --port {settings.port + 1}",
        ) from error
    return listener


def _runs_in(folder: Path, depth: int = DEEPEST) -> list[Path]:
    """The folder itself if it is a run, else the runs below it."""
    if not folder.is_dir() or is_run(folder):
        return [folder] if folder.is_dir() else []
    runs = find_runs(folder)
    for inner in sorted(folder.iterdir()):
        if depth > 1 and inner.is_dir() and inner not in runs:
            runs += _runs_in(inner, depth - 1)
    return runs


def _run_name(folder: Path) -> str:
    """Of ``demo/chest/run`` the name is ``chest``, unless the run names no folder but its own."""
    path = folder.absolute()
    if path.name != "run" or is_keyed(RunFolder(path).read_about()):
        return path.name
    return path.parent.name


def _films(item: str, of_volumes: bool) -> Iterator[FilmEntry]:
    """The films and volumes of an item; DICOM files of a folder are a volume to a model of them."""
    volumes, _ = expand_volumes([item])
    volumes = [path for path in volumes if of_volumes or is_nifti(path)]
    paths, errors = expand_paths([item])
    if errors and not volumes:
        raise UsageError(
            f"{errors[0].what}, and no run", "give a run, a folder of runs, films, or volumes"
        )
    series = {path for path in volumes if path.is_dir()}
    others = [path for path in paths if path.parent not in series]
    for path in dict.fromkeys([*volumes, *others]):
        yield FilmEntry(path.name, path)


def _named_models(cards: Iterable[str]) -> list[tuple[str, ModelEntry]]:
    entries = []
    for card in cards:
        sources = _cards_in(card)
        if not sources:
            raise UsageError(f"no model card (*.toml) in {card}", "give a card or a checkpoint")
        for source in sources:
            entries.append((_model_name(source), ModelEntry("", "", source)))
    return entries


def _cards_in(card: str) -> list[str]:
    """The cards of a folder, or the one that is named."""
    folder = Path(card)
    return [str(path) for path in sorted(folder.glob("*.toml"))] if folder.is_dir() else [card]


def _model_name(source: str) -> str:
    """As its card has it; a card that cannot be read is an error when the model is chosen."""
    name: str | None = None
    if Path(source).suffix == ".toml":
        with suppress(CamlucidaError):
            name = read_card(source)[0].name
    return name or Path(source).stem


def _models_of_runs(folders: Iterable[Path]) -> Iterator[tuple[str, ModelEntry]]:
    for folder in folders:
        for model in Run.open(folder).about["models"]:
            yield f"{_run_name(folder)}: {model['name']}", ModelEntry.of_run(model)


def _packaged_models() -> Iterator[tuple[str, ModelEntry]]:
    for name, card in model_cards().items():
        yield name, ModelEntry("", "", str(card))


def _distinct(models: Sequence[tuple[str, ModelEntry]]) -> Iterator[ModelEntry]:
    """Each model once, with an identifier."""
    sources = set()
    kept = []
    for name, entry in models:
        key = (entry.source, *sorted(map(str, entry.options.items())))
        if key not in sources:
            sources.add(key)
            kept.append((name, entry))
    for id, (name, entry) in zip(identifiers([name for name, _ in kept]), kept):
        yield ModelEntry(id, name, entry.source, entry.options)
