"""A run of many cases whose films and maps are those of one image of a small run."""

import json

import pyarrow.parquet as pq

from camlucida.runs.folder import RunFolder
from camlucida.runs.items import FinishedItem
from camlucida.runs.ledger import Ledger
from camlucida.runs.parts import read_part, write_durable_table, write_part
from camlucida.runs.read import read_ledger

PART = 1


def write_many_cases(run, root, cases):
    """Write the tables of a run with so many maps; no model runs.

    The maps of one image are written as those of many images, ``film 00000`` and so on.
    """
    entry = next(each for each in run.entries if each.state == "done")
    part = read_part(run.folder, entry.part)
    rows, predictions = ([row for row in part[i] if _of(row, entry)] for i in (0, 2))
    maps = [values for row, values in zip(part[0], part[1]) if _of(row, entry)][:1]
    names = [f"film {number:05d}" for number in range(cases)]
    folder = RunFolder(root)
    folder.make()
    digests = write_part(
        folder, PART, _copies(rows[:1], names), maps * cases, _copies(predictions, names), {}
    )
    cohort = pq.read_table(run.folder.cohort)
    of_image = [row for row in cohort.to_pylist() if _of(row, entry)]
    write_durable_table(folder.cohort, _copies(of_image, names), cohort.schema)
    folder.about.write_text(json.dumps({**run.about, "images": cases}, default=str))
    items = [
        FinishedItem((name, entry.model), "done", _identity(entry.identity, name), n)
        for n, name in enumerate(names)
    ]
    with read_ledger(run.folder)[0] as earlier:
        provenance = earlier.provenance()
    with Ledger.write(folder.ledger) as ledger:
        ledger.set_cohort([item.key for item in items])
        ledger.finish(PART, items, provenance, digests)


def _of(row, entry):
    return (row["image"], row["model"]) == entry.key


def _copies(rows, names):
    copies = []
    for name in names:
        for row in rows:
            copy = row | {"image": name}
            if "identity" in row:
                copy["identity"] = _identity(row["identity"], name)
            copies.append(copy)
    return copies


def _identity(identity, name):
    return f"{identity}-{name[-5:]}"
