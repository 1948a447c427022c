"""The page in a real browser, as wide as a phone and as a desk: it steps, and adds up."""

import shutil

import numpy as np
import pytest

import qring
from qring import Classical, Integers, Superdense
from qring.cli.main import main
from qring.paper.claim import Effort
from qring.paper.report import report_page
from qring.paper.runner import run, selected

pytest.importorskip("scipy")
pytest.importorskip("joblib")

FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking",
    "--disable-component-update", "--no-first-run",
]  # fmt: skip


@pytest.fixture(scope="module")
def browser():
    sync = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("chromium is not installed (Debian: apt-get install chromium)")
    with sync.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    found = run(selected(("figure-1", "cut-bound", "lemma-1")), effort=Effort.QUICK, seed=0, jobs=1)
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(report_page(found, {}, effort=Effort.QUICK, seed=0), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def run_of_three(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    files = [folder / f"worker{k}.npy" for k in range(3)]
    for file in files:
        np.save(file, np.ones(100, np.float32))
    path = folder / "ring.html"
    assert main(["allreduce", *map(str, files), "--page", str(path)]) == 0
    return path


class Page:
    """A page that remembers what it complained of and what it asked the network for."""

    def __init__(self, browser, path, width, scheme):
        self.page = browser.new_page(
            viewport={"width": width, "height": 900}, color_scheme=scheme, reduced_motion="reduce"
        )
        self.complaints, self.requests = [], []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.as_uri())

    def count(self, name):
        return int(self.page.inner_text(f"#{name}").replace(",", "").split()[0])

    def choose(self, workers):
        self.page.evaluate(
            "n => { const w = document.getElementById('workers'); w.value = n;"
            " w.dispatchEvent(new Event('input', { bubbles: true })); }", workers
        )  # fmt: skip


@pytest.fixture(params=[(390, "dark"), (1440, "light")], ids=["phone", "desktop"])
def page(browser, report, request):
    opened = Page(browser, report, *request.param)
    yield opened
    assert opened.complaints == []
    assert all(url.startswith(("file:", "data:")) for url in opened.requests)
    width = request.param[0]
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= width
    opened.page.close()


def ledger_of(workers, method):
    rows = np.random.default_rng(0).integers(0, 2**16, size=(workers, 1000))
    return qring.all_reduce(
        rows, method=method(encoding=Integers(word_bits=16, signed=False))
    ).ledger


@pytest.mark.parametrize("workers", [2, 3, 16])
def test_totals_are_those_of_the_ledger(page, workers):
    page.choose(workers)
    page.page.focus("#round")
    page.page.keyboard.press("End")
    quantum = ledger_of(workers, Superdense).totals
    assert page.count("sent-total") == quantum.online_qubits
    assert page.count("pairs-used") == quantum.ebits
    page.page.check("input[value=bits]", force=True)
    assert page.count("sent-total") == ledger_of(workers, Classical).totals.online_bits
    assert page.count("pairs-used") == 0


def test_every_link_ends_with_what_the_ledger_says(page):
    page.page.focus("#round")
    page.page.keyboard.press("End")
    page.page.evaluate("document.querySelector('details.links').open = true")
    ledger = ledger_of(4, Superdense)
    rows = page.page.query_selector_all("#links tr")
    assert len(rows) == 8
    for row in rows:
        link, _, sent, whole, left = row.inner_text().split("\t")
        src, dst = (int(end) for end in link.split(" → "))
        expected = ledger.on(src, dst, qring.Phase.ONLINE, qring.Carrier.QUBIT)
        assert int(sent.replace(",", "")) == int(whole.replace(",", "")) == expected
        assert left == "0"


def test_rounds_step_by_button_and_by_key(page):
    # Four workers, six rounds; a sixth of the carriers moves in each.
    page.page.click("#step-on")
    assert page.page.inner_text("#round-label") == "Round 1 of 6 · scatter-reduce"
    assert page.count("sent-total") == 9000
    page.page.keyboard.press("ArrowRight")
    page.page.keyboard.press("ArrowRight")
    assert "one finished chunk" in page.page.inner_text("#sentence")
    assert page.page.locator(".chunk.full").count() == 4
    page.page.keyboard.press("ArrowRight")
    assert page.page.inner_text("#round-label") == "Round 4 of 6 · all-gather"
    page.page.keyboard.press("ArrowLeft")
    page.page.click("#step-back")
    assert page.count("sent-total") == 18_000
    page.page.keyboard.press("Home")
    assert page.page.inner_text("#round-label") == "Setup"
    assert page.page.is_disabled("#step-back")


def test_play_runs_to_the_end_and_stops(page):
    page.choose(2)
    page.page.focus("#ring")
    page.page.keyboard.press("Space")
    assert page.page.inner_text("#play") == "Pause"
    page.page.wait_for_function("document.getElementById('play').textContent === 'Play'")
    assert page.page.inner_text("#round-label") == "Round 2 of 2 · all-gather"


def test_the_eavesdropper_sees_bits_or_nothing(page):
    page.page.select_option("#eve-link", "1>2")
    page.page.click("#step-on")
    assert "reads nothing" in page.page.inner_text("#eve-view")
    assert page.page.inner_text("#eve-known").startswith("0 bits")
    page.page.check("#eve-setup")
    assert page.page.inner_text("#eve-known").startswith("4,500 bits")  # 250 words of 18 bits
    page.page.uncheck("#eve-setup")
    page.page.check("input[value=bits]", force=True)
    assert "in the clear: chunk 1, the sum of 1 worker" in page.page.inner_text("#eve-view")
    page.page.click("#step-on")
    assert "the sum of 2 workers" in page.page.inner_text("#eve-view")
    assert page.page.locator("tr.tapped th").text_content() == "1 → 2"


def test_claims_filter_and_open(page):
    page.page.click("button[data-verdict=fails]")
    assert page.page.locator(".claim:visible").count() == 1
    page.page.click("#cut-bound summary")
    assert page.page.locator("#cut-bound .detail").is_visible()
    assert "1.750" in page.page.inner_text("#cut-bound .detail")


@pytest.mark.parametrize("width", [390, 1440])
def test_a_runs_own_page_loads_and_adds_up(browser, run_of_three, width):
    opened = Page(browser, run_of_three, width, "light")
    opened.page.focus("#round")
    opened.page.keyboard.press("End")
    assert opened.count("sent-total") == 2 * 2 * 100 * 32 // 2
    assert "6,400 qubits" in opened.page.inner_text(".facts")
    assert opened.page.locator("#workers").count() == 0
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= width
    assert opened.complaints == []
    opened.page.close()


def test_theme_can_be_switched(page):
    def paper():
        return page.page.evaluate("getComputedStyle(document.body).backgroundColor")

    before = paper()
    page.page.click("#theme")
    after = paper()
    page.page.click("#theme")
    assert paper() == before != after


@pytest.fixture(scope="module")
def run_of_five(tmp_path_factory):
    folder = tmp_path_factory.mktemp("halving")
    files = [folder / f"worker{k}.npy" for k in range(5)]
    for file in files:
        np.save(file, np.ones(80, np.float32))
    pages = {}
    for text in ("halving", "server", "tree"):
        pages[text] = folder / f"{text}.html"
        words = ["allreduce", *map(str, files), "--topology", text, "--page", str(pages[text])]
        assert main(words) == 0
    return pages


@pytest.mark.parametrize(("text", "rounds"), [("halving", 6), ("server", 2), ("tree", 7)])
def test_any_schedule_is_shown_round_by_round(browser, run_of_five, text, rounds):
    opened = Page(browser, run_of_five[text], 1000, "light")
    opened.page.focus("#round")
    assert f"of {rounds}" not in opened.page.inner_text("#round-label")
    for round_ in range(1, rounds + 1):
        opened.page.keyboard.press("ArrowRight")
        assert f"Round {round_} of {rounds}" in opened.page.inner_text("#round-label")
        assert opened.page.locator("#ring .flow").count() > 0
    assert "the whole sum" in opened.page.inner_text("#sentence")
    full = opened.page.locator("#ring .chunk.full").count()
    chunks = {"halving": 4 * 5, "server": 1 * 6, "tree": 4 * 5}[text]
    assert full == chunks
    rows = np.ones((5, 80), np.float32)
    totals = qring.all_reduce(rows, topology=text).ledger.totals
    assert opened.count("sent-total") == totals.online_qubits
    assert opened.complaints == []
    opened.page.close()


def test_the_address_leads_back_to_a_round(browser, run_of_five):
    opened = Page(browser, run_of_five["halving"], 1000, "light")
    opened.page.focus("#round")
    for _ in range(3):
        opened.page.keyboard.press("ArrowRight")
    opened.page.check("input[value=bits]", force=True)
    opened.page.select_option("#eve-link", "2>4")
    address = opened.page.evaluate("location.href")
    assert "round=3" in address
    opened.page.close()
    again = Page(browser, run_of_five["halving"], 1000, "light")
    again.page.goto(address)
    again.page.evaluate("window.dispatchEvent(new HashChangeEvent('hashchange'))")
    assert "Round 3 of 6" in again.page.inner_text("#round-label")
    assert again.page.is_checked("input[value=bits]")
    assert again.page.input_value("#eve-link") == "2>4"
    assert again.complaints == []
    again.page.close()
