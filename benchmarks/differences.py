"""How far our maps are from those of grad-cam, torchcam and Captum on a network with real weights.

    python benchmarks/differences.py            # all methods
    python benchmarks/differences.py finercam   # these alone; the others keep what was measured

EfficientNet-Lite0 with its weights of ImageNet (examples/efficientnet_lite0), scikit-image's cat
and its most probable class, at the last layer and at an earlier one, which has no ReLU. Each map is
what its package hands out, without the part below 0, brought to the input's size and scaled to
0 … 1 by its smallest and largest value, as grad-cam does. Written are Pearson's correlation and the
largest difference. docs/reference/methods.md shows them. SS-CAM and IS-CAM, of thousands of forward
passes at the last layer, are measured at the earlier one. Guided backpropagation needs ReLUs, and
that network has ReLU6: its methods are measured on the packaged DenseNet of the benchmark and a
film of it, at its last layer. LeGrad is measured on a small vision transformer of torchvision with
random weights.
"""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytorch_grad_cam
import torch
import torchcam.methods
import torchvision
from captum import attr
from PIL import Image
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from skimage.data import chelsea
from speed import GRAD_CAM, TORCHCAM
from torch import Tensor, nn

import camlucida as cl
from camlucida.attribution.methods import METHODS
from camlucida.attribution.methods.expected_gradients import flat_references
from camlucida.core.tensors import resize
from camlucida.workflows.benchmark.arms import arm_models, films_of, of_arm

RESULTS = Path(__file__).parent / "differences.json"
CARD = Path(__file__).parents[1] / "examples/efficientnet_lite0/card.toml"
LAYERS = {"last": "bn2", "earlier": "blocks.4"}
PIXELS = (
    *("refinecam", "occlusion", "input_x_gradient", "smoothgrad", "integrated_gradients"),
    *("expected_gradients", "fullgrad", "guided_backprop"),
)
"""Methods with no layer of their own."""
PACKAGES = {"grad-cam": "grad-cam", "torchcam": "torchcam", "Captum": "captum"}
PLACES = {
    **{method: ["input"] for method in PIXELS},
    **{method: ["relu"] for method in ("guided_backprop", "guided_gradcam")},
    "cam": ["last"],
    "sscam": ["earlier"],
    "iscam": ["earlier"],
    "legrad": ["tokens"],
}
"""Where methods are measured that are not at both layers."""
STEPS = 32
"""Of integrated gradients, here and there."""
OURS = {
    "cam": {"torchcam": "CAM"},
    "refinecam": {"grad-cam": "RefineCAM", "torchcam": "RefineCAM"},
    "finercam": {"grad-cam": "FinerCAM", "torchcam": "FinerCAM"},
    "segeigencam": {"grad-cam": "SegEigenCAM"},
    "legrad": {"torchcam": "LeGrad"},
}
"""Methods whose speed is not compared, with their classes."""
CLASSES = {
    "grad-cam": {**GRAD_CAM, **{m: c["grad-cam"] for m, c in OURS.items() if "grad-cam" in c}},
    "torchcam": {**TORCHCAM, **{m: c["torchcam"] for m, c in OURS.items() if "torchcam" in c}},
}
CAPTUM = {
    "gradcam": lambda model, layer: attr.LayerGradCam(model, layer),
    "occlusion": lambda model, layer: attr.Occlusion(model),
    "input_x_gradient": lambda model, layer: attr.InputXGradient(model),
    "smoothgrad": lambda model, layer: attr.NoiseTunnel(attr.Saliency(model)),
    "integrated_gradients": lambda model, layer: attr.IntegratedGradients(model),
    "expected_gradients": lambda model, layer: attr.GradientShap(model),
    "layer_integrated_gradients": lambda model, layer: attr.LayerIntegratedGradients(model, layer),
    "guided_backprop": lambda model, layer: attr.GuidedBackprop(model),
    "guided_gradcam": lambda model, layer: attr.GuidedGradCam(model, layer),
}
Peer = Callable[[str], Tensor]
"""Method → its map, (*grid) or (H, W)."""


