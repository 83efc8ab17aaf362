"""The folder of one image: its findings as figures, overlays, maps, masks and boxes."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from camlucida.analysis.ensemble.combine import Ensemble
from camlucida.analysis.ensemble.findings import EnsembleFinding, EnsembleFindings, FindingChoice
from camlucida.analysis.ensemble.localisation import localisation
from camlucida.analysis.ensemble.members import EnsembleMember
from camlucida.analysis.ensemble.stored import maps_file
from camlucida.attribution.explanation import Explanation
from camlucida.core.errors import CamlucidaError
from camlucida.core.failures import Failure
from camlucida.core.files import slug, write_bytes, write_json
from camlucida.core.messages import Message, Value, declare
from camlucida.core.png import png_bytes
from camlucida.core.regions import Box, binary_mask, boxes
from camlucida.core.scan import Scan
from camlucida.datasets.ground_truth import GroundTruth
from camlucida.figures.ensemble import boxes_figure, ensemble_figure
from camlucida.figures.files import SCREEN_DPI, save_figure
from camlucida.figures.map_pixels import heat_picture
from camlucida.figures.overlay import caption, captioned, jpeg_bytes, map_pixels, overlay_image
from camlucida.figures.save import strip_png
from camlucida.io.keyed_files import image_source
from camlucida.metrics.statistics import excess
from camlucida.report.viewer.case_files import write_case
from camlucida.report.viewer.data import annotated_boxes, case_file, has_film
from camlucida.report.viewer.page import FOLDER
from camlucida.runs.keyed import kept_failure
from camlucida.workflows.ensemble.tables import ENSEMBLE, number_or_none, ranked, table_rows
from camlucida.workflows.ensemble.view import finding_maps

declare(
    "not_comparable",
    {
        "single": "there is one classifier only",
        "evidence": (
            "not comparable: {count} of {members} maps {count:|holds|hold} evidence; "
            "the others are empty or faint"
        ),
        "constant": "fewer than two maps vary",
    },
)

Floats = NDArray[np.float64]

WIDEST_STRIP = 2600
"""Pixels of the longer side of the strip of a classifier's labels."""


@dataclass(frozen=True)
class MapFiles:
    """What was written of one map.

    Attributes:
        files: kind → name, relative to the output folder.
        boxes: of the map's connected components, highest peak first.
    """

    files: dict[str, str]
    boxes: list[Box]


@dataclass
class ImageRecord:
    """What was written of one image.

    Attributes:
        case: content of ``metadata.json``.
        folder: its name, relative to the output folder.
        view: its script for the viewer, relative to the output folder; "" without a map.
        rows, localised: of ``ensemble.csv`` and ``localisation.csv``.
        failures: boxes that could not be compared.
    """

    case: dict[str, Any]
    folder: str
    view: str = ""
    rows: list[dict[str, Any]] = field(default_factory=list)
    localised: list[dict[str, Any]] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)


