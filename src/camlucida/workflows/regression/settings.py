"""The settings of a regression evaluation, and its result."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from camlucida.analysis.cases.concentration import Concentration
from camlucida.attribution.methods import METHODS
from camlucida.core.errors import UsageError
from camlucida.core.failures import Failure
from camlucida.core.messages import Message
from camlucida.evaluation.predictions.tables import PredictionSettings
from camlucida.figures.colours import check_colormap
from camlucida.metrics.regression import WITHIN
from camlucida.workflows.regression.figures import THRESHOLD
from camlucida.workflows.regression.sheet import SheetColumns


@dataclass(frozen=True)
class RegressionSettings:
    """What is evaluated, and how.

    Attributes:
        checkpoint: weights, or a folder with ``best_model.pth``.
        images: folder of images.
        table: CSV, TSV, XLSX, Parquet or JSON of true values.
        columns: of the table.
        masks: file or folder of annotations of any kind; None looks beside the images.
        split: evaluate only this one.
        least, most: true values that are evaluated; None for no limit.
        listed: images in each list of high and low errors; None lists all.
        model: card or factory; None recognises the checkpoint.
        layer, method: of the maps.
        size: of the model's input, in pixels; None takes the card's, or the usual one.
        threshold: absolute errors from here up are high.
        within: tolerances of the shares.
        bin_width: of groups of the true value; None: 10, or a round width of at most 12 groups.
        colormap: of the maps; its middle is zero.
        unit: of the value, such as years, for the axes of figures.
        samples: rows, counted from 0 as in ``predictions.json``, of which figures are drawn.
    """

    checkpoint: Path
    images: Path
    table: Path
    columns: SheetColumns = field(default_factory=SheetColumns)
    masks: Path | None = None
    split: str | None = None
    least: float | None = None
    most: float | None = None
    listed: int | None = None
    model: str | None = None
    layer: str = "auto"
    method: str = "gradcam"
    size: int | None = None
    threshold: float = THRESHOLD
    within: tuple[float, ...] = WITHIN
    bin_width: float | None = None
    colormap: str | None = None
    unit: str = ""
    samples: tuple[int, ...] = ()

    def check(self) -> None:
        """Check what needs neither table nor model, before anything is written.

        Raises:
            UsageError: unknown colormap or method; a tolerance or width that is not above 0.
        """
        check_colormap(self.colormap)
        METHODS[self.method]
        widths = () if self.bin_width is None else (self.bin_width,)
        low = float("-inf") if self.least is None else self.least
        high = float("inf") if self.most is None else self.most
        if not low <= high:
            raise UsageError(f"--min-value {low:g} is above --max-value {high:g}", "exchange them")
        for option, numbers in (("--within", self.within), ("--bin-width", widths)):
            wrong = [number for number in numbers if not number > 0]
            if wrong:
                raise UsageError(f"{option} {wrong[0]:g}", "give a number above 0")

    def check_samples(self, rows: int) -> None:
        """Check that each sample is one of ``rows`` rows.

        Raises:
            UsageError: it is not.
        """
        for index in self.samples:
            if not 0 <= index < rows:
                raise UsageError(f"no sample {index}", f"{rows} rows can be used, counted from 0")


@dataclass
class RegressionResult:
    """What an evaluation measured and wrote.

    Attributes:
        figures: of the predictions; columns of :class:`~camlucida.metrics.score_table.Row`.
        evidence: of the maps in the masks; columns of
            :class:`~camlucida.analysis.cases.region_shares.EvidenceRow`.
        written: files.
        concentration: of the maps of the best and the worst images; None for too few.
        failures: rows, images and masks that could not be used.
        notes: for the reader.
        prediction_settings: of the figures.
    """

    figures: pd.DataFrame = field(default_factory=pd.DataFrame)
    evidence: pd.DataFrame = field(default_factory=pd.DataFrame)
    written: list[Path] = field(default_factory=list)
    concentration: Concentration | None = None
    failures: list[Failure] = field(default_factory=list)
    notes: list[Message] = field(default_factory=list)
    prediction_settings: PredictionSettings = field(default_factory=PredictionSettings)
