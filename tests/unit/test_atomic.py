"""A file is replaced as a whole, or is as it was; nothing is left beside it."""

import os
import resource
import signal
import subprocess
import sys
import time

import pytest

from qring import atomic
from qring.errors import InputError


def test_a_file_is_replaced_and_keeps_its_permissions(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("old")
    path.chmod(0o640)
    atomic.write(path, b"ne", memoryview(b"w"))
    assert path.read_text() == "new"
    assert path.stat().st_mode & 0o777 == 0o640
    assert list(tmp_path.iterdir()) == [path]


def test_a_new_file_obeys_the_umask(tmp_path):
    old = os.umask(0o027)
    try:
        atomic.write_text(tmp_path / "a", "ε")
    finally:
        os.umask(old)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "a").read_text(encoding="utf-8") == "ε"


def test_symbolic_links_are_followed_and_stay(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real/file")
    for text in ("first", "second"):  # at first the link leads nowhere
        atomic.write_text(tmp_path / "link", text)
        assert (tmp_path / "real" / "file").read_text() == text
    assert (tmp_path / "link").is_symlink()


def test_pipes_and_devices_are_written_to_as_they_are(tmp_path):
    atomic.write_text(tmp_path / "x", "")
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    try:
        atomic.write_text(tmp_path / "pipe", "through")
        assert os.read(reader, 100) == b"through"
    finally:
        os.close(reader)
    (tmp_path / "null").symlink_to("/dev/null")
    atomic.write_text(tmp_path / "null", "gone")
    (tmp_path / "full").symlink_to("/dev/full")
    with pytest.raises(InputError, match="No space left"):
        atomic.write_text(tmp_path / "full", "x")
    assert (tmp_path / "full").is_symlink()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: folder, "is a folder"),
        (lambda folder: folder / "no" / "file", "no such folder"),
        (lambda folder: folder / ("a" * 300), "name too long"),
        (lambda folder: folder / "loop", "symbolic links"),
        (lambda folder: folder / "file" / "x", "[Nn]ot a directory"),
    ],
)
def test_what_cannot_be_written_is_refused_before_and_after_work(tmp_path, make, message):
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "file").write_text("kept")
    for attempt in (atomic.check_writable, lambda path: atomic.write_text(path, "x")):
        with pytest.raises(InputError, match=message):
            attempt(make(tmp_path))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "loop"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_closed_folders_and_files_are_refused(tmp_path):
    (tmp_path / "file").write_text("kept")
    (tmp_path / "file").chmod(0o444)
    with pytest.raises(InputError, match="permissions"):
        atomic.write_text(tmp_path / "file", "x")
    tmp_path.chmod(0o555)
    with pytest.raises(InputError, match="nothing can be made"):
        atomic.write_text(tmp_path / "new", "x")


def test_a_full_disk_leaves_the_old_file_and_no_draft(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"old")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(InputError, match="File too large"):
            atomic.write(path, bytes(10_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_interrupted_write_leaves_the_old_file_and_no_draft(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"old")
    code = f"""
import os, pathlib, time
from qring import atomic
os.fsync = lambda _: time.sleep(60)
atomic.write(pathlib.Path({str(path)!r}), b"new")
"""
    run = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    end = time.monotonic() + 30
    while len(list(tmp_path.iterdir())) < 2 and time.monotonic() < end:
        time.sleep(0.01)
    run.send_signal(signal.SIGINT)
    assert run.wait(30) != 0
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_one_of_many_makes_a_file_and_every_folder_is_new(tmp_path):
    assert atomic.create(tmp_path / "a")
    assert not atomic.create(tmp_path / "a")
    made = [atomic.new_folder(tmp_path / "runs" / "x") for _ in range(3)]
    assert [folder.name for folder in made] == ["x", "x-2", "x-3"]
    with pytest.raises(InputError, match="cannot make the folder"):
        atomic.new_folder(tmp_path / "a" / "x")
