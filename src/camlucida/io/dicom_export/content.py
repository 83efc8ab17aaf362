"""What is exported of an image, as plain data, and the words that DICOM has room for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from camlucida import __version__

MANUFACTURER = "camlucida"

SCHEME = "99CAMLUCIDA"
"""Designator of codes that no standard has: the labels of a model, and its score."""

RESEARCH = "Research use only."

NO_PROBABILITY = "A heat map shows where a score comes from; it is no probability of disease."

LONGEST = 64
"""Characters of a long string (LO) and of the meaning of a code."""

Explains = Literal["gradient", "activation", "saliency"]

VISUAL_EXPLANATIONS: dict[Explains, Code] = {
    "gradient": codes.DCM.GradientWeightedClassActivation,
    "activation": codes.DCM.ClassActivation,
    "saliency": codes.DCM.Saliency,
}
"""CID 217, Visual Explanation: 130403, 130402 and 130404."""


@dataclass(frozen=True)
class Algorithm:
    """The model that was explained.

    Attributes:
        name: of the model.
        weights: hash of its weights; "" where it has no file.
    """

    name: str
    weights: str = ""

    @property
    def version(self) -> str:
        """Of the algorithm: that of this package, and the weights."""
        return shortened(f"{__version__}; weights {self.weights[:16] or 'not recorded'}")

    @property
    def serial_number(self) -> str:
        """DICOM wants one of every device; the weights are what tells two models apart."""
        return self.weights[:32] or "not recorded"


@dataclass(frozen=True)
class ExportedMap:
    """One map of an image.

    Attributes:
        label: of the target.
        method: title of the method.
        explains: which term of CID 217 the method is.
        layer: that the map is of.
        cells: the grid, such as "16 x 16".
        score: the number that was explained.
        score_kind: what the number is: logit, probability, value.
        probability: in [0, 1]; None where the model gives none.
        values: (H, W) in [0, 1] of the image's pixels, or (D, H, W) of a volume's voxels: the
            positive part of the map in shares of its maximum.
        mask: of the same shape: where ``values`` reach the threshold; nowhere for a map without
            evidence.
        contours: (N, 2) columns and rows of each line round the mask, the image's upper left corner
            being (0, 0).
        picture: (h, w, 3): film and overlay with colour bar, method, target and notice.
        empty: why there is no evidence; "" if there is some.
    """

    label: str
    method: str
    explains: Explains
    layer: str
    cells: str
    score: float
    score_kind: str
    probability: float | None
    values: NDArray[np.float32]
    mask: NDArray[np.bool_]
    contours: tuple[NDArray[np.float64], ...]
    picture: NDArray[np.uint8]
    empty: str = ""

    @property
    def title(self) -> str:
        """Target and method."""
        return f"{self.label}: {self.method}"


@dataclass(frozen=True)
class ImageContent:
    """What is exported of an image.

    Attributes:
        maps: at least one.
        algorithm: the model.
        threshold: of the masks, a share of each map's maximum.
        synthetic: whether the image is generated.
        burned_in: "text" or a side "marker", whichever seems to be burned into the film; else "".
        mismatch: whether the model is known not to be that of the stored predictions.
    """

    maps: tuple[ExportedMap, ...]
    algorithm: Algorithm
    threshold: float
    synthetic: bool = False
    burned_in: Literal["", "marker", "text"] = ""
    mismatch: bool = False

    @property
    def region(self) -> str:
        """What the masks are, such as "≥ 50 % of maximum", in ASCII."""
        return f">= {100 * self.threshold:.3g} % of maximum"

    @property
    def notice(self) -> str:
        """The notice, and whether image or model are not what they seem."""
        parts = [RESEARCH]
        if self.synthetic:
            parts.append("SYNTHETIC image.")
        if self.mismatch:
            parts.append("NOT THE MODEL OF THE STORED PREDICTIONS.")
        return " ".join(parts)

    @property
    def is_volume(self) -> bool:
        """Whether the maps lie in the voxels of a volume."""
        return self.maps[0].mask.ndim == 3

    @property
    def drawn(self) -> tuple[ExportedMap, ...]:
        """The maps with a region."""
        return tuple(item for item in self.maps if item.mask.any())


def shortened(text: str, longest: int = LONGEST) -> str:
    """A text that fits; a backslash would divide a value of DICOM.

    Args:
        text: any.
        longest: characters.

    >>> shortened("a" * 70)[-3:], len(shortened("a" * 70))
    ('aa…', 64)
    """
    plain = " ".join(text.replace("\\", "/").split())
    return plain if len(plain) <= longest else f"{plain[: longest - 1]}…"


def shortened_before(text: str, tail: str, longest: int = LONGEST) -> str:
    """A text and an end that stays whole.

    Args:
        text: cut where there is no room.
        tail: kept.
        longest: characters of both.

    >>> shortened_before("a" * 70, ": end")[-7:]
    'a…: end'
    """
    return shortened(text, longest - len(tail)) + tail


def label_code(label: str) -> Code:
    """The label of a model as a code of :data:`SCHEME`: no standard defines what a model means.

    Args:
        label: of the model.
    """
    return Code(shortened(label), SCHEME, shortened(label))


def equipment(algorithm: Algorithm) -> dict[str, Any]:
    """What every object says of what made it, as highdicom names it.

    Args:
        algorithm: the model.
    """
    return {
        "manufacturer": MANUFACTURER,
        "manufacturer_model_name": shortened(algorithm.name),
        "software_versions": __version__,
        "device_serial_number": algorithm.serial_number,
    }
