"""The atlas: figures are those of the protocols, bounds are in order, every one has a source."""

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest

import qring
from qring.cli.main import main
from qring.conflict.gap_ip import gap_ip
from qring.conflict.matching import AffinePairs, Groups
from qring.conflict.signs import HashedSigns
from qring.conflict.sketches import best_rival
from qring.conflict.subspace.audit import subspace_audit
from qring.conflict.subspace.rivals import best_subspace_rival
from qring.conflict.subspace.span import Coordinates, PairSpan
from qring.conflict.tie_audit import plan_copies, tie_audit
from qring.conflict.tie_rivals import best_tie_rival, tie_rivals
from qring.errors import InputError
from qring.paper.atlas import ENTRIES
from qring.paper.atlas.entry import Bound, Point, Regime, Rounds, Side, Winner
from qring.paper.atlas.tables import atlas_page, markdown
from qring.paper.claim import Standing

ROOT = Path(__file__).parents[2]
BY_ID = {entry.id: entry for entry in ENTRIES}
POINTS = [Point(), Point(coords=10**4), Point(coords=10**12, epsilon=0.02, margin=0.01),
          Point(coords=1000, top=10, groups=4, workers=2)]  # fmt: skip
IDS = [entry.id for entry in ENTRIES]


def test_the_statistics_that_were_asked_for_are_there():
    assert len(BY_ID) == len(ENTRIES)
    assert set(IDS) >= {
        "sum", "norm", "inner-product", "gap-ip", "equality", "sampling", "top", "quantile",
        "mask-energy", "ties", "subspace", "hidden-matching", "private-sum", "groups", "adapter",
    }  # fmt: skip
    assert {entry.regime for entry in ENTRIES} == set(Regime)


@pytest.mark.parametrize("entry", ENTRIES, ids=IDS)
def test_entries_are_whole_and_in_order(entry):
    assert {cost.side for cost in entry.costs} == set(Side)
    for cost in entry.costs:
        assert cost.source
        assert cost.formula
    for point in POINTS:
        for side in Side:
            lower = [
                cost.value(point)
                for cost in entry.costs
                # A bound whose constant is unknown may lie anywhere; one with messages both ways
                # holds for one message, too.
                if cost.side is side and cost.bound is Bound.LOWER
                and "unknown" not in cost.formula
            ]  # fmt: skip
            known = [value for value in lower if value is not None]
            best = entry.best(side, point, assisted=True)
            if known and best < math.inf:
                assert max(known) <= 1.12 * best + 1
            if None in lower:
                assert entry.best(side, point) == math.inf


