"""Dead labels: an output that no image changes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from camlucida.core.messages import declare
from camlucida.io.tables import listing
from camlucida.workflows.doctor.examination import Examination
from camlucida.workflows.doctor.finding import Finding, Values, finding

DEAD = 1e-5
"""Share of the outputs' magnitude below which an output does not vary."""

declare(
    "doctor",
    {
        "dead": (
            "{count} of {labels} outputs do not vary over {images} images ({names}); the others "
            "vary by {spread} in the median"
        ),
        "dead_mend": (
            "such a label was never trained, or its weights were not loaded; leave it out with an "
            'empty name "" in labels of the card'
        ),
        "all_dead": "no output varies over {images} images: at most by {spread}",
        "all_dead_mend": (
            "the images do not reach the output: look at the input's scale, at a saturated "
            "activation, and at whether the weights were loaded"
        ),
        "alive": "all {labels} outputs vary over {images} images: by {least} at least",
        "one_image_labels": "dead labels need two images to be seen",
        "one_image_labels_mend": "name more images",
    },
)


def check(examination: Examination) -> Iterator[Finding]:
    """Whether every label's output varies over the images."""
    logits = examination.logits(examination.inputs)
    images, labels = len(logits), examination.labels
    if images < 2:
        yield finding("labels", "note", "one_image_labels")
        return
    spreads = (logits.amax(0) - logits.amin(0)).tolist()
    limit = DEAD * float(logits.abs().max())
    names = examination.output.labels
    dead = [i for i in labels if spreads[i] <= limit]
    largest = f"{max(spreads[i] for i in labels):.2g}"
    counts: Values = {"labels": len(labels), "images": images}
    if len(dead) == len(labels):
        values: Values = {"images": images, "spread": largest}
        yield finding("labels", "fault", "all_dead", values)
    elif dead:
        spread = f"{_median([spreads[i] for i in labels if i not in dead]):.2g}"
        listed = listing([names[i] for i in dead])
        about: Values = {"count": len(dead), "names": listed, "spread": spread}
        yield finding("labels", "fault", "dead", {**counts, **about})
    else:
        least = f"{min(spreads[i] for i in labels):.2g}"
        yield finding("labels", "ok", "alive", {**counts, "least": least})


def _median(values: Sequence[float]) -> float:
    return sorted(values)[len(values) // 2]
