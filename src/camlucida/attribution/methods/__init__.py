"""The registered methods, one a file. A new method is a file and a line here."""

# isort: skip_file
from camlucida.attribution.methods import cam  # noqa: F401
from camlucida.attribution.methods import gradcam  # noqa: F401
from camlucida.attribution.methods import gradcam_pp  # noqa: F401
from camlucida.attribution.methods import smooth_gradcam_pp  # noqa: F401
from camlucida.attribution.methods import hirescam  # noqa: F401
from camlucida.attribution.methods import gradcam_elementwise  # noqa: F401
from camlucida.attribution.methods import xgradcam  # noqa: F401
from camlucida.attribution.methods import layercam  # noqa: F401
from camlucida.attribution.methods import refinecam  # noqa: F401
from camlucida.attribution.methods import finercam  # noqa: F401
from camlucida.attribution.methods import shapleycam  # noqa: F401
from camlucida.attribution.methods import eigencam  # noqa: F401
from camlucida.attribution.methods import eigengradcam  # noqa: F401
from camlucida.attribution.methods import segeigencam  # noqa: F401
from camlucida.attribution.methods import kpcacam  # noqa: F401
from camlucida.attribution.methods import fem  # noqa: F401
from camlucida.attribution.methods import ablationcam  # noqa: F401
from camlucida.attribution.methods import scorecam  # noqa: F401
from camlucida.attribution.methods import sscam  # noqa: F401
from camlucida.attribution.methods import iscam  # noqa: F401
from camlucida.attribution.methods import groupcam  # noqa: F401
from camlucida.attribution.methods import occlusion  # noqa: F401
from camlucida.attribution.methods import rise  # noqa: F401
from camlucida.attribution.methods import input_x_gradient  # noqa: F401
from camlucida.attribution.methods import smoothgrad  # noqa: F401
from camlucida.attribution.methods import integrated_gradients  # noqa: F401
from camlucida.attribution.methods import expected_gradients  # noqa: F401
from camlucida.attribution.methods import xrai  # noqa: F401
from camlucida.attribution.methods import layer_integrated_gradients  # noqa: F401
from camlucida.attribution.methods import layer_expected_gradients  # noqa: F401
from camlucida.attribution.methods import lrp  # noqa: F401
from camlucida.attribution.methods import relevancecam  # noqa: F401
from camlucida.attribution.methods import fullgrad  # noqa: F401
from camlucida.attribution.methods import guided_backprop  # noqa: F401
from camlucida.attribution.methods import guided_gradcam  # noqa: F401
from camlucida.attribution.methods import attention_rollout  # noqa: F401
from camlucida.attribution.methods import gradient_rollout  # noqa: F401
from camlucida.attribution.methods import legrad  # noqa: F401
from camlucida.attribution.methods import random  # noqa: F401
from camlucida.attribution.methods import center  # noqa: F401
from camlucida.attribution.methods import sobel  # noqa: F401
from camlucida.attribution.methods import intensity  # noqa: F401
from camlucida.attribution.methods import scorecam_fast  # noqa: F401
from camlucida.attribution.methods import smoothing  # noqa: F401
from camlucida.attribution.methods import gathering  # noqa: F401
from camlucida.attribution.methods.base import (
    EVERY,
    METHODS,
    VARIANTS,
    Method,
    at_layers,
    method,
    method_names,
)

__all__ = ["EVERY", "METHODS", "VARIANTS", "Method", "at_layers", "method", "method_names"]
