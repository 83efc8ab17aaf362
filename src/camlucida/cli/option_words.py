"""The words of a command as people write them: lists, underscores, and other tools' option names.

A command of this package also takes the names that training projects give to its options. A name
whose meaning has no counterpart here is answered by one line.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from typer.core import TyperCommand, TyperGroup

from camlucida.core.errors import UsageError

ALIASES: dict[str, tuple[str, ...]] = {
    "--assets": ("--assets-dir",),
    "--cam-method": ("--method", "--methods"),
    "--ckpt": ("--checkpoint", "--model-path"),
    "--checkpoint": ("--model-path",),
    "--checkpoint-path": ("--checkpoint", "--model-path"),
    "--class-names": ("--class",),
    "--cmap": ("--colormap",),
    "--csv": ("--excel-path", "--table"),
    "--csv-path": ("--excel-path", "--table"),
    "--data-dir": ("--image-dir", "--images"),
    "--encoder-name": ("--encoder",),
    "--excel": ("--excel-path",),
    "--image": ("--image-path",),
    "--image-dir": ("--data-dir", "--images"),
    "--image-size": ("--size",),
    "--images": ("--image-dir", "--data-dir"),
    "--images-dir": ("--image-dir", "--data-dir", "--images"),
    "--img-size": ("--size", "--image-size"),
    "--input-size": ("--size", "--image-size"),
    "--lang": ("--language",),
    "--layer": ("--target-layer",),
    "--layers": ("--layer", "--target-layer"),
    "--masks": ("--mask-dir",),
    "--masks-dir": ("--mask-dir",),
    "--max-age": ("--max-value",),
    "--method": ("--methods",),
    "--methods": ("--method",),
    "--min-age": ("--min-value",),
    "--model-path": ("--checkpoint",),
    "--n-samples": ("--num-samples",),
    "--out": ("--output-dir", "--assets-dir"),
    "--outdir": ("--out", "--output-dir", "--assets-dir"),
    "--output-dir": ("--out", "--assets-dir"),
    "--output-path": ("--out", "--output-dir", "--assets-dir"),
    "--run-dir": ("--run",),
    "--runs": ("--run",),
    "--samples": ("--num-samples",),
    "--save-dir": ("--out", "--output-dir", "--assets-dir"),
    "--table": ("--excel-path",),
    "--target-layer": ("--layer",),
    "--target-layers": ("--target-layer", "--layer"),
    "--threshold": ("--error-threshold",),
    "--top-k": ("--top",),
    "--top-n": ("--top",),
    "--weights": ("--checkpoint", "--model-path"),
}
"""Name of another tool → ours; of more than one, the first that the command has."""

ANSWERS: dict[str, str] = {
    "--aug-smooth": "it is a variant of a method: gradcam:aug; gradcam:aug_flip mirrors, too",
    "--eigen-smooth": "it is a variant of a method: gradcam:eigen",
    "--save-best": "it belongs to training; --run names the folder with best_model.pth",
    "--seed": "images are not drawn here; --split takes one split of the table",
    "--test-size": "the split that the checkpoint or table records is used; --split takes another",
    "--use-cuda": "write --device cuda",
}
"""Name of another tool without a counterpart → what to do instead."""


class SourceCommand(TyperCommand):
    """A command that takes words as other tools write them."""

    lists: tuple[str, ...] = ()
    """Repeatable options that also take words separated by blanks."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the words into our form, then parse them."""
        words = list(self._renamed(_without_dashes(args, self._options())))
        has_arguments = any(each.param_type_name == "argument" for each in self.params)
        return super().parse_args(ctx, _repeated(words, self.lists, has_arguments))

    def _options(self) -> set[str]:
        names = (each.opts for each in self.params if each.param_type_name == "option")
        return {"--help"}.union(*names)

    def _renamed(self, words: Sequence[str]) -> Iterator[str]:
        """Each option by the name it has here, up to a ``--``.

        Raises:
            UsageError: an option that has no counterpart.
        """
        options = self._options()
        literal = False
        for word in words:
            literal = literal or word == "--"
            name, sign, value = word.partition("=")
            if literal or not name.startswith("--"):
                yield word
            else:
                yield _our_name(name, options, str(self.name)) + sign + value


def group_with_default(default: str) -> type[TyperGroup]:
    """A group of commands in which words that begin with none of them are those of one command.

    Args:
        default: name of that command.
    """

    class DefaultGroup(TyperGroup):
        def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
            is_named = bool(args) and (args[0] in self.commands or args[0] == "--help")
            return super().parse_args(ctx, args if is_named else [default, *args])

    return DefaultGroup


def command_with_lists(*options: str) -> type[SourceCommand]:
    """A command whose repeatable ``options`` also take words separated by blanks.

    ``--methods gradcam gradcam++`` is read as ``--methods gradcam --methods gradcam++``. In a
    command that has arguments, a word that is the path of a file or folder stays an argument, and
    so does one that reads like a path.
    """

    class ListCommand(SourceCommand):
        lists = options

    return ListCommand


def _our_name(name: str, options: set[str], command: str) -> str:
    """An option as the command has it; a name that is unknown everywhere stays as it is."""
    hyphened = name.replace("_", "-")
    for candidate in (name, hyphened, *ALIASES.get(hyphened, ())):
        if candidate in options:
            return candidate
    if hyphened in ANSWERS:
        raise UsageError(f"{name} is no option of {command}", ANSWERS[hyphened])
    return name


def _without_dashes(words: Sequence[str], options: set[str]) -> list[str]:
    """The words without a leading ``--`` where options follow it, as in ``report-pack -- --run``.

    Elsewhere ``--`` keeps its meaning: what follows are names, whatever they begin with. So does a
    word of blanks: in ``-- \\ --run`` it is a line break that was lost.
    """
    rest = [word for word in words if word.strip() or not word]
    if rest[:1] == ["--"] and len(rest) > 1:
        name = rest[1].partition("=")[0].replace("_", "-")
        if name in options or name in ALIASES or name in ANSWERS:
            return rest[1:]
    return list(words)


def _repeated(words: Sequence[str], options: Sequence[str], has_arguments: bool) -> list[str]:
    """Put the option's name before every further word of its list.

    Args:
        words: of the command line.
        options: that take lists.
        has_arguments: whether words that are paths, or read like one, are left alone.
    """
    expanded: list[str] = []
    option = ""  # the list whose first word has been read
    for before, word in zip(["", *words], words):
        if word.startswith("-") and not word[1:].isdigit():  # -1 is the last label
            option = ""
        elif before in options:
            option = before
        elif has_arguments and _is_path(word):
            option = ""
        elif option:
            expanded.append(option)
        expanded.append(word)
    return expanded


def _is_path(word: str) -> bool:
    """Whether a word is a path or a pattern of paths, be there such a file or not.

    A name that the system refuses is none.
    """
    if any(sign in word for sign in "/\\*?") or Path(word).suffix[1:].isalpha():
        return True
    try:
        return Path(word).exists()
    except OSError:
        return False
