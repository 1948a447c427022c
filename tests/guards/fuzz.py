"""Feed absurd numbers to every option, and damaged files to every reader; report what is wrong.

    python tests/guards/fuzz.py options --seconds 600
    python tests/guards/fuzz.py files --seconds 600 --seed 1

Each run must end with status 0, 1, 2, 3 or 130 and without a traceback. Runs are cut short by an
interrupt, which is one more thing that must end well. Memory is limited, so that sizes nobody has
end in a refusal and not in the machine's.
"""

import argparse
import contextlib
import faulthandler
import importlib
import io
import os
import random
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path

import numpy as np

from qring.cli.main import command_line, main

ALLOWED = {0, 1, 2, 3, 130}
MEMORY = 12 << 30
W = ["w0.npy", "w1.npy", "w2.npy"]
COMMANDS = {
    "allreduce": [
        [*W, "--word-bits", "4"],
        *(
            [*W, "--word-bits", "4", "--protocol", protocol]
            for protocol in ("classical", "ghz", "vga", "private", "secagg")
        ),
    ],
    "attack": [
        ["--attack", "plus-state", "--protocol", "ghz"],
        ["--attack", "one-bad-copy", "--protocol", "vga", "--rounds", "20"],
        ["--attack", "plus-state", "--protocol", "private", "--rounds", "20"],
    ],
    "train": [["--workers", "0"], ["--workers", "0", "--protocol", "secagg"]],
    "privacy": [[]],
    "dp": [["--epsilon", "1"], ["--noise", "1", "--mechanism", "central"]],
    "masks": [["folder", "--make", "10", "--workers", "2"]],
    "gapip": [[*W[:2], "--margin", ".2", "--error", ".1"]],
    "tieaudit": [["s.npy", "m.npy", "--epsilon", ".3", "--delta", ".2"]],
    "subspace": [["w0.npy", "sub.npy", "--epsilon", ".3", "--delta", ".2"]],
    "experiment": [],  # trains
    "reproduce": [],  # runs for minutes
    "device": [],  # imports for seconds
    "circuit": [],  # by name, see below
}
VALUES = [
    "0", "-1", "1", "2", "3", "5", "7", "16", "62", "63", "64", "65", "100", "1e3", "1e6", "1e9",
    "2^31", "2^32", "2^53", "2^62", "2^63-1", "2^63", "9223372036854775807", "1e18", "1e19", "1e30",
    "1e100", "1e101", "1e154", "1e200", "1e300", "1e308", "1e309", "1e400", "9" * 30, "9" * 400,
    "0.5", ".1", ".9", "0.999999999999", "1.0000001", "1e-3", "1e-9", "1e-15", "1e-17", "1e-30",
    "1e-99", "1e-100", "1e-300", "5e-324", "2^-40", "2^-1074", "2^-1e9", "2^1e5", "0^-1", "0^0",
    "-2^.5", "2^^2", "", " ", "x", "nan", "inf", "-inf", "-0", "+1", "1_0", "0x10", "1e", "1,2",
    "1,1,1", "0,0,0", "0:0", "1:2", "2:share", "1:mask", "٣", "1\n2", "\ud800", "1/3", "25MB",
]  # fmt: skip


class FindingError(Exception):
    """Something that must not happen."""


