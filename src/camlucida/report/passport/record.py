"""A passport as plain data, for programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from camlucida.report.checklists.assess import AssessedItem
from camlucida.report.passport.checks import Check, interval_or_none
from camlucida.report.passport.page import Passport


def passport_record(passport: Passport, version: str) -> dict[str, Any]:
    """The content of ``MODEL_passport.json``.

    Args:
        passport: of one model.
        version: of camlucida.

    Returns:
        Names, numbers and codes; messages as code and values. A number that was not measured is
        not there.
    """
    model = passport.model
    return {
        "research_use_only": True,
        "synthetic": passport.synthetic,
        "mismatch": passport.mismatch,
        "camlucida": version,
        "run": passport.run,
        "content_sha256": passport.content,
        "model": {name: model[name] for name in ("name", "sha256", "seed", "fold")},
        "task": model["resolved"]["task"],
        "labels": list(model["resolved"]["labels"]),
        "cohort": {"name": passport.about["name"], **passport.counts},
        "maps": list(passport.maps),
        "checks": list(map(_check, passport.checks)),
        "not_measured": passport.missing,
        "checklists": {name: _states(items) for name, items in passport.checklists.items()},
    }


def _check(check: Check) -> dict[str, Any]:
    return {
        "kind": check.kind,
        "name": check.name,
        "title": check.title.to_json(),
        "maps": check.series,
        **interval_or_none(check.value),
        "reference": check.reference.to_json(),
        "patients": check.patients,
        "verdict": check.verdict,
    }


def _states(items: Sequence[AssessedItem]) -> list[dict[str, str]]:
    return [{"item": each.item.number, "state": each.state} for each in items]
