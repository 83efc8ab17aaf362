"""One tiny integer case per method, worked out on paper.

Batch of 1, two channels, a 2×2 grid read row by row.

A₁ = 1 2   g₁ = 1 −1      A₂ =  2 1   g₂ =  0  1
     0 1        2  0           −1 0        −1 −2

ΣA₁ = 4, ΣA₂ = 2, mean g₁ = 1/2, mean g₂ = −1/2, ‖A₁‖² = ‖A₂‖² = 6, A₁·A₂ = 2 + 2 = 4.
g₁⊙A₁ = (1, −2, 0, 0), g₂⊙A₂ = (0, 1, 1, 0).
"""

import numpy as np

ACTIVATIONS = np.array([[[[1.0, 2.0], [0.0, 1.0]], [[2.0, 1.0], [-1.0, 0.0]]]])
GRADIENTS = np.array([[[[1.0, -1.0], [2.0, 0.0]], [[0.0, 1.0], [-1.0, -2.0]]]])

HAND: dict[str, np.ndarray] = {
    # ½A₁ − ½A₂ = (½−1, 1−½, 0+½, ½−0)
    "gradcam": np.array([[[-0.5, 0.5], [0.5, 0.5]]]),
    # Channel 1, ΣA = 4: g = 1 gives α = 1/(2+4) = 1/6, g = 2 gives 4/(8+32) = 1/10; g = −1 and 0
    # add nothing after relu(g): w₁ = 1/6·1 + 1/10·2 = 11/30.
    # Channel 2, ΣA = 2: g = 1 gives 1/(2+2) = 1/4, g = −1 has denominator 2−2 = 0: w₂ = 1/4.
    # (11/30 + 2/4, 22/30 + 1/4, 0 − 1/4, 11/30)
    "gradcam_pp": np.array([[[13 / 15, 59 / 60], [-1 / 4, 11 / 30]]]),
    # (1+0, −2+1, 0+1, 0+0)
    "hirescam": np.array([[[1.0, -1.0], [1.0, 0.0]]]),
    # neither product loses a positive cell: 1, 0, 0, 0 and 0, 1, 1, 0 add up; the −2 is cut
    "gradcam_elementwise": np.array([[[1.0, 1.0], [1.0, 0.0]]]),
    # w₁ = (1−2)/4 = −1/4, w₂ = (1+1)/2 = 1: (−¼+2, −½+1, 0−1, −¼+0)
    "xgradcam": np.array([[[1.75, 0.5], [-1.0, -0.25]]]),
    # relu(g₁)⊙A₁ = (1, 0, 0, 0), relu(g₂)⊙A₂ = (0, 1, 0, 0)
    "layercam": np.array([[[1.0, 1.0], [0.0, 0.0]]]),
    # AᵀA = [6 4; 4 6]: v₁ = (1, 1)/√2 with λ = 10, map (A₁+A₂)/√2 = Σ_k A/√2, so the sign is +
    "eigencam": np.array([[[3.0, 3.0], [-1.0, 1.0]]]) / np.sqrt(2.0),
    # E = g⊙A: EᵀE = [5 −2; −2 2], λ = 6, v₁ = (2, −1)/√5, map (2E₁−E₂)/√5 = (2, −5, −1, 0)/√5.
    # ΣE = (1, −1, 1, 0): Σ(2·1 + 5·1 − 1·1) = 6, less 4·(−1)·(¼) → 7 > 0, so the sign is +
    "eigengradcam": np.array([[[2.0, -5.0], [-1.0, 0.0]]]) / np.sqrt(5.0),
}

# CAM: head weights (2, −1): 2A₁ − A₂ = (2−2, 4−1, 0+1, 2−0)
CAM_HEAD = np.array([2.0, -1.0])
CAM_MAP = np.array([[[0.0, 3.0], [1.0, 2.0]]])

