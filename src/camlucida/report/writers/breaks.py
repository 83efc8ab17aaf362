"""Where a line may be broken besides at spaces, so that paths and hashes fit a table."""

from __future__ import annotations

import re

LONG = 16
"""A run of signs longer than this may be broken after a separator; and anywhere, as a hash, where
it has no separators either.
"""

_STEP = 8


def parts(text: str) -> list[str]:
    """The pieces of ``text``, without its spaces, between which a line may be broken.

    >>> parts("of marker_shortcut_mobilenet")
    ['of', 'marker_', 'shortcut_', 'mobilenet']
    """
    pieces: list[str] = []
    for run in text.split():
        if (
            len(run) <= LONG
            or not re.fullmatch(r"[!-~]+", run)
            or re.fullmatch(r"\W*[A-Za-z]+\W*", run)
        ):
            pieces.append(run)  # a word, or a script that has rules of its own
            continue
        for part in re.findall(r"[^/_.:=-]*[/_.:=-]+|[^/_.:=-]+", run):
            pieces += (
                [part[i : i + _STEP] for i in range(0, len(part), _STEP)]
                if len(part) > LONG
                else [part]
            )
    return pieces
