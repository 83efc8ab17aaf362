"""How far our maps are from those of grad-cam, torchcam and Captum on a network with real weights.

    python benchmarks/differences.py

EfficientNet-Lite0 with its weights of ImageNet (examples/efficientnet_lite0), scikit-image's cat
and its most probable class, at the last layer and at an earlier one, which has no ReLU. Each map is
what its package hands out, without the part below 0, brought to the input's size and scaled to
0 … 1 by its smallest and largest value, as grad-cam does. Written are Pearson's correlation and the
largest difference. docs/reference/methods.md shows them. SS-CAM and IS-CAM, of thousands of forward
passes, are left out. Guided backpropagation needs ReLUs, and that network has ReLU6: its methods
are measured on the packaged DenseNet of the benchmark and a film of it, at its last layer.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

import pytorch_grad_cam
import torch
import torchcam.methods
from captum import attr
from PIL import Image
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from skimage.data import chelsea
from speed import GRAD_CAM, TORCHCAM
from torch import Tensor

import camlucida as cl
from camlucida.core.tensors import resize
from camlucida.models import LoadedModel
from camlucida.workflows.benchmark.arms import arm_models, films_of, of_arm

RESULTS = Path(__file__).parent / "differences.json"
CARD = Path(__file__).parents[1] / "examples/efficientnet_lite0/card.toml"
LAYERS = {"last": "bn2", "earlier": "blocks.4"}
PIXELS = ("input_x_gradient", "integrated_gradients", "fullgrad", "guided_backprop")
"""Methods with no layer of their own."""
PACKAGES = {"grad-cam": "grad-cam", "torchcam": "torchcam", "Captum": "captum"}
SLOW = ("sscam", "iscam")
STEPS = 32
"""Of integrated gradients, here and there."""
CAPTUM = {
    "gradcam": lambda model, layer: attr.LayerGradCam(model, layer),
    "input_x_gradient": lambda model, layer: attr.InputXGradient(model),
    "integrated_gradients": lambda model, layer: attr.IntegratedGradients(model),
    "guided_backprop": lambda model, layer: attr.GuidedBackprop(model),
    "guided_gradcam": lambda model, layer: attr.GuidedGradCam(model, layer),
}
GUIDED = ("guided_backprop", "guided_gradcam")
"""Methods that need ReLUs."""
Peer = Callable[[str], Tensor]
"""Method → its map, (*grid) or (H, W)."""


class Scene:
    """A model, an image, its class, and the layer that is explained."""

    def __init__(self, model: LoadedModel, x: Tensor, layer: str) -> None:
        self.model, self.x, self.layer = model.module, x, layer
        self.module = self.model.get_submodule(layer)
        self.label = int(self.model(x).argmax())

    def ours(self, method: str) -> Tensor:
        layer = None if method in PIXELS else self.layer
        (explanation,) = cl.explain(self.model, self.x, self.label, method, layer or "auto")
        return explanation.raw

    def peers(self, method: str) -> Iterator[tuple[str, Peer]]:
        if method in GRAD_CAM:
            yield "grad-cam", self.grad_cam
        if method in TORCHCAM and method not in SLOW:
            yield "torchcam", self.torch_cam
        if method in CAPTUM:
            yield "Captum", self.captum

    def grad_cam(self, method: str) -> Tensor:
        with getattr(pytorch_grad_cam, GRAD_CAM[method])(self.model, [self.module]) as cam:
            maps = cam(input_tensor=self.x, targets=[ClassifierOutputTarget(self.label)])
        return torch.from_numpy(maps[0])

    def torch_cam(self, method: str) -> Tensor:
        extractor = getattr(torchcam.methods, TORCHCAM[method])
        with extractor(self.model, target_layer=self.module) as cam:
            scores = self.scores() if method == "scorecam" else self.model(self.x)
            (found,) = cam(self.label, scores)
        return found[0]

    @torch.no_grad()
    def scores(self) -> Tensor:
        return self.model(self.x)

    def captum(self, method: str) -> Tensor:
        options = {"n_steps": STEPS} if method == "integrated_gradients" else {}
        made = CAPTUM[method](self.model, self.module)
        return made.attribute(self.x, target=self.label, **options)[0].sum(0).detach()

    def shown(self, found: Tensor) -> Tensor:
        """A map as its user sees it."""
        found = resize(found.float().relu()[None], self.x.shape[2:])[0]
        low, high = found.min(), found.max()
        return (found - low) / (high - low)


def difference(scene: Scene, mine: Tensor, peer: Peer, method: str) -> dict[str, float | None]:
    """Correlation and largest difference of two maps; None where one of them is even."""
    one, other = scene.shown(mine), scene.shown(peer(method))
    correlation = float(torch.corrcoef(torch.stack([one.flatten(), other.flatten()]))[0, 1])
    largest = float((one - other).abs().max())
    if correlation != correlation:
        return {"correlation": None, "largest": None}
    return {"correlation": round(correlation, 4), "largest": float(f"{largest:.1e}")}


def measured() -> dict[str, dict[str, dict[str, dict[str, float | None]]]]:
    """Method → peer → place → difference."""
    model = cl.load_model(CARD, device="cpu")
    path = RESULTS.with_suffix(".png")
    Image.fromarray(chelsea()).save(path)
    x = model.read(path).tensor[None]
    path.unlink()
    scenes = {place: Scene(model, x, layer) for place, layer in LAYERS.items()}
    scenes["relu"] = rectified()
    found: dict[str, dict[str, dict[str, dict[str, float | None]]]] = {}
    for method in dict.fromkeys([*GRAD_CAM, *TORCHCAM, *CAPTUM]):
        if method in SLOW:
            continue
        places = ["input"] if method in PIXELS else list(LAYERS)
        for place in ["relu"] if method in GUIDED else places:
            scene = scenes["last" if place == "input" else place]
            mine = scene.ours(method)
            for name, peer in scene.peers(method):
                row = found.setdefault(method, {}).setdefault(name, {})
                row[place] = difference(scene, mine, peer, method)
                print(method, name, place, row[place], flush=True)
    return found


def rectified() -> Scene:
    """A packaged network of ReLUs and a film that it was not trained on."""
    (entry, *_) = of_arm(arm_models("cpu"), "main")
    (film,) = films_of(entry, 1, 0)
    return Scene(entry.model, film.scan.tensor[None], "features")


def main() -> None:
    """Measure, and write the file."""
    warnings.simplefilter("ignore")
    torch.manual_seed(0)
    packages = {name: version(package) for name, package in PACKAGES.items()}
    document = {"packages": packages, "layers": LAYERS, "differences": measured()}
    RESULTS.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
