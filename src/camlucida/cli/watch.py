"""``camlucida watch``: DICOM images are explained as they arrive."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Annotated

import typer

from camlucida.cli.common import (
    DeviceOption,
    ModelOption,
    app,
    finish,
    output_folder,
    print_failure,
)
from camlucida.cli.option_values import load, targets
from camlucida.cli.option_words import command_with_lists
from camlucida.core.errors import CamlucidaError, UsageError

if TYPE_CHECKING:
    from camlucida.workflows.dicom_watch import Room, WatchedImage

NextFiles = Callable[[], list[Path]]

PAUSE = 1.0
"""Seconds between two looks: a file that is being copied grows meanwhile."""


@app.command("watch", cls=command_with_lists("--method"))
def watch_command(
    dicom_in: Annotated[
        str,
        typer.Option(
            "--dicom-in",
            metavar="PORT|FOLDER",
            help="Port of this machine to which images are sent (C-STORE), or a folder into which "
            "they are copied.",
        ),
    ],
    model: ModelOption,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder of images, explanations and objects.")
    ] = Path("watched"),
    send_to: Annotated[
        str | None,
        typer.Option(
            "--send-to", metavar="TITLE@HOST:PORT", help="DICOM node to which objects are sent."
        ),
    ] = None,
    target: Annotated[
        list[str] | None, typer.Option(help="Target as in explain. Repeatable.")
    ] = None,
    method: Annotated[
        list[str] | None,
        typer.Option(help="Method; see `camlucida methods`. Repeatable. Default: gradcam."),
    ] = None,
    layer: Annotated[
        list[str] | None, typer.Option(help="Layer as in explain. Repeatable.")
    ] = None,
    threshold: Annotated[
        float, typer.Option(help="Of regions, as in export dicom, in (0, 1].")
    ] = 0.5,
    contours: Annotated[
        bool, typer.Option("--contours", help="Also presentation states with contours.")
    ] = False,
    fractional: Annotated[
        bool, typer.Option("--fractional", help="Also fractional segmentations.")
    ] = False,
    nominal_plane: Annotated[
        bool,
        typer.Option(
            "--nominal-plane", help="Segmentations of films state a plane, as OHIF needs."
        ),
    ] = False,
    host: Annotated[str, typer.Option(help="Address of this machine to listen on.")] = "127.0.0.1",
    caller: Annotated[
        list[str] | None,
        typer.Option(
            help="AE title that may send. Repeatable. Default: any, of this machine alone."
        ),
    ] = None,
    once: Annotated[
        bool, typer.Option("--once", help="End when what the folder holds is done.")
    ] = False,
    quota: Annotated[
        float | None,
        typer.Option(
            min=0.001,
            help="Gigabytes that --out may hold; images beyond are refused. Default: what the disk "
            "has room for.",
        ),
    ] = None,
    keep_names: Annotated[
        bool,
        typer.Option(
            "--keep-names", help="Names of files in the log and of folders. Default: keyed ones."
        ),
    ] = False,
    device: DeviceOption = "auto",
) -> None:
    """Explain DICOM images as they arrive, and send the objects of `export dicom` back. Research
    use only."""
    from camlucida.attribution.methods import method_names
    from camlucida.io.dicom.extra import check_highdicom
    from camlucida.workflows.dicom_export import ExportRequest
    from camlucida.workflows.dicom_watch import Room, Watch, parse_node

    check_highdicom()
    node = None if send_to is None else parse_node(send_to)
    request = ExportRequest(threshold, contours, fractional, nominal_plane=nominal_plane)
    methods = method_names(method or ["gradcam"])
    loaded = load(model, None, None, device)
    watch = Watch(loaded, out, request, node, targets(target), methods, layer, keep_names)
    room = Room(out, None if quota is None else int(quota * 1e9))
    failures = 0
    with output_folder(out), _source(dicom_in, room, host, caller or [], once) as next_files:
        try:
            for path in _files(next_files, once):
                if not dicom_in.isdecimal():  # at a port, senders are refused
                    _check_room(room)
                result = watch.process(path)
                if result.folder != out:  # of an image that could be read
                    room.add(result.folder)
                failures += len(result.failures)
                _print(result, str(node))
        except KeyboardInterrupt:
            print("ended", file=sys.stderr)
    finish([f"{failures} {'fault' if failures == 1 else 'faults'}"] if failures else [])


@contextmanager
def _source(
    dicom_in: str, room: Room, host: str, callers: list[str], once: bool
) -> Iterator[NextFiles]:
    """What gives the files that have arrived since it was last called."""
    from camlucida.workflows.dicom_watch import FolderPoll, receiving

    if not dicom_in.isdecimal():
        folder = Path(dicom_in)
        if not folder.is_dir():
            raise UsageError(f"--dicom-in {dicom_in} is no folder", "give a folder, or a port")
        yield FolderPoll(folder).new_files
        return
    if once:
        raise UsageError("--once needs a folder: at a port nothing says what is all")
    queue: SimpleQueue[Path] = SimpleQueue()
    inbox = room.folder / "inbox"
    with receiving(inbox, int(dicom_in), queue.put, host, callers, room, print_failure) as port:
        print(f"camlucida watch, for research use only: CAMLUCIDA@{host}:{port}", flush=True)
        print("Ctrl+C ends it", flush=True)
        yield lambda: _queued(queue)


def _check_room(room: Room) -> None:
    """End the watch where nothing more can be written: the next image would meet the same.

    Raises:
        CamlucidaError: the disk is full, or the quota used up.
    """
    refusal = room.refusal(0)
    if refusal is not None:
        raise CamlucidaError(str(refusal), "then start the watch again: it goes on where it was")


def _queued(queue: SimpleQueue[Path]) -> list[Path]:
    files = []
    while True:
        try:
            files.append(queue.get_nowait())
        except Empty:
            return files


def _files(next_files: NextFiles, once: bool) -> Iterator[Path]:
    """The files, for ever; with ``once`` those that two looks find complete."""
    from time import sleep

    yield from next_files()
    while True:
        sleep(PAUSE)
        yield from next_files()
        if once:
            return


def _print(result: WatchedImage, node: str) -> None:
    sent = f", sent to {node}" if result.sent else ""
    count = len(result.objects)
    if count:
        print(f"{result.name}: {count} objects in {result.folder}{sent}", flush=True)
    for failure in result.failures:
        print_failure(failure)
    for note in result.notes:
        print(f"note: {note}", file=sys.stderr, flush=True)
