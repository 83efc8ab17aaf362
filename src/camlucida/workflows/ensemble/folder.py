"""What is made of the classifiers' findings: a folder a film, tables, and one page. No model is needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from camlucida.analysis.ensemble.combine import SCALES, Ensemble
from camlucida.analysis.ensemble.findings import Choice, EnsembleFindings, Finding
from camlucida.analysis.ensemble.localisation import localisation
from camlucida.attribution.explanation import Explanation
from camlucida.core.errors import CamlucidaError
from camlucida.core.files import npy, slug, unique, write_bytes, write_json
from camlucida.datasets.ground_truth import GroundTruth
from camlucida.figures.ensemble import boxes_figure, ensemble_figure
from camlucida.figures.files import FORMATS, save_figure
from camlucida.figures.overlay import caption, colormap_for, overlay_image, png_bytes, with_caption
from camlucida.figures.panels import top_k_strip
from camlucida.io.tables import write_table
from camlucida.metrics.regions import MASK_FRACTION, Box, binary_mask, boxes
from camlucida.metrics.statistics import excess, mean_interval
from camlucida.report.page import render
from camlucida.workflows.ensemble.run import EnsembleRun

ENSEMBLE = "ensemble"
RULE = f"Boxes: one round each connected region where a map is at least {MASK_FRACTION:g} of its maximum."
MEASURES = ("iou", "dice", "pixel_accuracy", "localised_10", "localised_30")


@dataclass
class Presented:
    """What was written.

    Attributes:
        index: the page.
        images: content of the page, one an image.
        rows, localised: content of ``ensemble.csv`` and ``localisation.csv``.
        failures: (image, line) of images that could not be shown, or whose boxes could not be compared.
        record: content of ``ensemble.json``.
    """

    index: Path
    images: list[dict[str, Any]] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)
    localised: list[dict[str, Any]] = field(default_factory=list)
    failures: list[tuple[str, str]] = field(default_factory=list)
    record: dict[str, Any] = field(default_factory=dict)

    def lines(self) -> list[str]:
        """For the terminal: what is shown of each image, with its mean probability and the agreement of its maps."""
        lines = []
        for case in self.images:
            lines.append(f"{case['image']}:" + ("" if case["findings"] else " nothing to show"))
            for item in case["findings"]:
                terms = (
                    [f"mean p {item['probability']:.3f}"] if item["probability"] is not None else []
                )
                terms += (
                    [f"agreement {item['agreement']:.2f}"] if item["agreement"] is not None else []
                )
                terms += (
                    [f"by chance {item['null']:.2f}"]
                    if None not in (item["agreement"], item["null"])
                    else []
                )
                lines.append(f"  {item['label']}: {', '.join(terms)}")
        return lines


def present(
    asked: EnsembleRun,
    findings: EnsembleFindings,
    choice: Choice,
    truth: GroundTruth | None,
    out: Path,
    about: Mapping[str, Any],
    formats: Sequence[str] = FORMATS,
    progress: Callable[..., object] = lambda done=0, total=None: None,
) -> Presented:
    """Write ``cases/``, ``ensemble.csv``, ``localisation.csv``, ``ensemble.json`` and ``index.html`` into ``out``.

    Args:
        asked: what was run, with its failures and notes.
        findings: the run as read.
        choice: which findings are shown.
        truth: boxes that readers drew; None without.
        out: the folder.
        about: command and versions.
        formats: of the figures side by side and of boxes.
        progress: called with the number of images done since the last call, and once with their total.
    """
    result = Presented(out / "index.html", failures=list(asked.failures))
    taken: set[str] = set()
    images = findings.images()
    progress(0, total=len(images))
    for image in images:
        writer = _Writer(
            asked,
            findings,
            choice,
            truth,
            out,
            f"cases/{slug(unique(image, taken))}",
            formats,
            result,
        )
        try:
            writer.write(image)
        except CamlucidaError as error:
            result.failures.append((image, f"{image}: {error}"))
        progress(1)
    write_table(pd.DataFrame(result.rows), out / "ensemble.csv")
    (out / "localisation.csv").unlink(missing_ok=True)  # of an earlier request
    if truth is not None:
        write_table(pd.DataFrame(result.localised, columns=_LOCALISED), out / "localisation.csv")
    result.record = _record(asked, findings, choice, truth, about, result)
    write_json(out / "ensemble.json", result.record)
    values = {
        "record": result.record,
        "images": result.images,
        "scale": SCALES[findings.scale],
        "rule": RULE,
    }
    render(
        "ensemble.html.j2",
        result.index,
        **values,
        summary=_summary(result.localised, findings),
        titles=asked.titles,
    )
    return result


_LOCALISED = [
    *("image", "patient", "label", "model", "boxes", "true_boxes"),
    *(
        f"{name}{end}"
        for end in ("", "_chance")
        for name in ("iou", "dice", "pixel_accuracy", "top_iou")
    ),
    *(f"{name}{end}" for end in ("", "_chance") for name in ("localised_10", "localised_30")),
    "pixel_accuracy_nothing",
]


@dataclass(frozen=True)
class _Writer:
    """One film's folder."""

    asked: EnsembleRun
    findings: EnsembleFindings
    choice: Choice
    truth: GroundTruth | None
    out: Path
    folder: str
    formats: Sequence[str]
    result: Presented

    def write(self, image: str) -> None:
        table = self.findings.table(image)
        rows = self.findings.predictions
        first = rows[rows["image"] == image].iloc[0]
        path = str(first["path"])
        marked = () if self.truth is None else self.truth.has(image, path)
        chosen = self.findings.chosen(image, self.choice, marked)
        true = self._true_boxes(image, path, tuple(int(n) for n in first["original"]))
        shown: list[dict[str, Any]] = []
        scan: dict[str, Any] = {}
        for finding in self.findings.findings(image, chosen):
            shown.append(self._finding(finding, true.get(finding.label), str(first["patient"])))
            scan = scan or self._film(finding.ensemble)
        strips = [
            item
            for name in self.asked.titles
            if (item := self._strip(image, name, table)) is not None
        ]
        self.result.rows += self._rows(image, str(first["patient"]), table, chosen, shown)
        case = {
            "image": image,
            "path": path,
            "sha256": str(first["image_sha256"]),
            "size": [int(n) for n in first["original"]],
            "patient": str(first["patient"]),
            **scan,
            "missing": self.findings.missing(image),
            "probabilities": _plain(table),
            "top": {name: _ranked(table, name, self.choice.top) for name in self.asked.titles},
            "strips": strips,
            "findings": shown,
        }
        write_json(self.out / self.folder / "metadata.json", case | {"notice": "Research use only"})
        self.result.images.append(case | {"folder": self.folder})

    def _true_boxes(
        self, image: str, path: str, size: tuple[int, ...]
    ) -> dict[str, NDArray[np.float64]]:
        """Label → boxes; where they cannot be used, a line, and the film is shown without them."""
        if self.truth is None:
            return {}
        try:
            return self.truth.boxes(image, path, (size[0], size[1]))
        except CamlucidaError as error:
            self.result.failures.append((image, f"{image}: {error}"))
            return {}

    def _film(self, ensemble: Ensemble) -> dict[str, Any]:
        scan = ensemble.members[0].explanation.scan
        name = f"{self.folder}/film.png"
        write_bytes(self.out / name, png_bytes(Image.fromarray(scan.picture())))
        return {"film": name, "synthetic": scan.synthetic, "warnings": list(scan.warnings)}

    def _strip(self, image: str, name: str, table: pd.DataFrame) -> dict[str, str] | None:
        labels = [label for label, _ in _ranked(table, name, self.choice.top)]
        found = [
            found
            for label in labels
            if (found := self.findings.explanation(image, name, label)) is not None
        ]
        if not found:
            return None
        stem = f"{self.folder}/{slug(name)}_top{len(found)}"
        save_figure(top_k_strip(found), self.out / stem, ("png",))
        return {"model": name, "file": f"{stem}.png"}

    def _finding(
        self, finding: Finding, true: NDArray[np.float64] | None, patient: str
    ) -> dict[str, Any]:
        """Every file of one finding, and what the page says of it."""
        ensemble, label = finding.ensemble, finding.label
        stem = f"{self.folder}/{slug(label)}"
        save_figure(
            ensemble_figure(ensemble, self.asked.titles),
            self.out / f"{stem}_side_by_side",
            self.formats,
        )
        parts = {member.name: member.explanation for member in ensemble.members} | {
            ENSEMBLE: ensemble.explanation()
        }
        found = {name: self._files(name, label, part) for name, part in parts.items()}
        drawn = {self.asked.titles[name]: found[name][1] for name in parts if name != ENSEMBLE}
        save_figure(
            boxes_figure(parts[ENSEMBLE], drawn, found[ENSEMBLE][1], true, RULE),
            self.out / f"{stem}_boxes",
            self.formats,
        )
        write_bytes(self.out / f"{stem}_disagreement.npy", npy(ensemble.disagreement))
        image = parts[ENSEMBLE].scan.id
        for name in parts if true is not None and len(true) else ():
            size = parts[name].scan.geometry.original
            scores = localisation(found[name][1], np.asarray(true), (size[0], size[1]))
            known = {"image": image, "patient": patient, "label": label, "model": name}
            counts = {"boxes": len(found[name][1]), "true_boxes": len(np.asarray(true))}
            self.result.localised.append(known | counts | scores)
        return {
            "label": label,
            "why": finding.why,
            "figure": f"{stem}_side_by_side.png",
            "boxes_figure": f"{stem}_boxes.png",
            "probability": ensemble.probability,
            "agreement": _number(ensemble.agreement),
            "compared_pairs": ensemble.compared,
            "null": _number(finding.null),
            "null_pairs": finding.pairs,
            "excess": _number(excess(ensemble.agreement, finding.null)),
            "disagreement": _number(_mean(ensemble.disagreement)),
            "mean": float(ensemble.mean.mean()),
            "peak": float(ensemble.mean.max()),
            "unit": ensemble.unit,
            "left_out": list(ensemble.left_out),
            "members": [_member(member, found[member.name]) for member in ensemble.members],
            "files": found[ENSEMBLE][0] | {"disagreement": f"{stem}_disagreement.npy"},
            "boxes": [asdict(box) for box in found[ENSEMBLE][1]],
            "truth": [] if true is None else true.tolist(),
        }

    def _files(self, name: str, label: str, part: Explanation) -> tuple[dict[str, str], list[Box]]:
        """Overlay, heat map, mask and numbers of one map, in original pixels; its boxes."""
        values = part.numpy()
        mask = binary_mask(values)
        stem = f"{self.folder}/{slug(name)}_{slug(label)}"
        contents = {
            "overlay": (".png", png_bytes(overlay_image(part))),
            "heatmap": (".png", png_bytes(_heat_image(part, values))),
            "mask": (".png", png_bytes(Image.fromarray(mask.astype(np.uint8) * 255))),
            "map": (".npy", npy(values)),
        }
        for kind, (suffix, data) in contents.items():
            write_bytes(self.out / f"{stem}_{kind}{suffix}", data)
        return {kind: f"{stem}_{kind}{suffix}" for kind, (suffix, _) in contents.items()}, boxes(
            mask, values
        )

    def _rows(
        self,
        image: str,
        patient: str,
        table: pd.DataFrame,
        chosen: Mapping[str, str],
        shown: Sequence[Mapping[str, Any]],
    ) -> list[dict[str, Any]]:
        """Of ``ensemble.csv``: an image × label × classifier, and the ensemble."""
        by_label = {item["label"]: item for item in shown}
        rows = []
        for name in (*self.asked.titles, ENSEMBLE):
            ranks = table[name].rank(ascending=False, method="first")
            for label, p in table[name].dropna().items():
                item = by_label.get(str(label), {})
                members = {member["model"]: member for member in item.get("members", ())}
                whole = item if name == ENSEMBLE else {}
                part = members.get(name, {})
                rows.append(
                    {
                        "image": image,
                        "patient": patient,
                        "label": label,
                        "model": name,
                        "probability": p,
                        "rank": int(ranks[str(label)]),
                    }
                    | {
                        "weight": self.findings.weights.get(name),
                        "shown": label in chosen,
                        "why": chosen.get(str(label), ""),
                    }
                    | {key: part.get(key) for key in ("heat", "heat_unit", "faint", "empty_reason")}
                    | {
                        "peak": (whole or part).get("peak"),
                        "boxes": len((whole or part).get("boxes", ())),
                    }
                    | {
                        key: whole.get(key)
                        for key in ("agreement", "null", "excess", "disagreement")
                    }
                )
        return rows


