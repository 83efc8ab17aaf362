"""What commands share: the application, options, exit codes, tables, progress, and their end.

Nothing heavy is imported here.
"""

from __future__ import annotations

import errno
import json
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import typer

from camlucida.cli.option_words import SourceCommand
from camlucida.core.errors import CamlucidaError, UsageError
from camlucida.core.failures import Failure

if TYPE_CHECKING:
    from camlucida.models import LoadedModel


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

OK, SOME_FAILED, WRONG_REQUEST = 0, 1, 2
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)
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


def load(
    card: str,
    factory: str | None,
    checkpoint: str | None,
    device: str,
    output: str | None = None,
    region_score: Literal["mean", "sum"] | None = None,
    checkpoint_key: str | None = None,
) -> LoadedModel:
    """The model that the options of these names state."""
    from camlucida.models import load_model

    return load_model(
        card,
        factory=factory,
        checkpoint=checkpoint,
        checkpoint_key=checkpoint_key,
        output=output,
        region_score=region_score,
        device=device,
    )


def with_tokens(model: LoadedModel, grid: str | None, prefix: int | None) -> LoadedModel:
    """A model with what --grid and --prefix state of its tokens in its card.

    Args:
        model: loaded.
        grid: rows and columns, ``14x14``.
        prefix: number of tokens before the cells.

    Raises:
        UsageError: ``grid`` is not of this form.
    """
    stated: dict[str, Any] = {} if prefix is None else {"prefix": prefix}
    if grid is not None:
        numbers = grid.lower().replace("×", "x").split("x")
        if not all(number.isdecimal() and int(number) for number in numbers):
            raise UsageError(f"--grid {grid} is no grid", "write rows x columns: 14x14")
        stated["grid"] = tuple(map(int, numbers))
    return replace(model, card=model.card.model_copy(update=stated)) if stated else model


def find_images(items: Sequence[str]) -> tuple[list[Path], list[Failure]]:
    """The image files that arguments name, each once; a failure for each that names none.

    Args:
        items: files, folders and globs, as in :func:`camlucida.io.expand_paths`.
    """
    from camlucida.io import expand_paths

    paths: dict[Path, None] = {}
    failures: list[Failure] = []
    for item in items:
        files, errors = expand_paths([item])
        paths.update(dict.fromkeys(files))
        failures += [Failure.of(item, error) for error in errors]
    return list(paths), failures


def command_line() -> str:
    """The command as it was typed."""
    return shlex.join(["camlucida", *sys.argv[1:]])


def command_record() -> dict[str, Any]:
    """What every record begins with: the command as it was typed, and the versions it ran with."""
    from camlucida.core.provenance import versions

    return {"command": command_line(), "versions": versions()}


def targets(words: Sequence[str] | None) -> list[Any] | None:
    """Targets as ``explain`` takes them; the files of ``mask:FILE`` are read here."""
    if not words:
        return None
    return [
        _mask_target(word.removeprefix("mask:")) if word.startswith("mask:") else word
        for word in words
    ]


def _mask_target(words: str) -> Any:
    """``FILE``, or ``FILE:LABEL`` where no file has the whole name."""
    import torch

    from camlucida.attribution.requests import given_mask
    from camlucida.io import read_image

    path, _, label = words.rpartition(":")
    if not path or Path(words).exists():
        path, label = words, ""
    try:
        pixels = read_image(path).pixels
    except CamlucidaError as error:
        raise UsageError(f"--target mask:{path}: {error.what}", error.fix) from error
    grey = pixels if pixels.ndim == 2 else pixels.mean(2)
    return given_mask(torch.from_numpy(grey) > 0.5, label or None)


def pairs(words: Sequence[str] | None, option: str) -> dict[str, str]:
    """What a repeatable option says as ``KEY=VALUE``.

    Args:
        words: of the option.
        option: its name, for the message.

    Raises:
        UsageError: a word without key or value, or a key twice.

    >>> pairs(["0=1", "1=2"], "--class-name")
    {'0': '1', '1': '2'}
    """
    values: dict[str, str] = {}
    for word in words or ():
        key, _, value = (part.strip() for part in word.partition("="))
        if not key or not value or key in values:
            reason = "twice" if key in values else "is no pair"
            raise UsageError(f"{option} {word} {reason}", "write it once as 0=NAME")
        values[key] = value
    return values


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
        if error.errno not in _NO_ROOM:
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


@contextmanager
def progress_bar(total: int | None, what: str) -> Iterator[Any]:
    """A progress bar on standard error; yields a function that takes how many items were done."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    quiet = not console.is_terminal
    # Without a thread that draws: a decoder that has the error stream would take its lines.
    options: dict[str, Any] = {"auto_refresh": False, "transient": True, "disable": quiet}
    with Progress(*columns, console=console, **options) as bar:
        task = bar.add_task(what, total=total)

        def advance(done: int = 1, total: int | None = None) -> None:
            if total is None:
                bar.update(task, advance=done, refresh=True)
            else:
                bar.update(task, advance=done, total=total, refresh=True)

        yield advance