# Ablation-CAM as (score, ablated scores, map).
ABLATION: dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]] = {
    # w = ((4−3)/4, (4−6)/4) = (¼, −½): (¼−1, ½−½, 0+½, ¼−0)
    "positive": (np.array([4.0]), np.array([[3.0, 6.0]]), np.array([[[-0.75, 0.0], [0.5, 0.25]]])),
    # the same drops from a negative score: w = ((−4+5)/4, (−4+2)/4) = (¼, −½), the same map
    "negative": (
        np.array([-4.0]),
        np.array([[-5.0, -2.0]]),
        np.array([[[-0.75, 0.0], [0.5, 0.25]]]),
    ),
    # y = 0 divides by 1: w = (1, −2): (1−4, 2−2, 0+2, 1−0)
    "zero": (np.array([0.0]), np.array([[-1.0, 2.0]]), np.array([[[-3.0, 0.0], [2.0, 1.0]]])),
}

# Score-CAM: scores (ln 3, 0), softmax (¾, ¼): (¾+½, 3/2+¼, 0−¼, ¾+0)
SCORES = np.array([[np.log(3.0), 0.0]])
SCORE_MAP = np.array([[[1.25, 1.75], [-0.25, 0.75]]])

# Score-CAM masks at 4×4. Half-pixel centres read positions −¼, ¼, ¾, 5/4 of (a, b):
# a, ¾a+¼b, ¼a+¾b, b.
# A₁: rows (1, 1.25, 1.75, 2) and (0, .25, .75, 1), mixed down the columns alike;
# range 0…2, so all is halved.
# A₂: rows (2, 1.75, 1.25, 1) and (−1, −.75, −.25, 0); range −1…2, so (x + 1)/3.
SCORE_MASKS = np.array(
    [
        [
            np.array(
                [[1, 1.25, 1.75, 2], [0.75, 1, 1.5, 1.75], [0.25, 0.5, 1, 1.25], [0, 0.25, 0.75, 1]]
            )
            / 2,
            (
                np.array(
                    [
                        [2, 1.75, 1.25, 1],
                        [1.25, 1.125, 0.875, 0.75],
                        [-0.25, -0.125, 0.125, 0.25],
                        [-1, -0.75, -0.25, 0],
                    ]
                )
                + 1
            )
            / 3,
        ]
    ]
)

# The guards.
# Grad-CAM++: ΣA = −2 and g = 1 make 2g² + ΣA·g³ = 0 with g > 0. A sum below 0 counts as 0, so α = ½
# in each of four cells: w = 2.
PP_GUARD_ACTIVATIONS = np.array([[[[-1.0, -1.0], [0.0, 0.0]]]])
PP_GUARD_GRADIENTS = np.ones((1, 1, 2, 2))
PP_GUARD_MAP = np.array([[[-2.0, -2.0], [0.0, 0.0]]])

# XGrad-CAM: A₁ = (1, −1, 2, −2) cancels, weight 0;
# A₂ = (−1, −1, 0, 0), g₂ = 3: w₂ = −6/−2 = 3 keeps its sign.
XGRAD_GUARD_ACTIVATIONS = np.array([[[[1.0, -1.0], [2.0, -2.0]], [[-1.0, -1.0], [0.0, 0.0]]]])
XGRAD_GUARD_GRADIENTS = np.array([[[[1.0, 2.0], [3.0, 4.0]], [[3.0, 3.0], [3.0, 3.0]]]])
XGRAD_GUARD_MAP = np.array([[[-3.0, -3.0], [0.0, 0.0]]])

# Eigen-CAM, where a dot product would choose the wrong sign.
# A₁ = (3, −1, 0, 0), A₂ = (−2, −2, −2, −2):
# AᵀA = [10 −4; −4 16], λ = 18 and 8, v₁ = (1, −2)/√5, map (A₁−2A₂)/√5 = (7, 3, 4, 4)/√5.
# Σ_k A = (1, −3, −2, −2): the dot product is (7−9−8−8) = −18 < 0, about the means it is
# −18 − 18·(−6)/4 = 9 > 0. The cell where Σ_k A is highest stays highest.
EIGEN_SIGN_ACTIVATIONS = np.array([[[[3.0, -1.0], [0.0, 0.0]], [[-2.0, -2.0], [-2.0, -2.0]]]])
EIGEN_SIGN_MAP = np.array([[[7.0, 3.0], [4.0, 4.0]]]) / np.sqrt(5.0)
