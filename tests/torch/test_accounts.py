"""The ledger of the backend, its options, and its noise."""

from __future__ import annotations

import warnings

import pytest
import torch
import torch.distributed as dist
from ranks import error_of, run

import qring.torch as qt
from qring.errors import InputError
from qring.ledger import Carrier, Phase
from qring.network.noise import BellDiagonal
from qring.theory import resources


def _one_all_reduce(rank: int, size: int, elements: int) -> dict[str, object]:
    qt.reset_ledger()
    dist.all_reduce(torch.ones(elements))
    own, everybody = qt.ledger(), qt.gather_ledger()
    assert qt.ledger() == own  # gathering is not charged
    return {"own": own.rows(), "all": everybody.rows(), "rounds": everybody.rounds}


def _some_all_reduces(rank: int, size: int, lengths: tuple[int, ...]) -> list[dict[str, object]]:
    return [_one_all_reduce(rank, size, elements) for elements in lengths]


@pytest.mark.parametrize("transport", ["memory", "tcp"])
@pytest.mark.parametrize("size", [2, 3, 4])
def test_the_ledger_is_the_closed_form(size, transport):
    lengths = 1, 7, 800_000
    ranks = run(size, _some_all_reduces, lengths, options=qt.Options(transport=transport))
    for elements, found in zip(lengths, zip(*ranks, strict=True), strict=True):
        # Every chunk crosses n-1 links while it is summed and n-1 while it is spread.
        pairs = 2 * (size - 1) * elements * 32 // 2
        for rank, part in enumerate(found):
            assert {row["src"] for row in part["own"]} <= {rank}
            assert part["rounds"] == 2 * (size - 1)
            for carrier, phase in (("qubit", "setup"), ("qubit", "online"), ("ebit", "online")):
                rows = [r for r in part["all"] if (r["carrier"], r["phase"]) == (carrier, phase)]
                assert sum(row["count"] for row in rows) == pairs
        assert found[0]["all"] == found[1]["all"]


def _totals(rank: int, size: int) -> list[int]:
    dist.all_reduce(torch.ones(1000))
    dist.broadcast(torch.ones(10), 0)
    if rank == 0:
        dist.send(torch.ones(4), 1)
    elif rank == 1:
        dist.recv(torch.empty(4), 0)
    return list(qt.gather_ledger().totals)


def test_classical_bits_are_twice_the_qubits():
    classical = run(3, _totals, options=qt.Options(protocol="classical"))[0]
    superdense = run(3, _totals, options=qt.Options(protocol="superdense"))[0]
    bits = 32 * (4 * 1000 + 2 * 10 + 4)
    assert classical == [bits, 0, 0, 0, bits]
    assert superdense == [0, bits // 2, bits // 2, bits // 2, 0]


def _noisy(rank: int, size: int) -> list[object]:
    floats, ints = torch.zeros(100_000), torch.zeros(1000, dtype=torch.int64)
    dist.broadcast(floats, 0)
    dist.all_reduce(ints)
    letter = torch.zeros(10_000)
    if rank == 0:
        dist.send(letter, 1)
    elif rank == 1:
        dist.recv(letter, 0)
    flipped = floats.view(torch.uint8).ne(0).sum().item()
    return [flipped, ints.sum().item(), letter.view(torch.uint8).ne(0).sum().item()]


@pytest.mark.parametrize("transport", ["memory", "tcp"])
def test_noise_reaches_floats_at_every_hop_and_repeats_with_its_seed(transport):
    noise = BellDiagonal.depolarising(0.01)
    options = qt.Options(noise=noise, seed=5, transport=transport)
    first, second = (_quiet(3, options) for _ in range(2))
    other = _quiet(3, qt.Options(noise=noise, seed=6, transport=transport))
    assert first == second != other
    assert [part[1] for part in first] == [0, 0, 0]
    # 1.6e6 pairs a hop, one error in a hundred: about 16,000 bytes differ, deviation about 120.
    # Broadcasts go 0 → 2 → 1, and errors add up.
    assert first[0][0] == 0
    assert abs(first[2][0] - 15_760) < 1000
    assert abs(first[1][0] - 31_000) < 2000
    assert first[1][2] > 0


def _quiet(size: int, options: qt.Options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return run(size, _noisy, options=options)


def _noisy_sum(rank: int, size: int) -> float:
    values = torch.ones(50_000, dtype=torch.float64)
    dist.all_reduce(values)
    return (values != size).double().mean().item()


def test_noisy_sums_differ_about_as_often_as_errors_hit_them():
    options = qt.Options(noise=BellDiagonal.depolarising(1e-3))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = run(2, _noisy_sum, options=options)
    hit = 1 - (1 - 1e-3) ** 32  # a number of 64 bits travels on 32 pairs
    for share in found:
        assert 0.5 * hit < share < 2.2 * hit


def _warned(rank: int, size: int) -> list[str]:
    dist.destroy_process_group()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        noise = BellDiagonal.depolarising(0.01)
        store = dist.HashStore()
        dist.init_process_group(
            "qring", store=store, rank=0, world_size=1, pg_options=qt.Options(noise=noise)
        )
        dist.new_group([0])
    return [str(w.message) for w in caught if "error correction" in str(w.message)]


def test_noise_without_error_correction_is_said_once():
    assert len(run(1, _warned)[0]) == 1


@pytest.mark.parametrize(
    ("environment", "word"),
    [
        ({"QRING_PROTOCOL": "quantum"}, "protocol"),
        ({"QRING_TRANSPORT": "pigeon"}, "transport"),
        ({"QRING_NOISE": "much"}, "QRING_NOISE"),
        ({"QRING_NOISE": "1.5"}, "probability"),
        ({"QRING_SEED": "-1"}, "seed"),
        ({"QRING_SEED": "x"}, "QRING_SEED"),
        ({"QRING_PROTOCOL": "classical", "QRING_NOISE": "0.1"}, "noiseless"),
    ],
)
def test_a_bad_environment_is_refused_in_one_line(environment, word):
    with pytest.raises(InputError, match=word) as caught:
        qt.Options.from_environment(environment)
    assert "\n" not in str(caught.value)


def test_options_from_the_environment():
    found = qt.Options.from_environment(
        {"QRING_PROTOCOL": "superdense", "QRING_NOISE": "0.03", "QRING_SEED": "9",
         "QRING_TRANSPORT": "tcp", "QRING_HOST": "127.0.0.1"}
    )  # fmt: skip
    noise = BellDiagonal.depolarising(0.03)
    assert found == qt.Options(noise=noise, seed=9, transport="tcp", host="127.0.0.1")
    assert qt.Options.from_environment({}) == qt.Options()


def _no_group(rank: int, size: int) -> list[str]:
    gloo = dist.new_group(backend="gloo")
    return [str(error_of(lambda: qt.ledger(gloo)))]


def test_the_ledger_of_another_backend_is_refused():
    assert run(1, _no_group)[0][0].startswith("InputError")
    with pytest.raises(InputError, match="init_process_group"):
        qt.ledger()


def test_the_busiest_link_agrees_with_theory():
    size, elements = 4, 4096
    found = run(size, _one_all_reduce, elements)[0]
    online = [r for r in found["all"] if (r["carrier"], r["phase"]) == ("qubit", "online")]
    assert {row["count"] for row in online} == {(size - 1) * elements // size * 16}
    assert Carrier.QUBIT.value == "qubit"
    assert Phase.ONLINE.value == "online"
    assert resources is not None
