"""Adapters around the two peer libraries, for parity tests.

They run the libraries, reproduce what these do to a raw map, and isolate their formulas.

PGC is `pytorch_grad_cam` (grad-cam 1.5.7), TC is `torchcam` (0.5.0). An adapter leaves the model
unchanged (training flags, `.grad`), silences the progress bars, and lets no warning out, since
warnings are errors here.
"""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
import pytorch_grad_cam as pgc
import torch
import torch.nn.functional as F
import tqdm
from pytorch_grad_cam.ablation_layer import AblationLayer
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor, nn
from torchcam import methods as tc

Category = int | Sequence[int]

# Method name → the peer's class.
PGC_METHODS: dict[str, type] = {
    "gradcam": pgc.GradCAM,
    "gradcam_pp": pgc.GradCAMPlusPlus,
    "hirescam": pgc.HiResCAM,
    "gradcam_elementwise": pgc.GradCAMElementWise,
    "xgradcam": pgc.XGradCAM,
    "layercam": pgc.LayerCAM,
    "eigencam": pgc.EigenCAM,
    "eigengradcam": pgc.EigenGradCAM,
    "scorecam": pgc.ScoreCAM,
    "ablationcam": pgc.AblationCAM,
}
TORCHCAM_METHODS: dict[str, type] = {
    "gradcam": tc.GradCAM,
    "gradcam_pp": tc.GradCAMpp,
    "xgradcam": tc.XGradCAM,
    "layercam": tc.LayerCAM,
    "scorecam": tc.ScoreCAM,
}


@contextmanager
def quiet(model: nn.Module | None = None) -> Iterator[None]:
    """No warnings, no progress bars, gradients on.

    The model's training flags and `.grad` are restored afterwards.
    """
    modules = [] if model is None else [(module, module.training) for module in model.modules()]
    grads = (
        []
        if model is None
        else [(p, None if p.grad is None else p.grad.clone()) for p in model.parameters()]
    )
    with (
        warnings.catch_warnings(),
        mock.patch.object(tqdm, "tqdm", lambda steps, *_, **__: steps),
        torch.enable_grad(),
    ):
        warnings.simplefilter("ignore")
        try:
            with np.errstate(all="ignore"):
                yield
        finally:
            for module, training in modules:
                module.training = training
            for parameter, grad in grads:
                parameter.grad = grad


def categories(category: Category, batch: int) -> list[int]:
    """One class index a sample."""
    return (
        [int(category)] * batch
        if isinstance(category, (int, np.integer))
        else [int(c) for c in category]
    )


def autograd_evidence(
    model: nn.Module, layer: nn.Module, inputs: Tensor, category: Category
) -> tuple[Tensor, Tensor, Tensor]:
    """Activations of the layer, gradients of the class score there, and the scores (B,).

    The gradients are those of `torch.autograd.grad`.
    The hook hands a copy on, so nothing later in the network can write into what was captured.
    """
    kept: list[Tensor] = []

    def keep(_module: nn.Module, _args: tuple[Any, ...], output: Tensor) -> Tensor:
        kept.append(output)
        return output.clone()

    handle = layer.register_forward_hook(keep)
    try:
        with torch.enable_grad():
            outputs = model(inputs.detach().clone().requires_grad_())
            index = torch.tensor(categories(category, len(inputs))).view(-1, 1)
            scores = outputs.gather(1, index).squeeze(1)
            (gradients,) = torch.autograd.grad(scores.sum(), kept[0])
    finally:
        handle.remove()
    return kept[0].detach(), gradients.detach(), scores.detach()


# --- pytorch_grad_cam -----------------------------------------------------------------------------


@contextmanager
def pgc_cam(
    model: nn.Module, layers: Sequence[nn.Module], cls: type, **options: Any
) -> Iterator[Any]:
    """A PGC object, its hooks removed afterwards.

    The object's `with` block swallows an IndexError, so it is not used.
    """
    with quiet(model):
        cam = cls(model=model, target_layers=list(layers), **options)
        try:
            yield cam
        finally:
            cam.activations_and_grads.release()


def pgc_targets(category: Category, batch: int) -> list[ClassifierOutputTarget]:
    return [ClassifierOutputTarget(index) for index in categories(category, batch)]


def pgc_map(
    model: nn.Module,
    layer: nn.Module | Sequence[nn.Module],
    inputs: Tensor,
    category: Category,
    cls: type | str,
    **options: Any,
) -> np.ndarray:
    """PGC's finished map, (B, H, W) float32 in 0…1 at the input's size.

    `cls`: a class or a name in `PGC_METHODS`.
    """
    cls = PGC_METHODS[cls] if isinstance(cls, str) else cls
    layers = [layer] if isinstance(layer, nn.Module) else list(layer)
    with pgc_cam(model, layers, cls, **options) as cam:
        return np.asarray(cam(input_tensor=inputs, targets=pgc_targets(category, len(inputs))))


def pgc_min_max(maps: Tensor) -> Tensor:
    """Per sample (x − min) / (1e-7 + max(x − min)).

    A constant map becomes zeros, whatever its height.
    """
    flat = maps.flatten(1)
    flat = flat - flat.amin(1, keepdim=True)
    return (flat / (1e-7 + flat.amax(1, keepdim=True))).view_as(maps)


