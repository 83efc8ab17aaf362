"""Models and methods that are offered, and what a model predicts for a film."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from camlucida.attribution.methods import METHODS
from camlucida.web.routes.common import PROBLEMS, Bench

router = APIRouter(prefix="/api", tags=["models"], responses=PROBLEMS)


@router.get("/models")
async def models(bench: Bench) -> list[dict[str, str]]:
    """The models that are offered; none is loaded for this."""
    return [{"id": entry.id, "name": entry.name} for entry in bench.settings.models]


@router.get("/models/{model}")
async def model_of(model: str, bench: Bench) -> dict[str, Any]:
    """A model: its task, labels, and layers with a grid; it is loaded where it must be."""
    return await bench.call("describe", model=model)


@router.get("/methods")
async def methods() -> list[dict[str, Any]]:
    """The methods. Those of kind "probe" and "input" run the model again, and are made as a job."""
    return [
        {
            "name": name,
            "title": method.title,
            "kind": method.kind,
            "class_specific": method.class_specific,
            "cost": method.cost,
            "paper": method.paper,
            "summary": method.summary,
        }
        for name, method in METHODS.items()
    ]


@router.get("/models/{model}/findings/{film}")
async def findings(model: str, film: str, bench: Bench) -> dict[str, Any]:
    """What a model predicts for a film: scores, probabilities and thresholds."""
    return await bench.call("findings", model=model, film=film)
