"""Class activation maps from their papers: float64, explicit loops, any spatial rank.

The loops run over batch, channel and cell. Shapes: activations A and gradients g = ∂score/∂A are
(B, K, *grid), a map is (B, *grid). Every map is raw and signed: the ReLU that some papers put after
the sum over channels is a separate step (`relu`), not part of the functions.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

Array = np.ndarray
Cell = tuple[int, ...]

XGRAD_EPS = 1e-8  # share of Σ|A| below which ΣA counts as cancelled to zero


def cells(grid: tuple[int, ...]) -> Iterator[Cell]:
    """Every index of a grid of any rank."""
    return np.ndindex(*grid)


def relu(raw: Array) -> Array:
    """max(raw, 0), the last step of several methods.

    Grad-CAM, Grad-CAM++, XGrad-CAM, LayerCAM, Ablation-CAM and Score-CAM end with it.
    """
    result = np.zeros(raw.shape)
    for cell in cells(raw.shape):
        result[cell] = max(float(raw[cell]), 0.0)
    return result


def weighted_sum(activations: Array, weights: Array) -> Array:
    """Σ_k w_bk A_bk for channel weights (B, K)."""
    activations = np.asarray(activations, dtype=np.float64)
    batch, channels, *grid = activations.shape
    result = np.zeros((batch, *grid))
    for b in range(batch):
        for k in range(channels):
            for cell in cells(tuple(grid)):
                result[(b, *cell)] += float(weights[b][k]) * activations[(b, k, *cell)]
    return result


def _channel_weights(
    activations: Array, gradients: Array, weight: Callable[[list[float], list[float]], float]
) -> Array:
    """One weight a channel, from the flat lists of that channel's A and g."""
    activations = np.asarray(activations, dtype=np.float64)
    gradients = np.asarray(gradients, dtype=np.float64)
    batch, channels, *grid = activations.shape
    weights = np.zeros((batch, channels))
    for b in range(batch):
        for k in range(channels):
            values = [float(activations[(b, k, *cell)]) for cell in cells(tuple(grid))]
            slopes = [float(gradients[(b, k, *cell)]) for cell in cells(tuple(grid))]
            weights[b, k] = weight(values, slopes)
    return weights


def _cellwise_sum(
    activations: Array, gradients: Array, term: Callable[[float, float], float]
) -> Array:
    """Σ_k term(A_k, g_k) at every cell."""
    activations = np.asarray(activations, dtype=np.float64)
    gradients = np.asarray(gradients, dtype=np.float64)
    batch, channels, *grid = activations.shape
    result = np.zeros((batch, *grid))
    for b in range(batch):
        for k in range(channels):
            for cell in cells(tuple(grid)):
                at = (b, k, *cell)
                result[(b, *cell)] += term(float(activations[at]), float(gradients[at]))
    return result


# --- global weights -------------------------------------------------------------------------------


def cam(activations: Array, head_weights: Array) -> Array:
    """Zhou et al. 2016, Eq. 2: M_c = Σ_k w_ck A_k.

    w_c is the row (K,) of the linear head after global pooling.
    """
    batch = np.asarray(activations).shape[0]
    return weighted_sum(
        activations, np.tile(np.asarray(head_weights, dtype=np.float64), (batch, 1))
    )


def gradcam_weights(activations: Array, gradients: Array) -> Array:
    """Selvaraju et al. 2017, Eq. 1: w_k = (1/Z) Σ g_k."""
    return _channel_weights(
        activations, gradients, lambda values, slopes: sum(slopes) / len(slopes)
    )


def gradcam(activations: Array, gradients: Array) -> Array:
    """Selvaraju et al. 2017, Eq. 2 before its ReLU: Σ_k w_k A_k."""
    return weighted_sum(activations, gradcam_weights(activations, gradients))


def gradcam_pp_alpha(total: float, slope: float) -> float:
    """Chattopadhay et al. 2018, Eq. 19: α = g² / (2g² + (ΣA)·g³).

    total is ΣA of the channel, slope is g of the cell. 0 where g ≤ 0 (relu(g) is 0 there). The
    paper's A is rectified: a sum below 0 counts as 0, so that α stays within [0, ½]. The paper's
    exp(S) is left out: the score itself, not its exponential, is what g differentiates.
    """
    if slope <= 0.0:
        return 0.0
    return slope**2 / (2.0 * slope**2 + max(total, 0.0) * slope**3)


def gradcam_pp_weights(activations: Array, gradients: Array) -> Array:
    """Chattopadhay et al. 2018, Eq. 5: w_k = Σ α·relu(g)."""

    def weight(values: list[float], slopes: list[float]) -> float:
        total = sum(values)
        return sum(gradcam_pp_alpha(total, slope) * max(slope, 0.0) for slope in slopes)

    return _channel_weights(activations, gradients, weight)


