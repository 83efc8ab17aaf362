"""The mean of a method's maps over several runs of the model, and their spread."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from camlucida.attribution.methods.base import VARIANTS, Method
from camlucida.core.errors import UsageError
from camlucida.core.messages import declare

declare(
    "variants",
    {
        "aug": "{description}; the mean over the image at 0.9, 1 and 1.1 times its values",
        "aug_flip": (
            "{description}; the mean over the image at 0.9, 1 and 1.1 times its values, as it is "
            "and mirrored"
        ),
        "dropout": "{description}; the mean over 16 runs with the model's dropout on [@gal2016]",
        "aug_spread": (
            "{description}; the standard deviation over the image at 0.9, 1 and 1.1 times its "
            "values"
        ),
        "aug_flip_spread": (
            "{description}; the standard deviation over the image at 0.9, 1 and 1.1 times its "
            "values, as it is and mirrored"
        ),
        "dropout_spread": (
            "{description}; the standard deviation over 16 runs with the model's dropout on "
            "[@gal2016]"
        ),
    },
)

_TITLES = {
    "aug": "views",
    "aug_flip": "views and mirrored views",
    "dropout": "dropout",
}

_RUNS = {"aug": 3, "aug_flip": 6, "dropout": 16}
"""Of the model, beside that of the image as it is."""


def gathered(samples: str, spread: bool, method: Method) -> Method:
    """A method whose map is the mean or the standard deviation of its maps over runs of the model.

    Args:
        samples: a key of :data:`~camlucida.attribution.samples.SAMPLES`.
        spread: the standard deviation.
        method: any that is not gathered itself; with dropout, of activations and gradients.

    Raises:
        UsageError: another method.

    >>> from camlucida.attribution.methods import METHODS
    >>> METHODS["gradcam:aug"].title, METHODS["gradcam:dropout_spread"].title
    ('Grad-CAM, mean over views', 'Grad-CAM, spread over dropout')
    """
    suffix = f"{samples}_spread" if spread else samples
    if method.samples:
        raise UsageError(f"{method.name} is gathered already, and has no {suffix}")
    if samples == "dropout" and method.kind not in ("gradient", "activation"):
        raise UsageError(
            f"{method.name} runs the model several times a map, each with other dropout",
            "choose a method of activations and gradients, as gradcam:dropout",
        )
    return replace(
        method,
        name=f"{method.name}:{suffix}",
        title=f"{method.title}, {'spread' if spread else 'mean'} over {_TITLES[samples]}",
        relu=method.relu and not spread,
        cost=f"1 forward + {_RUNS[samples]} × ({method.cost})",
        samples=samples,
        spread=spread,
    )


for _samples in _TITLES:
    VARIANTS.add(_samples, partial(gathered, _samples, False))
    VARIANTS.add(f"{_samples}_spread", partial(gathered, _samples, True))