@dataclass(frozen=True)
class ImageFolder:
    """Writes the folder of an image.

    Attributes:
        findings: of the run.
        titles: key of a classifier → its name for people.
        choice: which findings are shown.
        truth: boxes that readers drew; None without.
        out: the output folder.
        folder: of the image, relative to ``out``.
        formats: of the figures side by side and of boxes.
    """

    findings: EnsembleFindings
    titles: dict[str, str]
    choice: FindingChoice
    truth: GroundTruth | None
    out: Path
    folder: str
    formats: Sequence[str]

    def write(self, image: str) -> ImageRecord:
        """Everything of one image.

        Raises:
            CamlucidaError: the image cannot be shown.
        """
        table, decisions = self.findings.table(image), self.findings.decisions(image)
        predictions = self.findings.predictions
        first = predictions[predictions["image"] == image].iloc[0]
        path, patient = str(first["path"]), str(first["patient"])
        size = [int(side) for side in first["original"]]
        record = ImageRecord({}, self.folder)
        true_boxes = self._true_boxes(image, path, size, record)
        name, file = image_source(image, path)
        annotated = () if self.truth is None else self.truth.has(name, str(file))
        chosen = self.findings.chosen(image, self.choice, annotated)
        most = self.choice.top
        top = {name: ranked(table, decisions, name, most) for name in self.titles}
        shown: list[dict[str, Any]] = []
        viewed: list[Explanation] = []
        film: Scan | None = None
        for finding in self.findings.findings(image, chosen):
            shown.append(self._finding(finding, true_boxes.get(finding.label), patient, record))
            film = film or self._film(image, finding)
            viewed += finding_maps(finding.ensemble, self.titles, film)
        if film is not None and has_film(film):
            record.view = self._view(viewed, true_boxes)
        record.case = {
            "image": image,
            "path": path,
            "sha256": str(first["image_sha256"]),
            "size": size,
            "patient": patient,
            **({} if film is None else self._picture(film)),
            "missing": self.findings.missing(image),
            "probabilities": _probabilities(table),
            "top": top,
            "strips": self._strips(image, top),
            "findings": shown,
        }
        names = (*self.titles, ENSEMBLE)
        weights = self.findings.weights
        record.rows = table_rows(image, patient, table, decisions, names, weights, chosen, shown)
        metadata = record.case | {"notice": "Research use only"}
        write_json(self.out / self.folder / "metadata.json", metadata)
        return record

    def _true_boxes(
        self, image: str, path: str, size: Sequence[int], record: ImageRecord
    ) -> dict[str, Floats]:
        """Label → boxes; where they cannot be used, the image is shown without them."""
        if self.truth is None:
            return {}
        name, file = image_source(image, path)
        try:
            return self.truth.boxes(name, str(file), (size[0], size[1]))
        except CamlucidaError as error:
            failure = Failure.of(image, error, named=True)
            record.failures.append(kept_failure(self.findings.run.about, failure))
            return {}

    def _film(self, image: str, finding: EnsembleFinding) -> Scan:
        """The film with all its grey levels."""
        first = finding.ensemble.members[0]
        read = self.findings.explanation(image, first.name, finding.label, levels=True)
        return first.explanation.scan if read is None else read.scan

    def _view(self, maps: Sequence[Explanation], true_boxes: dict[str, Floats]) -> str:
        """Write the film with the maps of all findings for the viewer."""
        name = f"{FOLDER}/{PurePosixPath(self.folder).name}.js"
        labels = {explanation.target for explanation in maps}
        marked = (annotated_boxes(*each) for each in true_boxes.items() if each[0] in labels)
        boxes = list(chain.from_iterable(marked))
        write_case(case_file(self.out / name, maps, boxes=boxes, first=0))
        return name

    def _picture(self, film: Scan) -> dict[str, Any]:
        name = f"{self.folder}/film.png"
        write_bytes(self.out / name, png_bytes(film.picture()))
        return {"film": name, "synthetic": film.synthetic, "warnings": list(film.warnings)}

    def _strips(self, image: str, top: dict[str, list[tuple[str, float]]]) -> list[dict[str, str]]:
        """Of each classifier its most probable labels, each map on its own scale."""
        strips = []
        for name, labels in top.items():
            maps = [self.findings.explanation(image, name, label) for label, _ in labels]
            drawn = [part for part in maps if part is not None]
            if drawn:
                stem = f"{self.folder}/{slug(name)}_top{len(drawn)}"
                strip = Image.open(io.BytesIO(strip_png(drawn)))
                strip.thumbnail((WIDEST_STRIP, WIDEST_STRIP))
                write_bytes(self.out / f"{stem}.jpg", jpeg_bytes(strip))
                strips.append({"model": name, "file": f"{stem}.jpg"})
        return strips

    def _finding(
        self,
        finding: EnsembleFinding,
        true_boxes: Floats | None,
        patient: str,
        record: ImageRecord,
    ) -> dict[str, Any]:
        """Write every file of one finding; its entry in ``metadata.json``."""
        ensemble, label = finding.ensemble, finding.label
        stem = f"{self.folder}/{slug(label)}"
        maps = {member.name: member.explanation for member in ensemble.members}
        maps[ENSEMBLE] = ensemble.explanation()
        evident = {member.name for member in ensemble.evident}
        if evident:
            evident.add(ENSEMBLE)
        files = {}
        for name, part in maps.items():
            files[name] = self._map_files(name, label, part, name in evident)
        side_by_side = ensemble_figure(ensemble, self.titles)
        save_figure(side_by_side, self.out / f"{stem}_side_by_side", self.formats, SCREEN_DPI)
        drawn = {self.titles[name]: files[name].boxes for name in maps if name != ENSEMBLE}
        figure = boxes_figure(maps[ENSEMBLE], drawn, files[ENSEMBLE].boxes, true_boxes)
        save_figure(figure, self.out / f"{stem}_boxes", self.formats, SCREEN_DPI)
        write_bytes(self.out / f"{stem}_maps.npz", maps_file(ensemble))
        if true_boxes is not None and len(true_boxes):
            record.localised += _localised(finding, files, true_boxes, patient, maps[ENSEMBLE])
        ensemble_files = files[ENSEMBLE].files | {"maps": f"{stem}_maps.npz"}
        return {
            "label": label,
            "reason": finding.reason,
            "figure": f"{stem}_side_by_side.jpg",
            "boxes_figure": f"{stem}_boxes.jpg",
            **_ensemble_numbers(finding),
            "members": [_member(member, files[member.name]) for member in ensemble.members],
            "files": ensemble_files,
            "boxes": [asdict(box) for box in files[ENSEMBLE].boxes],
            "truth": [] if true_boxes is None else true_boxes.tolist(),
        }

    def _map_files(self, name: str, label: str, part: Explanation, has_evidence: bool) -> MapFiles:
        """Overlay, heat map and mask of one map in original pixels; boxes if it is evidence."""
        values = part.numpy()
        mask = binary_mask(values)
        stem = f"{self.folder}/{slug(name)}_{slug(label)}"
        contents = {
            "overlay": (".jpg", jpeg_bytes(overlay_image(part))),
            "heatmap": (".jpg", jpeg_bytes(_heat_image(part))),
            "mask": (".png", png_bytes(mask.astype(np.uint8) * np.uint8(255))),
        }
        files = {}
        for kind, (suffix, data) in contents.items():
            files[kind] = f"{stem}_{kind}{suffix}"
            write_bytes(self.out / files[kind], data)
        return MapFiles(files, boxes(mask, values) if has_evidence else [])


