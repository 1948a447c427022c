"""Experiments: trials are kept and resumed, arms differ in what they say, and the commands run."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from scipy import stats

from qring.cli.main import main
from qring.conflict.group_tally import tally_energy, tally_groups
from qring.conflict.matching import Groups
from qring.conflict.signs import as_signs
from qring.errors import InputError

torch = pytest.importorskip("torch")
pytest.importorskip("mlxtend")

from qring.experiments import adapters, conflicts, trials, untying  # noqa: E402

SETTINGS = {"seeds": 3, "depth": 1}


class Counted:
    """A trial that counts how often it is run, and stops after some."""

    def __init__(self, stop_after=100):
        self.runs, self.stop_after = [], stop_after

    def __call__(self, arm, seed):
        if len(self.runs) == self.stop_after:
            raise KeyboardInterrupt
        self.runs.append((arm, seed))
        return {"accuracy": seed / 10 + (arm == "b") * (1 + seed % 2)}


def run(folder, trial, settings=SETTINGS):
    return trials.run_trials(folder, settings, ("a", "b"), trial, lambda *_: None)


def test_an_interrupted_experiment_goes_on_where_it_stopped(tmp_path):
    first = Counted(stop_after=3)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, first)
    with (tmp_path / "trials.jsonl").open("a") as file:
        file.write('{"arm": "b", "se')  # cut short
    second = Counted()
    whole = run(tmp_path, second)
    assert sorted(first.runs + second.runs) == sorted((a, s) for a in "ab" for s in range(3))
    assert whole == run(tmp_path, Counted(stop_after=0))
    assert whole == run(tmp_path / "other", Counted())


def test_a_folder_with_other_trials_is_refused(tmp_path):
    run(tmp_path, Counted())
    with pytest.raises(InputError, match="other settings"):
        run(tmp_path, Counted(), {**SETTINGS, "depth": 2})
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot make the folder"):
        run(tmp_path / "file", Counted())


def test_differences_are_paired_and_say_what_they_show(tmp_path):
    found = trials.compare(run(tmp_path, Counted()), "b", "a", "accuracy")
    expected = stats.ttest_1samp([1, 2, 1], 0).confidence_interval(0.95)
    assert found.mean == pytest.approx(4 / 3)
    assert found.interval == pytest.approx((expected.low, expected.high))
    assert found.verdict == "no difference seen"
    same = trials.compare(run(tmp_path, Counted()), "a", "a", "accuracy")
    assert (same.mean, same.interval) == (0, (0, 0))
    assert trials.mean_interval([1.0])[1] == (-math.inf, math.inf)


def test_tallies_of_groups_are_unbiased():
    rng = np.random.default_rng(0)
    labels = rng.integers(-1, 4, 300)
    signs = rng.choice([-1, 1], 300, p=[0.3, 0.7])
    groups, runs = Groups.of(labels), 300
    tallies = [tally_groups(as_signs(signs), groups, 40, rng) for _ in range(runs)]
    hits = sum(tally.hits for tally in tallies)
    differ = sum(tally.differ for tally in tallies)
    exact = untying._disagreement(groups, signs == -1)
    shares = groups.sizes / 300
    for k, share in enumerate(shares):
        minus = int((signs[labels == k] == -1).sum())
        size = int((labels == k).sum())
        assert exact[k] == pytest.approx(minus * (size - minus) / math.comb(size, 2))
        # 5.5 standard deviations, twice: false alarm below 1e-6; pairs within a matching repeat.
        assert abs(differ[k] / hits[k] - exact[k]) < 5.5 * math.sqrt(0.5 / hits[k])
        assert abs(hits[k] / (40 * runs) - share) < 5.5 * math.sqrt(share / (40 * runs)) + 1 / 300
    assert tallies[0].ledger.totals.online_qubits == 40 * 9
    with pytest.raises(InputError, match="cannot tell"):
        tally_groups(as_signs(signs), groups, 0, rng)


def test_copies_of_the_gradient_fall_outside_groups_as_often_as_they_should():
    rng = np.random.default_rng(2)
    labels, gradient = rng.integers(-1, 5, 200), rng.normal(size=200)
    groups, runs = Groups.of(labels), 400
    tallies = [tally_energy(gradient, groups, 100, rng) for _ in range(runs)]
    spread = untying._spread(groups, gradient) * groups.sizes / float(gradient @ gradient)
    squares = [float((gradient[labels == k] ** 2).sum()) for k in range(5)]
    whole = np.array(squares) / float(gradient @ gradient)
    for found, law in (
        (sum(tally.differ for tally in tallies), spread),
        (sum(tally.hits for tally in tallies), whole),
    ):
        # 5.5 standard deviations of a binomial share: false alarm below 1e-6.
        slack = 5.5 * np.sqrt(law * (1 - law) / (100 * runs))
        assert (abs(found / (100 * runs) - law) < slack).all()
    assert tallies[0].ledger.totals.online_qubits == 100 * 8
    for bad in (np.zeros(200), gradient[:5], gradient * np.nan):
        with pytest.raises(InputError, match=r"tell nothing|no state"):
            tally_energy(bad, groups, 100, rng)


def test_clients_choose_the_adapter_that_holds_most(tmp_path):
    found = adapters.run(adapters.Adapters.quick(), tmp_path, lambda *_: None)
    by_arm = {row["arm"]: row for row in found if row["seed"] == 0}
    assert by_arm["exact"]["best_chosen"] == 1
    assert by_arm["never"]["share_taken"] == 0
    assert by_arm["full"]["share_taken"] == 1
    assert by_arm["exact"]["share_taken"] >= by_arm["random"]["share_taken"]
    settings = adapters.Adapters.quick()
    coords = 784 * settings.hidden + settings.hidden * 10 + settings.hidden + 10
    copies = 100 * (coords - 1).bit_length()
    assert by_arm["audit"]["qubits_a_client_and_round"] == settings.candidates * copies
    assert 0 < by_arm["audit"]["rival_bits_a_round"] < settings.candidates * copies


def test_projecting_is_pcgrad_of_two():
    aggregation = pytest.importorskip("torchjd.aggregation")
    rows = np.array([[1.0, 0.2, 0.0], [-0.9, 0.5, 0.3]])
    gramian = rows @ rows.T
    weights = conflicts.projected(gramian[0, 1], (gramian[0, 0], gramian[1, 1]))
    reference = aggregation.PCGradWeighting()(torch.from_numpy(gramian))
    assert weights == pytest.approx(reference.tolist())


@pytest.mark.parametrize("name", ["untying", "adapters", "conflicts"])
def test_the_commands_run_resume_and_draw(name, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    figure = tmp_path / "figure.svg"
    words = ["experiment", name, "--quick", "--out", str(tmp_path), "--figure", str(figure)]
    assert main([*words, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["settings"]["seeds"] == 2
    arms = {"untying": untying.ARMS, "adapters": adapters.ARMS, "conflicts": conflicts.ARMS}[name]
    assert list(answer["arms"]) == list(arms)
    for gap in answer["differences"]:
        assert gap["interval"][0] <= gap["mean"] <= gap["interval"][1]
    kept = (tmp_path / "trials.jsonl").read_text()
    assert len(kept.splitlines()) == 1 + 2 * len(arms)
    drawn = figure.read_bytes()
    assert main(words) == 0  # nothing is left to run
    assert (tmp_path / "trials.jsonl").read_text() == kept
    assert figure.read_bytes() == drawn
    assert "2 seeds; results in" in capsys.readouterr().out
    if name == "untying":
        rows = [json.loads(line) for line in kept.splitlines()[1:]]
        freed = {row["arm"]: row["freed"] for row in rows if row["seed"] == 0}
        budgets = [freed[arm] for arm in arms[1:]]
        assert freed["never"] == 0
        assert max(budgets) - min(budgets) <= 0.05 * max(budgets)


def test_bad_options_are_one_line(tmp_path, capsys):
    assert main(["experiment", "untying", "--seeds", "1"]) == 2
    assert "outside 2" in capsys.readouterr().err
    assert main(["experiment", "untying", "--figure", str(tmp_path / "no" / "where.svg")]) == 2
    assert "no such folder" in capsys.readouterr().err
    (tmp_path / "trials.jsonl").write_text('{"settings": {}}\n')
    assert main(["experiment", "untying", "--quick", "--out", str(tmp_path)]) == 2
    assert "other settings" in capsys.readouterr().err
