"""What a model card says before its model is loaded; nothing heavy is imported to see it."""

from __future__ import annotations

from pathlib import Path

from camlucida.core.files import parse_toml
from camlucida.io.monai_bundle import states_volumes


def is_of_volumes(card: str) -> bool:
    """Whether a model card is of a model of volumes.

    Args:
        card: as ``--model`` has it. What cannot be read is refused when the model is loaded.

    >>> is_of_volumes("no-such-card.toml")
    False
    """
    path = Path(card).expanduser()
    if card.startswith("monai:"):
        return states_volumes(Path(card.removeprefix("monai:")).expanduser())
    try:
        text = path.read_text("utf-8-sig") if path.suffix == ".toml" else ""
        table = parse_toml(text)
        factory = str(table.get("factory", ""))
        if factory.startswith("monai:") and "volume" not in table:
            return states_volumes(path.parent / Path(factory.removeprefix("monai:")).expanduser())
        return "volume" in table
    except (OSError, ValueError):
        return False
