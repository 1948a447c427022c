"""A DDP communication hook that averages gradients by secure aggregation between real processes.

    state = SecAggHook(SecAgg(encoding=FixedPoint(word_bits=16, limit=1.0)))
    model.register_comm_hook(state, secagg_mean)

Works beside any backend. Each rank draws and keeps its own secrets; all messages really pass
through the server rank, over a group of the hook's own.
"""

import time
from collections.abc import Callable, Collection, Mapping
from datetime import timedelta
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray

from qring.encoding.packing import pack_words, unpack_words
from qring.errors import InputError, PeerError
from qring.ledger import Ledger
from qring.network.network import Network
from qring.security.secagg import steps
from qring.security.secagg.agreement import KEY_BYTES
from qring.security.secagg.masks import Words, word_type
from qring.security.secagg.method import SecAgg, Terms
from qring.security.secagg.outcome import Reason, Reveal, SecAggAborted, SecAggAggregate, Stage
from qring.security.secagg.shamir import SHARE_BYTES
from qring.security.secagg.star import Star

# torch inspects the hook's annotations, so this module must not postpone their evaluation.

__all__ = ["SecAggHook", "secagg_mean", "secagg_member"]

_ADVERT_BYTES = 2 * KEY_BYTES
_Present = tuple[int, ...]


class SecAggHook:
    """State of the hook on one rank. ``ledger`` is what this rank has sent so far.

    Make it on all ranks with the same ``method``: it forms a group. The method's ``server`` is a
    rank of that group. A rank that dies, or answers later than ``timeout_s``, counts as dropped
    out from then on. ``outcome`` is how the last sum ended, as this rank saw it.
    """

    def __init__(
        self,
        method: SecAgg,
        *,
        timeout_s: float = 60.0,
        process_group: dist.ProcessGroup | None = None,
    ) -> None:
        if method.dropouts:
            raise InputError("dropouts are simulated in one process; ranks drop out by themselves")
        if method.neighbours is not None:
            raise InputError(
                "ranks are all neighbours of each other: leave neighbours out of the method"
            )
        ranks = None if process_group is None else dist.get_process_group_ranks(process_group)
        self.method, self.timeout_s = method, timeout_s
        self.ledger = Ledger()
        self.outcome: SecAggAggregate | SecAggAborted | None = None
        self._lost: set[int] = set()
        # Others wait until the server has given up on the slowest, at every stage.
        patience = timedelta(seconds=3 * timeout_s)
        self._star: dist.ProcessGroup | None = dist.new_group(ranks, patience, backend="gloo")
        method.terms(dist.get_world_size(self._star))  # refuse early

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_star": None}  # process groups do not survive a checkpoint

    def sum(self, own: NDArray[Any]) -> SecAggAggregate | SecAggAborted:
        """Sum every rank's ``own``, shape (coords,), with fresh keys.

        A rank whose values cannot be encoded drops out of this sum and raises; the others go on.

        Raises:
            InputError: values that the encoding cannot hold, or a state restored without a group.
            PeerError: a message that was changed on its way.
        """
        if self._star is None:
            raise InputError("this hook's state was restored from a file: make a new SecAggHook")
        terms = self.method.terms(dist.get_world_size(self._star))
        turn = _Turn(self._star, terms, self.timeout_s, self._lost, len(own))
        try:
            self.method.encoding.check(own[None])
        except InputError:
            turn.decline()
            self.ledger += turn.ledger
            raise
        words = self.method.words(own, terms.sum_bits)
        role = _serve if dist.get_rank(self._star) == terms.server else _take_part
        self.outcome = role(turn, self.method, words)
        self.ledger += self.outcome.ledger
        return self.outcome


def secagg_mean(state: SecAggHook, bucket: dist.GradBucket) -> torch.futures.Future[torch.Tensor]:
    """Replace a bucket by the mean of the gradients of all ranks that are still there.

    Raises:
        InputError: gradients of this rank that cannot be encoded.
        PeerError: the sum was aborted; ``state.outcome`` says where and why.
    """
    buffer = bucket.buffer()
    outcome = state.sum(buffer.detach().cpu().double().numpy())
    if isinstance(outcome, SecAggAborted):
        raise PeerError(f"secure aggregation {outcome}")
    future: torch.futures.Future[torch.Tensor] = torch.futures.Future()
    mean = torch.from_numpy(outcome.mean)
    future.set_result(mean.to(device=buffer.device, dtype=buffer.dtype))
    return future


