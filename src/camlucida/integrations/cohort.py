"""Writing a cohort that a dataset of another package becomes: a table and COHORT.toml."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from camlucida.core.errors import UsageError
from camlucida.core.files import write_bytes

TABLE, COHORT = "labels.csv", "cohort.toml"


def new_folder(folder: str | Path) -> Path:
    """Make the folder of a cohort.

    Args:
        folder: new or empty.

    Raises:
        UsageError: it holds something.
    """
    path = Path(folder)
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise UsageError(f"{path} is not empty", "give another folder for the cohort")
    path.mkdir(parents=True, exist_ok=True)
    return path


def write_cohort(
    folder: Path,
    rows: Sequence[Mapping[str, Any]],
    model: str,
    config: Mapping[str, Any],
    columns: Mapping[str, Any],
) -> Path:
    """Write the table and COHORT.toml, which comes last.

    Args:
        folder: of the cohort.
        rows: of the table; a missing cell is blank.
        model: card, factory or checkpoint.
        config: further keys of COHORT.toml.
        columns: of its section ``[columns]``.

    Returns:
        COHORT.toml.
    """
    write_bytes(folder / TABLE, pd.DataFrame(list(rows)).to_csv(index=False).encode())
    lines = [f"{key} = {_toml(value)}" for key, value in config.items()]
    lines += [f'table = "{TABLE}"', f"model = {_toml(model)}", "", "[columns]"]
    lines += [f"{key} = {_toml(value)}" for key, value in columns.items()]
    path = folder / COHORT
    write_bytes(path, "\n".join([*lines, ""]).encode())
    return path


def _toml(value: Any) -> str:
    """A string or a list of strings in TOML, whose strings are JSON's."""
    return json.dumps(value, ensure_ascii=False)
