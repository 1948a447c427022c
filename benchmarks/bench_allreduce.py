"""Does the quantum ring punish a PyTorch program for using it?

The rival is Gloo, PyTorch's own backend for processors, in the same processes and turn by turn:

* all-reduce of 1 KB, 1, 25 and 100 MB over 2 and 4 ranks, by shared memory and by TCP, and where
  that is allowed (Linux, root) between two hosts: network namespaces with half of the ranks each;
* all-reduce of 24 MB while the program runs Python code that does not wait for it;
* a DDP step of a model with 23 MB of gradients.

Against itself, also turn by turn: noiseless against noisy links, and charged against uncharged.
A ratio is a ratio of median times; below 1 the ring is faster. Last, in seconds: how long after a
rank was killed the last survivor has named it. Ranks share the machine's cores with whatever else
runs: compare on an idle one. Turns start at a barrier of neither rival: one over Gloo, say, leaves
Gloo's threads awake and its code in the cache, which decides how a small message fares.

    python benchmarks/bench_allreduce.py [--quick] [--json] [--mpi PYTHON ...]

With ``--mpi`` it goes on as ``bench_mpi.py``.
"""

import argparse
import contextlib
import ctypes
import json
import multiprocessing
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import bench_mpi
import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

import qring.torch as qt
from qring.errors import PeerError
from qring.network.noise import BellDiagonal
from qring.torch.engine.carriers import Carriers

TARGETS = {"memory": 0.22, "tcp": 0.9}
SMALL_TARGET, BUSY_TARGET = 1.0, 1.0
HOSTS_TARGET = 0.9
NEW_NETWORK = 0x40000000  # CLONE_NEWNET
NOISE_TARGETS = {1e-4: 1.3, 1e-3: 1.3, 1e-2: 3.0}
DDP_TARGET, LEDGER_TARGET = 0.70, 1.05
KILLED_TARGET_S = 0.25
MEGABYTES = (0.001, 1, 25, 100)


class Uncounted(Carriers):
    """Carriers for which nobody keeps an account."""

    __slots__ = ()

    def charge(self, dst, nbytes, exact):
        """Send for nothing."""


def size_of(megabytes):
    """The size of a vector in words."""
    return "1 KB" if megabytes < 1 else f"{megabytes} MB"


def turns(candidates, repetitions, start_line):
    """Median seconds of each candidate; all ranks start each turn together."""
    seconds = {name: [] for name in candidates}
    for turn in range(repetitions + 1):
        for name, call in candidates.items():
            start_line.wait()
            start = time.perf_counter()
            call()
            if turn:  # the first warms up
                seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(taken) for name, taken in seconds.items()}


@contextlib.contextmanager
def two_hosts():
    """Names of two network namespaces with a cable between them; None where that is forbidden."""
    names = [f"qring-{os.getpid()}-{k}" for k in range(2)]
    commands = [f"ip netns add {name}" for name in names]
    a, b = (f"cable netns {name}" for name in names)
    commands.append(f"ip link add {a} type veth peer {b}")
    for k, name in enumerate(names):
        commands += [f"ip -n {name} addr add 10.77.0.{k + 1}/24 dev cable",
                     f"ip -n {name} link set cable up", f"ip -n {name} link set lo up"]  # fmt: skip
    try:
        allowed = shutil.which("ip") and all(
            subprocess.run(command.split(), capture_output=True, check=False).returncode == 0
            for command in commands
        )
        yield names if allowed else None
    finally:
        for name in names if shutil.which("ip") else ():
            delete = f"ip netns del {name}".split()
            subprocess.run(delete, capture_output=True, check=False)