def gradcam_pp(activations: Array, gradients: Array) -> Array:
    """Chattopadhay et al. 2018, Σ_k w_k A_k before the ReLU: weights of Eq. 5, α of Eq. 19."""
    return weighted_sum(activations, gradcam_pp_weights(activations, gradients))


def xgradcam_weights(activations: Array, gradients: Array) -> Array:
    """Fu et al. 2020, the closed form of w_k in section 3: Σ(g·A)/ΣA.

    A channel whose signed ΣA has cancelled, |ΣA| ≤ 1e-8·Σ|A|, has no such weight: 0. The sign of ΣA
    is otherwise kept.
    """

    def weight(values: list[float], slopes: list[float]) -> float:
        total = sum(values)
        magnitude = sum(abs(value) for value in values)
        if abs(total) <= XGRAD_EPS * magnitude:
            return 0.0
        return sum(slope * value for slope, value in zip(slopes, values)) / total

    return _channel_weights(activations, gradients, weight)


def xgradcam(activations: Array, gradients: Array) -> Array:
    """Fu et al. 2020, Σ_k w_k A_k with the weights above, before the ReLU."""
    return weighted_sum(activations, xgradcam_weights(activations, gradients))


# --- weights of each cell -------------------------------------------------------------------------


def hirescam(activations: Array, gradients: Array) -> Array:
    """Draelos and Carin 2020, definition of HiResCAM: Σ_k g_k ⊙ A_k."""
    return _cellwise_sum(activations, gradients, lambda value, slope: slope * value)


def gradcam_elementwise(activations: Array, gradients: Array) -> Array:
    """HiResCAM with the ReLU on each channel's product (no paper): Σ_k relu(g_k ⊙ A_k)."""
    return _cellwise_sum(activations, gradients, lambda value, slope: max(slope * value, 0.0))


def layercam(activations: Array, gradients: Array) -> Array:
    """Jiang et al. 2021, Eqs. 6 to 8 before the last ReLU: Σ_k relu(g_k) ⊙ A_k."""
    return _cellwise_sum(activations, gradients, lambda value, slope: max(slope, 0.0) * value)


# --- first component ------------------------------------------------------------------------------


def _centred_product(left: list[float], right: list[float]) -> float:
    """The numerator of Pearson's correlation: Σ (l − mean l)(r − mean r)."""
    left_mean, right_mean = sum(left) / len(left), sum(right) / len(right)
    return sum((x - left_mean) * (y - right_mean) for x, y in zip(left, right))


def first_component(features: Array) -> Array:
    """Project each cell's feature vector on the first right singular vector.

    It is that of the (cells × K) matrix, not centred. A singular vector has no sign of its own: the
    one taken correlates (Pearson, so about the means) with Σ_k features. Where that correlation is
    exactly 0 (a constant map, say), or no feature is negative, the plain dot product with Σ_k
    features decides.
    """
    features = np.asarray(features, dtype=np.float64)
    batch, channels, *grid = features.shape
    places = list(cells(tuple(grid)))
    result = np.zeros((batch, *grid))
    for b in range(batch):
        matrix = np.zeros((len(places), channels))
        for row, cell in enumerate(places):
            for k in range(channels):
                matrix[row, k] = features[(b, k, *cell)]
        direction = np.linalg.svd(matrix, full_matrices=False)[2][0]
        projected = [
            sum(matrix[row, k] * direction[k] for k in range(channels))
            for row in range(len(places))
        ]
        totals = [sum(matrix[row, k] for k in range(channels)) for row in range(len(places))]
        agreement = _centred_product(projected, totals)
        if agreement == 0.0 or matrix.min() >= 0.0:
            agreement = sum(x * y for x, y in zip(projected, totals))
        sign = -1.0 if agreement < 0.0 else 1.0
        for row, cell in enumerate(places):
            result[(b, *cell)] = sign * projected[row]
    return result


def eigencam(activations: Array, gradients: Array | None = None) -> Array:
    """Muhammad and Yeasin 2020: A = UΣVᵀ, map = A·v₁.

    Class-agnostic: the gradients are not read.
    """
    return first_component(activations)


def eigengradcam(activations: Array, gradients: Array) -> Array:
    """Eigen-CAM of g ⊙ A (no paper of its own); its sign follows Σ_k g_k ⊙ A_k."""
    activations = np.asarray(activations, dtype=np.float64)
    gradients = np.asarray(gradients, dtype=np.float64)
    product = np.zeros(activations.shape)
    for cell in cells(activations.shape):
        product[cell] = gradients[cell] * activations[cell]
    return first_component(product)


# --- perturbation ---------------------------------------------------------------------------------


def ablationcam_weights(score: Array, ablated_scores: Array) -> Array:
    """Ramaswamy and Desai 2020, the slope (y − y_k)/y, but divided by |y|.

    A negative score therefore does not flip the map.
    score (B,) is y, ablated_scores (B, K) is y_k with channel k set to zero. y = 0 divides by 1.
    """
    ablated_scores = np.asarray(ablated_scores, dtype=np.float64)
    batch, channels = ablated_scores.shape
    weights = np.zeros((batch, channels))
    for b in range(batch):
        scale = abs(float(score[b])) or 1.0
        for k in range(channels):
            weights[b, k] = (float(score[b]) - ablated_scores[b, k]) / scale
    return weights