class Scene:
    """A model, an image, its class, and the layer that is explained."""

    def __init__(self, model: nn.Module, x: Tensor, layer: str) -> None:
        self.model, self.x, self.layer = model, x, layer
        self.module = self.model.get_submodule(layer)
        self.label = int(self.model(x).argmax())

    def explained(self, method: str) -> cl.Explanation:
        layer = None if method in PIXELS else self.layer
        (explanation,) = cl.explain(self.model, self.x, self.label, method, layer or "auto")
        return explanation

    def ours(self, method: str) -> Tensor:
        return self.explained(method).raw

    def modules(self, method: str) -> list[nn.Module]:
        """Those that the method reads."""
        if method == "refinecam":
            layers = self.explained(method).provenance["fused"]["layers"]
            return [self.model.get_submodule(layer) for layer in layers]
        return [*self.module] if method == "legrad" else [self.module]

    def peers(self, method: str) -> Iterator[tuple[str, Peer]]:
        if method in CLASSES["grad-cam"]:
            yield "grad-cam", self.grad_cam
        if method in CLASSES["torchcam"]:
            yield "torchcam", self.torch_cam
        if method in CAPTUM:
            yield "Captum", self.captum

    def grad_cam(self, method: str) -> Tensor:
        made = getattr(pytorch_grad_cam, CLASSES["grad-cam"][method])
        cam = made(self.model, self.modules(method))
        # Finer-CAM takes its targets from the logits.
        targets = None if method == "finercam" else [ClassifierOutputTarget(self.label)]
        maps = cam(input_tensor=self.x, targets=targets)
        if hasattr(cam, "activations_and_grads"):
            cam.activations_and_grads.release()
        return torch.from_numpy(maps[0])

    def torch_cam(self, method: str) -> Tensor:
        made = getattr(torchcam.methods, CLASSES["torchcam"][method])
        options: dict[str, Any] = {"num_samples": 10} if method == "sscam" else {}
        if method == "cam":
            options["fc_layer"] = "classifier"
        with made(self.model, self.modules(method), **options) as cam:
            whole = method in ("scorecam", "sscam", "iscam", "cam")
            scores = self.scores() if whole else self.model(self.x)
            (found,) = cam(self.label, scores)
        return found[0]

    @torch.no_grad()
    def scores(self) -> Tensor:
        return self.model(self.x)

    def captum(self, method: str) -> Tensor:
        made = CAPTUM[method](self.model, self.module)
        options = self.options().get(method, {})
        return made.attribute(self.x, target=self.label, **options)[0].sum(0).detach()

    def options(self) -> dict[str, dict[str, Any]]:
        """Captum's, to do what our method does."""
        channels, side = self.x.shape[1:3]
        window, step = (channels, side // 8, side // 8), (channels, side // 16, side // 16)
        noise = 0.15 * float(self.x.max() - self.x.min())
        return {
            "occlusion": {"sliding_window_shapes": window, "strides": step},
            "integrated_gradients": {"n_steps": STEPS},
            "layer_integrated_gradients": {"n_steps": STEPS},
            "smoothgrad": {"nt_samples": 25, "stdevs": noise, "abs": False},
            "expected_gradients": {"n_samples": 128, "baselines": flat_references(self.x)},
        }

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


def measured(methods: Sequence[str]) -> Iterator[tuple[str, str, str, dict[str, float | None]]]:
    """Method, peer, place and difference."""
    model = cl.load_model(CARD, device="cpu")
    path = RESULTS.with_suffix(".png")
    Image.fromarray(chelsea()).save(path)
    x = model.read(path).tensor[None]
    path.unlink()
    scenes = {place: Scene(model.module, x, layer) for place, layer in LAYERS.items()}
    scenes |= {"input": scenes["last"], "relu": rectified(), "tokens": transformer(x)}
    for method in methods:
        for place in PLACES.get(method, list(LAYERS)):
            scene = scenes[place]
            mine = scene.ours(method)
            for name, peer in scene.peers(method):
                row = difference(scene, mine, peer, method)
                print(method, name, place, row, flush=True)
                yield method, name, place, row


def rectified() -> Scene:
    """A packaged network of ReLUs and a film that it was not trained on."""
    (entry, *_) = of_arm(arm_models("cpu"), "main")
    (film,) = films_of(entry, 1, 0)
    return Scene(entry.model.module, film.scan.tensor[None], "features")


def transformer(x: Tensor) -> Scene:
    """A small vision transformer, whose head is not the zeros that it comes with."""
    sizes = {"num_layers": 4, "num_heads": 4, "hidden_dim": 64, "mlp_dim": 128}
    net = torchvision.models.VisionTransformer(image_size=x.shape[-1], patch_size=16, **sizes)
    nn.init.normal_(net.heads.head.weight)
    return Scene(net.eval(), x, "encoder.layers")


def main(chosen: Sequence[str]) -> None:
    """Measure, and write the file."""
    warnings.simplefilter("ignore")
    torch.manual_seed(0)
    packages = {name: version(package) for name, package in PACKAGES.items()}
    every = dict.fromkeys([*CLASSES["grad-cam"], *CLASSES["torchcam"], *CAPTUM])
    before = json.loads(RESULTS.read_text("utf-8"))["differences"] if chosen else {}
    found = {name: peers for name, peers in before.items() if name not in chosen}
    for method, peer, place, row in measured(chosen or list(every)):
        found.setdefault(method, {}).setdefault(peer, {})[place] = row
    ordered = {name: found[name] for name in METHODS if name in found}
    document = {"packages": packages, "layers": LAYERS, "differences": ordered}
    RESULTS.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
