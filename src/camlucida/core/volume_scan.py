"""One volume on its way through the package."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from camlucida.core.geometry import Geometry
from camlucida.core.orientation import Affine, AxisOrder
from camlucida.core.scan import Scan


@dataclass(frozen=True, kw_only=True)
class VolumeScan(Scan):
    """One volume: as the model's input, and as the voxels that people look at.

    ``geometry`` is between the *ordered* voxels, whose axes run as the model's do, and the model's
    input; a model of stacked slices sees two axes of them. :meth:`to_stored` carries a map on to
    the voxels of the file.

    Attributes:
        voxels: (D, H, W) float32 as stored, in the units of the file.
        affine: (4, 4), (slice, row, column, 1) of ``voxels`` → mm in the patient (RAS).
        order: stored voxels → ordered ones.
        whole: ordered voxels ↔ model voxels on all three axes.
        oriented: whether the file states directions of the patient.
        window: (low, high) that the file asks to be shown in; None without.
        model_window: (low, high) that the model's card states; None without.
    """

    voxels: NDArray[np.float32]
    affine: Affine
    order: AxisOrder
    whole: Geometry
    oriented: bool = True
    window: tuple[float, float] | None = None
    model_window: tuple[float, float] | None = None

    def to_stored(self, values: Tensor) -> NDArray[np.float32]:
        """Carry a map on the model's input to the voxels of the file.

        Args:
            values: (d, h, w) of the model's input; or (h, w) of one of stacked slices, which then
                holds for each of them.

        Returns:
            (D, H, W); 0 where the model saw nothing.

        >>> import torch
        >>> order, whole = AxisOrder(flipped=(True, False, False)), Geometry.identity((2, 1, 1))
        >>> tensor, voxels = torch.zeros(1, 2, 1, 1), np.zeros((2, 1, 1), np.float32)
        >>> about = {"voxels": voxels, "affine": np.eye(4), "order": order, "whole": whole}
        >>> scan = VolumeScan(tensor, None, whole, "head", **about)
        >>> scan.to_stored(torch.tensor([[[0.0]], [[1.0]]]))[:, 0, 0].tolist()
        [1.0, 0.0]
        """
        on_model = values.expand(self.whole.model) if values.ndim == 2 else values
        ordered = self.whole.map_to_original(on_model[None].float())[0]
        return np.ascontiguousarray(self.order.invert(ordered.numpy()))
