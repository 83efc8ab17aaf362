"""What changed between two films of a patient, beside what movement alone changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from camlucida.analysis.change.difference import difference, moved_image
from camlucida.attribution.kept import KeptImage
from camlucida.models.preprocessing import prepare
from camlucida.web.alignment import Align, decoded_film, kept_alignment
from camlucida.web.inference import Inference
from camlucida.workflows.change.folder import change_numbers
from camlucida.workflows.change.page import map_sentences


def film_change(
    inference: Inference,
    model: str,
    film: str,
    folder: str,
    later: str,
    later_folder: str,
    target: str,
    method: str,
    layer: str,
    align: Align,
) -> dict[str, Any]:
    """The change of a label's score and map from a film to a later one, as ``camlucida change``.

    Args:
        inference: with the model.
        model, target, method, layer: of both maps.
        film, later: identifiers of the films.
        folder, later_folder: as of :meth:`camlucida.io.decoded.Decoder.decode`.
        align: as of :func:`~camlucida.web.alignment.film_alignment`.

    Returns:
        As of :func:`~camlucida.workflows.change.folder.change_numbers`, with ``sentences``.

    Raises:
        UsageError: one is a volume, has no contrast, or has no such label or method.
    """
    before, after = Path(folder), Path(later_folder)
    alignment = kept_alignment(before, after, align)
    first = inference.explanation(model, film, folder, target, method, layer)
    second = inference.explanation(model, later, later_folder, target, method, layer)
    moved = None
    if alignment.moved:
        image = moved_image(decoded_film(before), decoded_film(after), alignment)
        offered = inference.model(model)
        scan = prepare(image, offered.loaded.card.input)
        kept = KeptImage.of(offered.explained, scan, [layer])
        moved = kept.explain(first.target, method, layer)
    numbers = change_numbers(difference(first, second, alignment, moved))
    return numbers | {"sentences": [str(sentence) for sentence in map_sentences(numbers)]}
