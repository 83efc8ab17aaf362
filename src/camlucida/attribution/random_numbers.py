"""Whether a model draws random numbers while it is evaluated."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from camlucida.core.messages import Message, declare
from camlucida.core.noise import random_state

declare(
    "passes",
    {
        "random": (
            "the model draws random numbers in evaluation mode (a dropout that is always on, "
            "tokens that are masked at random): scores and maps can differ from pass to pass"
        )
    },
)


@contextmanager
def drawn_numbers(device: torch.device) -> Iterator[list[Message]]:
    """A pass runs inside; afterwards the list has what is to be said if it drew random numbers.

    Args:
        device: that the pass runs on.

    >>> with drawn_numbers(torch.device("cpu")) as notes:
    ...     _ = torch.rand(1)
    >>> [note.code for note in notes]
    ['passes.random']
    """
    notes: list[Message] = []
    before = random_state(device)
    yield notes
    if not torch.equal(before, random_state(device)):
        notes.append(Message("passes.random"))
