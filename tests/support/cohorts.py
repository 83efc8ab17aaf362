"""A small cohort on disk, and a run of it as plain values that can be compared."""

from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from camlucida.runs import Run
from tests.support.models_on_disk import write_image, write_model

TOML = """
images = "films"
table = "labels.csv"
model = "card.toml"
[columns]
groups = "sex"
[explain]
target = "top2"
method = ["gradcam", "layercam"]
layer = "{layer}"
"""


def write_cohort(folder: Path, films: int = 6, broken: int | None = 3, layer: str = "auto") -> Path:
    """COHORT.toml with a model, a table and films, one of which is no image."""
    folder.mkdir(parents=True, exist_ok=True)
    write_model(folder)
    for i in range(films):
        write_image(folder / f"films/{i}.png", i)
    if broken is not None:
        (folder / f"films/{broken}.png").write_bytes(b"\x89PNG\r\n\x1a\n truncated")
    rows = [f"{i},p{i // 2},{'fm'[i % 2]},{i % 2},{-1 if i == 1 else 1}" for i in range(films)]
    (folder / "labels.csv").write_text("\n".join(["image,patient,sex,Nodule,Mass", *rows, ""]))
    return write_toml(folder, layer)


def write_toml(folder: Path, layer: str) -> Path:
    """COHORT.toml alone."""
    path = folder / "cohort.toml"
    path.write_text(TOML.format(layer=layer))
    return path


def content(out: Path) -> dict[str, object]:
    """Everything a reader sees of a run: tables in order, maps by row, item states.

    The part and row that hold them are left out.
    """
    run = Run.open(out)
    explanations = run.explanations()
    place = ["part", "row", "slot"]
    return {
        "predictions": run.predictions()
        .drop(columns=place[:2])
        .to_json(orient="records", double_precision=15),
        "explanations": explanations.drop(columns=place).to_json(
            orient="records", double_precision=15
        ),
        "maps": [raw.numpy().tobytes() for raw in run.raw(range(len(explanations)))],
        "items": [
            (e.image, e.model, e.position, e.state, e.identity, e.failure, e.missing)
            for e in run.entries
        ],
    }


def files(out: Path) -> dict[str, bytes]:
    """The bytes of every part and of the cohort's table."""
    found = [
        *out.glob("ma*/*"),
        *out.glob("meta/*"),
        *out.glob("predictions/*"),
        out / "cohort.parquet",
    ]
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in found}


def stored_maps(out: Path) -> dict[str, np.ndarray]:
    """Part and tensor → (rows, *grid)."""
    return {
        f"{path.stem}/{key}": v
        for path in sorted(out.glob("maps/*"))
        for key, v in load_file(path).items()
    }
