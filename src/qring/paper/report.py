"""The page: one HTML file that needs nothing else, for a report of claims or for one run.

Templates, style and script lie in ``page``; this module fills them in.
"""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from importlib import resources
from string import Template

import qring
from qring.encoding.formats import WordFormat
from qring.jsontext import to_json
from qring.paper.claim import Effort, Figure, Relation, Standing, Verdict
from qring.paper.curves.curve import Drawn
from qring.paper.runner import Outcome
from qring.paper.trace import Trace, even_lengths, ring_trace

__all__ = ["gallery", "number", "report_page", "run_page"]

_CLASS = {
    Verdict.HOLDS: "holds",
    Verdict.CORRECTED: "corrected",
    Verdict.FAILS: "fails",
    Verdict.DEFINITION: "definition",
}
_COORDS, _WORD_BITS = 1000, 16
_NO_GUARD = (
    "A simulation protects nobody's data and speeds nothing up: it shows what a quantum network "
    "would do, cost and leak."
)


def gallery() -> tuple[Trace, ...]:
    """The rings that a report shows: 2 to 16 workers, 1,000 words of 16 bits."""
    found = []
    for workers in range(2, 17):
        wire = WordFormat(word_bits=_WORD_BITS, workers=workers)
        what = (
            f"{workers} workers sum {_COORDS:,} words of {_WORD_BITS} bits; "
            f"sums take {wire.sum_bits}"
        )
        chunks = even_lengths(_COORDS, workers)
        found.append(ring_trace(chunks=chunks, what=what, bits=wire.bits))
    return tuple(found)


def report_page(
    outcomes: Sequence[Outcome],
    plots: Mapping[str, Drawn],
    *,
    effort: Effort,
    seed: int,
) -> str:
    """Write the report as one HTML page.

    ``plots`` are the curves, drawn, by name.
    """  # fmt: skip
    body = [
        _verdicts(outcomes),
        "<h2>The ring, round by round</h2>",
        '<p class="lead">Figure 1 of the paper, for 2 to 16 workers. Traces come from the '
        "schedules that the library runs.</p>",
        _ring_card(choose=True),
        "<h2>The claims</h2>",
        '<p class="lead">What the paper says, what was measured, and what is true instead.</p>',
        _filters(outcomes),
        '<div class="card claims">' + "".join(map(_claim, outcomes)) + "</div>",
    ]
    if plots:
        body += ["<h2>Curves</h2>", _plots(plots)]
    samples = sum(figure.trials for outcome in outcomes for figure in outcome.figures)
    footer = (
        f"qring {qring.__version__}, {effort.value} run, seed {seed}, {samples:,} trials. Sampled "
        "figures stand with intervals that hold but for 10⁻⁹ each. " + _NO_GUARD
    )
    lead = (
        "Every numbered statement of <em>Quantum ring all-reduce: communication and privacy "
        "advantages for distributed learning</em> (arXiv 2606.20344), checked by running it on a "
        "simulated quantum network."
    )
    return _page("The paper, checked", lead, "\n".join(body), footer, gallery(), quantum=True)


def run_page(trace: Trace, *, title: str, facts: Mapping[str, str], quantum: bool) -> str:
    """Write the page of one run: its trace, and what else is to be said of it in ``facts``."""
    tiles = "".join(
        f'<div class="card"><dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd></div>'
        for name, value in facts.items()
    )
    body = _ring_card(choose=False) + f'<dl class="facts">{tiles}</dl>'
    lead = "One all-reduce, round by round, from the trace of the run."
    return _page(title, lead, body, _NO_GUARD, (trace,), quantum=quantum)


def number(value: float) -> str:
    """A figure as text: integers whole, others to four digits."""
    if value == round(value) and abs(value) < 1e12:
        return f"{round(value):,}"
    size = abs(value)
    if size < 1e-3 or size >= 1e7:
        mantissa, exponent = f"{value:.1e}".split("e")
        return f"{mantissa}·10{str(int(exponent)).translate(_RAISED)}"
    return f"{value:,.{max(0, 3 - math.floor(math.log10(size)))}f}"


_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def _read(name: str) -> str:
    return resources.files("qring.paper").joinpath("page", name).read_text(encoding="utf-8")


def _page(
    title: str, lead: str, body: str, footer: str, traces: Sequence[Trace], *, quantum: bool
) -> str:
    content = {"quantum": quantum, "traces": [trace.as_json() for trace in traces]}
    script = _read("ring.js") + _read("claims.js")
    return Template(_read("page.html")).substitute(
        title=html.escape(title),
        lead=lead,
        body=body,
        footer=footer,
        style=_read("style.css"),
        script=script,
        traces=to_json(content, separators=(",", ":")).replace("</", "<\\/"),
    )