def _ensemble_numbers(finding: EnsembleFinding) -> dict[str, Any]:
    ensemble = finding.ensemble
    spread = ensemble.disagreement
    disagreement = float(np.nanmean(spread)) if np.isfinite(spread).any() else float("nan")
    return {
        "probability": ensemble.probability,
        "agreement": number_or_none(ensemble.agreement),
        "agreement_reason": _not_comparable(ensemble),
        "compared_pairs": ensemble.compared,
        "evident": [member.name for member in ensemble.evident],
        "weighting": ensemble.weighting,
        "dominated_by": _dominance(ensemble),
        "null": number_or_none(finding.null),
        "null_pairs": finding.pairs,
        "excess": number_or_none(excess(ensemble.agreement, finding.null)),
        "disagreement": number_or_none(disagreement),
        "mean": float(ensemble.mean.mean()),
        "peak": float(ensemble.mean.max()),
        "unit": ensemble.unit,
        "left_out": list(ensemble.left_out),
    }


def _not_comparable(ensemble: Ensemble) -> Message | None:
    """Why maps have no agreement; None where they have one."""
    if np.isfinite(ensemble.agreement):
        return None
    counts: dict[str, Value] = {"members": len(ensemble.members), "count": len(ensemble.evident)}
    if len(ensemble.members) < 2:
        return Message("not_comparable.single")
    if len(ensemble.evident) < 2:
        return Message("not_comparable.evidence", counts)
    return Message("not_comparable.constant")


def _dominance(ensemble: Ensemble) -> dict[str, Any] | None:
    dominance = ensemble.dominance()
    return None if dominance is None else asdict(dominance)


def _localised(
    finding: EnsembleFinding,
    files: dict[str, MapFiles],
    true_boxes: Floats,
    patient: str,
    whole: Explanation,
) -> list[dict[str, Any]]:
    """Rows of ``localisation.csv``: the boxes of every map against those of the readers."""
    height, width = whole.scan.geometry.original
    rows = []
    for name, written in files.items():
        about = {"image": whole.scan.id, "patient": patient, "label": finding.label, "model": name}
        counts = {"boxes": len(written.boxes), "true_boxes": len(true_boxes)}
        scores = localisation(written.boxes, true_boxes, (height, width))
        rows.append(about | counts | scores)
    return rows


def _member(member: EnsembleMember, written: MapFiles) -> dict[str, Any]:
    part = member.explanation
    reason: Message | None = part.empty_reason
    return {
        "model": member.name,
        "weight": member.weight,
        "map_weight": member.map_weight,
        "evidence": member.has_evidence,
        "bounded": member.bounded,
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
        "empty_reason": reason,
        "files": written.files,
        "boxes": [asdict(box) for box in written.boxes],
    }


def _heat_image(part: Explanation) -> Image.Image:
    """The map alone, pixel for pixel, with its caption."""
    picture = heat_picture(map_pixels(part))
    return captioned(picture, caption(part), part.scan.synthetic)


def _probabilities(table: pd.DataFrame) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for label, row in table.iterrows():
        numbers = {str(name): number_or_none(value) for name, value in row.items()}
        rows.append({"label": str(label), **numbers})
    return rows
