"""Every schedule gives the symbolic result between processes, by memory and by TCP."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from ranks import run

import qring
import qring.torch as qt
from qring.errors import InputError
from qring.schedule import direct, ring
from qring.schedule.check import check
from qring.schedule.hops import Action, Hop
from qring.schedule.schedule import Collective, Schedule
from qring.schedule.topology import Topology
from qring.torch.engine.compile import make_plans
from qring.torch.engine.memory import Cargo
from qring.torch.engine.node import Call
from qring.torch.engine.plans import lay_out

sys.path.append(str(Path(__file__).parents[1]))  # where random_schedules.py lies
from random_schedules import all_reduces

TRANSPORTS = ("memory", "tcp")
# A failure is shown as it is drawn: to shrink it would start ranks for many minutes.
FEW = settings(
    max_examples=2,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)
ADD, KEEP = Action.ADD, Action.KEEP


def carried_out(rank: int, size: int, schedules: list[Schedule], elements: int) -> list[str]:
    """Names of the schedules whose result is not the symbolic one."""
    node = dist.group.WORLD._node
    wrong = []
    for number, schedule in enumerate(schedules):
        cut = [(c + 1) * elements // schedule.chunks for c in range(schedule.chunks)]
        lengths = [b - a for a, b in zip([0, *cut], cut, strict=False)]
        for in_place in (False, True):
            whole = torch.full((elements,), 16**rank, dtype=torch.int64)
            brings = dict(enumerate(whole.split(lengths)))
            takes = brings if in_place else {k: torch.full_like(v, -1) for k, v in brings.items()}
            if not in_place:
                for k, there in takes.items():  # as those who call a node do
                    if rank in schedule.takers(k) and rank in schedule.bringers(k):
                        there.copy_(brings[k])
            cargo = Cargo(
                lengths=dict(enumerate(lengths)),
                brings=brings,
                takes=takes,
                in_place=in_place and schedule.collective is Collective.ALL_REDUCE,
                whole=whole if in_place else None,
            )
            call = Call(kind="all_reduce", timeout_s=20, dtype=torch.int64, nbytes=8 * elements)
            node.run(call, make_plans(schedule)[rank], cargo, torch.add)
            for k in range(schedule.chunks):
                expected = sum(16**w for w in schedule.bringers(k))
                if rank in schedule.takers(k) and not bool((takes[k] == expected).all()):
                    held = sorted({hex(v) for v in takes[k].tolist()})[:3]
                    wrong.append(f"{number} {schedule.name} in place {in_place}: {held}")
    return wrong


def add_twice_then_send() -> Schedule:
    """A tree of five: rank 1 adds what ranks 2 and 3 send before it sends to rank 0."""
    rounds = (
        (Hop(2, 1, 0, 1, ADD),),
        (Hop(3, 1, 0, 1, ADD),),
        (Hop(1, 0, 0, 3, ADD),),
        (Hop(4, 0, 0, 1, ADD),),
        (Hop(0, 1, 0, 5, KEEP), Hop(0, 4, 0, 5, KEEP)),
        (Hop(1, 2, 0, 5, KEEP), Hop(1, 3, 0, 5, KEEP)),
    )
    return Schedule(
        name="tree of five",
        collective=Collective.ALL_REDUCE,
        workers=5,
        chunks=1,
        make=partial(tuple, rounds),
    )


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_rank_that_adds_twice_before_it_sends_loses_nothing(transport):
    schedule = add_twice_then_send()
    check(schedule)
    for elements in (3, 400_000):
        found = run(5, carried_out, [schedule], elements, options=qt.Options(transport=transport))
        assert found == [[]] * 5


KINDS = (Collective.ALL_REDUCE, Collective.REDUCE_SCATTER, Collective.ALL_GATHER,
         Collective.BROADCAST, Collective.REDUCE)  # fmt: skip
STRAIGHT = (Collective.GATHER, Collective.SCATTER, Collective.ALL_TO_ALL)


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("size", [2, 5])
def test_schedules_in_the_tree_give_the_symbolic_result(size, transport):
    schedules = [ring.schedule(kind, size, root=1) for kind in KINDS]
    schedules += [direct.schedule(kind, size, root=1) for kind in STRAIGHT]
    options = qt.Options(transport=transport)
    assert run(size, carried_out, schedules, 61, options=options) == [[]] * size


@pytest.mark.parametrize("transport", TRANSPORTS)
@FEW
@given(st.lists(all_reduces(workers=5), min_size=12, max_size=14))
def test_random_schedules_give_the_symbolic_result(transport, schedules):
    options = qt.Options(transport=transport)
    assert run(5, carried_out, schedules, 13, options=options) == [[]] * 5


@pytest.mark.parametrize("transport", TRANSPORTS)
@settings(FEW, max_examples=1)
@given(st.lists(all_reduces(workers=4), min_size=3, max_size=4))
def test_random_schedules_of_long_vectors_travel_in_windows(transport, schedules):
    options = qt.Options(transport=transport)
    assert run(4, carried_out, schedules, 1_000_003, options=options) == [[]] * 4


TOPOLOGIES = ("bidirectional", "tree", "double-tree", "doubling", "halving", "shards", "server",
              "hierarchical:2x2", "hierarchical")  # fmt: skip


def collectives(rank: int, size: int, lengths: tuple[int, ...]) -> list[str]:
    """Names of collectives whose result is wrong; whole numbers, so that any order will do."""
    wrong = []

    def check_equal(name: str, found: torch.Tensor, expected: torch.Tensor) -> None:
        if not torch.equal(found, expected.to(found.dtype)):
            wrong.append(name)

    for elements in lengths:
        of = [torch.arange(elements) % 1000 * (r + 1) + r for r in range(size)]
        total = torch.stack(of).sum(0)
        for dtype in (torch.float32, torch.int64):
            tensor = of[rank].to(dtype, copy=True)
            dist.all_reduce(tensor)
            check_equal(f"all_reduce {dtype}", tensor, total)
            for root in {0, size - 1}:
                tensor = of[rank].to(dtype, copy=True)
                dist.reduce(tensor, root)
                check_equal(f"reduce {root}", tensor, total if rank == root else of[rank])
                tensor = of[rank].to(dtype, copy=True)
                dist.broadcast(tensor, root)
                check_equal(f"broadcast {root}", tensor, of[root])
        outs = [torch.empty_like(of[0]) for _ in range(size)]
        dist.all_gather(outs, of[rank])
        check_equal("all_gather", torch.stack(outs), torch.stack(of))
        parts = [part + rank for part in of]
        out = torch.empty_like(of[0])
        dist.reduce_scatter(out, parts)
        check_equal("reduce_scatter", out, of[rank] * size + sum(range(size)))
        whole = torch.empty(size * elements, dtype=torch.int64)
        dist.all_gather_single(whole, of[rank])
        check_equal("all_gather_single", whole, torch.cat(of))
        out = torch.empty_like(of[0])
        dist.reduce_scatter_single(out, torch.cat(parts))
        check_equal("reduce_scatter_single", out, of[rank] * size + sum(range(size)))
        dist.barrier()
    return wrong


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_every_collective_over_every_topology(topology, transport):
    options = qt.Options(transport=transport, topology=topology)
    assert run(4, collectives, (0, 3, 1001), options=options) == [[]] * 4


@pytest.mark.parametrize("topology", [*TOPOLOGIES[:7], "hierarchical:1x5"])
def test_every_collective_over_every_topology_of_five(topology):
    options = qt.Options(topology=topology)
    assert run(5, collectives, (7, 300_001), options=options) == [[]] * 5


def sub_groups(rank: int, size: int) -> list[str]:
    wrong = []
    for members in ([0, 1, 2], [0, 1, 3], [1, 2], [4]):
        group = dist.new_group(members)
        if rank not in members:
            continue
        tensor = torch.full((11,), 10**rank)
        dist.all_reduce(tensor, group=group)
        if not bool((tensor == sum(10**r for r in members)).all()):
            wrong.append(f"all_reduce {members}")
        dist.broadcast(tensor, members[-1], group=group)
        outs = [torch.zeros(11, dtype=torch.int64) for _ in members]
        dist.all_gather(outs, torch.full((11,), rank), group=group)
        if [int(out[0]) for out in outs] != members:
            wrong.append(f"all_gather {members}")
    return wrong


@pytest.mark.parametrize("topology", ["halving", "double-tree", "hierarchical:2x3"])
def test_smaller_groups_have_their_parts_of_the_topology(topology):
    options = qt.Options(topology=topology)
    assert run(6, sub_groups, options=options) == [[]] * 6


def carriers_used(rank: int, size: int) -> dict[tuple[int, int], set[str]]:
    dist.all_reduce(torch.ones(96))
    found: dict[tuple[int, int], set[str]] = {}
    for entry in qt.gather_ledger():
        found.setdefault((entry.src, entry.dst), set()).add(entry.carrier.value)
    return found


@pytest.mark.parametrize(("inside", "kinds"), [(None, {"bit"}), ("superdense", {"qubit", "ebit"})])
def test_levels_of_a_hierarchy_have_their_own_carriers(inside, kinds):
    options = qt.Options(topology="hierarchical:2x2", inside=inside)
    found = run(4, carriers_used, options=options)[0]
    assert found[0, 1] == kinds
    assert found[0, 2] == {"qubit", "ebit"}


def test_sizes_that_do_not_factor_end_the_set_up_in_one_line():
    def no_work(rank: int, size: int) -> None:
        pass

    with pytest.raises(AssertionError, match="is 2 ranks on each of 2 hosts, 4 in all; there are"):
        run(3, no_work, options=qt.Options(topology="hierarchical:2x2"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"topology": "torus"}, "there is no topology 'torus'"),
        ({"topology": "halving", "inside": "classical"}, "drop inside or choose 'hierarchical'"),
        ({"topology": "hierarchical", "inside": "pigeons"}, "the inside is 'pigeons'"),
    ],
)
def test_options_that_do_not_fit_are_refused(words, message):
    with pytest.raises(InputError, match=message):
        qt.Options(**words)


def test_the_environment_names_the_topology():
    assert qt.Options.from_environment({"QRING_TOPOLOGY": "halving"}).topology == "halving"
    settings_ = qt.Options(topology="tree:8").settings
    assert "topology 'tree:8'" in settings_


def float_sums(rank: int, size: int, rows: torch.Tensor) -> bytes:
    mine = rows[rank].clone()
    dist.all_reduce(mine)
    return mine.numpy().tobytes()


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("topology", [*TOPOLOGIES[:6], "hierarchical:5x1", "hierarchical:1x5"])
def test_floats_have_the_bits_of_one_process(topology, transport):
    rows = torch.randn(5, 1001, generator=torch.Generator().manual_seed(1))
    expected = qring.all_reduce(rows.numpy(), topology=topology).sum.tobytes()
    options = qt.Options(topology=topology, transport=transport)
    assert run(5, float_sums, rows, options=options) == [expected] * 5


def two_minds(rank: int, size: int) -> str:
    options = qt.Options(topology="halving" if rank else "ring")
    try:
        dist.new_group(pg_options=options)
    except Exception as error:
        return str(error)
    return ""


def test_ranks_that_differ_in_topology_are_told():
    for told in run(2, two_minds):
        assert "topology 'ring'" in told
        assert "topology 'halving'" in told
        assert "\n" not in told


def on_hosts(rank: int, size: int, hosts: tuple[tuple[int, ...], ...]) -> list[str]:
    """Collectives as if the ranks were found on these hosts."""
    node = dist.group.WORLD._node
    node.laid = lay_out(Topology("hierarchical"), range(size), hosts, whole=True)
    return collectives(rank, size, (0, 3, 1001))


@pytest.mark.parametrize("hosts", [((0, 1, 2), (3, 4)), ((0, 2), (1, 3, 4)), ((4,), (0, 1, 2, 3))])
def test_hosts_of_different_sizes_are_levels_too(hosts):
    assert run(5, on_hosts, hosts) == [[]] * 5


@pytest.mark.parametrize("hosts", [((0, 2), (1, 3)), ((0, 3), (2, 1)), ((0,), (1,), (2,), (3,))])
def test_hosts_take_ranks_in_any_order(hosts):
    assert run(4, on_hosts, hosts) == [[]] * 4
