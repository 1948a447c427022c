"""How runs end: kept, copied, shown and turned into plain values."""

import copy
import json
import pickle

import numpy as np
import pytest

import qring
from qring.collectives.aggregate import Ending, Outcome
from qring.ledger import Ledger, Meter

WORDS = qring.Integers(word_bits=5)
ROWS = np.random.default_rng(0).integers(-9, 10, size=(4, 30))
TAMPERED = qring.Network(adversary=qring.Adversary(source=qring.PlusState()))


def ended(method, network=None, rows=ROWS):
    return qring.all_reduce(rows, method=method, network=network, rng=np.random.default_rng(1))


def outcomes():
    noisy = qring.Network(noise=qring.BellDiagonal.werner(0.9), record_faults=True)
    watched = qring.Network(record_view=True)
    ghz = qring.Ghz(encoding=WORDS)
    yield ended(qring.Classical(encoding=WORDS))
    yield ended(qring.Superdense(encoding=WORDS), noisy)
    yield ended(ghz, watched)
    yield ended(qring.Vga(ghz=ghz))
    yield ended(qring.Vga(ghz=ghz), TAMPERED)
    yield ended(qring.Private(encoding=WORDS, epsilon=2.0**-10))
    yield ended(qring.Private(encoding=WORDS, epsilon=2.0**-10, dropouts={1: 2}))
    yield ended(qring.Fallback(method=ghz, lost=(1,)))


CASES = [pytest.param(each, id=f"{k} {type(each).__name__}") for k, each in enumerate(outcomes())]


@pytest.mark.parametrize("result", CASES)
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda v: pickle.loads(pickle.dumps(v))])  # noqa: S301
def test_outcomes_survive_copies_and_pickles(result, copied):
    again = copied(result)
    assert type(again) is type(result)
    assert again.ledger == result.ledger
    assert repr(again) == repr(result)
    assert again.told == result.told
    if isinstance(result, qring.Aggregate):
        assert again.sums.tobytes() == result.sums.tobytes()
    else:
        assert again.evidence() == result.evidence()


@pytest.mark.parametrize("result", CASES)
def test_outcomes_are_shown_in_few_words_and_as_a_table(result):
    assert isinstance(result, Ending)
    assert isinstance(result, Outcome)
    assert len(repr(result)) < 700
    assert repr(result).startswith(type(result).__name__)
    assert result._repr_html_().startswith("<table>")
    assert "<script>" not in result._repr_html_()


@pytest.mark.parametrize("result", CASES)
def test_outcomes_become_plain_values_of_one_form(result):
    plain = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert plain["outcome"] == ("aborted" if isinstance(result, qring.Aborted) else "accepted")
    assert (plain["workers"], plain["coords"]) == (4, 30)
    assert Ledger.from_rows(plain["links"], plain["rounds"]) == result.ledger
    assert {told["start"] for told in plain["told"]} <= set(range(30))


def test_no_aborted_run_passes_for_a_sum():
    result = ended(qring.Vga(ghz=qring.Ghz(encoding=WORDS)), TAMPERED)
    assert isinstance(result, qring.Aborted)
    assert not isinstance(result, qring.Aggregate)
    for name in ("sum", "sums", "mean", "agreed"):
        assert not hasattr(result, name)
        with pytest.raises(AttributeError, match=f"there is no {name}: ask isinstance"):
            getattr(result, name)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = result.nothing


@pytest.mark.parametrize(
    "network",
    [qring.Network(noise_on={(0, 1): qring.BellDiagonal(x=0.1)}), TAMPERED, qring.DenseNetwork()],
)
def test_networks_survive_copies_and_pickles(network):
    assert pickle.loads(pickle.dumps(network)) == network  # noqa: S301
    assert copy.deepcopy(network) == network


def ledger_of(*charges, rounds=0):
    meter = Meter()
    for charge in charges:
        meter.charge(*charge)
    meter.rounds = rounds
    return meter.ledger()


EARLY = ledger_of((0, 1, qring.Phase.ONLINE, qring.Carrier.QUBIT, 5), rounds=2)
LATE = ledger_of(
    (0, 1, qring.Phase.ONLINE, qring.Carrier.QUBIT, 5),
    (1, 0, qring.Phase.ONLINE, qring.Carrier.BIT, 7),
    rounds=3,
)


def test_ledgers_add_and_subtract():
    assert ledger_of((1, 0, qring.Phase.ONLINE, qring.Carrier.BIT, 7), rounds=1) == LATE - EARLY
    assert (LATE - EARLY) + EARLY == LATE
    assert Ledger() == LATE - LATE
    assert sum([EARLY, LATE]) == EARLY + LATE
    assert sum([]) == 0
    with pytest.raises(TypeError):
        _ = 1 + EARLY
    with pytest.raises(qring.InputError, match="7 bits on link 1→0 .*earlier state"):
        _ = EARLY - LATE
    with pytest.raises(qring.InputError, match="rounds"):
        _ = EARLY - ledger_of(rounds=3)


def test_ledgers_are_pickled_shown_and_plain():
    assert pickle.loads(pickle.dumps(LATE)) == LATE  # noqa: S301
    assert copy.deepcopy(LATE) == LATE
    with pytest.raises(AttributeError):
        pickle.loads(pickle.dumps(LATE)).counts.clear()  # noqa: S301
    assert repr(LATE) == "Ledger(7 online bits, 5 online qubits, 7 classical bits, 3 rounds)"
    assert "<td>5</td>" in LATE._repr_html_()
    assert json.loads(json.dumps(LATE.to_dict()))["rounds"] == 3
