"""A DDP communication hook that averages gradients under masks, between real processes.

    state = PrivateHook(Private(encoding=FixedPoint(word_bits=16, limit=1.0)))
    model.register_comm_hook(state, private_mean)

Works beside any backend. Online, nothing but masked words leaves a rank: packed B bits a word, as
they would ride on the superdense ring, over a group of the hook's own. Offline a simulation has
to bring the random words together, whose sums the copies show; that is no part of the protocol.
"""

import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray

from qring.collectives.dropouts import OnDropout
from qring.collectives.spans import Fate, Span
from qring.encoding.formats import WordFormat
from qring.errors import InputError, PeerError
from qring.ledger import Ledger
from qring.network.links import superdense
from qring.network.network import Network
from qring.network.pool import Verdict
from qring.network.run import Run
from qring.schedule import ring
from qring.schedule.chunks import even_chunks
from qring.schedule.hops import Action, Hop
from qring.security.masks.file import MaskFile, MaskLabel, Taken
from qring.security.masks.gathering import Words
from qring.security.masks.integrity import (
    IntegrityCheck,
    IntegrityVerdict,
    Message,
    OnlineCheck,
)
from qring.security.masks.inventory import fill, mask_path
from qring.security.masks.making import Made, MaskMaking, MaskStore, make_masks
from qring.security.masks.method import Private
from qring.security.masks.outcome import PrivateAborted, PrivateAggregate, Reason
from qring.torch.together import SilentError, Together, as_tensor, wait_for

# torch inspects the hook's annotations, so this module must not postpone their evaluation.

__all__ = ["PrivateHook", "private_mean", "private_member"]

_BATCH = 1 << 20


