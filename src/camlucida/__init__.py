"""camlucida: what a medical-imaging model used, laid over the image, and measured.

For research use only.

>>> import camlucida as cl
>>> model = cl.load_model("card.toml")                          # doctest: +SKIP
>>> for explanation in cl.explain(model, model.read("film.png")):  # doctest: +SKIP
...     explanation.save("out")
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# Names are imported when first used: `import camlucida` must not cost the seconds that importing
# torch takes.
_HOMES = {
    "explain": "camlucida.attribution.engine",
    "evaluate": "camlucida.evaluation.maps.api",
    "Explanation": "camlucida.attribution.explanation",
    "Scan": "camlucida.core.scan",
    "OutputSpec": "camlucida.core.output_spec",
    "Geometry": "camlucida.core.geometry",
    "METHODS": "camlucida.attribution.methods",
    "list_layers": "camlucida.models.layer_list",
    "load_model": "camlucida.models",
    "read_image": "camlucida.io",
    "view": "camlucida.report.viewer.widget",
    "CamlucidaError": "camlucida.core.errors",
}

__all__ = ["__version__", *_HOMES]

if TYPE_CHECKING:
    from camlucida.attribution.engine import explain as explain
    from camlucida.attribution.explanation import Explanation as Explanation
    from camlucida.attribution.methods import METHODS as METHODS
    from camlucida.core.errors import CamlucidaError as CamlucidaError
    from camlucida.core.geometry import Geometry as Geometry
    from camlucida.core.output_spec import OutputSpec as OutputSpec
    from camlucida.core.scan import Scan as Scan
    from camlucida.evaluation.maps.api import evaluate as evaluate
    from camlucida.io import read_image as read_image
    from camlucida.models import load_model as load_model
    from camlucida.models.layer_list import list_layers as list_layers
    from camlucida.report.viewer.widget import view as view


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'camlucida' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