def between_hosts(rank, size, store, hosts, repetitions, megabytes, start_line, pipe):
    """One rank of a ring over two hosts; the ranks of a host are neighbours on it."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    host = 2 * rank // size
    with Path(f"/run/netns/{hosts[host]}").open() as network:
        if ctypes.CDLL(None).setns(network.fileno(), NEW_NETWORK):
            raise SystemExit("cannot enter a network namespace")
    os.environ["GLOO_SOCKET_IFNAME"] = "cable"
    options = qt.Options(host=f"10.77.0.{host + 1}")
    dist.init_process_group(
        "qring", store=dist.FileStore(store, size), rank=rank, world_size=size, pg_options=options
    )
    gloo, rows = dist.new_group(backend="gloo"), []
    for amount in megabytes:
        values = torch.zeros(round(amount * 250_000))
        candidates = {"gloo": lambda v=values: dist.all_reduce(v, group=gloo),
                      "qring": lambda v=values: dist.all_reduce(v)}  # fmt: skip
        medians = turns(candidates, repetitions, start_line)
        name = f"all-reduce {size_of(amount)}, {size} ranks on two hosts"
        rows.append((name, medians["qring"] / medians["gloo"], HOSTS_TARGET))
    if rank == 0:
        pipe.send(rows)
    dist.barrier()
    dist.destroy_process_group()


def against_gloo(size, repetitions, megabytes, start_line):
    gloo, rows = dist.new_group(backend="gloo"), []
    groups = {name: dist.new_group(pg_options=qt.Options(transport=name)) for name in TARGETS}
    for amount in megabytes:
        values = torch.zeros(round(amount * 250_000))
        candidates = {"gloo": lambda v=values: dist.all_reduce(v, group=gloo)}
        for name, group in groups.items():
            candidates[name] = lambda v=values, g=group: dist.all_reduce(v, group=g)
        # What is over in a millisecond varies by half from turn to turn.
        medians = turns(candidates, repetitions * (6 if amount <= 1 else 1), start_line)
        for name, goal in TARGETS.items():
            case = f"all-reduce {size_of(amount)}, {size} ranks, {name}"
            goal = SMALL_TARGET if amount < 1 else goal
            rows.append((case, medians[name] / medians["gloo"], goal))
    return rows


def beside_python(size, repetitions, megabytes, start_line):
    """An all-reduce on its own thread while the caller's runs Python code."""
    gloo, values = dist.new_group(backend="gloo"), torch.zeros(megabytes * 250_000)
    groups = {name: dist.new_group(pg_options=qt.Options(transport=name)) for name in TARGETS}

    def call(group):
        work = dist.all_reduce(values, group=group, async_op=True)
        while not work.is_completed():
            sum(range(50))

    candidates = {name: lambda g=g: call(g) for name, g in (("gloo", gloo), *groups.items())}
    medians = turns(candidates, repetitions, start_line)
    case = f"all-reduce {megabytes} MB beside Python code, {size} ranks"
    return [(f"{case}, {name}", medians[name] / medians["gloo"], BUSY_TARGET) for name in TARGETS]


def ddp_step(size, repetitions, start_line):
    gloo, candidates = dist.new_group(backend="gloo"), {}
    for name, group in (("gloo", gloo), ("qring", None)):
        torch.manual_seed(0)
        layers = [nn.Linear(1024, 1024) for _ in range(5)]
        net = DistributedDataParallel(
            nn.Sequential(*layers, nn.Linear(1024, 512)), process_group=group
        )
        images = torch.randn(16, 1024)
        candidates[name] = lambda net=net, x=images: net(x).square().mean().backward()
    medians = turns(candidates, repetitions, start_line)
    name = f"DDP step, 23 MB of gradients, {size} ranks"
    return [(name, medians["qring"] / medians["gloo"], DDP_TARGET)]


def against_itself(size, repetitions, megabytes, start_line):
    plain = dist.new_group()
    values = torch.zeros(megabytes * 250_000)
    noisy = {
        error: dist.new_group(pg_options=qt.Options(noise=BellDiagonal.depolarising(error)))
        for error in NOISE_TARGETS
    }
    free = dist.new_group()
    free._node.carriers.__class__ = Uncounted
    candidates = {"plain": lambda: dist.all_reduce(values, group=plain),
                  "free": lambda: dist.all_reduce(values, group=free)}  # fmt: skip
    for error, group in noisy.items():
        candidates[error] = lambda g=group: dist.all_reduce(values, group=g)
    medians = turns(candidates, repetitions, start_line)
    rows = [
        (f"noise p={error:g} against none, {megabytes} MB, {size} ranks",
         medians[error] / medians["plain"], goal)
        for error, goal in NOISE_TARGETS.items()
    ]  # fmt: skip
    name = f"ledger against none, {megabytes} MB, {size} ranks"
    return [*rows, (name, medians["plain"] / medians["free"], LEDGER_TARGET)]


