"""Topologies by name: which schedule carries out a collective among so many workers.

``TOPOLOGIES`` holds one entry for each; whoever adds an entry, by hand or by an entry point of the
group ``qring.topologies``, adds a topology, to the command line as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

from qring.errors import InputError
from qring.registry import Registry
from qring.schedule import (
    bidirectional,
    direct,
    halving,
    hierarchical,
    ring,
    server,
    shards,
    tree,
)
from qring.schedule.hops import Action, Hop, Round
from qring.schedule.rename import renamed
from qring.schedule.ring import Direction
from qring.schedule.schedule import Collective, Schedule

__all__ = ["TOPOLOGIES", "Kind", "Topology", "Wanted"]

_SEGMENTS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Request to a topology: a collective, among so many workers, from or to a root.

    ``apart`` allows nodes of their own beside the workers, like a server. ``option`` is what
    follows the topology's name, and empty if nothing does.
    """

    collective: Collective
    workers: int
    root: int
    apart: bool
    option: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One entry of ``TOPOLOGIES``.

    ``make`` returns the schedule. ``check`` raises :class:`InputError` for an option that the
    topology does not have; ``help`` says in a few words what it is.
    """

    make: Callable[[Wanted], Schedule]
    check: Callable[[str], object]
    help: str


@dataclass(frozen=True, slots=True)
class Topology:
    """A topology by its name, with an option after a colon: ``ring``, ``tree:8``.

    Raises:
        InputError: no such topology, or an option that it does not have.
    """

    text: str = "ring"

    def __post_init__(self) -> None:
        if not isinstance(self.text, str) or self.name not in TOPOLOGIES:
            raise InputError(
                f"there is no topology {self.text!r}; choose one of {', '.join(TOPOLOGIES)}"
            )
        TOPOLOGIES[self.name].check(self.option)

    def __str__(self) -> str:
        return self.text

    @classmethod
    def of(cls, found: Topology | str) -> Topology:
        """The topology itself, or that of the name."""
        return found if isinstance(found, Topology) else cls(found)

    @property
    def name(self) -> str:
        """Name before the colon."""
        return self.text.partition(":")[0]

    @property
    def option(self) -> str:
        """Argument after the colon."""
        return self.text.partition(":")[2]

    @property
    def sizes(self) -> tuple[int, int] | None:
        """Workers a host and hosts, of a hierarchy that names them."""
        return _sizes(self.option) if self.name == "hierarchical" and self.option else None

    def schedule(
        self, collective: Collective, workers: int, *, root: int = 0, apart: bool = True
    ) -> Schedule:
        """The schedule of a collective among ``workers`` workers.

        A reduce-scatter or all-gather has k chunks for each worker, k·w to k·w+k−1 being worker
        w's. Gather, scatter and all-to-all go
        straight to their destination in every topology. ``apart`` allows the parameter server to
        be a node of its own; otherwise it is worker 0.

        Raises:
            InputError: sizes that the topology does not have.
        """
        if workers < 1:
            raise InputError(f"a topology needs at least 1 worker, not {workers}")
        wanted = Wanted(
            collective=collective, workers=workers, root=root, apart=apart, option=self.option
        )
        if collective in _STRAIGHT:
            return direct.schedule(collective, workers, root=root)
        return TOPOLOGIES[self.name].make(wanted)


_STRAIGHT = (Collective.GATHER, Collective.SCATTER, Collective.ALL_TO_ALL)
_Makers = dict[Collective, Callable[[], Iterable[Round]]]


def _schedule(
    name: str,
    wanted: Wanted,
    makers: _Makers,
    *,
    chunks: int,
    blocks: int = 1,
    broadcast: int = 1,
    helpers: int = 0,
) -> Schedule:
    """``chunks`` of an all-reduce, ``blocks`` a worker of what is shared out, of a broadcast."""
    n, kind = wanted.workers, wanted.collective
    shared = kind in (Collective.REDUCE_SCATTER, Collective.ALL_GATHER, Collective.REDUCE)
    owners = tuple(k // blocks for k in range(n * blocks))
    make = makers.get(kind)
    if make is None:  # a reduce: everybody's share of the sum, sent to the root
        make = partial(_sent_to, makers[Collective.REDUCE_SCATTER], owners, wanted.root, n)
    count = broadcast if kind is Collective.BROADCAST else n * blocks if shared else chunks
    return Schedule(
        name=f"{name} {kind.value}",
        collective=kind,
        workers=n,
        chunks=count,
        make=make,
        owners=owners if shared and kind is not Collective.REDUCE else (),
        root=wanted.root,
        helpers=helpers,
    )


def _sent_to(
    share: Callable[[], Iterable[Round]], owners: tuple[int, ...], root: int, workers: int
) -> Iterator[Round]:
    yield from share()
    last = tuple(
        Hop(owner, root, chunk, workers, Action.KEEP)
        for chunk, owner in enumerate(owners)
        if owner != root
    )
    if last:
        yield last


def _ring(wanted: Wanted) -> Schedule:
    gather = Direction.CLOCKWISE if wanted.option else Direction.COUNTER_CLOCKWISE
    found = ring.schedule(wanted.collective, wanted.workers, root=wanted.root, gather=gather)
    if not found.owners:
        return found
    back = partial(_shifted, by=-1, workers=wanted.workers)  # worker k owns chunk k
    return renamed(found, worker=partial(_shifted, by=0, workers=wanted.workers), chunk=back)


def _bidirectional(wanted: Wanted) -> Schedule:
    n = wanted.workers
    makers: _Makers = {
        Collective.ALL_REDUCE: partial(bidirectional.all_reduce, n),
        Collective.REDUCE_SCATTER: partial(bidirectional.reduce_scatter, n),
        Collective.ALL_GATHER: partial(bidirectional.all_gather, n),
        Collective.BROADCAST: partial(bidirectional.broadcast, n, root=wanted.root),
    }
    return _schedule("bidirectional", wanted, makers, chunks=2 * n, blocks=2, broadcast=2)


def _tree(wanted: Wanted) -> Schedule:
    n, segments = wanted.workers, _segments(wanted.option)
    trees = (tree.balanced(n),)
    makers: _Makers = {
        Collective.ALL_REDUCE: partial(tree.all_reduce, trees, segments),
        Collective.REDUCE_SCATTER: partial(tree.reduce_scatter, trees),
        Collective.ALL_GATHER: partial(tree.all_gather, trees),
        Collective.BROADCAST: partial(tree.broadcast, trees, segments),
    }
    found = _schedule("tree", _at_zero(wanted), makers, chunks=segments, broadcast=segments)
    return renamed(found, worker=partial(_shifted, by=wanted.root, workers=n))


def _double_tree(wanted: Wanted) -> Schedule:
    n, segments = wanted.workers, _segments(wanted.option)
    trees = (tree.binary(n), tree.complementary(n))
    makers: _Makers = {
        Collective.ALL_REDUCE: partial(tree.all_reduce, trees, segments),
        Collective.REDUCE_SCATTER: partial(tree.reduce_scatter, trees),
        Collective.ALL_GATHER: partial(tree.all_gather, trees),
        Collective.BROADCAST: partial(tree.broadcast, _under_one_root(n), segments),
    }
    found = _schedule(
        "double-tree", _at_zero(wanted), makers, chunks=2 * segments, blocks=2,
        broadcast=2 * segments,
    )  # fmt: skip
    return renamed(found, worker=partial(_shifted, by=wanted.root, workers=n))


def _at_zero(wanted: Wanted) -> Wanted:
    """The same among workers that are numbered from the root on.

    Where there is no root the root is 0, so that nothing is numbered anew.
    """
    return Wanted(
        collective=wanted.collective, workers=wanted.workers, root=0, apart=wanted.apart,
        option=wanted.option,
    )  # fmt: skip


def _shifted(worker: int, by: int, workers: int) -> int:
    return (worker + by) % workers


def _under_one_root(workers: int) -> tuple[tuple[int, ...], ...]:
    """Two trees of all workers but 0, each hung under worker 0."""
    if workers == 1:
        return ((-1,), (-1,))
    below = (tree.binary(workers - 1), tree.complementary(workers - 1))
    return tuple((-1, *(parent + 1 for parent in parents)) for parents in below)


def _doubling(wanted: Wanted) -> Schedule:
    n = wanted.workers
    return _schedule("doubling", wanted, _halving_makers(wanted) | {
        Collective.ALL_REDUCE: partial(halving.doubling_all_reduce, n),
    }, chunks=1)  # fmt: skip


def _halving(wanted: Wanted) -> Schedule:
    partners = halving.Folding.of(wanted.workers).partners
    return _schedule("halving", wanted, _halving_makers(wanted), chunks=partners)


def _halving_makers(wanted: Wanted) -> _Makers:
    n = wanted.workers
    return {
        Collective.ALL_REDUCE: partial(halving.all_reduce, n),
        Collective.REDUCE_SCATTER: partial(halving.reduce_scatter, n),
        Collective.ALL_GATHER: partial(halving.all_gather, n),
        Collective.BROADCAST: partial(halving.binomial_broadcast, n, root=wanted.root),
    }


def _shards(wanted: Wanted) -> Schedule:
    n = wanted.workers
    makers: _Makers = {
        Collective.ALL_REDUCE: partial(shards.all_reduce, n),
        Collective.REDUCE_SCATTER: partial(shards.reduce_scatter, n),
        Collective.ALL_GATHER: partial(shards.all_gather, n),
        Collective.BROADCAST: partial(shards.broadcast, n, root=wanted.root),
    }
    return _schedule("shards", wanted, makers, chunks=n, broadcast=n)


def _server(wanted: Wanted) -> Schedule:
    n = wanted.workers
    hub = n if wanted.apart else 0
    makers: _Makers = {
        Collective.ALL_REDUCE: partial(server.all_reduce, n, server=hub),
        Collective.REDUCE_SCATTER: partial(server.reduce_scatter, n, server=hub),
        Collective.ALL_GATHER: partial(server.all_gather, n, server=hub),
        Collective.BROADCAST: partial(server.broadcast, n, server=hub, root=wanted.root),
    }
    return _schedule("server", wanted, makers, chunks=1, helpers=int(wanted.apart))


def _hierarchical(wanted: Wanted) -> Schedule:
    n = wanted.workers
    if not wanted.option:
        raise InputError(
            f"say how {n} workers lie on hosts: hierarchical:INNERxOUTER, INNER workers on each "
            "of OUTER hosts"
        )
    inner, outer = _sizes(wanted.option)
    if inner * outer != n:
        raise InputError(
            f"hierarchical:{wanted.option} is {inner} workers on each of {outer} hosts, "
            f"{inner * outer} in all; there are {n}"
        )
    makers: _Makers = {
        Collective.ALL_REDUCE: partial(hierarchical.all_reduce, inner, outer),
        Collective.REDUCE_SCATTER: partial(hierarchical.reduce_scatter, inner, outer),
        Collective.ALL_GATHER: partial(hierarchical.all_gather, inner, outer),
        Collective.BROADCAST: partial(hierarchical.broadcast, inner, outer, root=wanted.root),
    }
    return _schedule("hierarchical", wanted, makers, chunks=n)


def _sizes(option: str) -> tuple[int, int]:
    inner, by, outer = option.partition("x")
    if not (by and inner.isascii() and outer.isascii() and inner.isdigit() and outer.isdigit()):
        raise InputError(
            f"the levels of a hierarchy are INNERxOUTER, workers a host and hosts, like 4x2; "
            f"not {option!r}"
        )
    found = int(inner), int(outer)
    if 0 in found:
        raise InputError(f"a hierarchy has at least 1 worker a host and 1 host, not {option}")
    return found


def _segments(option: str) -> int:
    if not option:
        return _SEGMENTS
    if not (option.isascii() and option.isdigit()) or not 1 <= int(option) <= 1024:
        raise InputError(f"a tree has 1 to 1024 segments, like tree:8; not {option!r}")
    return int(option)


def _no_option(option: str) -> None:
    if option:
        raise InputError(f"this topology takes no option; drop {':' + option!r}")


def _direction(option: str) -> None:
    if option not in ("", Direction.CLOCKWISE.value):
        raise InputError(
            f"after ring: can only stand clockwise, the direction of NCCL's all-gather; not "
            f"{option!r}"
        )


TOPOLOGIES: Registry[Kind] = Registry("topology", "qring.topologies", {
    "ring": Kind(make=_ring, check=_direction,
                 help="the paper's; ring:clockwise gathers the way it scatters"),
    "bidirectional": Kind(make=_bidirectional, check=_no_option, help="a ring each way"),
    "tree": Kind(make=_tree, check=_segments, help="binary, pipelined; tree:SEGMENTS"),
    "double-tree": Kind(make=_double_tree, check=_segments,
                        help="two binary trees, half the vector each; double-tree:SEGMENTS"),
    "doubling": Kind(make=_doubling, check=_no_option, help="recursive doubling, folded"),
    "halving": Kind(make=_halving, check=_no_option, help="recursive halving-doubling, folded"),
    "shards": Kind(make=_shards, check=_no_option, help="every worker serves one chunk"),
    "server": Kind(make=_server, check=_no_option, help="a parameter server"),
    "hierarchical": Kind(make=_hierarchical, check=lambda text: text and _sizes(text),
                         help="hierarchical:INNERxOUTER, workers a host and hosts"),
})  # fmt: skip
"""Every topology by name."""
