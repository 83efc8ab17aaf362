"""``camlucida report-pack`` on the run folders of a density pipeline.

What is written, that it is true, and that it stays.
"""

import json
import re
import shutil

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from sklearn.metrics import accuracy_score, balanced_accuracy_score, cohen_kappa_score, f1_score

from camlucida.analysis.cases.case_table import case_table
from camlucida.analysis.selection import select
from camlucida.cli import main
from camlucida.core.errors import UsageError
from camlucida.core.messages import Message
from camlucida.report.locale import load_texts
from camlucida.report.render import render_document
from camlucida.report.writers.insert import insert_section
from camlucida.report.writers.latex import picture_prefix, section
from camlucida.runs import Run
from camlucida.workflows.training_runs import PackSettings, pack_runs
from camlucida.workflows.training_runs.explain import ExplainOptions
from camlucida.workflows.training_runs.lines import verdict_lines
from camlucida.workflows.training_runs.results import read_record
from camlucida.workflows.training_runs.section import pack_document
from tests.support.documents import compiled, english_in
from tests.support.training_runs import FOLDS, SEEDS, blank, edit_summary, pack
from tests.support.worded import assert_worded

pytestmark = pytest.mark.usefixtures("drawn_figures")

SAVE = "camlucida.workflows.training_runs.pictures.save_figure"
FIRST = ("results_4", f"{FOLDS}/fold_2")
GRIDS = ("density_gradcam_seed42", "fold_2_gradcam")


@pytest.fixture(scope="module")
def article(density, tmp_path_factory):
    """A seed and a fold, packed with their figures into an article with a main file."""
    folder = tmp_path_factory.mktemp("my article")
    (folder / "sections").mkdir()
    host = (
        r"\documentclass{article}\usepackage{graphicx}"
        r"\begin{document}\input{sections/density_model}\end{document}"
    )
    (folder / "main.tex").write_text(host)
    packing = pack(
        density, *FIRST, assets=folder / "my assets", tex=folder / "sections/density_model.tex"
    )
    assert not packing.failures
    return folder, packing


@pytest.fixture
def quick(monkeypatch):
    """Figures as files without a picture."""
    monkeypatch.setattr(SAVE, blank)


