"""How a later film lies on an earlier one, as the pages are told."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from camlucida.analysis.change import align
from tests.web.conftest import png


def give(client, name, content):
    reply = client.post(f"/api/films?name={name}", content=content)
    assert reply.status_code == 201, reply.text
    return reply.json()["id"]


def smooth(shift=0):
    """Three bright places on a dark film, so many columns further right."""
    rows, columns = np.mgrid[:64, :64]
    places = ((20, 18 + shift, 220), (40, 36 + shift, 180), (24, 46 + shift, 130))
    grey = sum(
        value * np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / 60)
        for row, column, value in places
    )
    return grey.clip(0, 255).astype(np.uint8)


def as_png(levels):
    buffer = BytesIO()
    Image.fromarray(levels).save(buffer, "PNG")
    return buffer.getvalue()


def aligned(client, before, after, mode="auto"):
    return client.get(f"/api/films/{before}/alignment/{after}", params={"align": mode})


def test_a_later_film_is_laid_on_an_earlier_one_as_by_change(client):
    levels = smooth(), smooth(4)
    before, after = (give(client, "film.png", as_png(each)) for each in levels)
    reply = aligned(client, before, after).json()
    expected = align(*levels)
    assert reply["aligned"] is True
    assert reply["matrix"] == expected.matrix.tolist()
    assert reply["offset"] == expected.offset.tolist()
    assert reply["offset"][1] == pytest.approx(4, abs=0.5)
    moved, overlap = reply["sentences"]
    assert moved.startswith("From before to after the image is rotated by")
    assert overlap.endswith("of the first image lies on the second.")


def test_films_that_are_not_alike_lie_centre_over_centre(client):
    before, after = (give(client, f"unlike-{i}.png", png(80 + i, (40, 32))) for i in (1, 2))
    reply = aligned(client, before, after).json()
    assert (reply["aligned"], reply["matrix"]) == (False, [[1, 0], [0, 1]])
    refused, centred = reply["sentences"]
    assert refused.startswith("Not aligned: ")
    assert centred.startswith("The images lie centre over centre; their correlation is")


def test_without_a_search_the_larger_film_is_scaled_to_the_smaller(client):
    small, large = give(client, "a.png", png(3, (40, 32))), give(client, "b.png", png(4, (80, 64)))
    reply = aligned(client, small, large, "none").json()
    assert (reply["matrix"], reply["offset"]) == ([[2, 0], [0, 2]], [0.5, 0.5])
    assert "no alignment was requested" in reply["sentences"][0]


def test_what_cannot_be_laid_on_a_film_is_said(client, tmp_path):
    film = give(client, "a.png", png(3, (40, 32)))
    blank = give(client, "blank.png", as_png(np.full((40, 32), 9, np.uint8)))
    reply = aligned(client, film, blank)
    assert (reply.status_code, reply.json()["code"]) == (400, "usage")
    assert "has no contrast" in reply.json()["what"]
    assert aligned(client, film, "none").status_code == 404
    assert aligned(client, film, film, "guess").status_code in (400, 422)