def _member(member: Any, found: tuple[dict[str, str], list[Box]]) -> dict[str, Any]:
    part = member.explanation
    return {
        "model": member.name,
        "weight": member.weight,
        "probability": part.probability,
        "score": part.score,
        "score_kind": part.provenance.get("score_kind"),
        "method": part.method,
        "layer": part.layer,
        "grid": list(part.grid),
        "heat": member.heat,
        "heat_unit": member.unit,
        "faint": member.faint,
        "divided_by": member.divisor,
        "peak": part.limit,
        "empty_reason": part.empty_reason,
        "files": found[0],
        "boxes": [asdict(box) for box in found[1]],
    }


def _heat_image(part: Explanation, values: NDArray[np.float32]) -> Image.Image:
    """The map alone, pixel for pixel, with its caption."""
    limit = part.limit or 1.0
    colours = colormap_for(part)(
        np.clip(values / limit, -1, 1) / 2 + 0.5 if part.signed else np.clip(values / limit, 0, 1)
    )
    picture = Image.fromarray((colours[..., :3] * 255).round().astype(np.uint8))
    return with_caption(picture, caption(part), part.scan.synthetic)


def _record(
    asked: EnsembleRun,
    findings: EnsembleFindings,
    choice: Choice,
    truth: GroundTruth | None,
    about: Mapping[str, Any],
    result: Presented,
) -> dict[str, Any]:
    """The content of ``ensemble.json``: the audit trail, without a time."""
    models = [
        {
            "key": model["name"],
            "title": asked.titles.get(model["name"], model["name"]),
            "weight": float(model["weight"]),
            "share": float(model["weight"]) / sum(findings.weights.values()),
            "sha256": model["sha256"],
            "card": model["card"],
            "description": model["resolved"]["description"],
            "task": model["resolved"]["task"],
            "input_size": model["resolved"]["input"]["size"],
            "labels": [label for label in model["resolved"]["labels"] if label],
            "method": list(model["recipe"]["methods"]),
            "layer": list(model["recipe"]["layers"]),
        }
        for model in asked.run.about["models"]
    ]
    unused = (
        []
        if truth is None
        else truth.unused([(case["image"], case["path"]) for case in result.images])
    )
    return {
        **about,
        "models": models,
        "top": choice.top,
        "threshold": choice.threshold,
        "labels": list(choice.labels),
        "scale": findings.scale,
        "images": len(result.images),
        "synthetic": any(case.get("synthetic") for case in result.images),
        "failures": [line for _, line in result.failures],
        "notes": [*asked.notes, *unused],
        "notice": "Research use only",
    }


