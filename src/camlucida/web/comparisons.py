"""What ``camlucida compare`` measured of the cases of a run: agreement across models or methods.

A comparison is found inside the folder of its run, or beside it in what the server was started
with. Its rows are known by their images and targets: one of another run of the same name is left
out.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from camlucida.runs import Run

ABOUT, MAPS, CASES = "comparison.json", "maps.csv", "cases.csv"
ARTEFACT = ("artefact_share", "artefact_area")
"""Columns that do not depend on what was compared."""

AGREEMENT, SAME, VERDICT = "agreement_", "same_prediction_", "verdict_"
"""Before what varied, in the columns of a comparison."""

PLURALS = {
    "seed": "seeds",
    "fold": "folds",
    "model": "models",
    "architecture": "architectures",
    "method": "methods",
    "layer": "layers",
}


@dataclass(frozen=True)
class ComparedCases:
    """A comparison, as far as it is of one run.

    Attributes:
        by: what varied.
        table: by the number of the map: ``agreement_BY``, the mean excess similarity with the other
            maps of the case; ``same_prediction_BY``, the share of pairs with one prediction;
            ``verdict_BY``; ``artefact_share`` and ``artefact_area``.
    """

    by: str
    table: pd.DataFrame


def comparisons_in(folder: Path, depth: int) -> list[Path]:
    """Folders of comparisons, ``folder`` itself or below it.

    Args:
        folder: that is searched.
        depth: folders below it.
    """
    found = [folder] if (folder / ABOUT).is_file() else []
    for levels in range(1, depth + 1):
        found += [path.parent for path in sorted(folder.glob("*/" * levels + ABOUT))]
    return found


def compared_cases(run: Run, folders: Iterable[Path]) -> list[ComparedCases]:
    """The comparisons that are of a run; of two by the same property the first.

    Args:
        run: whose maps they compare.
        folders: of comparisons.
    """
    by_property: dict[str, ComparedCases] = {}
    for folder in folders:
        compared = _of_run(run, folder)
        if compared is not None:
            by_property.setdefault(compared.by, compared)
    return list(by_property.values())


def _of_run(run: Run, folder: Path) -> ComparedCases | None:
    about = json.loads((folder / ABOUT).read_text("utf-8"))
    if not all((folder / name).is_file() for name in (MAPS, CASES)):
        return None
    maps = pd.read_csv(folder / MAPS, dtype={"image": str, "target": str})
    for number in _runs_of_name(about["runs"], run.folder.root.name):
        rows = maps[maps["run"] == number].drop_duplicates("explanation")
        if len(rows) and _are_of(rows, run):
            cases = pd.read_csv(folder / CASES)[["case", "agreement", "verdict"]]
            return ComparedCases(about["by"], _table(rows.merge(cases, on="case"), about["by"]))
    return None


def _runs_of_name(paths: Iterable[str], name: str) -> Iterator[int]:
    for number, path in enumerate(paths):
        if Path(path).name == name:
            yield number


def _are_of(rows: pd.DataFrame, run: Run) -> bool:
    """Whether each row is of the map with its number: of this run, as it is now."""
    stored = run.explanations()
    if rows["explanation"].max() >= len(stored):
        return False
    same = stored.iloc[rows["explanation"]]
    pairs = zip(rows["image"], rows["target"], same["image"].astype(str), same["target"])
    return all((image, target) == (other, wanted) for image, target, other, wanted in pairs)


def _table(rows: pd.DataFrame, by: str) -> pd.DataFrame:
    names = {"excess": f"{AGREEMENT}{by}", "agreement": f"{SAME}{by}", "verdict": f"{VERDICT}{by}"}
    named = rows.rename(columns=names).set_index("explanation")
    return named[[*names.values(), *ARTEFACT]]
