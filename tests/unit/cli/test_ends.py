"""However a command ends, it is one line and one of five statuses, and no file is half-written."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from qring.cli.main import main

QRING = [sys.executable, "-m", "qring"]


@pytest.fixture
def files(tmp_path):
    paths = [tmp_path / f"{k}.npy" for k in range(3)]
    for path in paths:
        np.save(path, np.ones(4, np.float32))
    return [str(path) for path in paths]


def start(*words, **keywords):
    return subprocess.Popen([*QRING, *words], stderr=subprocess.PIPE, text=True, **keywords)


def test_a_full_standard_output_is_one_line(files):
    with Path("/dev/full").open("w") as full:
        run = start("allreduce", *files, stdout=full)
        _, err = run.communicate(timeout=60)
    assert run.returncode == 2
    assert err == "qring: cannot write to standard output: No space left on device\n"


@pytest.mark.parametrize("words", [["--json"], ["--help"], []])
def test_a_pipe_that_closes_early_ends_quietly(files, words):
    reader, writer = os.pipe()
    os.close(reader)
    run = start("allreduce", *files, *words, stdout=writer)
    os.close(writer)
    _, err = run.communicate(timeout=60)
    assert (run.returncode, err) == (0, "")


def test_a_pipe_that_closes_early_does_not_hide_an_abort(files):
    reader, writer = os.pipe()
    os.close(reader)
    words = ["--protocol", "secagg", "--word-bits", "8", "--drop", "1:mask"]
    run = start("allreduce", *files, *words, "--on-dropout", "abort", stdout=writer)
    os.close(writer)
    run.communicate(timeout=60)
    assert run.returncode == 1


def test_a_full_standard_error_loses_nothing(files):
    with Path("/dev/full").open("w") as full:
        words = ["allreduce", *files, "--word-bits", "8", "--json"]
        run = subprocess.run([*QRING, *words], stderr=full, stdout=subprocess.PIPE, check=False)
    assert run.returncode == 0
    assert json.loads(run.stdout)["workers"] == 3


@pytest.mark.parametrize("encoding", ["latin-1", "ascii", "utf-8"])
def test_terminals_that_lack_signs_get_them_spelled(files, encoding):
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    words = ["--protocol", "vga", "--word-bits", "4"]
    run = start("allreduce", *files, *words, stdout=subprocess.PIPE, env=environment,
                encoding=encoding)  # fmt: skip
    out, err = run.communicate(timeout=60)
    assert run.returncode == 0
    assert "Traceback" not in err
    assert ("ε" if encoding == "utf-8" else "eps") in out


def long_run(folder, *words):
    """Start a command that takes long, and wait until it is at work."""
    run = start("masks", str(folder), "--make", "2e7", "--workers", "2", *words)
    end = time.monotonic() + 60
    while not list(folder.glob(".*.part")) and time.monotonic() < end:
        time.sleep(0.02)
    assert run.poll() is None
    return run


def test_masks_say_size_and_time_and_an_interrupt_leaves_none(tmp_path):
    run = long_run(tmp_path)
    run.send_signal(signal.SIGINT)
    _, err = run.communicate(timeout=60)
    assert run.returncode == 130
    told, last = err.splitlines()
    assert last == "qring: interrupted"
    assert "0.32 GB on disk" in told
    assert "about" in told
    assert list(tmp_path.iterdir()) == []


def test_a_polite_kill_cleans_up_and_a_rude_one_leaves_what_can_be_removed(tmp_path, capsys):
    run = long_run(tmp_path)
    run.terminate()
    run.communicate(timeout=60)
    assert run.returncode == -signal.SIGTERM
    assert list(tmp_path.iterdir()) == []
    run = long_run(tmp_path)
    assert main(["masks", str(tmp_path), "--discard", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["leftovers"] == 0  # its maker is at work
    run.kill()
    run.communicate(timeout=60)
    assert main(["masks", str(tmp_path)]) == 2
    assert "holds no masks" in capsys.readouterr().err
    assert main(["masks", str(tmp_path), "--discard"]) == 0
    assert "2 leftovers" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def test_half_a_batch_is_named_and_removed_and_makers_clear_leftovers(tmp_path, capsys):
    ask = ["masks", str(tmp_path), "--make", "50", "--workers", "3", "--epsilon", "2^-10"]
    (tmp_path / ".worker-0.masks.0badcafe.part").write_bytes(b"secret")
    assert main(ask) == 0
    assert not list(tmp_path.glob(".*"))
    (tmp_path / "worker-1.masks").unlink()
    capsys.readouterr()
    assert main(["masks", str(tmp_path)]) == 2
    assert "of 2 of 3 workers" in capsys.readouterr().err
    assert main(ask) == 2
    assert "--discard" in capsys.readouterr().err
    assert main(["masks", str(tmp_path), "--discard"]) == 0
    assert "of 2 workers" in capsys.readouterr().out
    assert main(ask) == 0


def test_masks_that_no_disk_holds_are_refused_at_once(tmp_path, capsys):
    assert main(["masks", str(tmp_path / "m"), "--make", "2e9", "--workers", "1000"]) == 2
    assert "and the disk has" in capsys.readouterr().err
    assert not (tmp_path / "m").exists()


def test_masks_on_a_full_disk_leave_nothing(tmp_path):
    code = "ulimit -f 200; exec " + " ".join(QRING) + f" masks {tmp_path}/m --make 200000"
    run = subprocess.run(["/bin/bash", "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 2
    assert run.stderr.splitlines()[-1].endswith("File too large")
    assert "Traceback" not in run.stderr
    assert list((tmp_path / "m").iterdir()) == []


def test_a_long_run_of_a_circuit_hears_an_interrupt():
    pytest.importorskip("qiskit_aer")
    run = start("circuit", "phase-digits", "--shots", "1e9", stdout=subprocess.PIPE)
    time.sleep(6)  # past the imports
    run.send_signal(signal.SIGINT)
    out, err = run.communicate(timeout=60)
    assert (run.returncode, out, err) == (130, "", "qring: interrupted\n")


def test_an_interrupt_that_a_library_turns_into_its_own_error_is_still_one(capsys):
    from qring.cli.ends import ended_well

    def library():
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            raise RuntimeError("cannot synthesise") from None

    assert ended_well(library) == 130
    assert capsys.readouterr().err == "qring: interrupted\n"

    def bug():
        raise RuntimeError("a bug stays one")

    with pytest.raises(RuntimeError, match="a bug"):
        ended_well(bug)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
