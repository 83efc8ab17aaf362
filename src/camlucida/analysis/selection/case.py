"""A case that somebody chose, declared as such."""

from pathlib import Path

import pandas as pd

from camlucida.analysis.selection.base import RuleRequest, Selected, rule
from camlucida.analysis.selection.pool import Pool
from camlucida.core.errors import UsageError, did_you_mean
from camlucida.core.messages import Message, declare
from camlucida.io.tables import fold

declare(
    "selection",
    {
        "case": (
            "chosen by hand, not by a rule: {name} ({cases} {cases:|case|cases} to choose from)"
        ),
    },
)


@rule("case", "a case named by hand", "case", title="by hand", role="chosen by hand")
def case(pool: Pool, request: RuleRequest) -> Selected:
    """The case of an image, or of an image and a label; capitals and separators do not count.

    Raises:
        UsageError: no such image, no such label of it, or several and none is named.
    """
    candidates = pool.candidates(by_label=True)
    of_image = candidates[has_image_name(candidates, request.image)]
    if of_image.empty:
        fix = did_you_mean(request.image, sorted(set(candidates["image"])))
        raise UsageError(f"rule {request.text!r}: no case of image {request.image!r}", fix)
    chosen = of_image
    labels = _labels(of_image)
    if request.label:
        chosen = of_image[[fold(label) == fold(request.label) for label in labels]]
    if len(chosen) != 1:
        what = f"rule {request.text!r}: {len(chosen)} cases of {request.image!r} fit"
        raise UsageError(what, f"write case:IMAGE:LABEL with one of {', '.join(labels)}")
    name = ", ".join(filter(None, [str(chosen["image"].iloc[0]), *_labels(chosen)]))
    message = Message("selection.case", {"name": name, "cases": len(candidates)})
    return Selected(request.text, message, list(chosen.index), [Message("roles.case")])


def has_image_name(cases: pd.DataFrame, name: str) -> list[bool]:
    """Whether each case is of this image: its id, file name or stem.

    Args:
        cases: with ``image`` and ``path``.
        name: in any case.
    """
    wanted = name.casefold()
    return [
        wanted in {str(image).casefold(), Path(path).name.casefold(), Path(path).stem.casefold()}
        for image, path in zip(cases["image"], cases["path"])
    ]


def _labels(cases: pd.DataFrame) -> list[str]:
    """Of each case; the target where it has no label."""
    return cases["label"].where(cases["label"] != "", cases["target"]).astype(str).tolist()
