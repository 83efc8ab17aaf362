"""The mark of a run whose model is not that of the stored predictions."""

from camlucida.runs import Run, execute
from camlucida.runs.mismatch import any_mismatch, mark_mismatch
from tests.support.cohorts import write_cohort


def marked(out) -> bool:
    return any_mismatch([Run.open(out)])


def test_it_stays_as_long_as_the_model_does_or_until_it_is_checked_again(tmp_path):
    cohort, out = write_cohort(tmp_path / "cohort", films=2, broken=None), tmp_path / "run"
    execute(cohort, out)
    assert not marked(out)
    mark_mismatch(out, True)
    before = (out / "run.json").read_bytes()
    execute(cohort, out, resume=True)
    assert marked(out)
    assert (out / "run.json").read_bytes() == before
    # Another method of the same model is no other model; another input is.
    cohort.write_text(cohort.read_text().replace('["gradcam", "layercam"]', '"hirescam"'))
    execute(cohort, out, resume=True)
    assert marked(out)
    mark_mismatch(out, False)
    assert not marked(out)
    mark_mismatch(out, True)
    card = cohort.parent / "card.toml"
    card.write_text(card.read_text().replace("[input]", "[input]\ninvert = true"))
    execute(cohort, out, resume=True)
    assert not marked(out)