def content(folder):
    """Every file outside of the runs of maps → its bytes."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_files_are_called_as_the_source_system_calls_them(article):
    folder, packing = article
    names = {path.name for path in (folder / "my assets").iterdir()}
    figures = {f"{name}.{kind}" for name in GRIDS for kind in ("png", "pdf")}
    assert names == {*figures, "seeds_table.csv", "report_pack.json", ".camlucida"}
    assert {path.name for path in packing.written} == names - {".camlucida"} | {"density_model.tex"}
    for name in GRIDS:
        with Image.open(folder / f"my assets/{name}.png") as picture:
            assert min(picture.size) > 100


def test_the_section_stands_between_markers_and_compiles(article):
    folder, _ = article
    lines = (folder / "sections/density_model.tex").read_text("utf-8").splitlines()
    assert (lines[0], lines[-1]) == ("% camlucida:begin density", "% camlucida:end density")
    assert any("{my assets/density_gradcam_seed42.pdf}" in line for line in lines)
    text = " ".join(compiled(folder / "main.tex").split())
    assert "SYNTHETIC" in text
    assert "Research use only" in text
    assert "the predicted class and the probabilities of every image are those in" in text
    assert "true class 2" in text
    assert "no image of class 4" in text  # fold 2 has images of one class
    assert "classes without an image that has a map: 1, 3 and 4" in text
    assert "in 3 maps of images with burned-in text" in text


def test_every_fold_has_a_figure(density, tmp_path, quick):
    packing = pack(density, FOLDS, assets=tmp_path)
    assert [one.key for one in packing.trainings] == ["fold_1", "fold_2", "fold_3"]
    names = {path.name for path in tmp_path.iterdir()}
    assert {
        "fold_1_gradcam.png",
        "fold_2_gradcam.png",
        "fold_3_gradcam.png",
        "density_folds.png",
    } <= names
    assert packing.comparisons["fold"].cases.empty  # other patients in each
    assert "validate on different patients" in (tmp_path / "density_model.tex").read_text("utf-8")


@pytest.mark.filterwarnings("ignore:A single label was found")
@pytest.mark.parametrize("key", ["seed42", "fold_2"])
def test_numbers_are_those_of_the_run_and_of_a_recount(density, article, key):
    run = density / ("results_4" if key == "seed42" else f"{FOLDS}/{key}/results")
    row = pd.read_csv(article[0] / "my assets/seeds_table.csv").set_index("run").loc[key]
    reported = json.loads((run / "metrics/val_metrics.json").read_text("utf-8"))
    rows = pd.read_csv(run / "val_predictions.csv")
    truth, predicted = rows["y_true"], rows["y_pred"]
    counted = {
        "accuracy": accuracy_score(truth, predicted),
        "macro_f1": f1_score(truth, predicted, average="macro"),
    }
    counted["balanced_accuracy"] = balanced_accuracy_score(truth, predicted)
    counted["quadratic_kappa"] = (
        cohen_kappa_score(truth, predicted, weights="quadratic") if truth.nunique() > 1 else np.nan
    )
    reported["quadratic_kappa"] = (
        np.nan if reported["kappa_quadratic"] is None else reported["kappa_quadratic"]
    )
    for name, value in counted.items():
        np.testing.assert_allclose(row[name], value)
        np.testing.assert_allclose(row[name], reported[name])
    assert row["images"] == reported["n"] == len(rows)
    assert row["patients"] == rows["patient"].nunique()


def test_spread_is_that_of_the_maps(density, article):
    folder, packing = article
    one = next(one for one in packing.trainings if one.key == "seed42")
    run = Run.open(folder / "my assets" / one.run)
    truth = (
        pd.read_csv(density / "results_4/val_predictions.csv")
        .set_index("filename")["y_true"]
        .astype(str)
    )
    spreads: dict[str, list[float]] = {}
    for number, row in run.explanations().iterrows():
        cells = run.raw([number])[0].clamp(min=0)
        spreads.setdefault(truth[f"{row['image']}.dcm"], []).append(
            float((cells >= cells.max() / 2).double().mean())
        )
    assert {name: each.estimate for name, each in one.spread.items()} == pytest.approx(
        {name: np.mean(values) for name, values in spreads.items()}
    )
    assert one.contrast.estimate == pytest.approx(np.mean(spreads["4"]) - np.mean(spreads["1"]))


def test_the_same_call_again_changes_no_byte(density, article, quick):
    folder, _ = article
    before = content(folder / "my assets") | content(folder / "sections")
    again = pack(
        density, *FIRST, assets=folder / "my assets", tex=folder / "sections/density_model.tex"
    )
    assert not again.changed
    assert content(folder / "my assets") | content(folder / "sections") == before


def test_a_later_run_joins_and_earlier_ones_stay(density, article, tmp_path, quick):
    folder = shutil.copytree(article[0], tmp_path / "copy")
    assets = folder / "my assets"
    before = content(assets)
    packing = pack(density, "results_5", assets=assets, tex=folder / "sections/density_model.tex")
    assert packing.changed
    assert [one.key for one in packing.trainings] == ["seed42", "seed43", "fold_2"]
    after = content(assets)
    for name in GRIDS:
        assert after[f"{name}.png"] == before[f"{name}.png"]
    assert {"density_gradcam_seed43.png", "consistency.csv", "density_consistency.png"} <= set(
        after
    )
    old, new = (json.loads(each["report_pack.json"])["runs"] for each in (before, after))
    assert {key: new[key] for key in old} == old
    cases = pd.read_csv(assets / "consistency.csv")
    assert len(cases) == 12
    assert set(cases["verdict"]) <= {"consistent", "review", "artefact"}
    assert_worded(cases, "reason")
    first = pd.read_csv(assets / "look_first.csv")
    assert sorted(first["image"]) == sorted(cases["image"][cases["verdict"] != "consistent"])
    assert first["rank"].tolist() == list(range(1, len(first) + 1))
    differ = set(cases["image"][cases["agreement"] < 1])
    assert set(first["image"][: len(differ)]) == differ
    assert set(first["kind"][: len(differ)]) <= {"class"}
    assert_worded(first, "reason")
    text = (folder / "sections/density_model.tex").read_text("utf-8")
    assert "Images to look at first" in text
    assert text.count("camlucida:begin") == 1
    assert "density_gradcam_seed42.pdf" in text
    assert "density_gradcam_seed43.pdf" in text


def test_a_portuguese_section_has_no_english(article):
    folder, packing = article
    assets = folder / "my assets"
    opened = {training.key for training in packing.trainings}
    document = pack_document("density", packing.trainings, packing.comparisons, opened, assets)
    written = section(render_document(document, load_texts("pt")), assets, "density", "")
    lines = [line for line in written.splitlines() if not line.startswith("%")]
    written = "\n".join(lines)
    assert "para cada classe verdadeira" in written.replace(r"\allowbreak{}", "")
    english = re.findall(r"\b(?:the|with|images?|patients?|chance|predicted|of)\b", written)
    assert english == []


def test_a_short_section_of_a_lower_level_keeps_results_grids_and_limits(article, tmp_path):
    folder, packing = article
    assets = folder / "my assets"
    opened = {training.key for training in packing.trainings}
    texts = load_texts("en")
    lengths = {}
    for short in (False, True):
        document = pack_document(
            "density", packing.trainings, packing.comparisons, opened, assets, short
        )
        rendered = render_document(document, texts)
        lengths[short] = section(rendered, assets, "density", "", "subsection")
    assert len(lengths[True]) < 0.8 * len(lengths[False])
    for words in (r"\subsection{Attention maps", r"\subsubsection{Results}", "_gradcam"):
        assert words in lengths[True]
    assert r"\section{" not in lengths[True]
    assert "Explanation quality" not in lengths[True]


def test_a_seed_whose_maps_are_gone_keeps_its_numbers(density, article, tmp_path, quick):
    folder = shutil.copytree(article[0], tmp_path / "copy")
    shutil.rmtree(folder / "my assets/.camlucida/seed42")
    packing = pack(density, "results_5", assets=folder / "my assets")
    assert packing.trainings[0] == article[1].trainings[0]
    assert "seed" not in packing.comparisons
    assert "seed 42: the maps no longer exist" in (
        folder / "my assets/density_model.tex"
    ).read_text("utf-8")


def test_another_pack_in_the_folder_is_refused(density, article):
    folder = article[0] / "my assets"
    before = content(folder)
    with pytest.raises(UsageError, match=r"holds the pack 'density', not 'birads'.*--name density"):
        pack(density, "results_5", assets=folder, name="birads")
    assert content(folder) == before


def test_a_chinese_section_compiles(tmp_path, article):
    folder, packing = shutil.copytree(article[0], tmp_path / "copy"), article[1]
    assets, tex = folder / "my assets", folder / "sections/density_model.tex"
    host = (
        r"\documentclass{article}\usepackage{graphicx,CJKutf8}"
        r"\begin{document}\input{sections/density_model}\end{document}"
    )
    (folder / "main.tex").write_text(host)
    document = pack_document(
        "density", packing.trainings, packing.comparisons, {"seed42", "fold_2"}, assets
    )
    assert insert_section(
        tex,
        "density",
        section(
            render_document(document, load_texts("zh")),
            assets,
            "density",
            picture_prefix(assets, tex),
        ),
    )
    assert "预测类别和概率均与" in "".join(compiled(folder / "main.tex").split())
    written = "\n".join(
        part for part in tex.read_text("utf-8").splitlines() if not part.startswith("%")
    )
    assert "每个真实类别中损失" in (plain := written.replace(r"\allowbreak{}", ""))
    assert not english_in(plain)


def test_seeds_that_look_at_the_background_are_flagged(cohort, quick):
    """Seed 44 reads the density from the letters beside the breast; its twin is nearly equal."""
    twin = shutil.copytree(cohort / "results_6", cohort / "results_7")
    state = torch.load(twin / "best_model.pth", weights_only=True)
    torch.manual_seed(0)
    noisy = {
        key: value * (1 + 0.02 * torch.randn_like(value)) if value.ndim > 1 else value
        for key, value in state.items()
    }
    torch.save(noisy, twin / "best_model.pth")
    edit_summary(twin, seed=45)
    packing = pack(cohort, "results_6", "results_7")
    cases = packing.comparisons["seed"].cases
    flagged = cases[cases["verdict"] == "artefact"]
    assert len(flagged) >= 3
    assert {Message.loads(reason).code for reason in flagged["reason_code"]} == {"reasons.artefact"}
    assert not (cases["verdict"] == "consistent").all()
    (line,) = verdict_lines({"seed": packing.comparisons["seed"]})
    assert f"artefact {len(flagged)}, review" in line
    assert "each by itself has heat on artefacts in: seed 44 " in line
    text = " ".join((cohort / "assets/density_model.tex").read_text("utf-8").split())
    assert f"{len(flagged)} with attribution on artefacts" in text
    assert "seed 44: by this rule, its heat lies on artefacts in" in text


def test_killed_it_goes_on(density, tmp_path, quick, article):
    def stop(done=0, total=None):
        if done:
            raise KeyboardInterrupt

    settings = PackSettings((density / "results_4",), explain=ExplainOptions(batch_size=4))
    with pytest.raises(KeyboardInterrupt):
        pack_runs(settings, tmp_path, progress=stop)
    assert not (tmp_path / "report_pack.json").exists()
    assert not pack_runs(settings, tmp_path).failures
    (one,) = read_record(tmp_path, "density").values()
    whole = article[1].trainings[0]
    assert one.figures == whole.figures
    assert one.spread.keys() == whole.spread.keys()
    for name, number in whole.spread.items():
        assert one.spread[name].estimate == pytest.approx(number.estimate)


def test_from_the_command_line(cohort, tmp_path, capsys, quick):
    (cohort / "results_6/best_model.pth").unlink()
    words = [word for run in SEEDS for word in ("--run", f"{cohort / run}/")]
    with pytest.raises(SystemExit) as stopped:
        main(["report-pack", *words, "--assets-dir", str(tmp_path / "some assets")])
    out, err = capsys.readouterr()
    assert stopped.value.code == 1
    (error,) = [line for line in err.splitlines() if line.startswith("error")]
    assert "results_6 has no best_model.pth or best_model.pt" in error
    assert "preprocessing as stated in summary.json" in err
    assert "assumed, not known" not in err
    assert "without a mask" not in err
    assert (
        "density_gradcam_seed42.png, density_gradcam_seed43.png: for each true class, the 3 cases"
        in out
    )
    assert (
        "seed42: classes and probabilities are those of val_predictions.csv in all of 12 images"
        in out
    )
    assert (tmp_path / "some assets/density_model.tex").is_file()


def test_layers_are_compared_where_more_than_one_is_requested(density, tmp_path, quick):
    packing = pack(
        density,
        f"{FOLDS}/fold_1",
        assets=tmp_path,
        explain=ExplainOptions(layers=("auto", "features.3")),
    )
    assert {"density_layers_fold_1.png", "layers.csv"} <= {path.name for path in tmp_path.iterdir()}
    (one,) = packing.trainings
    assert one.layer != "features.3"  # the first is that of the class grid
    assert one.images == 4
    (pair,) = packing.comparisons["layer"].pairs.query("label == ''").to_dict("records")
    assert "features.3" in pair["first"] + pair["second"]
    assert "Layers: " in (tmp_path / "density_model.tex").read_text("utf-8") or not np.isfinite(
        pair["excess"]
    )


def test_a_method_with_signs_is_packed_and_its_colours_are_explained(density, tmp_path, quick):
    packing = pack(
        density, f"{FOLDS}/fold_1", assets=tmp_path, explain=ExplainOptions(method="hirescam")
    )
    assert not packing.failures
    shown = Run.open(tmp_path / packing.trainings[0].run).explanations()
    assert packing.trainings[0].signed == bool((shown["low"] < 0).any() and not shown["relu"].any())
    assert "red is evidence for the class, blue against it" in (
        tmp_path / "density_model.tex"
    ).read_text("utf-8")


def test_runs_of_a_pack_share_their_films(density, tmp_path, quick):
    """A report on two seeds is on each film once, whatever folder its path started from."""
    pack(density, "results_4", "results_5", assets=tmp_path)
    runs = [Run.open(tmp_path / ".camlucida" / key) for key in ("seed42", "seed43")]
    (chosen,) = select(case_table(runs), ["disagreement"])
    assert "of 12 cases with maps by two or more of 2 models" in str(chosen.description)
