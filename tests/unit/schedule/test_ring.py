import pytest
from hypothesis import given
from hypothesis import strategies as st

from qring.errors import InputError
from qring.schedule import ring
from qring.schedule.chunks import even_chunks
from qring.schedule.hops import Action, share_of
from qring.schedule.ring import Direction

workers = st.integers(1, 12)


def run(rounds, n, chunks, holds):
    """Follow who has contributed to which worker's chunk: holds[worker][chunk] is a multiset."""
    for hops in rounds:
        messages = [(hop, list(holds[hop.src][hop.chunk])) for hop in hops]
        for hop, content in messages:
            assert hop.action is Action.KEEP or hop.summed == len(content)
            kept = holds[hop.dst][hop.chunk] if hop.action is Action.ADD else []
            holds[hop.dst][hop.chunk] = kept + content
    return holds


@given(workers, st.sampled_from(Direction))
def test_all_reduce_gives_everyone_every_contribution_once(n, gather):
    rounds = list(ring.all_reduce(n, gather=gather))
    assert len(rounds) == 2 * (n - 1)
    holds = run(rounds, n, n, [[[w] for _ in range(n)] for w in range(n)])
    assert all(sorted(chunk) == list(range(n)) for own in holds for chunk in own)


@given(workers, st.sampled_from(Direction))
def test_every_worker_sends_and_receives_one_message_a_round(n, gather):
    for hops in ring.all_reduce(n, gather=gather):
        assert sorted(hop.src for hop in hops) == list(range(n))
        assert sorted(hop.dst for hop in hops) == list(range(n))


def test_directions_are_those_of_the_paper():
    rounds = list(ring.all_reduce(5))
    assert all((h.src + 1) % 5 == h.dst for hops in rounds[:4] for h in hops)
    assert all((h.src - 1) % 5 == h.dst for hops in rounds[4:] for h in hops)


@given(workers, st.data(), st.integers(1, 6))
def test_broadcast_reaches_everyone_with_every_chunk(n, data, chunks):
    root = data.draw(st.integers(0, n - 1))
    rounds = list(ring.broadcast(n, root=root, chunks=chunks))
    assert len(rounds) == (0 if n == 1 else n - 2 + chunks)
    start = [[[w] for _ in range(chunks)] for w in range(n)]
    holds = run(rounds, n, chunks, start)
    assert all(chunk == [root] for own in holds for chunk in own)
    assert all(hop.dst != root for hops in rounds for hop in hops)


@given(workers, st.sampled_from(Direction))
def test_shares_of_all_workers_make_up_the_schedule(n, gather):
    rounds = list(ring.all_reduce(n, gather=gather))
    shares = [list(share_of(w, ring.all_reduce(n, gather=gather))) for w in range(n)]
    for t, hops in enumerate(rounds):
        assert {hop for share in shares for hop in share[t]} == set(hops)


@given(st.integers(0, 1000), st.integers(1, 40))
def test_chunks_cover_the_vector_evenly_and_in_order(coords, count):
    chunks = even_chunks(coords, count)
    lengths = [c.stop - c.start for c in chunks]
    assert [i for c in chunks for i in range(c.start, c.stop)] == list(range(coords))
    assert len(chunks) == count
    assert lengths == sorted(lengths, reverse=True)
    assert max(lengths) - min(lengths) <= 1


@pytest.mark.parametrize(
    "broken",
    [
        lambda: list(ring.all_reduce(0)),
        lambda: list(ring.broadcast(3, root=3, chunks=1)),
        lambda: even_chunks(4, 0),
    ],
)
def test_absurd_sizes_are_refused(broken):
    with pytest.raises(InputError):
        broken()
