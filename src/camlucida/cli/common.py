"""What commands share: the application, options, exit codes, tables and progress. Nothing heavy is imported here."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from camlucida.core.errors import CamlucidaError, UsageError

if TYPE_CHECKING:
    from camlucida.models import LoadedModel

app = typer.Typer(
    name="camlucida",
    help="Lay what a medical-imaging model used over the image. Research use only.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

OK, SOME_FAILED, WRONG_REQUEST = 0, 1, 2
INTERRUPTED = 130

ModelOption = Annotated[
    str,
    typer.Option(
        "--model", "-m", help="Model card (TOML), or a factory such as torchvision:resnet50."
    ),
]
FactoryOption = Annotated[
    str | None,
    typer.Option(help="In place of the card's factory: net.py:build, torchvision:resnet50, …"),
]
CheckpointOption = Annotated[
    str | None, typer.Option(help="In place of the card's checkpoint: .pth, .pt, .safetensors.")
]
DeviceOption = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")]


def command_with_lists(*options: str) -> type[TyperCommand]:
    """Commands of which these repeatable options take words with blanks between them, too: ``--methods gradcam gradcam++``.

    In a command that has arguments, a word that is the path of a file or folder stays one.
    """

    class ListCommand(TyperCommand):
        def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
            arguments = any(parameter.param_type_name == "argument" for parameter in self.params)
            return super().parse_args(ctx, _repeated(args, options, arguments))

    return ListCommand


def _repeated(words: Sequence[str], options: Sequence[str], arguments: bool) -> list[str]:
    """Every further word after one of the options gets the option's name before it; ``arguments``: but for paths."""
    found: list[str] = []
    option = ""  # the list whose first word has been read
    for before, word in zip(["", *words], words):
        if word.startswith("-"):
            option = ""
        elif before.replace("_", "-") in options:
            option = before
        elif arguments and Path(word).exists():
            option = ""
        elif option:
            found.append(option)
        found.append(word)
    return found


def load(card: str, factory: str | None, checkpoint: str | None, device: str) -> LoadedModel:
    from camlucida.models import load_model

    return load_model(card, factory=factory, checkpoint=checkpoint, device=device)


def command_record() -> dict[str, Any]:
    """What every record says first: the command as it was typed, and the versions that it ran with."""
    from camlucida.workflows.explain import versions

    return {"command": shlex.join(["camlucida", *sys.argv[1:]]), "versions": versions()}


def targets(words: Sequence[str] | None) -> list[Any] | None:
    """Targets as ``explain`` takes them; ``mask:FILE`` is read here, for only the shell knows of files."""
    return (
        [_mask_target(word[5:]) if word.startswith("mask:") else word for word in words]
        if words
        else None
    )


def _mask_target(words: str) -> Any:
    """``FILE``, or ``FILE:LABEL`` where no file has the whole name."""
    import torch

    from camlucida.attribution.targets import given_mask
    from camlucida.io import read_image

    path, _, label = words.rpartition(":")
    if not path or Path(words).exists():
        path, label = words, ""
    try:
        pixels = read_image(path).pixels
    except CamlucidaError as error:
        raise UsageError(f"--target mask:{path}: {error.what}", error.fix) from error
    return given_mask(
        torch.from_numpy(pixels if pixels.ndim == 2 else pixels.mean(2)) > 0.5, label or None
    )


@contextmanager
def output_folder(out: Path) -> Iterator[None]:
    """``out``, made if missing; taken away again if the request turns out wrong before anything is written."""
    try:
        new = not out.exists()
        out.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=out):  # an existing folder may be read-only
            pass
    except OSError as error:
        raise UsageError(
            f"--out {out}: {error.strerror}", "give a folder that can be written"
        ) from error
    try:
        yield
    except CamlucidaError:
        if new and not any(out.iterdir()):
            out.rmdir()
        raise


def print_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Columns for people; on a terminal rich wraps them, in a pipe they are tab-separated and whole."""
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


@contextmanager
def progress_bar(total: int | None, what: str) -> Iterator[Any]:
    """A progress bar on standard error; yields a function that takes how many items were done."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done=1, total=None: bar.update(
            task, advance=done, **({} if total is None else {"total": total})
        )
