"""What commands share: the application, options, exit codes, tables, progress, and their end.

Nothing heavy is imported here.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryFile
from typing import Annotated, Any, Literal, TextIO, TypeVar

import typer

from camlucida.cli.option_words import SourceCommand, group_with_default
from camlucida.core.errors import CamlucidaError, UsageError
from camlucida.core.files import NO_ROOM

Command = TypeVar("Command", bound=Callable[..., Any])


class _Application(typer.Typer):
    """Whose commands take words as other tools write them."""

    def command(  # type: ignore[override]
        self, name: str | None = None, *, cls: type[SourceCommand] = SourceCommand
    ) -> Callable[[Command], Command]:
        return super().command(name, cls=cls)


app = _Application(
    name="camlucida",
    help="Explain medical-imaging models: class activation maps, measured and reported. "
    "Research use only.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def subcommands(name: str, purpose: str, default: str = "") -> typer.Typer:
    """A group of commands under one word, as in ``camlucida export dicom``.

    Args:
        name: the word.
        purpose: of the group, in one line.
        default: the command that is meant where no other is named; "" for none.
    """
    group = _Application(
        name=name,
        cls=group_with_default(default) if default else None,
        help=purpose,
        no_args_is_help=not default,
        rich_markup_mode=None,
    )
    app.add_typer(group)
    return group


OK, SOME_FAILED, WRONG_REQUEST = 0, 1, 2
"""Errors of a disk that takes no more."""
INTERRUPTED = 130

ModelOption = Annotated[
    str,
    typer.Option(
        "--model",
        "-m",
        help="Model card (TOML), a factory such as torchvision:resnet50, or a checkpoint such as "
        "best.pth, whose network is then recognised.",
    ),
]
FactoryOption = Annotated[
    str | None,
    typer.Option(
        help="Factory to use instead of the card's: net.py:build, torchvision:resnet50, …"
    ),
]
CheckpointOption = Annotated[
    str | None,
    typer.Option(help="Checkpoint to use instead of the card's: .pth, .pt, .safetensors."),
]
CheckpointKeyOption = Annotated[
    str | None,
    typer.Option(
        help="Of a checkpoint that holds several networks, the one that is meant: names with "
        "dots, as the error lists them. Default: the card's."
    ),
]
GridOption = Annotated[
    str | None,
    typer.Option(
        help="Rows x columns of a transformer's tokens (14x14), where they cannot be traced."
    ),
]
PrefixOption = Annotated[
    int | None,
    typer.Option(min=0, help="Class and register tokens before those of the grid."),
]
OutputOption = Annotated[
    str | None,
    typer.Option(
        "--output",
        help="Of a model that returns more than one output, the name or index of the one that is "
        "meant; or probabilities. Default: the card's.",
    ),
]
RegionScoreOption = Annotated[
    Literal["mean", "sum"] | None,
    typer.Option(
        help="Score of a region of a segmentation: mean of its logits, or their sum. "
        "Default: the card's, else mean."
    ),
]
SheetOption = Annotated[
    str | None,
    typer.Option(
        help="Sheet of a workbook, by name or number. Default: the one that names the images."
    ),
]
IdColumnOption = Annotated[
    str | None,
    typer.Option(
        help="Column of the images in the table, and in that of boxes: stem, file name or path. "
        "Default: by its name."
    ),
]
PatientColumnOption = Annotated[
    str | None,
    typer.Option(help="Column of the patients, by whom intervals are made. Default: by its name."),
]
IdPatternOption = Annotated[
    str | None,
    typer.Option(
        help="How images are named by the ids of the table, where a row has more than one: "
        "'{id}_{n}', 'film{id}_*'. Default: found."
    ),
]
ClassNameOption = Annotated[
    list[str] | None,
    typer.Option(help="CODE=NAME: the label that a code in the table means. Repeatable."),
]
DeviceOption = Annotated[str, typer.Option(help="Device: auto, cpu, cuda, cuda:1 or mps.")]


DeidentifyOption = Annotated[
    bool,
    typer.Option(
        "--deidentify",
        help="Keyed names of images and patients, and no path or file name in what is written.",
    ),
]
"""Of the commands that compute a run of images and write more beside it."""


def fetched_run(folder: Path) -> Path:
    """The folder of a run that an argument names; that of one at an address is fetched first."""
    if ":/" not in str(folder):
        return folder
    from camlucida.runs.storage import local_run

    return local_run(folder)


def fetched_runs(folders: list[Path]) -> list[Path]:
    """:func:`fetched_run` of each."""
    return list(map(fetched_run, folders))


RunArgument = Annotated[
    Path, typer.Argument(help="Folder of a run, or its address.", callback=fetched_run)
]


def _use_colormap(context: typer.Context, name: str | None) -> str | None:
    """Draw every figure of the command in this colour map; an unknown one is refused at once."""
    if name is not None:
        from camlucida.figures.colours import check_colormap
        from camlucida.figures.style import drawn_with

        check_colormap(name)
        context.with_resource(drawn_with(colormap=name))
    return name


ColormapOption = Annotated[
    str | None,
    typer.Option(
        callback=_use_colormap,
        help="Matplotlib colormap of the maps, for instance jet. Default: lucida (red to amber). "
        "Maps with both signs keep a diverging one, bwr by default.",
    ),
]
"""Of every command that draws maps; it holds for all of its figures."""


def _use_language(context: typer.Context, name: str) -> str:
    """Write pages and draw figures in this language; an unknown one is refused at once."""
    if name != "en":
        from camlucida.figures.style import drawn_with
        from camlucida.report.locale import load_texts

        context.with_resource(drawn_with(texts=load_texts(name)))
    return name


LanguageOption = Annotated[
    str,
    typer.Option(
        callback=_use_language,
        help="Language of page and figures: en, pt or zh; what it lacks is in English.",
    ),
]
"""Of every command that writes a page or figures, beside those of reports."""


def command_line() -> str:
    """The command as it was typed."""
    return shlex.join(["camlucida", *sys.argv[1:]])


def command_record() -> dict[str, Any]:
    """What every record begins with: the command as it was typed, the versions it ran with, and how
    images are named."""
    from camlucida.core.provenance import versions
    from camlucida.runs.keyed import GIVEN, IMAGE_NAMES

    return {"command": command_line(), "versions": versions(), IMAGE_NAMES: GIVEN}


def print_failure(failure: object) -> None:
    """Print an item that failed, as it happens."""
    print(f"error: {failure}", file=sys.stderr, flush=True)


def finish(
    failures: Iterable[object],
    notes: Iterable[object] = (),
    *,
    printed: bool = False,
    interrupted: bool = False,
) -> None:
    """End a command: print errors and notes, and exit with code 1 if an item failed.

    Call it last, after the results are printed. A wrong request is not for here: it is raised,
    and :func:`camlucida.cli.main` prints it and exits with code 2.

    Args:
        failures: items that failed, each with its line as ``str``.
        notes: what the reader should know, each with its line as ``str``.
        printed: whether the failures were printed as they happened.
        interrupted: end with the exit code of an interrupt instead.
    """
    failed = dict.fromkeys(map(str, failures))  # several models meet the same bad image
    for line in [] if printed else failed:
        print_failure(line)
    for note in dict.fromkeys(map(str, notes)):
        print(f"note: {note}", file=sys.stderr)
    if interrupted:
        raise typer.Exit(INTERRUPTED)
    if failed:
        raise typer.Exit(SOME_FAILED)


@contextmanager
def resumable(how_to_resume: str = "the same command resumes") -> Iterator[None]:
    """Turn Ctrl-C into one line that says how to resume, and exit code 130."""
    try:
        yield
    except KeyboardInterrupt:
        print(f"error: interrupted; {how_to_resume}", file=sys.stderr)
        raise typer.Exit(INTERRUPTED) from None


@contextmanager
def output_folder(out: Path) -> Iterator[None]:
    """Make ``out`` if it is missing; remove it if the request fails before anything is written.

    Raises:
        UsageError: it cannot be written.
        CamlucidaError: the disk is full, or its quota used up, while the command writes there.
    """
    try:
        new = not out.exists()
        out.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=out):  # an existing folder may be read-only
            pass
    except OSError as error:
        what = f"--out {out}: {error.strerror}"
        raise UsageError(what, "give a folder that can be written") from error
    try:
        yield
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        what = f"{out} cannot be written: {error.strerror}"
        raise CamlucidaError(
            what, "free space there or give another --out, then run it again"
        ) from error
    except CamlucidaError:
        if new and not any(out.iterdir()):
            out.rmdir()
        raise


def print_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print columns: wrapped on a terminal; in a pipe tab-separated and never cut."""
    if not sys.stdout.isatty():
        print("\n".join("\t".join(row) for row in (head, *rows)))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in head:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*row)
    Console().print(table)


