"""MSCCL algorithm files: written and read back, checked, and refused for the right reason."""

import sys
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings

from qring.errors import InputError
from qring.schedule.check import check, find_flaw
from qring.schedule.formats.msccl_reader import read_msccl
from qring.schedule.formats.msccl_writer import write_msccl
from qring.schedule.schedule import Collective
from qring.schedule.topology import Topology

sys.path.append(str(Path(__file__).parents[2]))  # where random_schedules.py lies
from random_schedules import all_reduces

WRITTEN = (Collective.ALL_REDUCE, Collective.REDUCE_SCATTER, Collective.ALL_GATHER,
           Collective.BROADCAST, Collective.ALL_TO_ALL)  # fmt: skip
TEXTS = ("ring", "ring:clockwise", "bidirectional", "tree", "double-tree:2", "doubling", "halving",
         "shards", "server", "hierarchical:2x3", "hierarchical:3x2")  # fmt: skip


def messages(schedule):
    """What travels, without regard to rounds and to how messages are cut."""
    found = Counter()
    for hops in schedule.rounds:
        for hop in hops:
            if hop.src != hop.dst:
                found.update((hop.src, hop.dst, chunk, hop.summed) for chunk in hop.chunks)
    return found


def message_rounds(schedule):
    return sum(any(hop.src != hop.dst for hop in hops) for hops in schedule.rounds)


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("n", [1, 2, 5, 6])
def test_every_schedule_makes_the_round_trip(text, n):
    if text.startswith("hierarchical") and n != 6:
        return
    for collective in WRITTEN:
        schedule = Topology(text).schedule(collective, n, apart=False)
        written = write_msccl(schedule)
        back = read_msccl(written.encode())
        check(back)
        assert (back.collective, back.workers) == (collective, n)
        assert messages(back) == messages(schedule)
        if text in ("ring", "halving", "doubling", "shards"):  # a message a round and link
            assert message_rounds(back) <= message_rounds(schedule)
        again = read_msccl(write_msccl(back).encode())
        assert messages(again) == messages(back)


@settings(max_examples=60)
@given(all_reduces())
def test_random_schedules_make_the_round_trip(schedule):
    back = read_msccl(write_msccl(schedule).encode())
    check(back)
    assert messages(back) == messages(schedule)


def step(s, kind, source, target, count=1, after=(-1, -1), awaited=0):
    (a, b), (c, d) = source, target
    return (
        f'<step s="{s}" type="{kind}" srcbuf="{a}" srcoff="{b}" dstbuf="{c}" dstoff="{d}" '
        f'cnt="{count}" depid="{after[0]}" deps="{after[1]}" hasdep="{awaited}"/>'
    )


def algorithm(gpus, *, coll="allreduce", in_place=1, chunks, scratch=0, outputs=None):
    """``gpus[g]`` is a list of (send, recv, steps)."""
    lines = [
        f'<algo name="by hand" proto="LL" nchannels="1" nchunksperloop="{chunks}" '
        f'ngpus="{len(gpus)}" coll="{coll}" inplace="{in_place}">'
    ]
    for g, blocks in enumerate(gpus):
        outs = chunks if outputs is None else outputs
        lines.append(f'<gpu id="{g}" i_chunks="{chunks}" o_chunks="{outs}" s_chunks="{scratch}">')
        for number, (send, recv, steps) in enumerate(blocks):
            lines.append(f'<tb id="{number}" send="{send}" recv="{recv}" chan="0">')
            lines += [*steps, "</tb>"]
        lines.append("</gpu>")
    return "\n".join((*lines, "</algo>"))


def ring_with_fused_steps(n):
    """One thread block a GPU: send, receive-reduce-send, receive-reduce-copy-send, …"""
    gpus = []
    for g in range(n):
        steps = [step(0, "s", ("i", g), ("i", g))]
        for t in range(1, n - 1):
            chunk = (g - t) % n
            steps.append(step(t, "rrs", ("i", chunk), ("i", chunk)))
        chunk = (g + 1) % n
        steps.append(step(n - 1, "rrcs", ("i", chunk), ("i", chunk)))
        for t in range(n - 2):
            chunk = (g - t) % n
            steps.append(step(n + t, "rcs", ("i", chunk), ("i", chunk)))
        chunk = (g + 2) % n
        steps.append(step(2 * n - 2, "r", ("i", chunk), ("i", chunk)))
        gpus.append([((g + 1) % n, (g - 1) % n, steps)])
    return algorithm(gpus, chunks=n)


