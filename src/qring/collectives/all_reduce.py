"""The verb: sum what all workers hold, over a simulated network."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeVar, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qring.collectives.aggregate import Aggregate, Method, Outcome, Progress
from qring.collectives.ring import Superdense
from qring.errors import InputError
from qring.network.network import Network
from qring.registry import PROTOCOLS
from qring.schedule.schedule import Schedule
from qring.schedule.topology import Topology
from qring.validate import check_able, check_instance, check_rng

__all__ = ["all_reduce"]


Result = TypeVar("Result", bound=Outcome)


@overload
def all_reduce(
    gradients: ArrayLike,
    *,
    method: None = None,
    network: Network | None = None,
    rng: np.random.Generator | None = None,
    progress: Progress | None = None,
    topology: Topology | Schedule | str | None = None,
) -> Aggregate: ...


@overload
def all_reduce(
    gradients: ArrayLike,
    *,
    method: Method[Result],
    network: Network | None = None,
    rng: np.random.Generator | None = None,
    progress: Progress | None = None,
    topology: Topology | Schedule | str | None = None,
) -> Result: ...


@overload
def all_reduce(
    gradients: ArrayLike,
    *,
    method: str,
    network: Network | None = None,
    rng: np.random.Generator | None = None,
    progress: Progress | None = None,
) -> Outcome: ...


def all_reduce(
    gradients: ArrayLike,
    *,
    method: Method[Any] | str | None = None,
    network: Network | None = None,
    rng: np.random.Generator | None = None,
    progress: Progress | None = None,
    topology: Topology | Schedule | str | None = None,
) -> Outcome:
    """Sum the workers' gradients and account for every carrier.

    Returns what the method's ``run`` returns: an :class:`~qring.Aggregate`, or, where a run can end
    without a sum, perhaps an :class:`~qring.Aborted`.

    Args:
        gradients: shape (workers, coords), at least one of each; one row a worker.
        method: how to sum; superdense-coded float bits unless said otherwise. The name of a
            protocol (``"ghz"``) stands for it at its defaults: words of 16 bits over the range of
            the gradients, where it does not sum floats.
        network: noise of the links; noiseless unless said otherwise.
        rng: source of the network's errors; needed only where there is noise.
        progress: called after every round with the rounds done and the rounds there are.
        topology: the schedule, by its name (``"halving"``, ``"tree:8"``; see
            :data:`qring.schedule.topology.TOPOLOGIES`) or as a value; the network's unless said
            otherwise, which is the ring unless it says otherwise.

    Raises:
        InputError: shapes, types or values that cannot be summed; a name in place of a method,
            or a seed in place of a generator; a topology that does not exist, does not fit, or that
            the method does not follow.
        BudgetError: words too small for the values or their sum.

    Source: paper section 3.2.
    """
    if method is not None and not isinstance(method, str):
        check_able("method", method, ("run",), "a method such as qring.Superdense(), or its name")
    if network is not None:
        check_instance("network", network, Network, "qring.Network(...)")
    if rng is not None:
        check_rng(rng)
    rows = _as_rows(gradients)
    network = network or Network()
    chosen: Method[Outcome]
    if isinstance(method, str):
        chosen = PROTOCOLS[method].named(rows)
    else:
        chosen = method if method is not None else Superdense()
    if topology is not None:
        network = replace(network, topology=_topology(topology))
    if not getattr(chosen, "takes_time", False) and network.hardware is not None:
        raise InputError(
            f"hardware gives time to the links of Superdense and Classical, and none to "
            f"{type(chosen).__name__}: leave hardware out, or choose one of the two"
        )
    if not getattr(chosen, "follows_topology", False) and network.topology != Topology():
        raise InputError(
            f"{type(chosen).__name__} does not follow topology {_named(network.topology)}; leave "
            "it out, or sum with Superdense or Classical"
        )
    run = network.open(len(rows), rng)
    return chosen.run(rows, run, progress or _unseen)


def _topology(found: Topology | Schedule | str) -> Topology | Schedule:
    return found if isinstance(found, Schedule) else Topology.of(found)


def _named(topology: Topology | Schedule) -> str:
    return topology.name if isinstance(topology, Schedule) else str(topology)


def _unseen(done: int, total: int) -> None:
    """Show no progress."""


def _as_rows(gradients: ArrayLike) -> NDArray[Any]:
    """Check that ``gradients`` is a (workers, coords) array of numbers and return it.

    Raises:
        InputError: workers of unequal length, no workers, no coordinates, or not numbers.
    """
    try:
        rows = np.asarray(gradients)
    except ValueError:
        raise InputError("workers hold gradients of different lengths") from None
    if rows.ndim != 2:
        raise InputError(f"gradients must have shape (workers, coords), not {rows.shape}")
    if 0 in rows.shape:
        raise InputError(f"nothing to sum in gradients of shape {rows.shape}")
    if rows.dtype.kind not in "biuf" and "float" not in rows.dtype.name:  # bfloat16, float8
        raise InputError(f"cannot sum values of type {rows.dtype.name}")
    return rows
