"""``index.html``: one page that shows all of a folder of explanations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from camlucida.core.files import write_bytes


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("camlucida.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = number
    return environment


def number(value: float | None, digits: int = 3) -> str:
    """A number for people; a dash where there is none; rounding left by sums that cancel is 0."""
    return "–" if value is None else f"{value if abs(value) > 1e-12 else 0:.{digits}g}"


def render(template: str, path: Path, **values: Any) -> None:
    """Render ``templates/<template>`` with ``values`` to ``path``, whole or not at all."""
    write_bytes(path, page(template, **values).encode())


def page(template: str, **values: Any) -> str:
    """``templates/<template>`` with ``values``, all of them escaped."""
    return _environment().get_template(template).render(**values)


def write_index(
    directory: Path,
    run: Mapping[str, Any],
    records: Sequence[Mapping[str, Any]],
    strips: Mapping[str, Sequence[str]],
) -> Path:
    """Write ``directory/index.html``.

    Args:
        directory: where the files of ``records`` are.
        run: the content of ``run.json``.
        records: the content of ``explanations.json``, in order of images.
        strips: image id → file names of its strips.

    Returns:
        The page's path.
    """
    images = [
        (name, list(group))
        for name, group in groupby(records, key=lambda record: str(record["id"]))
    ]
    path = directory / "index.html"
    render("index.html.j2", path, run=run, images=images, strips=strips, count=len(records))
    return path