def secagg_member(
    method: SecAgg,
    *,
    network: Network | None,
    seed: int,
    process_group: dist.ProcessGroup | None,
) -> tuple[SecAggHook, Callable[..., Any]]:
    """The hook of secure aggregation, for :func:`qring.torch.hook`: no noise, secrets unseeded."""
    del network, seed
    return SecAggHook(method, process_group=process_group), secagg_mean


class _SilentError(Exception):
    """The server does not answer."""


class _Turn:
    """The messages of one sum, as one rank sends and receives them."""

    def __init__(
        self,
        star: dist.ProcessGroup,
        terms: Terms,
        timeout_s: float,
        lost: set[int],
        coords: int,
    ) -> None:
        self.terms, self.coords = terms, coords
        self.rank = dist.get_rank(star)
        self.present: dict[Stage, _Present] = {}
        self._star, self._timeout_s, self._lost = star, timeout_s, lost
        self._run = Network().open(terms.workers)
        self._links = Star(self._run, terms.server)

    @property
    def ledger(self) -> Ledger:
        return self._run.ledger()

    def decline(self) -> None:
        """Drop out before the first stage; a server that does so ends the run for all."""
        if self.rank == self.terms.server:
            self.collect(Stage.ADVERTISE, b"", set(range(self.terms.workers)), _ADVERT_BYTES)
            everyone = [rank for rank in range(self.terms.workers) if rank not in self._lost]
            self._tell(Stage.ADVERTISE, everyone, (), lambda _: b"", 0)
        else:
            self.send_up(Stage.ADVERTISE, bytes(_ADVERT_BYTES))

    # A worker's side

    def send_up(self, stage: Stage, message: bytes, bits: int | None = None) -> None:
        """Send the server this rank's message of a stage."""
        self._links.up(self.rank, stage, 8 * len(message) if bits is None else bits)
        self._send(self.terms.server, message)
        self._links.end_round(stage)

    def hear(self, stage: Stage, size: Callable[[_Present], int]) -> tuple[Reason | None, bytes]:
        """Receive who is present, whether that ends the run, and the message if it does not."""
        packed = np.frombuffer(self._receive(self.terms.server, self._map_bytes), np.uint8)
        bits = np.unpackbits(packed, count=self.terms.workers)
        present = tuple(int(worker) for worker in bits.nonzero()[0])
        self.present[stage] = present
        reason = self.terms.judge(present)
        self._links.end_round(stage)
        if reason is not None:
            return reason, b""
        return None, self._receive(self.terms.server, size(present))

    # The server's side

    def collect(
        self, stage: Stage, own: bytes, among: Collection[int], size: int
    ) -> dict[int, bytes]:
        """Receive the message of every worker that still answers, its own included."""
        boxes = {
            worker: torch.empty(size, dtype=torch.uint8)
            for worker in sorted(among)
            if worker != self.rank and worker not in self._lost
        }
        works = {}
        for worker, box in boxes.items():
            try:
                works[worker] = dist.irecv(box, group=self._star, group_src=worker)
            except RuntimeError:
                self._lost.add(worker)
        until = time.monotonic() + self._timeout_s
        for worker, work in works.items():
            try:
                assert work is not None  # noqa: S101 - the server is in its own group
                work.wait(timedelta(seconds=max(0.001, until - time.monotonic())))
            except RuntimeError:
                self._lost.add(worker)
        self._links.end_round(stage)
        arrived = {w: box.numpy().tobytes() for w, box in boxes.items() if w not in self._lost}
        return dict(sorted({**arrived, self.rank: own}.items()))

    def announce(
        self,
        stage: Stage,
        present: Collection[int],
        body: Callable[[int], bytes],
        bits: int | None = None,
    ) -> Reason | None:
        """Tell the workers that are present who is, and hand each its message if that goes on."""
        self.present[stage] = tuple(sorted(present))
        reason = self.terms.judge(present)
        if reason is not None:
            body, bits = (lambda _: b""), 0
        self._tell(stage, present, present, body, bits)
        return reason

    def _tell(
        self,
        stage: Stage,
        listeners: Collection[int],
        present: Collection[int],
        body: Callable[[int], bytes],
        bits: int | None,
    ) -> None:
        flags = np.zeros(self.terms.workers, np.uint8)
        flags[list(present)] = 1
        for worker in listeners:
            if worker != self.rank:
                message = body(worker)
                self._links.down(worker, stage, 8 * len(message) if bits is None else bits)
                try:
                    self._send(worker, np.packbits(flags).tobytes())
                    if message:
                        self._send(worker, message)
                except _SilentError:
                    self._lost.add(worker)
        self._links.end_round(stage)

    @property
    def _map_bytes(self) -> int:
        return -(-self.terms.workers // 8)

    def _send(self, to: int, message: bytes) -> None:
        box = torch.frombuffer(bytearray(message), dtype=torch.uint8)
        try:
            dist.send(box, group=self._star, group_dst=to)
        except RuntimeError as error:
            raise _SilentError from error

    def _receive(self, src: int, size: int) -> bytes:
        if size == 0:
            return b""
        box = torch.empty(size, dtype=torch.uint8)
        try:
            dist.recv(box, group=self._star, group_src=src)
        except RuntimeError as error:
            raise _SilentError from error
        return box.numpy().tobytes()

    # How it ends

    def aborted(self, reason: Reason, stage: Stage) -> SecAggAborted:
        return self.terms.aborted(reason, stage, self.present, self.coords, self.ledger)

    def accepted(
        self, method: SecAgg, total: Words, reveals: Mapping[int, Reveal]
    ) -> SecAggAggregate:
        return self.terms.accepted(method.encoding, total, self.ledger, self.present, reveals)


def _serve(turn: _Turn, method: SecAgg, words: Words) -> SecAggAggregate | SecAggAborted:
    """Play the server, and its own worker."""
    terms, me = turn.terms, turn.rank
    secrets = steps.draw(me, method.source)
    adverts = turn.collect(
        Stage.ADVERTISE, b"".join(steps.advertise(secrets)), range(terms.workers), _ADVERT_BYTES
    )
    adverts = {worker: keys for worker, keys in adverts.items() if any(keys)}  # who declined: 0
    roster = {worker: _keys(keys) for worker, keys in adverts.items()}
    if reason := turn.announce(Stage.ADVERTISE, roster, lambda w: _without(adverts, w)):
        return turn.aborted(reason, Stage.ADVERTISE)

    sharing = steps.share(secrets, roster, terms.threshold, method.source)
    size = steps.SEALED_BYTES * (len(roster) - 1)
    arrived = turn.collect(Stage.SHARE, b"".join(sharing.sealed.values()), roster, size)
    sealed = {src: _sealed_by(src, tuple(roster), message) for src, message in arrived.items()}
    sharers = tuple(sealed)
    if reason := turn.announce(
        Stage.SHARE, sharers, lambda w: b"".join(sealed[src][w] for src in sharers if src != w)
    ):
        return turn.aborted(reason, Stage.SHARE)

    total = steps.mask(secrets, roster, sharers, words, terms.sum_bits)
    size = -(-len(words) * terms.sum_bits // 8)
    masked = turn.collect(Stage.MASK, b"", sharers, size)
    contributors = tuple(masked)
    for worker in contributors:
        if worker != me:
            total += _unpacked(masked.pop(worker), len(words), terms)
    if reason := turn.announce(Stage.MASK, contributors, lambda _: b""):
        return turn.aborted(reason, Stage.MASK)

    to_me = {src: sealed[src][me] for src in sharers if src != me}
    own = steps.unmask(secrets, sharing, to_me, contributors, terms.threshold)
    size = SHARE_BYTES * len(sharers)
    answers = turn.collect(Stage.UNMASK, _packed_shares(own), contributors, size)
    reveals = {
        worker: _shares(message, sharers, contributors) for worker, message in answers.items()
    }
    left = turn.terms.judge(answers)
    if left is None:
        steps.recover(total, roster, contributors, reveals, terms.threshold, terms.sum_bits)
    body = pack_words(total.astype(np.uint64), terms.sum_bits).tobytes()
    if reason := turn.announce(Stage.UNMASK, answers, lambda _: body, len(words) * terms.sum_bits):
        return turn.aborted(reason, Stage.UNMASK)
    return turn.accepted(method, total, reveals)


def _take_part(turn: _Turn, method: SecAgg, words: Words) -> SecAggAggregate | SecAggAborted:
    """Play a worker that does not serve."""
    stage = Stage.ADVERTISE
    terms, me = turn.terms, turn.rank
    secrets = steps.draw(me, method.source)
    try:
        turn.send_up(stage, b"".join(steps.advertise(secrets)))
        reason, body = turn.hear(stage, lambda p: _ADVERT_BYTES * (len(p) - 1))
        if reason:
            return turn.aborted(reason, stage)
        others = [worker for worker in turn.present[stage] if worker != me]
        roster = {w: _keys(part) for w, part in zip(others, _cut(body, _ADVERT_BYTES), strict=True)}
        roster = dict(sorted({**roster, me: steps.advertise(secrets)}.items()))

        stage = Stage.SHARE
        sharing = steps.share(secrets, roster, terms.threshold, method.source)
        turn.send_up(stage, b"".join(sharing.sealed.values()))
        reason, body = turn.hear(stage, lambda p: steps.SEALED_BYTES * (len(p) - 1))
        if reason:
            return turn.aborted(reason, stage)
        sharers = turn.present[stage]
        others = [worker for worker in sharers if worker != me]
        sealed = dict(zip(others, _cut(body, steps.SEALED_BYTES), strict=True))

        stage = Stage.MASK
        masked = steps.mask(secrets, roster, sharers, words, terms.sum_bits)
        message = pack_words(masked.astype(np.uint64), terms.sum_bits).tobytes()
        turn.send_up(stage, message, len(words) * terms.sum_bits)
        reason, _ = turn.hear(stage, lambda _: 0)
        if reason:
            return turn.aborted(reason, stage)

        stage = Stage.UNMASK
        own = steps.unmask(secrets, sharing, sealed, turn.present[Stage.MASK], terms.threshold)
        turn.send_up(stage, _packed_shares(own))
        reason, body = turn.hear(stage, lambda _: len(message))
        if reason:
            return turn.aborted(reason, stage)
    except _SilentError:
        return turn.aborted(Reason.SERVER_LOST, stage)
    return turn.accepted(method, _unpacked(body, len(words), terms), {me: own})


def _keys(advert: bytes) -> steps.PublicKeys:
    return steps.PublicKeys(advert[:KEY_BYTES], advert[KEY_BYTES:])


def _without(messages: Mapping[int, bytes], worker: int) -> bytes:
    return b"".join(message for src, message in messages.items() if src != worker)


def _cut(message: bytes, size: int) -> list[bytes]:
    return [message[start : start + size] for start in range(0, len(message), size)]


def _sealed_by(src: int, roster: _Present, message: bytes) -> dict[int, bytes]:
    """Shares that ``src`` sealed, by holder."""
    holders = [worker for worker in roster if worker != src]
    return dict(zip(holders, _cut(message, steps.SEALED_BYTES), strict=True))


def _packed_shares(reveal: Reveal) -> bytes:
    both = {**reveal.seeds, **reveal.keys}
    return b"".join(both[owner].to_bytes(SHARE_BYTES, "big") for owner in sorted(both))


def _shares(message: bytes, sharers: _Present, contributors: _Present) -> Reveal:
    values = [int.from_bytes(part, "big") for part in _cut(message, SHARE_BYTES)]
    by_owner = dict(zip(sharers, values, strict=True))
    return Reveal(
        seeds={owner: share for owner, share in by_owner.items() if owner in contributors},
        keys={owner: share for owner, share in by_owner.items() if owner not in contributors},
    )


def _unpacked(message: bytes, count: int, terms: Terms) -> Words:
    packed = np.frombuffer(message, np.uint8)
    words = unpack_words(packed, count, terms.sum_bits)
    return words.astype(word_type(terms.sum_bits))
