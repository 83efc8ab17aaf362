"""One image on its way through the package."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, from_numpy

from camlucida.core.geometry import Geometry
from camlucida.core.grey_levels import GreyLevels
from camlucida.core.messages import Message


@dataclass(frozen=True)
class Scan:
    """One image in two forms: as the model's input, and as the picture that people look at.

    The two are made by separate pipelines from the same file, and never from each other.

    Attributes:
        tensor: (C, *spatial) float32 model input, preprocessed as the model was trained.
        display: (H, W) or (H, W, 3) uint8 in original pixels (EXIF orientation applied, DICOM
            windowed); None for a bare tensor, whose grey levels :meth:`picture` then shows.
        geometry: original pixels ↔ model pixels.
        id: short name, unique in a batch (the file's stem, with the frame number of a multi-frame
            file).
        source: where the image comes from: {"path", "sha256", "format", "frame", …}; no patient
            attributes.
        preprocessing: the steps that led to ``tensor``, in order.
        synthetic: True for generated images; every figure then says SYNTHETIC.
        warnings: for the person who reads the result.
        levels: of a film of more than 8 bits all its grey levels, where they were wanted.

    >>> import torch
    >>> scan = Scan(torch.zeros(1, 2, 3), None, Geometry.identity((2, 3)), "blank")
    >>> scan.picture().shape
    (2, 3)
    """

    tensor: Tensor
    display: NDArray[np.uint8] | None
    geometry: Geometry
    id: str
    source: dict[str, Any] = field(default_factory=dict)
    preprocessing: tuple[Message, ...] = ()
    synthetic: bool = False
    warnings: tuple[Message, ...] = ()
    levels: GreyLevels | None = None

    def picture(self) -> NDArray[np.uint8]:
        """The image for people: ``display``, or the tensor's mean over its channels.

        Returns:
            (H, W) or (H, W, 3) uint8 in original pixels; of a bare tensor its minimum is 0 and its
            maximum 255, and what the model did not see is black.

        >>> import torch
        >>> tensor = torch.tensor([[[0.0, 0.5, 1.0]]])
        >>> Scan(tensor, None, Geometry.identity((1, 3)), "ramp").picture()
        array([[  0, 128, 255]], dtype=uint8)
        """
        if self.display is not None:
            return self.display
        pixels = self.tensor.float().cpu().numpy()
        grey = np.nan_to_num(pixels, posinf=0, neginf=0).mean(0)
        low = grey.min()
        high = grey.max()
        gain = 255 / (high - low) if high > low else 0
        levels = ((grey - low) * gain).round()
        if self.geometry == Geometry.identity(grey.shape):
            return np.asarray(levels, np.uint8)
        on_original = self.geometry.map_to_original(from_numpy(levels)[None])[0]
        return np.asarray(on_original.numpy().round().clip(0, 255), np.uint8)
