"""In which pixels or voxels the ground truth of a scan is read."""

from __future__ import annotations

from camlucida.core.scan import Scan
from camlucida.core.volume_scan import VolumeScan
from camlucida.io.annotations.annotation import Size, VoxelGrid


def voxel_grid(scan: VolumeScan) -> VoxelGrid:
    """The voxels of a volume, on which its masks are read.

    Args:
        scan: a volume.
    """
    depth, height, width = scan.voxels.shape
    return VoxelGrid((depth, height, width), scan.affine, scan.oriented)


def truth_size(scan: Scan) -> Size | VoxelGrid:
    """(H, W) of an image, or the voxels of a volume.

    Args:
        scan: of either.
    """
    if isinstance(scan, VolumeScan):
        return voxel_grid(scan)
    height, width = scan.geometry.original
    return height, width
