"""Cases whose heat lies where no finding can be."""

from camlucida.analysis.selection.base import RuleRequest, Selected, nothing, rule
from camlucida.analysis.selection.pool import Pool, first, numbered, share
from camlucida.core.errors import UsageError
from camlucida.core.messages import Message, declare

declare(
    "selection",
    {
        "artefact": (
            "{chosen} of {cases} {cases:|case|cases}{short}: most attribution on border and "
            "burned-in text and outside the body first, as a multiple of their area (median "
            "{median:.2g}, largest {largest:.2g})"
        ),
        "none_measured": "none: no map has attribution that can be compared with its image",
    },
)


@rule(
    "artefact",
    "the most heat on border, burned-in text and outside the body, over their area",
    title="heat on artefacts",
    role="artefact",
)
def artefact(pool: Pool, request: RuleRequest) -> Selected:
    """Largest ``artefact_share`` ÷ ``artefact_area`` first; cases without either are left out."""
    if pool.heat is None:
        raise UsageError(
            f"rule {request.text!r} needs the heat table",
            "give heat=attribution_table(runs, cases)",
        )
    cases = pool.candidates(by_label=True)
    heat = pool.heat.loc[cases.index]
    ratio = (heat["artefact_share"] / heat["artefact_area"]).dropna()
    if ratio.empty:
        return nothing(request, Message("selection.none_measured"))
    cases = cases.loc[ratio.index]
    chosen = first(cases, -ratio, request.count)
    multiples = {"median": float(ratio.median()), "largest": float(ratio.max())}
    message = Message("selection.artefact", {**share(request.count, len(cases)), **multiples})
    roles = numbered(Message("roles.artefact"), len(chosen))
    return Selected(request.text, pool.whole(message, cases), list(chosen.index), roles)