def pgc_postprocess(raw: Tensor | Sequence[Tensor], size: Sequence[int]) -> np.ndarray:
    """What PGC does to raw 2-D maps (B, h, w), one a layer.

    max(·, 0) → min-max at the layer's resolution → float32 → bilinear to `size` → max(·, 0) →
    mean over layers → min-max.
    """
    scaled = []
    for layer_map in [raw] if isinstance(raw, Tensor) else raw:
        if layer_map.ndim != 3:
            raise ValueError(
                f"pgc_postprocess: 2-D maps (B, h, w), got {tuple(layer_map.shape)}; "
                "PGC resizes volumes by spline"
            )
        small = pgc_min_max(layer_map.detach().clamp(min=0)).float()
        scaled.append(
            F.interpolate(small[:, None], size=tuple(size), mode="bilinear", align_corners=False)[
                :, 0
            ]
        )
    return pgc_min_max(torch.stack(scaled).clamp(min=0).mean(0)).float().numpy()


def pgc_weights(cls: type | str, activations: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    """The channel weights (B, K) PGC's formula gives for these arrays, without a model.

    Defined for Grad-CAM, Grad-CAM++ and XGrad-CAM.
    """
    cls = PGC_METHODS[cls] if isinstance(cls, str) else cls
    with quiet():
        return cls.get_cam_weights(
            None, None, None, None, np.asarray(activations), np.asarray(gradients)
        )


def pgc_raw(cls: type | str, activations: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    """The raw map (B, *grid) PGC's formula gives for these arrays.

    It needs no model, and is the map before post-processing.
    """
    cls = PGC_METHODS[cls] if isinstance(cls, str) else cls
    bare = SimpleNamespace(get_cam_weights=partial(cls.get_cam_weights, None))
    with quiet():
        return cls.get_cam_image(
            bare, None, None, None, np.asarray(activations), np.asarray(gradients), False
        )


def _pgc_activations(cam: Any, inputs: Tensor) -> np.ndarray:
    with torch.no_grad():
        cam.activations_and_grads(inputs)
    return cam.activations_and_grads.activations[0].cpu().numpy()


def pgc_score_weights(
    model: nn.Module, layer: nn.Module, inputs: Tensor, category: Category, batch_size: int = 16
) -> tuple[np.ndarray, np.ndarray]:
    """PGC's Score-CAM weights (B, K), float32, and the activations it used.

    UpsamplingBilinear2d (align_corners=True) → min-max (ε 1e-8) → score of mask × input,
    no baseline → softmax over all K.
    """
    with pgc_cam(model, [layer], pgc.ScoreCAM) as cam:
        cam.batch_size = batch_size
        activations = _pgc_activations(cam, inputs)
        weights = cam.get_cam_weights(
            inputs, layer, pgc_targets(category, len(inputs)), activations, None
        )
        return np.asarray(weights), activations


def pgc_ablation_weights(
    model: nn.Module, layer: nn.Module, inputs: Tensor, category: Category, batch_size: int = 32
) -> tuple[np.ndarray, np.ndarray]:
    """PGC's Ablation-CAM weights (B, K), float32, and the activations it used.

    (y − y_k)/y with channel k set to 0 only if the smallest activation is exactly 0, else to the
    smallest value − 1e7.
    """
    options = {"ablation_layer": AblationLayer(), "batch_size": batch_size}
    with pgc_cam(model, [layer], pgc.AblationCAM, **options) as cam:
        activations = _pgc_activations(cam, inputs)
        weights = cam.get_cam_weights(
            inputs, layer, pgc_targets(category, len(inputs)), activations, None
        )
        return np.asarray(weights), activations


# --- torchcam -------------------------------------------------------------------------------------


def torchcam_maps(
    model: nn.Module,
    layers: Sequence[nn.Module],
    inputs: Tensor,
    category: Category,
    cls: type | str,
    *,
    normalized: bool = True,
    **options: Any,
) -> list[Tensor]:
    """TC's maps (B, h, w) at the resolution of each layer; `normalized=False` stops after its ReLU.

    `cls`: a TC class or a name in `TORCHCAM_METHODS`.
    """
    cls = TORCHCAM_METHODS[cls] if isinstance(cls, str) else cls
    with quiet(model), cls(model, list(layers), **options) as cam:
        scores = model(inputs.detach().clone().requires_grad_())
        maps = cam(categories(category, len(inputs)), scores, normalized=normalized)
        return [layer_map.detach() for layer_map in maps]


def torchcam_map(
    model: nn.Module,
    layer: nn.Module,
    inputs: Tensor,
    category: Category,
    cls: type | str,
    **options: Any,
) -> np.ndarray:
    """TC's map (B, h, w) of one layer, at that layer's resolution: TC does not resize."""
    return torchcam_maps(model, [layer], inputs, category, cls, **options)[0].numpy()


def torchcam_postprocess(raw: Tensor) -> np.ndarray:
    """What TC does to a raw map (B, *grid).

    ReLU → per sample (x − min) / (max(x − min) + 1e-8), no resize.
    """
    flat = raw.detach().clamp(min=0).flatten(1)
    flat = flat - flat.amin(1, keepdim=True)
    return (flat / (flat.amax(1, keepdim=True) + 1e-8)).view_as(raw).numpy()


def torchcam_fuse(maps: Sequence[Tensor], layercam: bool = False) -> np.ndarray:
    """TC's fusion of several layers' finished maps: bilinear to the largest grid → maximum.

    LayerCAM first takes tanh(2·map). A single map comes back as it is, LayerCAM's too.
    """
    if len(maps) == 1:
        return maps[0].numpy()
    size = tuple(
        max(layer_map.shape[axis] for layer_map in maps) for axis in range(1, maps[0].ndim)
    )
    scaled = [torch.tanh(2.0 * layer_map) if layercam else layer_map for layer_map in maps]
    large = [
        F.interpolate(layer_map[:, None], size=size, mode="bilinear", align_corners=False)[:, 0]
        for layer_map in scaled
    ]
    return torch.stack(large).amax(0).numpy()


def torchcam_weights(cls: type | str, activations: Tensor, gradients: Tensor) -> np.ndarray:
    """The weights TC's formula gives for these tensors, without a model.

    Shape (B, K), or (B, K, *grid) for LayerCAM.
    """
    cls = TORCHCAM_METHODS[cls] if isinstance(cls, str) else cls
    bare = SimpleNamespace(
        hook_a=[activations.clone()], hook_g=[gradients.clone()], _backprop=lambda *_, **__: None
    )
    with quiet(), torch.no_grad():
        return cls._get_weights(bare, 0, None)[0].numpy()


def torchcam_score_weights(
    model: nn.Module, layer: nn.Module, inputs: Tensor, category: Category, batch_size: int = 32
) -> tuple[np.ndarray, np.ndarray]:
    """TC's Score-CAM weights (B, K) and the activations it used.

    Min-max (ε 1e-8) → bilinear half-pixel upsampling → score of mask × input less that of the input
    → softmax over all K.
    """
    with quiet(model), torch.no_grad(), tc.ScoreCAM(model, layer, batch_size=batch_size) as cam:
        model(inputs)
        activations = cam.hook_a[0].clone()
        weights = cam._get_weights(categories(category, len(inputs)))[0]
        return weights.numpy(), activations.numpy()


# --- Score-CAM masks, and weights from masks ------------------------------------------------------


def pgc_score_masks(activations: Tensor, size: Sequence[int]) -> Tensor:
    """PGC's masks (B, K, H, W).

    Upsample with align_corners=True, then (x − min) / (max − min + 1e-8).
    """
    large = F.interpolate(activations, size=tuple(size), mode="bilinear", align_corners=True)
    low, high = large.amin((2, 3), keepdim=True), large.amax((2, 3), keepdim=True)
    return (large - low) / (high - low + 1e-8)


def torchcam_score_masks(activations: Tensor, size: Sequence[int]) -> Tensor:
    """TC's masks (B, K, H, W).

    (x − min) / (max(x − min) + 1e-8) on the layer's grid, then half-pixel upsampling.
    """
    small = activations - activations.amin((2, 3), keepdim=True)
    small = small / (small.amax((2, 3), keepdim=True) + 1e-8)
    return F.interpolate(small, size=tuple(size), mode="bilinear", align_corners=False)


@torch.no_grad()
def masked_scores(
    model: Callable[[Tensor], Tensor], inputs: Tensor, masks: Tensor, category: Category
) -> np.ndarray:
    """The class score (B, K) of every masked input, one sample and one channel at a time."""
    chosen = categories(category, len(inputs))
    scores = np.zeros(masks.shape[:2])
    for b in range(masks.shape[0]):
        for k in range(masks.shape[1]):
            scores[b, k] = float(model((inputs[b] * masks[b, k])[None])[0, chosen[b]])
    return scores


@torch.no_grad()
def zeroed_channel_scores(
    model: nn.Module, layer: nn.Module, inputs: Tensor, category: Category
) -> tuple[np.ndarray, np.ndarray]:
    """The class score (B,), and (B, K) with channel k of the layer set to 0.

    A plain hook sets the channel to 0; each score is a full forward pass.
    """
    chosen = torch.tensor(categories(category, len(inputs))).view(-1, 1)
    channel: list[int | None] = [None]
    count: list[int] = []

    def zero(_module: nn.Module, _args: tuple[Any, ...], output: Tensor) -> Tensor:
        count.append(output.shape[1])
        output = output.clone()
        if channel[0] is not None:
            output[:, channel[0]] = 0
        return output

    handle = layer.register_forward_hook(zero)
    try:
        score = model(inputs).gather(1, chosen).squeeze(1)
        ablated = []
        for k in range(count[0]):
            channel[0] = k
            ablated.append(model(inputs).gather(1, chosen).squeeze(1))
    finally:
        handle.remove()
    return score.double().numpy(), torch.stack(ablated, 1).double().numpy()
