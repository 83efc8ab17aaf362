"""What camlucida compare measured of the cases, beside what the run and its evaluation hold."""

import numpy as np
import pytest

from camlucida.io.tables import write_table
from camlucida.web.cases import RunCases
from camlucida.web.comparisons import compared_cases, comparisons_in
from tests.support.comparisons import compared_methods, write_comparison_tables


@pytest.fixture(scope="module")
def comparison(small_run):
    """Maps and cases of the run's methods, compared."""
    return compared_methods(small_run)


@pytest.fixture
def folder(small_run, comparison, tmp_path):
    """The tables of the comparison, as the command writes them."""
    write_comparison_tables(tmp_path / "method", *comparison, [str(small_run.folder.root)])
    return tmp_path / "method"


def test_the_columns_are_those_of_the_comparison(small_run, comparison, folder):
    (compared,) = compared_cases(small_run, [folder])
    assert compared.by == "method"
    maps, cases = comparison
    verdicts = cases.set_index("case")["verdict"]
    assert len(maps) == len(compared.table) == len(small_run.explanations())
    for row in maps.to_dict("records"):
        line = compared.table.loc[row["explanation"]]
        assert line["agreement_method"] == pytest.approx(row["excess"], nan_ok=True)
        assert line["artefact_share"] == pytest.approx(row["artefact_share"], nan_ok=True)
        assert line["artefact_area"] == pytest.approx(row["artefact_area"], nan_ok=True)
        assert line["verdict_method"] == verdicts[row["case"]]


def test_a_comparison_of_other_maps_is_left_out(small_run, comparison, folder, tmp_path):
    maps, cases = comparison
    write_comparison_tables(tmp_path / "named", maps, cases, ["another run"])
    write_table(maps.assign(image="another film"), folder / "maps.csv")
    assert compared_cases(small_run, [tmp_path / "named", folder]) == []
    write_table(maps.assign(explanation=10_000), folder / "maps.csv")
    assert compared_cases(small_run, [folder]) == []
    (folder / "maps.csv").unlink()
    assert compared_cases(small_run, [folder]) == []


def test_of_two_of_one_property_the_first_counts(small_run, comparison, folder, tmp_path):
    maps, cases = comparison
    root = [str(small_run.folder.root)]
    write_comparison_tables(tmp_path / "other", maps.assign(excess=0.5), cases, root)
    (first,) = compared_cases(small_run, [tmp_path / "other", folder])
    assert set(first.table["agreement_method"]) == {0.5}


def test_comparisons_are_found_below_a_folder(folder, tmp_path):
    assert comparisons_in(tmp_path, 1) == [folder]
    assert comparisons_in(folder, 1) == [folder]
    assert comparisons_in(tmp_path, 0) == []


def test_cases_are_filtered_and_sorted_by_agreement_and_artefacts(small_run, folder):
    cases = RunCases("run", small_run.folder.root, (folder,))
    columns = {each["name"]: each for each in cases.describe()["columns"]}
    assert columns["agreement_method"]["title"] == "Agreement across methods"
    assert "1 is the same map" in columns["agreement_method"]["meaning"]
    assert columns["artefact_share"]["title"] == "Heat on artefacts"
    alone = RunCases("run", small_run.folder.root).describe()["columns"]
    assert {"agreement_method", "artefact_share", "verdict_method"} <= set(columns)
    assert not any(each["name"] in ("agreement_method", "artefact_share") for each in alone)
    for name in ("artefact_share", "agreement_method"):
        values = cases.table[name].dropna()
        middle = float(values.median())
        page = cases.page([f"{name}>={middle}"], name, descending=True)
        assert [row[name] for row in page.rows] == sorted(values[values >= middle], reverse=True)
    points = cases.points("agreement_method", "artefact_share")
    both = cases.table[["agreement_method", "artefact_share"]].dropna()
    assert points["total"] == len(both) > 0


def test_a_column_without_a_value_is_not_offered(small_run, comparison, tmp_path):
    maps, cases = comparison
    empty = maps.assign(excess=np.nan)
    write_comparison_tables(tmp_path, empty, cases, [str(small_run.folder.root)])
    of_run = RunCases("run", small_run.folder.root, (tmp_path,))
    names = [each["name"] for each in of_run.describe()["columns"]]
    assert "artefact_share" in names
    assert "agreement_method" not in names


def test_a_case_has_its_agreement_and_its_heat_on_artefacts(small_run, folder):
    cases = RunCases("run", small_run.folder.root, (folder,))
    known = cases.table[["agreement_method", "artefact_share"]].dropna()
    row = known.iloc[0]
    trust = {line["metric"]: line for line in cases.case(int(known.index[0]))["trust"]}
    area = cases.table.loc[known.index[0], "artefact_area"]
    assert trust["artefact_share"]["value"] == pytest.approx(row["artefact_share"])
    assert trust["artefact_share"]["chance"] == pytest.approx(area)
    assert trust["agreement_method"]["value"] == pytest.approx(row["agreement_method"])
    assert "--by seed" in trust["agreement_seed"]["missing"]  # a run of one seed
    unknown = int(cases.table.index[cases.table["agreement_method"].isna()][0])
    trust = {line["metric"]: line for line in cases.case(unknown)["trust"]}
    assert "no second map" in trust["agreement_method"]["missing"]
