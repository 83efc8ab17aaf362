"""The heat table: closed forms, and agreement with the metrics of ``evaluate``.

The closed forms are those of a net whose map is its image.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from camlucida.analysis.cases import image_regions as film
from camlucida.analysis.cases.attribution_table import COLUMNS, attribution_table
from camlucida.analysis.cases.case_table import case_table
from camlucida.analysis.cases.image_regions import shrink
from camlucida.evaluation.maps.scores import artefact_regions, artefact_scores
from camlucida.metrics import localisation
from camlucida.metrics.ceiling import area_average
from camlucida.runs import Run, execute
from tests.support.models_on_disk import write_image
from tests.support.runs_on_disk import run_of, save, segmentation_run

LABELS = ("Nodule", "Mass")


def tables(run: Run):
    cases = case_table([run])
    return cases, attribution_table([run], cases).set_index(cases["image"])


def test_closed_form(tmp_path):
    """The map is the film: 1 in a square of a quarter of the image, 0 around it."""
    (tmp_path / "boxes.csv").write_text("image,label,x,y,width,height\nwhole,lesion,0,8,16,16\n")
    run = segmentation_run(tmp_path, masks='masks = "masks"\nboxes = "boxes.csv"')
    cases = case_table([run])
    seen: list[int] = []
    totals: list[int] = []

    def progress(count: int, total: int | None = None) -> None:
        seen.append(count)
        totals.append(total or 0)

    heat = attribution_table([run], cases, progress)
    assert (sum(seen), max(totals)) == (2, 2)
    assert list(heat.columns) == COLUMNS
    assert heat.index.equals(cases.index)
    assert heat.attrs == {"problems": []}
    heat = heat.set_index(cases["image"])
    whole, part = heat.loc["whole"], heat.loc["part"]
    square = {
        "spread": 0.25,
        "gini": 0.75,
        "entropy": np.log(256),
        "negative_share": 0,
        "centre_y": 0.5,
        "centre_x": 0.5,
    }
    outside = {"border_share": 0, "outside_share": 0, "artefact_share": 0, "peripheral": 0}
    areas = {
        "border_area": 1 - 28**2 / 32**2,
        "outside_area": 0.75,
        "artefact_area": 0.75,
        "peripheral_chance": 0.5,
    }
    for name, value in {**square, **outside, **areas}.items():
        assert whole[name] == pytest.approx(value), name
        assert part[name] == pytest.approx(value), name
    assert whole[["text_share", "text_area"]].isna().all()
    masks = ["mask_share", "mask_area", "mask_ceiling", "mask_hit", "mask_ap"]
    assert whole[masks].tolist() == pytest.approx([1, 0.25, 1, 1, 1])
    assert part[masks].tolist() == pytest.approx([0.5, 0.125, 1, 0.5, 0.5])
    assert whole[["box_share", "box_area"]].tolist() == pytest.approx([0.5, 0.25])
    assert part[["box_share", "box_area"]].isna().all()


@pytest.fixture(scope="module")
def classified(tmp_path_factory) -> Run:
    more = (
        '[explain]\ntarget = "all"\nmethod = ["gradcam", "hirescam"]\n'
        'layer = ["features.0", "features.2"]\n'
    )
    return run_of(
        tmp_path_factory.mktemp("run"),
        "multilabel",
        LABELS,
        "image,Nodule,Mass\n0,1,0\n1,0,0\n2,1,1\n3,0,0\n",
        more,
    )


def test_shares_are_those_of_evaluate(classified):
    cases = case_table([classified])
    heat = attribution_table([classified], cases)
    assert (cases["low"] < 0).any()
    names = {"border_share": "border", "text_share": "text", "outside_body_share": "outside"}
    for index, row in heat.iterrows():
        e = classified.explanation(cases["explanation"][index])
        places = artefact_regions(e.scan.picture(), {}, names)
        for name, score in artefact_scores(e.on_original().double().numpy(), places).items():
            place = names[name]
            np.testing.assert_allclose(row[f"{place}_share"], score.value, rtol=1e-5, atol=1e-6)
            if places[name].any():
                np.testing.assert_allclose(row[f"{place}_area"], score.chance, rtol=1e-9)
        raw = e.raw.numpy()
        np.testing.assert_allclose(
            row["negative_share"], np.abs(raw[raw < 0]).sum() / np.abs(raw).sum(), rtol=1e-6
        )


def test_shares_are_shares(classified):
    cases = case_table([classified])
    heat = attribution_table([classified], cases).assign(empty=cases["empty_reason"] != "")
    shown = heat[~heat["empty"]]
    for name in ("border", "outside", "text"):
        assert (shown["artefact_share"] + 1e-9 >= shown[f"{name}_share"].fillna(0)).all()
        assert (shown["artefact_area"] + 1e-9 >= shown[f"{name}_area"].fillna(0)).all()
    for name in (
        "spread",
        "gini",
        "peripheral",
        "border_share",
        "artefact_share",
        "negative_share",
        "centre_y",
        "centre_x",
    ):
        assert shown[name].between(0, 1).all(), name


def test_any_choice_of_cases_gives_the_same_numbers(classified):
    cases = case_table([classified, classified])
    whole = attribution_table([classified, classified], cases)
    some = cases.iloc[[30, 3, 17]]
    part = attribution_table([classified, classified], some)
    assert part.index.tolist() == [30, 3, 17]
    np.testing.assert_array_equal(part, whole.loc[some.index])
    assert attribution_table([classified], cases[:0]).empty


def test_an_empty_map_has_areas_and_no_shares(tmp_path):
    more = 'masks = "masks"\n[explain]\ntarget = "Nodule"\n'
    run = run_of(
        tmp_path,
        "multilabel",
        LABELS,
        "image,Nodule,Mass\n0,1,0\n1,0,0\n2,1,1\n3,0,0\n",
        'name = "x"\n',
    )
    mask = np.zeros((48, 64), bool)
    mask[:24] = True
    save(tmp_path / "masks/0.png", mask)
    net = (tmp_path / "net.py").read_text()
    (tmp_path / "net.py").write_text(
        net.replace(
            "return Net(outputs)",
            "net = Net(outputs)\n    net.head.weight.data.zero_()\n    return net",
        )
    )
    cohort = tmp_path / "cohort.toml"
    cohort.write_text(f'images = "films"\ntable = "labels.csv"\nmodel = "card.toml"\n{more}')
    execute(cohort, tmp_path / "other")
    run = Run.open(tmp_path / "other")
    cases = case_table([run])
    assert (cases["empty_reason"] != "").all()
    heat = attribution_table([run], cases)
    areas = ["peripheral_chance", "border_area", "artefact_area"]
    assert heat[areas].notna().all().all()
    first = heat.iloc[0]
    assert first["mask_area"] == 0.5
    assert first["mask_ceiling"] > 0.9
    shown = heat.drop(columns=[*areas, "outside_area", "text_area", "mask_area", "mask_ceiling"])
    assert shown.isna().all().all()


def test_without_its_image_a_map_keeps_what_needs_none(tmp_path):
    run = segmentation_run(tmp_path)
    before = tables(run)[1]
    (tmp_path / "films/whole.png").unlink()
    write_image(tmp_path / "films/part.png", 5, (32, 32))
    after = tables(run)[1]
    pictured = [
        "text_share",
        "text_area",
        "outside_share",
        "outside_area",
        "artefact_share",
        "artefact_area",
    ]
    assert after[pictured].isna().all().all()
    rest = [name for name in COLUMNS if name not in pictured]
    np.testing.assert_array_equal(after[rest], before[rest])


def test_chance_is_of_what_the_model_saw(tmp_path):
    """A crop of the middle half of each side: the border and the periphery were never seen."""
    folder = tmp_path
    segmentation_run(folder)
    card = folder / "card.toml"
    card.write_text(card.read_text() + 'fit = "center-crop"\ncrop = 0.5\n')
    execute(folder / "cohort.toml", folder / "cropped")
    _, heat = tables(Run.open(folder / "cropped"))
    for name in (
        "peripheral",
        "peripheral_chance",
        "border_share",
        "border_area",
        "outside_share",
        "outside_area",
    ):
        assert (heat[name].abs() < 1e-12).all(), name
    assert heat["mask_area"]["part"] == pytest.approx(0.5)
    assert heat["mask_share"]["part"] == pytest.approx(0.5)


def test_large_films_are_reduced(tmp_path, monkeypatch):
    run = segmentation_run(tmp_path)
    exact = tables(run)[1]
    monkeypatch.setattr(film, "LONGEST", 16)
    small = tables(run)[1]
    for name in (
        "mask_area",
        "mask_share",
        "outside_area",
        "peripheral_chance",
        "centre_y",
        "mask_hit",
    ):
        np.testing.assert_allclose(small[name], exact[name], atol=0.01, err_msg=name)


def test_a_bad_mask_is_said_once(tmp_path):
    run = segmentation_run(tmp_path)
    save(tmp_path / "masks/lesion/part.png", np.zeros((8, 20), bool))
    cases = case_table([run, run])
    heat = attribution_table([run, run], cases)
    (line,) = heat.attrs["problems"]
    assert "8×20 for an image of 32×32" in line
    bad = (cases["image"] == "part").to_numpy()
    assert heat["mask_share"][bad].isna().all()
    assert heat["border_area"][bad].notna().all()
    assert (heat["mask_share"][~bad] == 1).all()


def test_a_mask_that_names_no_label_and_one_of_the_column(tmp_path):
    masked = tmp_path / "a"
    mask = np.zeros((48, 64), bool)
    mask[:, :16] = True
    save(masked / "masks/1.png", mask)
    save(masked / "masks/Mass/1.png", ~mask)
    save(masked / "other.png", mask[:, ::-1])
    more = 'masks = "masks"\n[columns]\nmask = "where"\nbox = "box"\n[explain]\ntarget = "all"\n'
    table = (
        'image,Nodule,Mass,where,box\n0,1,0,other.png,"0, 0, 32, 48"\n1,0,1,,\n'
        "2,0,0,nowhere.png,\n3,0,0,,\n"
    )
    run = run_of(masked, "multilabel", LABELS, table, more)
    cases = case_table([run])
    heat = attribution_table([run], cases)
    assert heat.attrs["problems"] == []
    area = heat["mask_area"].groupby([cases["image"], cases["label"]]).first()
    assert area["1", "Nodule"] == 0.25
    assert area["1", "Mass"] == 0.75
    assert area["0", "Nodule"] == 0.25
    assert area[["2", "3"]].isna().all()
    assert heat["box_area"].groupby(cases["image"]).first().dropna().to_dict() == {"0": 0.5}
    e = run.explanation(0)
    truth = mask[:, ::-1]
    values = e.on_original().double().numpy()
    assert heat["mask_share"][0] == pytest.approx(localisation.relevance_mass(values, truth))
    assert heat["mask_ap"][0] == pytest.approx(
        localisation.average_precision(values, truth), abs=1e-3
    )  # ties round otherwise


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 40), st.integers(0, 99))
def test_shrinking_averages_areas_exactly(height, width, new, seed):
    mask = np.random.default_rng(seed).random((height, width)) < 0.4
    size = min(new, height), min(new + 3, width)
    small = shrink(mask, size)
    np.testing.assert_allclose(small, area_average(mask, size), atol=1e-12)
    assert small.mean() == pytest.approx(mask.mean())