def options(parser):
    """(words before, option strings) of all options that take a free value."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, one in action.choices.items():
                for before, option in options(one):
                    yield [name, *before], option
        elif "--compare" in parser.format_usage() and "--workers" in action.option_strings:
            pass  # would start ranks
        elif (
            action.option_strings
            and action.nargs in (None, "+")
            and not action.choices
            and str(action.metavar) not in ("FILE", "DIR", "CARD", "SVG")
        ):
            yield [], action.option_strings[-1]


def cases():
    """Command lines: a base that works, and one option with one value."""
    for before, option in options(command_line()):
        bases = [[]] if before[0] == "circuit" else COMMANDS.get(before[0], [[]])
        for base in bases:
            for value in VALUES:
                yield [*before, *base, f"{option}={value}"]


def run(words, limit_s):
    """Run one command line in this process; raise a finding, or return its status."""
    out, err = io.StringIO(), io.StringIO()

    def ring(*_):
        signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGALRM, ring)
    # Again later: Python drops an interrupt that falls into a finaliser.
    signal.setitimer(signal.ITIMER_REAL, limit_s, 10 * limit_s)
    try:
        with (
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")
            try:
                status = main(words)
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
    except KeyboardInterrupt:  # rang between the command and this line
        status = 130
    except BaseException:
        raise FindingError(f"{words!r} ends in\n{traceback.format_exc(limit=-6)}") from None
    finally:
        signal.signal(signal.SIGALRM, before)
    said = err.getvalue()
    if status not in ALLOWED or "Traceback" in said or "Traceback" in out.getvalue():
        raise FindingError(f"{words!r} ends with {status}: {said[-300:]}")
    if status == 2 and (not said.strip() or len(said.splitlines()[-1]) > 600):
        raise FindingError(f"{words!r} is refused without a line: {said[-300:]}")
    return status


def prepare(folder):
    """Small inputs, all that the command lines above name."""
    os.chdir(folder)
    for heavy in ("torch", "qiskit", "qiskit_aer.primitives", "scipy.stats", "matplotlib.figure"):
        with contextlib.suppress(ImportError):  # an import that is cut short cannot be made good
            importlib.import_module(heavy)
    for k, name in enumerate(W):
        np.save(name, np.linspace(-1, 1, 4, dtype=np.float32) + k)
    np.save("s.npy", np.array([1, -1, 1, 1]))
    np.save("sub.npy", np.eye(4)[:, :2])
    np.save("m.npy", np.array([[0, 1], [2, 3]]))


def originals(rng):
    """Whole files of every kind that is read: (name, bytes, command line with the name)."""
    import torch
    from safetensors.numpy import save

    array = np.arange(24, dtype=np.float32).reshape(4, 6)
    files = {}
    for kind in ("<f4", ">f8", "<i2", "?"):
        stream = io.BytesIO()
        np.save(stream, array.astype(kind))
        files[f"{kind[1:]}.npy"] = stream.getvalue()
    stream = io.BytesIO()
    np.savez(stream, a=array)
    files["z.npy"] = stream.getvalue()
    files["a.safetensors"] = save({"a": array, "b": array[0].astype(np.float32)})
    state = {"w": torch.from_numpy(array), "b": torch.ones(3), "n": torch.tensor(3)}
    state["s"] = torch.eye(3).to_sparse()
    for name, new in (("new.pt", True), ("old.pt", False)):
        stream = io.BytesIO()
        kept = state if new else {k: v for k, v in state.items() if k != "s"}
        torch.save(kept, stream, _use_new_zipfile_serialization=new)
        files[name] = stream.getvalue()
    folder = Path("masks-made")
    if main(["masks", str(folder), "--make", "40", "--workers", "2", "--epsilon", "2^-8"]):
        raise FindingError("no masks could be made")
    made = {path.name: path.read_bytes() for path in folder.iterdir()}
    card = Path("card.json")
    card.write_text(
        '{"schema": "qring device card 1", "device": "d", "source": "s", "dt_s": 1e-9, "qubits": '
        '[{"index": 0, "t1_s": 1e-4, "t2_s": 1e-4, "read_0_as_1": 0.01, "read_1_as_0": 0.01}], '
        '"gates": [{"name": "x", "qubits": [0], "error": 0.001, "duration_s": 1e-8}]}'
    )
    files["card.json"] = card.read_bytes()
    return files, made


def damaged(whole, rng):
    """Bytes with a few faults: flipped, cut, doubled, overwritten by telling values."""
    data = bytearray(whole)
    for _ in range(rng.choice([1, 1, 2, 4, 16])):
        place = rng.randrange(len(data)) if data else 0
        if data and rng.random() < 0.5:
            place = min(place, rng.randrange(1, 300)) % len(data)  # heads matter most
        fault = rng.randrange(7)
        if fault == 0 and data:
            data[place] ^= 1 << rng.randrange(8)
        elif fault == 1 and data:
            data[place] = rng.choice([0, 255, 127, 128, ord("9"), ord("-"), ord("("), 10])
        elif fault == 2:
            del data[place:]
        elif fault == 3:
            data[place:place] = data[place : place + rng.randrange(64)]
        elif fault == 4:
            data[place : place + 8] = rng.choice([b"\xff" * 8, bytes(8), b"\0" * 7 + b"\x7f"])
        elif fault == 5:
            del data[place : place + rng.randrange(1, 9)]
        else:
            data[place : place + 4] = rng.randbytes(4)
    return bytes(data)


def file_case(files, made, rng):
    """Write one damaged file, and return the command line that reads it."""
    name = rng.choice([*files, "masks"])
    if name == "masks":
        for path, whole in made.items():
            (Path("masks-made") / path).write_bytes(whole)
        victim = rng.choice(list(made))
        (Path("masks-made") / victim).write_bytes(damaged(made[victim], rng))
        if rng.random() < 0.5:
            return ["masks", "masks-made"]
        words = ["--word-bits", "16", "--protocol", "private", "--epsilon", "2^-8"]
        return ["allreduce", *W[:2], *words, "--masks", "masks-made"]
    bad = Path(f"bad-{name}")
    bad.write_bytes(damaged(files[name], rng))
    if name == "card.json":
        return ["circuit", "ghz", "--workers", "1", "--shots", "3", "--device", str(bad)]
    twice = [str(bad), str(bad)]
    return rng.choice(
        [
            ["allreduce", *twice],
            ["allreduce", *twice, "--word-bits", "8"],
            ["tieaudit", "s.npy", str(bad), "--epsilon", ".3", "--delta", ".2"],
            ["gapip", *twice, "--margin", ".3", "--error", ".1"],
        ]
    )


def fuzz(what, *, seconds, seed, limit_s, count=None):
    """Run cases until the time is over; return how many ran, by status, and all findings."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1]))
    rng = random.Random(seed)  # noqa: S311
    found, statuses = [], {}
    end = time.monotonic() + seconds
    trail = Path(os.environ.get("FUZZ_TRAIL", os.devnull))  # its last line is what hung or crashed
    if what == "options":
        lines = list(cases())
        rng.shuffle(lines)
        source = iter(lines)
    else:
        files, made = originals(rng)
        source = iter(lambda: file_case(files, made, rng), None)
    for number, words in enumerate(source):
        if time.monotonic() > end or number == count:
            break
        trail.write_text(repr(words))
        faulthandler.dump_traceback_later(60 * limit_s, exit=True)  # neither done nor interrupted
        try:
            status = run(words, limit_s)
        except FindingError as finding:
            found.append(str(finding))
        else:
            statuses[status] = statuses.get(status, 0) + 1
    faulthandler.cancel_dump_traceback_later()
    return statuses, found


def script():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["options", "files"])
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--limit", type=float, default=1.0, help="seconds a run is given")
    parser.add_argument("--count", type=int, help="runs at most")
    asked = parser.parse_args()
    faulthandler.enable()
    with tempfile.TemporaryDirectory() as folder:
        prepare(folder)
        statuses, found = fuzz(asked.what, seconds=asked.seconds, seed=asked.seed,
                               limit_s=asked.limit, count=asked.count)  # fmt: skip
        os.chdir("/")
    print(f"{sum(statuses.values())} runs, by status: {dict(sorted(statuses.items()))}")
    for text in found:
        print(text)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(script())
