import pytest

from qring import Carrier, InputError, Ledger, Phase
from qring.ledger import Meter


def _ledger(*charges, rounds=0):
    meter = Meter()
    for charge in charges:
        meter.charge(*charge)
    meter.rounds = rounds
    return meter.ledger()


ONLINE_BIT = (Phase.ONLINE, Carrier.BIT)
ONLINE_QUBIT = (Phase.ONLINE, Carrier.QUBIT)
SETUP_QUBIT = (Phase.SETUP, Carrier.QUBIT)


def test_charges_on_one_link_accumulate():
    ledger = _ledger((0, 1, *ONLINE_BIT, 3), (0, 1, *ONLINE_BIT, 4), (1, 0, *ONLINE_BIT, 5))
    assert ledger.on(0, 1, *ONLINE_BIT) == 7
    assert ledger.on(1, 0, *ONLINE_BIT) == 5
    assert ledger.on(1, 2, *ONLINE_BIT) == 0
    assert ledger.busiest(*ONLINE_BIT) == 7


def test_running_again_adds_counts_and_rounds():
    once = _ledger((0, 1, *ONLINE_QUBIT, 3), (0, 1, *SETUP_QUBIT, 3), rounds=2)
    twice = once + once
    assert twice.totals == (0, 6, 0, 6, 0)
    assert twice.rounds == 4


def test_running_side_by_side_adds_counts_but_not_rounds():
    parts = [_ledger((k, k + 1, *ONLINE_BIT, 3), rounds=k) for k in range(3)]
    together = Ledger.side_by_side(parts)
    assert together.totals.online_bits == 9
    assert together.rounds == 2
    assert Ledger.side_by_side([]) == Ledger()


def test_totals_tell_phases_and_carriers_apart():
    ledger = _ledger(
        (0, 1, Phase.SETUP, Carrier.BIT, 1),
        (0, 1, Phase.ONLINE, Carrier.BIT, 10),
        (0, 1, Phase.SETUP, Carrier.QUBIT, 100),
        (0, 1, Phase.ONLINE, Carrier.QUBIT, 1000),
        (0, 1, Phase.ONLINE, Carrier.EBIT, 10000),
    )
    assert ledger.totals._asdict() == {
        "online_bits": 10,
        "online_qubits": 1000,
        "ebits": 10000,
        "setup_qubits": 100,
        "classical_bits": 11,
    }


def test_rows_read_back_as_the_same_ledger():
    ledger = _ledger((1, 0, *ONLINE_BIT, 3), (0, 1, *SETUP_QUBIT, 2**70), rounds=5)
    assert Ledger.from_rows(ledger.rows(), ledger.rounds) == ledger


def test_empty_charges_leave_no_entry():
    assert list(_ledger((0, 1, *ONLINE_BIT, 0))) == []


@pytest.mark.parametrize(
    "row",
    [
        {"src": 0, "dst": 1, "phase": "online", "carrier": "bit"},
        {"src": 0, "dst": 1, "phase": "online", "carrier": "photon", "count": 1},
        {"src": 0, "dst": 1, "phase": "online", "carrier": "bit", "count": -1},
    ],
)
def test_damaged_rows_are_refused(row):
    with pytest.raises(InputError):
        Ledger.from_rows([row], 0)