def all_pairs(n, *, in_place=1):
    """Everybody sends chunk j to GPU j's scratch, adds up there, and sends the sum to all."""
    gpus = []
    out = "i" if in_place else "o"
    for g in range(n):
        peers = [p for p in range(n) if p != g]
        blocks = []
        for p in peers:
            steps = [
                step(0, "s", ("i", p), ("s", g)),
                step(1, "r", ("i", g), ("s", p), awaited=1),
                step(2, "s", (out, g), (out, g), after=(len(peers), len(peers) - in_place)),
                step(3, "r", (out, p), (out, p)),
            ]
            blocks.append((p, p, steps))
        adding = []
        if not in_place:
            adding.append(step(0, "cpy", ("i", g), ("o", g)))
        for k, p in enumerate(peers):
            adding.append(step(len(adding), "re", ("s", p), (out, g), after=(k, 1), awaited=1))
        blocks.append((-1, -1, adding))
        gpus.append(blocks)
    return algorithm(gpus, chunks=n, scratch=n, in_place=in_place)


def gather_around(n):
    """An all-gather along a ring, out of place: input to output first."""
    gpus = []
    for g in range(n):
        steps = [step(0, "cpy", ("i", 0), ("o", g)), step(1, "s", ("o", g), ("o", g))]
        for t in range(1, n):
            chunk = (g - t) % n
            kind = "rcs" if t < n - 1 else "r"
            steps.append(step(t + 1, kind, ("o", chunk), ("o", chunk)))
        gpus.append([((g + 1) % n, (g - 1) % n, steps)])
    return algorithm(gpus, coll="allgather", chunks=1, outputs=n, in_place=0)


def two_level(inner, outer):
    """Local all-pairs inside hosts by wide messages, pairs between hosts, and back."""
    return write_msccl(Topology(f"hierarchical:{inner}x{outer}").schedule(
        Collective.ALL_REDUCE, inner * outer
    ))  # fmt: skip


PUBLIC = {
    "ring with fused steps": (ring_with_fused_steps(5), 8),
    "all pairs": (all_pairs(4), 2),
    "all pairs, out of place": (all_pairs(4, in_place=0), 2),
    "all-gather ring": (gather_around(4), 3),
    "two levels": (two_level(3, 2), 6),
}


@pytest.mark.parametrize("name", PUBLIC)
def test_structures_of_public_algorithms_are_right(name):
    text, rounds = PUBLIC[name]
    schedule = read_msccl(text.encode())
    check(schedule)
    assert message_rounds(schedule) == rounds


def broken(text, old, new, count=1):
    assert text.count(old) >= 1
    return text.replace(old, new, count)


def test_a_missing_step_is_refused():
    text = ring_with_fused_steps(3)
    last = step(4, "r", ("i", 2), ("i", 2))
    with pytest.raises(InputError, match=r"gpu 2 sends gpu 0 1 messages .* never received"):
        read_msccl(broken(text, last, "").encode())
    first = algorithm([[(1, -1, [])], [(-1, 0, [step(0, "rrc", ("i", 0), ("i", 0))])]], chunks=1)
    with pytest.raises(InputError, match="gpu 1, thread block 0, step 0 waits for a message from "
                                         "gpu 0 that is never sent"):  # fmt: skip
        read_msccl(first.encode())


def test_a_contribution_added_twice_or_left_out_is_refused():
    text = all_pairs(3)
    add = step(1, "re", ("s", 2), ("i", 0), after=(1, 1), awaited=1)
    again = step(1, "re", ("s", 1), ("i", 0), after=(1, 1), awaited=1)
    flaw = find_flaw(read_msccl(broken(text, add, again).encode()))
    assert flaw is not None
    assert "worker 1 to chunk 0 is added twice" in str(flaw)
    nothing = step(1, "nop", ("s", 2), ("i", 0), after=(1, 1), awaited=1)
    flaw = find_flaw(read_msccl(broken(text, add, nothing).encode()))
    assert flaw is not None
    assert "contribution of worker 2 to chunk 0" in str(flaw)
    assert "is lost" in str(flaw)


