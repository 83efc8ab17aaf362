"""The tables of camlucida compare, without its figures."""

import json

import numpy as np

from camlucida.analysis.cases.attribution_table import attribution_table
from camlucida.analysis.cases.case_table import case_table
from camlucida.analysis.comparison.compare import compare
from camlucida.io.tables import write_table


def compared_methods(run):
    """Maps and cases of a comparison of a run's methods.

    Those of the small run have the same maps, which are not compared: excesses are set in their
    place, none of the first map.
    """
    cases = case_table([run])
    comparison = compare([run], cases, attribution_table([run], cases), "method")
    excesses = np.random.default_rng(0).uniform(-0.2, 0.9, len(comparison.maps))
    excesses[0] = np.nan
    return comparison.maps.assign(excess=excesses), comparison.cases


def write_comparison_tables(folder, maps, cases, runs):
    """The files that the workbench reads.

    Args:
        folder: made if missing.
        maps, cases: tables.
        runs: paths of the runs.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "comparison.json").write_text(json.dumps({"by": "method", "runs": runs}))
    write_table(maps, folder / "maps.csv")
    write_table(cases, folder / "cases.csv")