def test_figures_are_those_of_protocols_that_run():
    d, rng = 10**6, np.random.default_rng(0)
    point = Point(coords=d)
    signs, ties = HashedSigns(d, 1), AffinePairs(coords=d)
    audit = {"epsilon": 0.1, "delta": 0.05, "rng": rng}
    entry = BY_ID["ties"]
    assert entry.best(Side.QUANTUM, point) == tie_audit(signs, ties, **audit).qubits
    one_way = entry.best(Side.CLASSICAL, point, Rounds.ONE_WAY)
    assert one_way == best_tie_rival(ties, 0.1, 0.05).bits
    upstream = next(r for r in tie_rivals(ties, 0.1, 0.05) if r.name == "one upstream message")
    assert entry.best(Side.CLASSICAL, point, Rounds.INTERACTIVE) == upstream.bits
    half = BY_ID["subspace"]
    told = subspace_audit(signs, PairSpan(ties), **audit)
    assert half.best(Side.QUANTUM, point) == told.qubits
    assert half.best(Side.CLASSICAL, point) == best_subspace_rival(PairSpan(ties), 0.1, 0.05).bits
    groups = Groups.of((np.arange(d) // (d // 16)).astype(np.int8))
    entry = BY_ID["groups"]
    assert entry.best(Side.QUANTUM, point) == 20 * plan_copies(groups, 0.1, 0.05).copies
    assert entry.best(Side.CLASSICAL, point) == best_tie_rival(groups, 0.1, 0.05).bits
    mask = Coordinates(np.arange(d) < d // 3)
    entry = BY_ID["mask-energy"]
    assert entry.best(Side.CLASSICAL, point) == best_subspace_rival(mask, 0.1, 0.05).bits
    assert entry.winner(point) is Winner.NOBODY
    u = np.zeros(d)
    u[0] = 1
    entry = BY_ID["gap-ip"]
    assert entry.best(Side.QUANTUM, point) == gap_ip(u, u, margin=0.05, error=0.1, rng=rng).qubits
    assert entry.best(Side.CLASSICAL, point) == best_rival(d, 0.05, 0.1).bits


def test_the_sum_is_that_of_the_ledger():
    words = np.random.default_rng(0).integers(0, 2**16, size=(8, 1000))
    encoding = qring.Integers(word_bits=16, signed=False)
    point, entry = Point(coords=1000, top=10), BY_ID["sum"]
    for method, side, carrier in (
        (qring.Superdense, Side.QUANTUM, qring.Carrier.QUBIT),
        (qring.Classical, Side.CLASSICAL, qring.Carrier.BIT),
    ):
        ledger = qring.all_reduce(words, method=method(encoding=encoding)).ledger
        busiest = ledger.busiest(qring.Phase.ONLINE, carrier)
        assert entry.best(side, point, assisted=True) == busiest
    assert entry.winner(point) is Winner.DENSE_CODING


def test_winners_change_sides_where_they_should():
    assert BY_ID["gap-ip"].winner(Point(margin=0.1)) is Winner.CLASSICAL
    assert BY_ID["gap-ip"].winner(Point(margin=0.01)) is Winner.QUANTUM
    assert BY_ID["ties"].winner(Point(coords=1000, top=10)) is Winner.CLASSICAL
    assert BY_ID["groups"].winner(Point(groups=1000)) is Winner.CLASSICAL
    assert BY_ID["groups"].winner(Point(groups=5000)) is Winner.UNASSISTED
    assert BY_ID["private-sum"].winner(Point()) is Winner.QUANTUM


def test_the_command_prints_and_writes(capsys, tmp_path):
    path = tmp_path / "atlas.html"
    words = ["atlas", "--coords", "1e9", "--epsilon", "0.05", "--page", str(path)]
    assert main(words) == 0
    out = capsys.readouterr().out
    assert "d = 1,000,000,000" in out
    assert all(entry.title in out for entry in ENTRIES)
    assert "<script" in path.read_text()
    assert main(["atlas", "--entry", "ties", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert [entry["id"] for entry in answer["entries"]] == ["ties"]
    assert answer["point"]["coords"] == 10**6
    for cost in answer["entries"][0]["costs"]:
        assert cost["source"]
        assert cost["standing"] in {standing.value for standing in Standing}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--coords", "10"], "coords must be"),
        (["--coords", "1.5"], "is not a whole number"),
        (["--coords", "many"], "not a number"),
        (["--coords", "nan"], "is not a number"),
        (["--epsilon", "0"], "outside [1e-06, 1]"),
        (["--error", "0.6"], "error lies"),
        (["--groups", "1"], "groups must be"),
        (["--top", "10000000"], "top must be"),
        (["--entry", "weather"], "there is no entry 'weather'"),
        (["--page", "/nowhere/atlas.html"], "/nowhere"),
    ],
)
def test_bad_options_are_refused_in_one_line(capsys, words, message):
    try:
        status = main(["atlas", *words])
    except SystemExit as exit_:
        status = exit_.code
    out, err = capsys.readouterr()
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert message in err


def test_points_are_checked_at_birth():
    with pytest.raises(InputError, match="workers"):
        Point(workers=1)
    with pytest.raises(InputError, match="word_bits"):
        Point(word_bits=100)


def test_the_documentation_is_up_to_date():
    assert (ROOT / "docs/atlas.md").read_text() == markdown()


@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1440, "light")])
def test_the_page_chooses_sizes_in_a_browser(tmp_path, width, scheme):
    sync = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is not installed (Debian: apt-get install chromium)")
    path = tmp_path / "atlas.html"
    path.write_text(atlas_page(Point()), encoding="utf-8")
    flags = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
    with sync.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=flags)
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        complaints, requests = [], []
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(path.as_uri())
        page.click("#ties summary")
        assert "11,296 bits" in page.inner_text("#ties .detail")
        page.select_option("#size", label="1,000,000,000")
        assert "351,616 bits" in page.inner_text("#ties .detail")
        assert page.inner_text("#ties [data-winner]") == "quantum"
        page.select_option("#size", label="1,000")
        assert page.inner_text("#ties [data-winner]") == "classical"
        page.evaluate("document.querySelectorAll('.claim').forEach((c) => { c.open = true; })")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert complaints == []
        assert all(url.startswith(("file:", "data:")) for url in requests)
        browser.close()
