"""Why metrics have no value on some images, counted: a note a metric and reason."""

from __future__ import annotations

from dataclasses import dataclass, field

from camlucida.core.messages import Message, Value, declare
from camlucida.metrics import METRICS

declare(
    "no_value_notes",
    {
        "counted": (
            "{metric}: {count} {count:|explained label has|explained labels have} no value, "
            "because {reason}."
        )
    },
)

Case = tuple[str, str]
"""Image and target."""


@dataclass
class Undefined:
    """Images and targets on which a metric has no value.

    >>> undefined = Undefined()
    >>> undefined.add("sic", "no_value.unsure", "film 1", "nodule")
    >>> [note.values["count"] for note in undefined.notes()]
    [1]
    """

    cases: dict[tuple[str, str], set[Case]] = field(default_factory=dict)

    def add(self, metric: str, code: str, image: str, target: str) -> None:
        """Count one image and target; each counts once, however many maps it has.

        Args:
            metric: registered name.
            code: of the message that gives the reason.
            image: its id.
            target: name of what is explained.
        """
        self.cases.setdefault((metric, code), set()).add((image, target))

    def notes(self) -> list[Message]:
        """A note for each metric and reason."""
        notes = []
        for (metric, code), cases in self.cases.items():
            values: dict[str, Value] = {
                "metric": METRICS[metric].title,
                "count": len(cases),
                "reason": Message(code),
            }
            notes.append(Message("no_value_notes.counted", values))
        return notes
