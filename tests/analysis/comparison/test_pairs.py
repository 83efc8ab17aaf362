"""The table of pairs against closed forms of one-hot maps: r of two different ones is −1/8."""

import numpy as np
import pytest

from camlucida.analysis.comparison.pairs import compare_pair, distinct, nothing_shared
from camlucida.analysis.comparison.series import find_groups
from tests.support.stored_runs import one_hot, world


def pair_of(first, second):
    """Maps (image, target) → cell of two seeds, each image a patient of its own."""
    models = [
        {
            "name": f"m{k}",
            "seed": k,
            "maps": {key: one_hot(cell) for key, cell in cells.items()},
            "said": dict.fromkeys(cells, 0.9),
        }
        for k, cells in enumerate((first, second), 1)
    ]
    runs, cases, _ = world(models)
    (group,) = find_groups(runs, cases, "seed")[0]
    return compare_pair(runs, *group.all_series, agreements={}), group.all_series


def test_the_same_cells_exceed_every_null():
    cells = {(f"i{k}", "x"): k for k in range(9)}
    pair, all_series = pair_of(cells, cells)
    (row,) = pair.rows
    assert (row["similarity"], row["null"], row["excess"]) == pytest.approx((1, -1 / 8, 1))
    assert (row["maps"], row["dead"], row["null_pairs"], row["label"]) == (9, 0, 72, "")
    assert pair.identical
    assert distinct(all_series, [pair]) == {"seed 1": "seed 1", "seed 2": "seed 1"}


def test_the_next_cell_is_less_alike_than_other_films():
    """r = −1/8; of 72 pairs of different films 9 mark one cell: null 1/64.

    The excess is (−1/8 − 1/64) ÷ (63/64) = −1/7.
    """
    pair, all_series = pair_of(
        {(f"i{k}", "x"): k for k in range(9)}, {(f"i{k}", "x"): (k + 1) % 9 for k in range(9)}
    )
    (row,) = pair.rows
    assert (row["similarity"], row["null"], row["excess"]) == pytest.approx(
        (-1 / 8, 1 / 64, -1 / 7)
    )
    assert pair.excess["i0", "x"] == pytest.approx(-1 / 7)
    assert not pair.identical
    assert distinct(all_series, [pair]) == {"seed 1": "seed 1", "seed 2": "seed 2"}


def test_a_label_of_few_films_takes_the_null_of_all():
    """x: 72 pairs of null 1/64; y: two films, all maps in one cell, 2 pairs of null 1.

    Of all 74: (72/64 + 2) ÷ 74.
    """
    few = {("i0", "y"): 4, ("i1", "y"): 4}
    pair, _ = pair_of(
        {(f"i{k}", "x"): k for k in range(9)} | few,
        {(f"i{k}", "x"): (k + 1) % 9 for k in range(9)} | few,
    )
    rows = {row["label"]: row for row in pair.rows}
    assert list(rows) == ["", "x", "y"]
    null = (72 / 64 + 2) / 74
    assert rows["x"]["null"] == pytest.approx(1 / 64)
    assert (rows["y"]["null"], rows["y"]["similarity"], rows["y"]["excess"]) == pytest.approx(
        (null, 1, 1)
    )
    assert rows[""]["null"] == pytest.approx((9 / 64 + 2 * null) / 11)
    assert rows[""]["excess"] == pytest.approx((9 * (-1 / 7) + 2) / 11)
    assert (rows["x"]["null_pairs"], rows["y"]["null_pairs"], rows[""]["null_pairs"]) == (
        72,
        74,
        74,
    )
    alone, _ = pair_of({("i0", "y"): 4, ("i1", "y"): 4}, {("i0", "y"): 4, ("i1", "y"): 4})
    assert alone.rows[0]["null"] == pytest.approx(1)
    assert np.isnan(alone.rows[0]["excess"])


def test_no_common_image_is_a_row_without_numbers():
    _, all_series = pair_of({("i0", "x"): 0}, {("i0", "x"): 0})
    (row,) = nothing_shared(*all_series).rows
    assert row["maps"] == 0
    assert np.isnan([row["similarity"], row["null"], row["excess"], row["agreement"]]).all()