def main_of_rank(rank, size, store, repetitions, megabytes, start_line, pipe):
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    dist.init_process_group("qring", store=dist.FileStore(store, size), rank=rank, world_size=size)
    rows = against_gloo(size, repetitions, megabytes, start_line)
    rows += ddp_step(size, repetitions, start_line)
    own = megabytes[-1] if len(megabytes) < 2 else 25
    rows += beside_python(size, repetitions, min(own, 24), start_line)
    rows += against_itself(size, repetitions, own, start_line)
    if rank == 0:
        pipe.send(rows)
    dist.barrier()
    dist.destroy_process_group()


def compared(size, repetitions, megabytes, hosts):
    start_line = multiprocessing.get_context("spawn").Barrier(size)
    rest = (repetitions, megabytes, start_line)
    rows = on_ranks("spawn", size, main_of_rank, *rest)[0]
    return rows + (on_ranks("spawn", size, between_hosts, hosts, *rest)[0] if hosts else [])


def survivor(rank, size, store, transport, pipe):
    warnings.simplefilter("ignore")
    options = qt.Options(transport=transport)
    dist.init_process_group(
        "qring", store=dist.FileStore(store, size), rank=rank, world_size=size, pg_options=options
    )
    values, clock = torch.zeros(250_000), torch.zeros(1, dtype=torch.float64)
    dist.all_reduce(values)
    clock[0] = time.time()
    dist.broadcast(clock, 1)
    if rank == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    try:
        while True:
            dist.all_reduce(values)
    except PeerError as error:
        pipe.send((time.time() - clock.item(), "rank 1 died" in str(error)))


def killed_rank(transport, repetitions, size=4):
    """Median over some killings of when the last survivor has named the dead rank."""
    seconds = []
    for _ in range(repetitions):
        found = on_ranks("fork", size, survivor, transport, answers=size - 1)
        if not all(named for _, named in found):
            raise SystemExit("a survivor did not name the rank that was killed")
        seconds.append(max(late for late, _ in found))
    name = f"seconds until a killed rank is named, {size} ranks, {transport}"
    return [(name, statistics.median(seconds), KILLED_TARGET_S)]


def on_ranks(method, size, function, *arguments, answers=1):
    """Run ``function(rank, size, store, *arguments, pipe)`` on all ranks; what they send."""
    context = multiprocessing.get_context(method)
    ours, theirs = context.Pipe(duplex=False)
    with tempfile.TemporaryDirectory() as folder:
        store = str(Path(folder) / "store")
        ranks = [
            context.Process(target=function, args=(rank, size, store, *arguments, theirs))
            for rank in range(size)
        ]
        for process in ranks:
            process.start()
        theirs.close()
        try:
            found = [ours.recv() for _ in range(answers)]
        except EOFError:
            raise SystemExit("a rank failed; see above") from None
        for process in ranks:
            process.join()
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="print a list of {case, ratio, target}")
    parser.add_argument("--quick", action="store_true", help="see that it runs; 1 MB, 3 turns")
    parser.add_argument("--mpi", nargs="+", metavar="PYTHON", help="interpreters with mpi4py")
    arguments = parser.parse_args()
    repetitions, megabytes = (3, (1,)) if arguments.quick else (15, MEGABYTES)
    with two_hosts() as hosts:
        if hosts is None:
            print("skipped: two hosts, since network namespaces are forbidden", file=sys.stderr)
        rows = [row for size in (2, 4) for row in compared(size, repetitions, megabytes, hosts)]
    rows += [row for name in TARGETS for row in killed_rank(name, min(repetitions, 5))]
    sizes = ["1 MB"] if arguments.quick else list(bench_mpi.SIZES)
    for python in (None, *arguments.mpi) if arguments.mpi else ():
        rows += bench_mpi.compared(sizes, arguments.quick, python)
    if arguments.json:
        keys = ("case", "ratio", "target")
        json.dump([dict(zip(keys, row, strict=True)) for row in rows], sys.stdout, indent=1)
        print()
        return
    for case, ratio, target in rows:
        print(f"{case:55} {ratio:6.2f}   (target ≤ {target})")


if __name__ == "__main__":
    main()
