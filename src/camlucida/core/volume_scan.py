"""One volume on its way through the package."""

from __future__ import annotations

from dataclasses import dataclass, fields

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
        measured: whether the millimetres of ``affine`` are known; not of a bare tensor.
        window: (low, high) that the file asks to be shown in; None without.
        model_window: (low, high) that the model's card states; None without.
    """

    voxels: NDArray[np.float32]
    affine: Affine
    order: AxisOrder
    whole: Geometry
    oriented: bool = True
    measured: bool = True
    window: tuple[float, float] | None = None
    model_window: tuple[float, float] | None = None

    def from_stored(self, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Carry a mask on the voxels of the file to what ``geometry`` calls the original.

        Args:
            mask: (D, H, W).

        Returns:
            (*geometry.original). Of a model of stacked slices, whose map is one for all of them,
            the pixels in which any slice that it saw has the mask.

        >>> order, whole = AxisOrder((0, 2, 1)), Geometry.identity((1, 2, 1))
        >>> about = {"voxels": np.zeros((1, 1, 2)), "affine": np.eye(4), "order": order}
        >>> import torch
        >>> scan = VolumeScan(torch.zeros(1, 1, 2, 1), None, whole, "a", whole=whole, **about)
        >>> scan.from_stored(np.array([[[True, False]]])).tolist()
        [[[True], [False]]]
        """
        ordered = self.order.apply(mask)
        if len(self.geometry.original) == 3:
            return np.ascontiguousarray(ordered)
        first, end = self.whole.seen()[0]
        return np.asarray(ordered[first:end].any(0))

    def mask_to_stored(self, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Carry what :meth:`from_stored` gave back to the voxels of the file.

        Args:
            mask: (*geometry.original).

        Returns:
            (D, H, W); of a model of stacked slices in each slice that it saw.
        """
        if mask.ndim == 3:
            return np.ascontiguousarray(self.order.invert(mask))
        first, end = self.whole.seen()[0]
        ordered = np.zeros(self.whole.original, bool)
        ordered[first:end] = mask
        return np.ascontiguousarray(self.order.invert(ordered))

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


def is_volume(scan: Scan) -> bool:
    """Whether a scan is a volume, read from a file or a bare tensor (C, D, H, W).

    Args:
        scan: of any kind. A tensor (C, H, W) is an image, also where its channels are slices.

    >>> import torch
    >>> is_volume(Scan(torch.zeros(1, 2, 4, 4), None, Geometry.identity((2, 4, 4)), "head"))
    True
    """
    return isinstance(scan, VolumeScan) or len(scan.geometry.model) == 3


def as_volume(scan: Scan) -> VolumeScan:
    """A volume with voxels and an affine, also of a bare tensor.

    Args:
        scan: of three axes.

    Returns:
        The scan itself where it was read from a file. Of a bare tensor, voxels are the mean of its
        channels in original voxels, and neither directions nor millimetres are known.

    >>> import torch
    >>> bare = Scan(torch.ones(2, 2, 4, 4), None, Geometry.identity((2, 4, 4)), "head")
    >>> as_volume(bare).voxels.shape, as_volume(bare).oriented
    ((2, 4, 4), False)
    """
    if isinstance(scan, VolumeScan):
        return scan
    grey = scan.tensor.detach().float().cpu().mean(0)
    voxels = scan.geometry.map_to_original(grey[None])[0].numpy()
    stated = {each.name: getattr(scan, each.name) for each in fields(Scan)}
    return VolumeScan(
        **stated,
        voxels=np.nan_to_num(voxels, posinf=0, neginf=0).astype(np.float32),
        affine=np.eye(4),
        order=AxisOrder(),
        whole=scan.geometry,
        oriented=False,
        measured=False,
    )