class PrivateHook:
    """State of the hook on one rank. ``ledger`` is the account of all links so far.

    Make it on all ranks with the same ``method``, ``network`` and ``seed``: it forms a group.
    Masks come from the method's inventory, one file a rank, or are made in batches of at least
    ``batch`` as they run out. A rank that dies, or answers later than ``timeout_s``, ends the sum
    on all others; masks that were taken are gone. That sum may have been told to whoever listens:
    a restarted job must sum the same gradients with the same ranks, or not at all. ``outcome`` is
    how the last sum ended.
    """

    def __init__(
        self,
        method: Private,
        *,
        network: Network | None = None,
        seed: int = 0,
        batch: int = _BATCH,
        timeout_s: float = 60.0,
        process_group: dist.ProcessGroup | None = None,
    ) -> None:
        if method.dropouts:
            raise InputError("dropouts are simulated in one process; ranks drop out by themselves")
        if method.on_dropout is not OnDropout.ABORT:
            raise InputError(
                "a process group cannot go on without a rank, so on_dropout must be abort, not "
                f"{method.on_dropout.value}: let the job restart with as many ranks (torchrun "
                "--max-restarts) and the masks on disk, or sum in one process"
            )
        ranks = None if process_group is None else dist.get_process_group_ranks(process_group)
        self.method, self.network, self.batch = method, network or Network(), batch
        self._group: dist.ProcessGroup | None = dist.new_group(
            ranks, timedelta(seconds=timeout_s), backend="gloo"
        )
        self.workers, self._rank = dist.get_world_size(self._group), dist.get_rank(self._group)
        self.sum_bits = method.plan(1, self.workers).sum_bits  # refuse early
        self._public = np.random.default_rng(seed)  # the same on all ranks: all hear the same
        self._noise = np.random.default_rng([seed, 1 + self._rank])
        self._stock: _Stock | MaskFile | None = None
        self.ledger = Ledger()
        self.outcome: PrivateAggregate | PrivateAborted | None = None

    def __getstate__(self) -> dict[str, Any]:
        # Process groups do not survive a checkpoint, and masks must not be in one.
        return {**self.__dict__, "_group": None, "_stock": None}

    def make_masks(self, count: int) -> PrivateAborted | None:
        """Make ``count`` masks ahead, on all ranks: in the inventory's folder, or in memory.

        Raises:
            InputError: a folder that cannot be used, or noise that masks do not survive.
        """
        together = Together(self._alive(), self.workers)
        name = np.frombuffer(uuid.uuid4().bytes, np.uint64)
        run = self.network.open(self.workers, self._public)
        earlier, terms = self.method.batches(count, run, self.sum_bits)
        making = MaskMaking(
            terms=terms,
            earlier=earlier,
            run=run,
            source=self.method.source,
            rows=1,
            gathering=together,
            first=self._rank,
        )
        folder, stock = self.method.inventory, None
        try:
            batch = together.everyone(name[None])[0].tobytes()  # that of rank 0
            if folder is None:
                made, stock = _in_memory(making, batch, self._rank)
            else:
                made = fill(folder, making, batch=batch, workers=[self._rank])
        finally:
            self.ledger += making.ledger
        if made.reason is not None:
            return self._aborted(made.reason, making.ledger, count, verdict=made.verdict)
        self._stock = stock
        return None

    def sum(self, own: NDArray[Any]) -> PrivateAggregate | PrivateAborted:
        """Sum every rank's ``own``, shape (coords,).

        Raises:
            InputError: values that the encoding cannot hold, on any rank, masks that are used up
                or were not made together, or a state restored without its group.
        """
        group = self._alive()
        words, problem = self._encode(own)
        begun, run = False, self.network.open(self.workers, self._noise)
        told = Span(0, len(words), tuple(range(self.workers)), Fate.GIVEN_UP)
        try:
            start = self._agree(len(words), problem)
            if start is None:
                aborted = self.make_masks(max(self.batch, len(words)))
                if aborted is not None:
                    self.outcome = aborted
                    return aborted
                start = 0
            masks = self._stocked().take(len(words), start=start)
            low_bits = np.uint64((1 << self.sum_bits) - 1)
            masked = (words + masks.own) & low_bits
            begun = True
            try:
                sums, known = self._around(masked.copy(), run, group)
                missed = self._checked(masked, sums, known, run)
            finally:
                self.ledger += run.ledger()
        except _ChangedError as changed:
            self.outcome = self._aborted(
                Reason.CHANGED_ONLINE, run.ledger(), len(own), spans=(told,)
            )
            self.outcome = replace(self.outcome, integrity=changed.verdict)
            return self.outcome
        except SilentError:
            # The others may have gone on after this rank noticed: any word may be out.
            self.outcome = self._aborted(
                Reason.DROPOUT, run.ledger(), len(own), spans=(told,) if begun else ()
            )
            return self.outcome
        label = self._stocked().label
        total = self.method.encoding.decode(((sums - masks.total) & low_bits)[None], self.workers)
        self.outcome = PrivateAggregate(
            sums=np.broadcast_to(total, (self.workers, total.shape[1])),
            ledger=run.ledger(),
            epsilon=label.epsilon,
            correctness=min(1.0, label.correctness + missed),
            withstood=label.withstood,
            first=masks.start,
            spans=(Span(0, len(words), tuple(range(self.workers)), Fate.SUMMED),),
            holders=tuple(range(self.workers)),
        )
        return self.outcome

    def _encode(self, own: NDArray[Any]) -> tuple[Words, InputError | None]:
        try:
            self.method.encoding.check(own[None])
            return self.method.encoding.encode(own[None])[0][0], None
        except InputError as error:
            return np.empty(0, np.uint64), error

    def _agree(self, count: int, problem: InputError | None) -> int | None:
        """Find the first masks that nobody has used, or None where all must make new ones.

        Raises:
            InputError: on all ranks, if any cannot encode, or masks do not belong together.
        """
        stock = self._stock or self._stocked_on_disk()
        state = [0, count, -1, 0, 0, 0] if problem is None else [1, 0, -1, 0, 0, 0]
        if stock is not None:
            batch = np.frombuffer(stock.label.batch, np.int64)
            state[2:] = [stock.used, stock.label.masks, *map(int, batch)]
        refused, counts, used, masks, high, low = (
            Together(self._alive(), self.workers).everyone(np.array([state]).view(np.uint64))
            .view(np.int64).T
        )  # fmt: skip
        if problem is not None:
            raise problem
        if refused.any():
            ranks = ", ".join(map(str, np.flatnonzero(refused)))
            raise InputError(f"gradients of rank {ranks} cannot be encoded; see there")
        if len(set(counts.tolist())) > 1:
            raise InputError(
                f"ranks sum gradients of different lengths: {sorted(set(counts.tolist()))}"
            )
        if len(set(zip(high, low, strict=True))) > 1:
            raise InputError("the ranks' masks were not made together: their sums are not known")
        if used.min() < 0 or used.max() + count > masks.min():
            if self.method.inventory is not None:
                raise InputError(
                    f"{count:,} masks are needed, but {self.method.inventory} has "
                    f"{int(masks.min() - used.max()):,} left; make new ones in another folder"
                )
            return None
        return int(used.max())

    def _stocked_on_disk(self) -> "_Stock | MaskFile | None":
        if self.method.inventory is None:
            return None
        file = MaskFile(mask_path(self.method.inventory, self._rank))
        label = file.label
        if (label.workers, label.worker, label.sum_bits) != (
            self.workers, self._rank, self.sum_bits,
        ):  # fmt: skip
            file.close()
            raise InputError(
                f"the masks in {self.method.inventory} are worker {label.worker}'s of "
                f"{label.workers}, for sums of {label.sum_bits} bits; needed are worker "
                f"{self._rank}'s of {self.workers}, for {self.sum_bits} bits"
            )
        if label.epsilon > self.method.epsilon:
            file.close()
            raise InputError(
                f"the masks in {self.method.inventory} keep epsilon at {label.epsilon:.3g}, not "
                f"at {self.method.epsilon:.3g}; allow that much, or make new masks"
            )
        self._stock = file
        return file

    def _stocked(self) -> "_Stock | MaskFile":
        assert self._stock is not None  # noqa: S101 - ranks agreed on where it stands
        return self._stock

    def _around(self, masked: Words, run: Run, group: dist.ProcessGroup) -> tuple[Words, "_Known"]:
        """Sum masked words with the others, and remember what was sent and received.

        What a hop carries is charged on every rank.
        """
        known, number = _Known([], [], []), 0
        wire = WordFormat(word_bits=self.sum_bits, workers=self.workers, carry=False)
        chunks = even_chunks(len(masked), self.workers)
        rounds = ring.all_reduce(self.workers, gather=self.method.gather)
        for hops in rounds:
            arriving: list[tuple[int, Hop, NDArray[np.uint8]]] = []
            works = []
            for hop in hops:
                part = masked[chunks[hop.chunk]]
                bits = wire.bits(len(part), hop.summed)
                mine = hop.src == self._rank
                message = wire.pack(part, hop.summed) if mine else np.empty(0, np.uint8)
                link = run.link(superdense, hop.src, hop.dst)
                link.charge(bits)
                if mine:
                    known.sent.append(Message(number, chunks[hop.chunk].start, part.copy()))
                    link.transmit(message, bits)
                try:
                    if bits and mine:
                        works.append(dist.isend(as_tensor(message), group=group, group_dst=hop.dst))
                    elif bits and hop.dst == self._rank:
                        box = np.empty(-(-bits // 8), np.uint8)
                        arriving.append((number, hop, box))
                        works.append(dist.irecv(as_tensor(box), group=group, group_src=hop.src))
                except RuntimeError as error:
                    raise SilentError("another rank died, or does not answer") from error
                known.hops.append((hop.src, hop.dst))
                number += 1
            for work in works:
                wait_for(work)
            for place, hop, message in arriving:
                target = masked[chunks[hop.chunk]]
                received = wire.unpack(message, len(target), hop.summed)
                known.received.append(Message(place, chunks[hop.chunk].start, received))
                target[:] = wire.add(received, target) if hop.action is Action.ADD else received
            run.end_rounds()
        return masked, known

    def _checked(self, masked: Words, sums: Words, known: "_Known", run: Run) -> float:
        """Make sure that all ranks hold the same, right sum.

        Returns the probability that any sum under these masks is wrong and passes.
        """
        if self.method.online_check is OnlineCheck.LEFT_OUT:
            return 1.0
        together = Together(self._alive(), self.workers)
        together.everyone(np.zeros((1, 1), np.uint64))  # all are done: only now are coins drawn
        broadcast = run.copies().broadcast
        check = IntegrityCheck.plan(
            len(masked), self.sum_bits, self.method.epsilon, masks=self._stocked().label.masks
        )
        verdict, chosen = check.run(
            masked[None], sums[None], coins=self._public, broadcast=broadcast, gathering=together,
            liars=self.network.liars,
        )  # fmt: skip
        if not verdict.passed:
            links = check.blame(*known, chosen=chosen, broadcast=broadcast, gathering=together)
            raise _ChangedError(replace(verdict, links=links))
        return self.method.epsilon

    def _alive(self) -> dist.ProcessGroup:
        if self._group is None:
            raise InputError("this hook's state was restored from a file: make a new PrivateHook")
        return self._group

    def _aborted(
        self,
        reason: Reason,
        ledger: Ledger,
        coords: int,
        verdict: Verdict | None = None,
        spans: tuple[Span, ...] = (),
    ) -> PrivateAborted:
        return PrivateAborted(
            coords=coords,
            ledger=ledger,
            workers=self.workers,
            reason=reason,
            verdict=verdict,
            spans=spans,
        )


def private_mean(state: PrivateHook, bucket: dist.GradBucket) -> torch.futures.Future[torch.Tensor]:
    """Replace a bucket by the mean of all ranks' gradients, summed under masks.

    Raises:
        InputError: gradients that cannot be encoded, or masks that are used up.
        PeerError: the sum was aborted; ``state.outcome`` says why.
    """
    buffer = bucket.buffer()
    outcome = state.sum(buffer.detach().cpu().double().numpy())
    if isinstance(outcome, PrivateAborted):
        raise PeerError(f"a private sum was {outcome}")
    future: torch.futures.Future[torch.Tensor] = torch.futures.Future()
    mean = torch.from_numpy(outcome.sum / state.workers)
    future.set_result(mean.to(device=buffer.device, dtype=buffer.dtype))
    return future


def private_member(
    method: Private,
    *,
    network: Network | None,
    seed: int,
    process_group: dist.ProcessGroup | None,
) -> tuple[PrivateHook, Callable[..., Any]]:
    """The hook of private sums, for :func:`qring.torch.hook`."""
    state = PrivateHook(method, network=network, seed=seed, process_group=process_group)
    return state, private_mean


def _in_memory(making: MaskMaking, batch: bytes, rank: int) -> tuple[Made, "_Stock"]:
    terms, store = making.terms, MaskStore(1, making.terms.masks)
    made = make_masks(making, store)
    label = MaskLabel(
        batch=batch,
        worker=rank,
        workers=terms.workers,
        sum_bits=terms.sum_bits,
        masks=terms.masks,
        withstood=terms.withstood,
        epsilon=terms.secrecy,
        correctness=terms.correctness,
    )
    return made, _Stock(label, store.own[0], store.total)


class _ChangedError(Exception):
    """The ring's result did not pass its check."""

    def __init__(self, verdict: IntegrityVerdict) -> None:
        super().__init__(str(verdict))
        self.verdict = verdict


class _Known(NamedTuple):
    """Hops of a run, and the messages that this rank sent and received."""

    hops: list[tuple[int, int]]
    sent: list[Message]
    received: list[Message]


class _Stock:
    """Masks in memory, taken out as from a file."""

    def __init__(self, label: MaskLabel, own: Words, total: Words) -> None:
        self.label, self.used = label, 0
        self._own, self._total = own, total

    def take(self, count: int, *, start: int) -> Taken:
        """Take ``count`` masks out for good; none is left behind."""
        if start < self.used or start + count > self.label.masks:
            raise InputError(f"masks {start:,} to {start + count:,} are not there any more")
        part = slice(start, start + count)
        taken = Taken(start, self._own[part].copy(), self._total[part].copy())
        self._own[self.used : part.stop] = 0
        self.used = part.stop
        return taken
