"""Maps and segmentations as CheXlocalize releases them, of made-up images."""

import json
import pickle
from pathlib import Path

import numpy as np
import torch
from scipy import ndimage

from camlucida.io.annotations import to_rle

LABELS = ("Edema", "Lung Lesion")


def write_dataset(
    folder: Path, first: int, patients: int, size=(60, 72), grid=(5, 6), labels=LABELS, rng=None
) -> dict[tuple[str, str], tuple[np.ndarray, np.ndarray]]:
    """``maps/``, ``gt_segmentations.json`` and ``gt_annotations.json``.

    Every second image has the finding; a map is the segmentation on the grid with noise.

    Returns:
        (image, label) → map on its grid, segmentation.
    """
    rng = np.random.default_rng(first) if rng is None else rng
    (folder / "maps").mkdir(parents=True)
    masks, outlines, content = {}, {}, {}
    for number in range(patients):
        image = f"patient{first + number}_study1_view1_frontal"
        masks[image], outlines[image] = {}, {"img_size": list(size)}
        for position, label in enumerate(labels):
            mask = np.zeros(size, bool)
            if (number + position) % 2 == 0:
                top, left = rng.integers(2, 30, 2)
                mask[top : top + 20, left : left + 25] = True
                right, bottom = left + 24, top + 19
                corners = [[left, top], [right, top], [right, bottom], [left, bottom]]
                outlines[image][label] = [np.array(corners, float).tolist()]
            masks[image][label] = to_rle(mask)
            coarse = ndimage.zoom(mask.astype(float), np.array(grid) / size, order=1)
            values = np.clip(coarse + 0.4 * rng.random(grid), 0, None).astype(np.float32)
            content[image, label] = values, mask
            write_map(folder / "maps", image, label, values, size)
    (folder / "gt_segmentations.json").write_text(json.dumps(masks))
    (folder / "gt_annotations.json").write_text(json.dumps(outlines))
    return content


def write_map(folder: Path, image: str, label: str, values: np.ndarray, size, **more) -> Path:
    """One pickle, with the keys of the released ones."""
    file = folder / f"{image}_{label}_map.pkl"
    content = {
        "map": torch.from_numpy(values)[None, None],
        "prob": 0.25,
        "task": label,
        "gt": 1,
        "cxr_img": torch.rand(3, 8, 8),
        "cxr_dims": (size[1], size[0]),
    }
    file.write_bytes(pickle.dumps(content | more))
    return file
