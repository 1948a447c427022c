"""DDP communication hooks that sum gradients in the phases of simulated GHZ states.

    state = qring.torch.GhzHook(method, seed=0)
    model.register_comm_hook(state, qring.torch.ghz_mean)

Works on any backend. A simulation has to bring all words together to know the phases: that
traffic runs over a group of its own and is no part of the protocol or its account.
"""

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray

from qring.collectives.ghz.method import Ghz, Session
from qring.collectives.ghz.outcome import GivenUpError
from qring.encoding.signs import SignVote
from qring.encoding.values import WordEncoding
from qring.errors import InputError, PeerError
from qring.ledger import Ledger
from qring.network.network import Network
from qring.network.supply import RanOutError
from qring.security.vga.method import Vga

# torch inspects the hooks' annotations, so this module must not postpone their evaluation.

__all__ = ["GhzHook", "ghz_mean", "ghz_member", "sign_majority"]


class GhzHook:
    """State of the GHZ hooks on one rank. ``ledger`` is the account of all links so far.

    Make it on all ranks with the same ``method``, ``network`` and ``seed``: it forms a group. With
    a ``Vga`` method every sum's copies are tested first.
    """

    def __init__(
        self,
        method: Ghz | Vga,
        *,
        network: Network | None = None,
        seed: int = 0,
        process_group: dist.ProcessGroup | None = None,
    ) -> None:
        ranks = None if process_group is None else dist.get_process_group_ranks(process_group)
        self.method, self.network = method, network or Network()
        self._wiring: dist.ProcessGroup | None = dist.new_group(ranks, backend="gloo")
        self.workers = dist.get_world_size(self._wiring)
        self._rng = np.random.default_rng(seed)  # the same on all ranks: all hear the same
        self.ledger = Ledger()
        self.copies = self.repeated = 0
        self.wrong = 0.0  # probability that any sum so far is wrong, at most
        self._ghz = method.ghz if isinstance(method, Vga) else method
        early = self._ghz.open(self.network.open(self.workers, copy.deepcopy(self._rng)))  # refuse
        self._weights = early.weights

    @property
    def words(self) -> WordEncoding:
        """The encoding of the method."""
        return self._ghz.encoding

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_wiring": None}  # process groups do not survive a checkpoint

    def sum(self, own: NDArray[Any]) -> NDArray[Any]:
        """Sum every rank's ``own``, shape (coords,), as the method does.

        Raises:
            InputError: values that the encoding cannot hold, on any rank (all ranks are told), or
                a state restored without its group.
            PeerError: the copies failed their tests, ran out, or could not be read right.
        """
        if self._wiring is None:
            raise InputError("this hook's state was restored from a file: make a new GhzHook")
        words = self._encode(own, self._weights[dist.get_rank(self._wiring)])
        session, told_apart = self._open(len(words))
        everyone = self._everyone(words) if told_apart else None
        total = self._total(words) if everyone is None else everyone.sum(axis=0, dtype=np.uint64)
        try:
            parts = [
                session.sum(total[block], None if everyone is None else everyone[:, block])
                for block in self._ghz.blocks(len(total), self.workers)
            ]
        except RanOutError as error:
            raise PeerError(f"verified copies ran out: {error}") from None
        except GivenUpError as error:
            raise PeerError(f"no sum: {error}") from None
        result = session.result(np.concatenate(parts))
        self.ledger += result.ledger
        self.copies += result.copies
        self.repeated += result.repeated
        self.wrong = min(1.0, self.wrong + result.wrong)
        return result.sum

    def _open(self, words: int) -> tuple[Session, bool]:
        """Get ready to sum; say whether copies may tell one worker's phase from another's."""
        run = self.network.open(self.workers, self._rng)
        if not isinstance(self.method, Vga):
            return self.method.open(run), run.needs_words
        opened = self.method.open(words, run)
        data, verdicts = opened.verified.data, opened.verified.verdicts
        if opened.session is None or data is None:
            failed = next(verdict for verdict in verdicts if verdict.failed)
            raise PeerError(
                f"copies failed their tests before anything was encoded: {failed.failed:,} of "
                f"{failed.tested:,} ({failed.test.value}), the first on {failed.evidence[0]}"
            )
        return opened.session, run.needs_words or len(data.tampered) > 0

    def _encode(self, own: NDArray[Any], weight: int) -> NDArray[np.uint64]:
        """Encode, and agree with all ranks on whether everybody could."""
        problem: InputError | None = None
        words = np.zeros(0, np.uint64)
        try:
            words = self._ghz.encoding.encode(own[None])[0][0] * np.uint64(weight % (1 << 64))
        except InputError as error:
            problem = error
        refused = torch.zeros(self.workers, dtype=torch.uint8)
        refused[dist.get_rank(self._wiring)] = problem is not None
        dist.all_reduce(refused, group=self._wiring)
        if problem is not None:
            raise problem
        if refused.any():
            ranks = ", ".join(str(int(rank)) for rank in refused.nonzero())
            raise InputError(f"gradients of rank {ranks} cannot be encoded; see there")
        return words

    def _total(self, words: NDArray[np.uint64]) -> NDArray[np.uint64]:
        total = torch.from_numpy(words.view(np.int64).copy())
        dist.all_reduce(total, group=self._wiring)  # wraps mod 2^64, as phases do
        return np.asarray(total.numpy().view(np.uint64))

    def _everyone(self, words: NDArray[np.uint64]) -> NDArray[np.uint64]:
        own = torch.from_numpy(words.view(np.int64).copy())
        rows = [torch.empty_like(own) for _ in range(self.workers)]
        dist.all_gather(rows, own, group=self._wiring)
        return np.stack([row.numpy() for row in rows]).view(np.uint64)


def ghz_mean(state: GhzHook, bucket: dist.GradBucket) -> torch.futures.Future[torch.Tensor]:
    """Replace a bucket by the mean of all ranks' gradients, summed in GHZ phases."""
    return _done(state, bucket, state.workers)


def ghz_member(
    method: Ghz | Vga,
    *,
    network: Network | None,
    seed: int,
    process_group: dist.ProcessGroup | None,
) -> tuple[GhzHook, Callable[..., Any]]:
    """The hook of sums in GHZ phases, for :func:`qring.torch.hook`."""
    state = GhzHook(method, network=network, seed=seed, process_group=process_group)
    return state, sign_majority if isinstance(state.words, SignVote) else ghz_mean


def sign_majority(state: GhzHook, bucket: dist.GradBucket) -> torch.futures.Future[torch.Tensor]:
    """Replace a bucket by the majority of all ranks' signs: signSGD with majority vote.

    The number of votes of every coordinate becomes public. ``state`` needs a ``SignVote`` method.

    Raises:
        InputError: the state's encoding is not a vote.
    """
    if not isinstance(state.words, SignVote):
        raise InputError("sign_majority needs GhzHook(Ghz(encoding=SignVote(...)))")
    return _done(state, bucket, 1)


def _done(
    state: GhzHook, bucket: dist.GradBucket, divisor: int
) -> torch.futures.Future[torch.Tensor]:
    buffer = bucket.buffer()
    total = torch.from_numpy(state.sum(buffer.detach().cpu().double().numpy()) / divisor)
    future: torch.futures.Future[torch.Tensor] = torch.futures.Future()
    future.set_result(total.to(device=buffer.device, dtype=buffer.dtype))
    return future
