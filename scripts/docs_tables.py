"""Write the generated parts of the documentation: command line, tables of metrics and of methods.

    python scripts/docs_tables.py

A test fails while a page differs from what this would write.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from difference_table import difference_head, difference_rows
from method_scores import score_cells, score_text
from predicted_table import PREDICTED_HEAD, predicted_rows
from speed_table import CONTESTANTS, speed_rows

from camlucida.attribution.methods import METHODS, Method
from camlucida.cli import app
from camlucida.metrics import METRICS, Metric

DOCS = Path(__file__).parents[1] / "docs"
GENERATED = re.compile(r"(<!-- generated: (.+?) -->\n).*?(<!-- end -->)", re.DOTALL)
METRIC_HEAD = (
    *("metric", "title", "better", "range", "chance level", "forward passes"),
    *("failed our meta-evaluation on", "source"),
)
METHOD_HEAD = ("method", "map", "ReLU behind it", "unit", "cost", "class-specific")
GUIDE_HEAD = (
    *("method", "for", "not for", "mean rank", "IoU at the area-matched threshold"),
    "above chance on untrained models",
)
OPTION_HEAD = ("option", "default", "meaning")

CLI_PAGE = """# Command line

Every command and option, generated from the program. `camlucida COMMAND --help` prints the same.
Results go to standard output; errors, notes and the progress bar go to standard error.

| exit code | meaning |
|---|---|
| 0 | everything was done |
| 1 | some items failed, each with one line; the others are complete |
| 2 | the request is wrong, or the disk is full |
| 130 | interrupted |

"""


def pages() -> dict[Path, str]:
    """Path → text of every page with generated parts."""
    metrics = DOCS / "reference" / "metrics.md"
    text = GENERATED.sub(_metric_block, metrics.read_text("utf-8"))
    methods = DOCS / "reference" / "methods.md"
    readme = DOCS.parent / "README.md"
    return {
        readme: GENERATED.sub(_speed_block, readme.read_text("utf-8")),
        metrics: text,
        methods: GENERATED.sub(_method_block, methods.read_text("utf-8")),
        DOCS / "reference" / "cli.md": CLI_PAGE + "\n".join(_command_line()),
    }


def _speed_block(match: re.Match[str]) -> str:
    table = _table(("what", *CONTESTANTS.values()), speed_rows())
    return f"{match[1]}{table}\n{match[3]}"


def _method_block(match: re.Match[str]) -> str:
    methods = [method for _, method in METHODS.items()]
    if match[2] == "methods":
        table = _table(METHOD_HEAD, [_method_row(method) for method in methods])
    elif match[2] == "scores":
        table = score_text()
    elif match[2] == "differences":
        table = _table(difference_head(), difference_rows())
    elif match[2] == "predicted scores":
        table = _table(PREDICTED_HEAD, predicted_rows())
    else:
        table = _table(GUIDE_HEAD, [_guide_row(method) for method in methods])
    return f"{match[1]}{table}\n{match[3]}"


def _method_row(method: Method) -> tuple[str, ...]:
    relu, specific = ("yes" if trait else "no" for trait in (method.relu, method.class_specific))
    name = f"[`{method.name}`](#{method.name})"
    specific = specific if method.class_specific else f"**{specific}**"
    return name, method.formula, relu, method.unit, method.cost, specific


def _guide_row(method: Method) -> tuple[str, ...]:
    return f"`{method.name}`", method.use, method.avoid, *score_cells(method)


def _metric_block(match: re.Match[str]) -> str:
    family = match[2].removeprefix("metrics ")
    rows = [_metric_row(item) for _, item in METRICS.items() if item.family == family]
    return f"{match[1]}{_table(METRIC_HEAD, rows)}\n{match[3]}"


def _metric_row(item: Metric) -> tuple[str, ...]:
    scale = (item.direction, item.range_text, item.chance)
    failed = ", ".join(output or "the map" for output in item.failures) or "–"
    return (f"`{item.name}`", item.title, *scale, item.cost, failed, item.source)


def _command_line() -> Iterator[str]:
    group: Any = typer.main.get_command(app)
    yield "## `camlucida`\n"
    yield f"{group.help}\n"
    yield f"{_option_table(group)}\n"
    for name, command in _named_commands(group):
        yield f"## `camlucida {name}`\n"
        yield f"{_one_line(command.help or '')}\n"
        usage = " ".join(["camlucida", name, *_arguments(command), "[OPTIONS]"])
        yield f"```sh\n{usage}\n```\n"
        yield f"{_option_table(command)}\n"


def _named_commands(group: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    """Each command by its words; those of a group one after the other."""
    for name, command in group.commands.items():
        words = f"{before}{name}"
        if hasattr(command, "commands"):
            yield from _named_commands(command, f"{words} ")
        else:
            yield words, command


def _arguments(command: Any) -> list[str]:
    arguments = [item for item in command.params if item.param_type_name == "argument"]
    return [_argument(item) for item in arguments]


def _argument(item: Any) -> str:
    name = (item.metavar or item.name).upper() + ("…" if item.nargs != 1 else "")
    return name if item.required else f"[{name}]"


def _option_table(command: Any) -> str:
    options = [item for item in command.params if item.param_type_name == "option"]
    rows = [_option_row(item) for item in options if "--help" not in item.opts]
    return _table(OPTION_HEAD, rows)


def _option_row(item: Any) -> tuple[str, str, str]:
    names = ", ".join(f"`{name}`" for name in (*item.opts, *item.secondary_opts))
    return names, _default(item), _one_line(item.help or "")


def _default(item: Any) -> str:
    if item.required:
        return "required"
    if item.default is None or item.default in ((), [], False, ""):
        return ""
    values = item.default if isinstance(item.default, (list, tuple)) else [item.default]
    return ", ".join(f"`{value}`" for value in values)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(_row(line) for line in lines)


def _row(line: tuple[str, ...]) -> str:
    return f"| {' | '.join(_cell(cell) for cell in line)} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    for path, content in pages().items():
        path.write_text(content, "utf-8")