def _ring_card(*, choose: bool) -> str:
    control = (
        '<label>workers <input id="workers" type="range" min="2" max="16" value="4">'
        '<output id="workers-label" for="workers">4</output></label>'
        if choose
        else ""
    )
    return Template(_read("ring.html")).substitute(workers_control=control)


def _counts(outcomes: Sequence[Outcome]) -> dict[Verdict, int]:
    return {v: sum(o.claim.verdict is v for o in outcomes) for v in Verdict}


def _verdicts(outcomes: Sequence[Outcome]) -> str:
    counts = _counts(outcomes)
    bars = "".join(
        f'<span class="{_CLASS[v]}" style="flex:{n}"></span>' for v, n in counts.items() if n
    )
    unconfirmed = [o.claim.id for o in outcomes if not o.confirmed]
    one, many, wrong, defined = counts.values()
    text = (
        f"<p>Of {len(outcomes)} statements <strong>{one}</strong> hold, <strong>{many}</strong> "
        f"hold as corrected, <strong>{wrong}</strong> do not hold as stated; "
        f"<strong>{defined}</strong> are definitions.</p>"
    )
    if unconfirmed:
        names = ", ".join(unconfirmed)
        text += f'<p class="unconfirmed">Measured figures contradict a verdict: {names}</p>'
    return f'<div class="tally" role="presentation">{bars}</div>{text}'


def _filters(outcomes: Sequence[Outcome]) -> str:
    buttons = [
        f'<button type="button" aria-pressed="true" data-verdict="">all {len(outcomes)}</button>'
    ]
    buttons += [
        f'<button type="button" aria-pressed="false" class="{_CLASS[v]}" '
        f'data-verdict="{_CLASS[v]}"><i></i>{v.value} ({n})</button>'
        for v, n in _counts(outcomes).items()
        if n
    ]
    return f'<div class="filters" role="group" aria-label="Show">{"".join(buttons)}</div>'


def _claim(outcome: Outcome) -> str:
    claim, tone = outcome.claim, _CLASS[outcome.claim.verdict]
    parts = [("what the paper says", claim.says, ""), ("what is checked", claim.checked, "")]
    parts += [("what holds instead", claim.corrected, "wrong")] if claim.corrected else []
    parts += [("to know", claim.open_, "")] if claim.open_ else []
    text = "".join(
        f'<div class="{kind}"><dt>{name}</dt><dd>{html.escape(value)}</dd></div>'
        for name, value, kind in parts
    )
    if claim.see:
        text += (
            f"<div><dt>see for yourself</dt><dd><code>{html.escape(claim.see)}</code></dd></div>"
        )
    rows = "".join(map(_figure, outcome.figures))
    doubt = "" if outcome.confirmed else ' <span class="unconfirmed">not confirmed</span>'
    return (
        f'<details class="claim {tone}" id="{claim.id}"><summary>'
        f'<span class="source">{html.escape(claim.source)}</span>'
        f'<span class="title">{html.escape(claim.title)}{doubt}</span>'
        f'<span class="pill">{claim.verdict.value}</span></summary>'
        f'<div class="detail"><dl>{text}</dl><div class="figures-table"><table><thead><tr>'
        f'<th scope="col">figure</th><th scope="col">the paper says</th>'
        f'<th scope="col">measured</th><th scope="col">predicted here</th></tr></thead>'
        f"<tbody>{rows}</tbody></table>"
        f'<p class="quiet">standing of the statement: {claim.standing.value}</p>'
        "</div></div></details>"
    )


def _figure(figure: Figure) -> str:
    measured = number(figure.measured)
    if figure.standing is Standing.SAMPLED:
        span = f"{number(figure.low)} … {number(figure.high)}; {figure.trials:,} trials"
        measured += f"<small>{span}</small>"
    else:
        measured += f"<small>{figure.standing.value}</small>"
    unit = f" <small>{html.escape(figure.unit)}</small>" if figure.unit else ""
    state = "" if figure.agrees else ' class="unconfirmed"'
    stated = ""
    if figure.paper is not None:
        relation = "" if figure.paper_relation is Relation.EQUALS else figure.paper_relation.value
        refuted = "" if figure.paper_agrees else "<small>not met</small>"
        stated = f"{relation} {number(figure.paper)}{refuted}"
    return (
        f'<tr{state}><th scope="row">{html.escape(figure.name)}</th><td>{stated}</td>'
        f"<td>{measured}</td><td>{figure.relation.value} {number(figure.predicted)}{unit}</td></tr>"
    )


def _plots(plots: Mapping[str, Drawn]) -> str:
    figures = "".join(
        f'<figure class="card" id="plot-{name}">{drawing}'
        f"<figcaption><strong>{html.escape(title)}</strong>{html.escape(caption)}</figcaption></figure>"
        for name, (title, caption, drawing) in plots.items()
    )
    return f'<div class="plots">{figures}</div>'