def test_swapped_steps_are_refused():
    # The sum may leave before the second contribution has been added: nothing holds it back.
    text = all_pairs(3)
    early = step(2, "s", ("i", 0), ("i", 0), after=(2, 0))
    late = step(2, "s", ("i", 0), ("i", 0), after=(2, 1))
    with pytest.raises(InputError, match="thread block 2, step 1, and gpu 0, thread block 0, step 2"
                                         ".* nothing says which of them comes first"):  # fmt: skip
        read_msccl(broken(text, late, early).encode())
    # What is received and what is passed on change places: the partial sum overwrites the whole.
    text = ring_with_fused_steps(3)
    whole, part = step(2, "rrcs", ("i", 1), ("i", 1)), step(1, "rrs", ("i", 2), ("i", 2))
    swapped = text.replace(whole, "@", 1).replace(part, whole.replace('s="2"', 's="1"'), 1)
    swapped = swapped.replace("@", part.replace('s="1"', 's="2"'))
    flaw = find_flaw(read_msccl(swapped.encode()))
    assert flaw is not None
    assert "chunk 2 lies in the slot of chunk 1" in str(flaw)


BOMB = (
    '<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "lol">'
    + "".join(f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in pairwise("abcdefghij"))
    + ']><algo name="&j;"/>'
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (BOMB, "document type, entities"),
        ('<!DOCTYPE a SYSTEM "file:///etc/passwd"><algo/>', "document type"),
        ("<algo", "not XML"),
        ("", "not XML"),
        ("<sched/>", "holds one <algo>"),
        ('<algo coll="torus"/>', "coll='torus'"),
        ('<algo coll="allreduce" nchunksperloop="1"/>', "numbered 0..n−1"),
        (all_pairs(3).replace('type="re"', 'type="rx"'), "type='rx'"),
        (all_pairs(3).replace('cnt="1"', 'cnt="0"', 1), "moves at least 1 chunk"),
        (all_pairs(3).replace('cnt="1"', 'cnt="one"', 1), "give a whole number"),
        (all_pairs(3).replace('srcoff="1"', 'srcoff="99"', 1), "which has 3"),
        (all_pairs(3).replace('srcbuf="i"', 'srcbuf="q"', 1), "buffers are i, o and s"),
        (all_pairs(3).replace('ngpus="3"', 'ngpus="4"'), "ngpus=4, but 3"),
        (all_pairs(3).replace('send="1"', 'send="7"', 1), "is not another of 3 GPUs"),
        (all_pairs(3).replace('depid="2"', 'depid="9"', 1), "is not there"),
        (all_pairs(3).replace('step s="1"', 'step s="5"', 1), "steps are numbered"),
        (all_pairs(3).replace('id="1"', 'id="0"', 1), "stands there twice"),
    ],
)
def test_bad_files_end_in_one_line(text, words):
    start = time.monotonic()
    with pytest.raises(InputError, match=words) as caught:
        read_msccl(text.encode())
    assert "\n" not in str(caught.value)
    assert time.monotonic() - start < 10


def test_steps_that_wait_for_one_another_are_refused():
    text = algorithm(
        [
            [
                (-1, -1, [step(0, "nop", ("i", 0), ("i", 0), after=(1, 0))]),
                (-1, -1, [step(0, "nop", ("i", 0), ("i", 0), after=(0, 0))]),
            ]
        ],
        chunks=1,
    )
    with pytest.raises(InputError, match="wait for one another"):
        read_msccl(text.encode())


def test_what_msccl_cannot_say_is_refused():
    with pytest.raises(InputError, match="a node of its own"):
        write_msccl(Topology("server").schedule(Collective.ALL_REDUCE, 3))
    with pytest.raises(InputError, match="MSCCL has no reduce"):
        write_msccl(Topology("ring").schedule(Collective.REDUCE, 3))
    with pytest.raises(InputError, match="take root 0"):
        write_msccl(Topology("ring").schedule(Collective.BROADCAST, 3, root=1))