def _summary(
    localised: Sequence[Mapping[str, Any]], findings: EnsembleFindings
) -> list[dict[str, Any]]:
    """A row a model: the mean of each measure over findings, its interval over patients, and its chance level."""
    table = pd.DataFrame(localised, columns=_LOCALISED)
    rows: list[dict[str, Any]] = []
    for name in (*findings.names, ENSEMBLE):
        part = table[table["model"] == name]
        measured: dict[str, Any] = {}
        for measure in MEASURES if len(part) else ():
            interval = mean_interval(part[measure].astype(float), part["patient"].tolist())
            numbers = {key: _number(getattr(interval, key)) for key in ("estimate", "low", "high")}
            measured[measure] = numbers | {"chance": float(part[f"{measure}_chance"].mean())}
        if measured:
            rows.append(
                {
                    "model": name,
                    "findings": len(part),
                    "patients": part["patient"].nunique(),
                    "measures": measured,
                }
            )
    return rows


def _plain(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [
        {"label": str(label), **{str(name): _number(p) for name, p in row.items()}}
        for label, row in table.iterrows()
    ]


def _ranked(table: pd.DataFrame, name: str, top: int) -> list[tuple[str, float]]:
    best = table[name].dropna().sort_values(ascending=False, kind="stable")[:top]
    return [(str(label), float(p)) for label, p in best.items()]


def _number(value: float) -> float | None:
    """JSON has no NaN."""
    return float(value) if np.isfinite(value) else None


def _mean(values: NDArray[np.float32]) -> float:
    return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")
