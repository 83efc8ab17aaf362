"""The class-activation-map family: one method a file. This list is the registry; a new method is a file and a line here."""

from camlucida.methods import (  # noqa: F401
    cam,
    gradcam,
    gradcam_pp,
    hirescam,
    gradcam_elementwise,
    xgradcam,
    layercam,
    eigencam,
    eigengradcam,
    ablationcam,
    scorecam,
    baselines,
)
from camlucida.methods.base import METHODS, Method, method

__all__ = ["METHODS", "Method", "method"]