def print_written(paths: Iterable[Path]) -> None:
    """Say on standard error which files were written."""
    print("written: " + ", ".join(map(str, paths)), file=sys.stderr)


def print_json(document: Any) -> None:
    """Print a document as indented JSON on standard output; messages in it as code and values."""
    from camlucida.core.files import json_default

    print(json.dumps(document, indent=2, ensure_ascii=False, default=json_default))


class Advance:
    """Moves a progress bar.

    Args:
        update: the bar's own, called with what changes.
    """

    def __init__(self, update: Callable[..., object]) -> None:
        self._update = update

    def __call__(self, done: int = 1, total: int | None = None) -> None:
        """So many more items were done, of so many in all; None leaves the number in all."""
        known = {} if total is None else {"total": total}
        self._update(advance=done, passes="", refresh=True, **known)

    def passes(self, done: int, total: int) -> None:
        """Of the map that is being made, so many passes of the model were made, of so many."""
        self._update(passes=f"{done:,} of {total:,} passes", refresh=True)


@contextmanager
def _own_stream() -> Iterator[TextIO]:
    """The error stream; a terminal's own, for a decoder that runs takes what is written to it."""
    if not sys.stderr.isatty():
        yield sys.stderr
        return
    terminal = os.dup(sys.stderr.fileno())
    with os.fdopen(terminal, "w", encoding=sys.stderr.encoding, errors="replace") as stream:
        yield stream


@contextmanager
def progress_bar(total: int | None, what: str) -> Iterator[Advance]:
    """A progress bar on standard error; yields a function that takes how many items were done."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with _own_stream() as stream:
        console = Console(file=stream)
        quiet = not console.is_terminal
        options: dict[str, Any] = {"auto_refresh": False, "transient": True, "disable": quiet}
        passes = TextColumn("{task.fields[passes]}")
        with Progress(*columns, passes, console=console, **options) as bar:
            yield Advance(partial(bar.update, bar.add_task(what, total=total, passes="")))