def ablationcam(activations: Array, score: Array, ablated_scores: Array) -> Array:
    """Ramaswamy and Desai 2020, Σ_k w_k A_k with the weights above, before the ReLU."""
    return weighted_sum(activations, ablationcam_weights(score, ablated_scores))


def _axis_taps(cell: int, source: int, target: int) -> list[tuple[int, float]]:
    """Linear interpolation along one axis, half-pixel centres.

    Returns the source indices that a target index reads, and their weights.
    """
    position = min(max((cell + 0.5) * source / target - 0.5, 0.0), source - 1.0)
    low = int(np.floor(position))
    high = min(low + 1, source - 1)
    fraction = position - low
    return [(low, 1.0 - fraction), (high, fraction)]


def upsample(volume: Array, size: tuple[int, ...]) -> Array:
    """(Bi-, tri-)linear resize of (*grid) to (*size).

    Half-pixel centres, edges repeated, no antialiasing.
    """
    volume = np.asarray(volume, dtype=np.float64)
    result = np.zeros(size)
    for cell in cells(size):
        taps = [
            _axis_taps(cell[axis], volume.shape[axis], size[axis]) for axis in range(volume.ndim)
        ]
        for corner in cells((2,) * volume.ndim):
            source = tuple(taps[axis][corner[axis]][0] for axis in range(volume.ndim))
            weight = np.prod([taps[axis][corner[axis]][1] for axis in range(volume.ndim)])
            result[cell] += weight * volume[source]
    return result


def has_mask(activations: Array) -> Array:
    """(B, K): whether a channel varies at all; one that does not has no min-max mask."""
    batch, channels = activations.shape[:2]
    result = np.zeros((batch, channels), dtype=bool)
    for b in range(batch):
        for k in range(channels):
            result[b, k] = float(activations[b, k].max()) > float(activations[b, k].min())
    return result


def scorecam_masks(activations: Array, size: tuple[int, ...]) -> Array:
    """Wang et al. 2020, H_k = s(Up(A_k)): upsample, then min-max per channel.

    Returns (B, K, *size), zeros without a mask.
    """
    activations = np.asarray(activations, dtype=np.float64)
    batch, channels = activations.shape[:2]
    masks = np.zeros((batch, channels, *size))
    usable = has_mask(activations)
    for b in range(batch):
        for k in range(channels):
            if not usable[b, k]:
                continue
            large = upsample(activations[b, k], size)
            low, high = float(large.min()), float(large.max())
            for cell in cells(size):
                masks[(b, k, *cell)] = (large[cell] - low) / (high - low) if high > low else 0.0
    return masks


def scorecam_weights(activations: Array, channel_scores: Array) -> Array:
    """Wang et al. 2020, w = softmax over channels of the score of the masked input (B, K).

    The softmax runs over the channels with a mask.

    The baseline score the paper subtracts is one number a sample, so the softmax does not feel it.
    """
    channel_scores = np.asarray(channel_scores, dtype=np.float64)
    usable = has_mask(np.asarray(activations))
    weights = np.zeros(channel_scores.shape)
    for b in range(channel_scores.shape[0]):
        scores = [
            float(channel_scores[b, k]) for k in range(channel_scores.shape[1]) if usable[b, k]
        ]
        if not scores:
            continue
        peak = max(scores)
        total = sum(np.exp(score - peak) for score in scores)
        for k in range(channel_scores.shape[1]):
            if usable[b, k]:
                weights[b, k] = np.exp(channel_scores[b, k] - peak) / total
    return weights


def scorecam(activations: Array, channel_scores: Array) -> Array:
    """Wang et al. 2020, Σ_k w_k A_k with the weights above, before the ReLU."""
    return weighted_sum(activations, scorecam_weights(activations, channel_scores))


def refinecam(maps: Sequence[Array], size: tuple[int, ...]) -> Array:
    """Domeniconi et al. 2026: the product over layers of one image's maps, each made to reach 1.

    Args:
        maps: (*grid) of each layer, before the ReLU.
        size: of the product.
    """
    product = np.ones(size)
    for values in maps:
        positive = np.maximum(np.asarray(values, dtype=np.float64), 0)
        product *= upsample(positive / positive.max(), size)
    return product


REFERENCE: dict[str, Callable[[Array, Array], Array]] = {
    "gradcam": gradcam,
    "gradcam_pp": gradcam_pp,
    "hirescam": hirescam,
    "gradcam_elementwise": gradcam_elementwise,
    "xgradcam": xgradcam,
    "layercam": layercam,
    "eigencam": eigencam,
    "eigengradcam": eigengradcam,
}
"""The methods that need no more than activations and gradients."""
