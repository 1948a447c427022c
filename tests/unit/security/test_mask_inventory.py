"""Masks on disk: never twice, whoever dies when; whatever is not a whole file is refused."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qring.errors import InputError
from qring.security.masks import file as files
from qring.security.masks.file import MaskFile, MaskLabel
from qring.security.masks.inventory import Inventory, mask_path, writers

WORKERS, BITS, MASKS = 3, 20, 1000


def label(worker, batch=b"B" * 16, masks=MASKS, bits=BITS):
    return MaskLabel(
        batch=batch, worker=worker, workers=WORKERS, sum_bits=bits, masks=masks, withstood=5,
        epsilon=2.0**-40, correctness=2.0**-41,
    )  # fmt: skip


def masks_of(worker, masks=MASKS, bits=BITS):
    return np.random.default_rng(worker).integers(1 << bits, size=masks, dtype=np.uint64)


def fill(folder, **change):
    labels = [label(worker, **change) for worker in range(WORKERS)]
    own = np.stack([masks_of(w, labels[0].masks, labels[0].sum_bits) for w in range(WORKERS)])
    total = own.sum(axis=0) % np.uint64(1 << labels[0].sum_bits)
    with writers(folder, labels) as open_:
        for start in range(0, own.shape[1], 300):
            part = slice(start, start + 300)
            for worker, writer in enumerate(open_):
                writer.append(own[worker, part], total[part])
    return own, total


@pytest.mark.parametrize("bits", [1, 8, 9, 20, 33, 62])
def test_what_was_written_in_parts_comes_out_in_order(tmp_path, bits):
    own, total = fill(tmp_path, bits=bits)
    taken = 0
    for count in (1, 0, 299, 450, 250):
        with Inventory(tmp_path) as inventory:
            assert inventory.left == MASKS - taken
            start, masks, sums = inventory.take(count)
        assert start == taken
        assert (masks == own[:, start : start + count]).all()
        assert (sums == total[start : start + count]).all()
        taken += count
    with Inventory(tmp_path) as inventory, pytest.raises(InputError, match="has 0 left; make new"):
        inventory.take(1)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=12)
@given(
    block=st.sampled_from([1, 50, 64, 4096]),
    steps=st.lists(
        st.tuples(st.integers(0, 120), st.booleans(), st.integers(0, WORKERS - 1)), max_size=12
    ),
)
def test_no_mask_is_taken_twice_in_any_order_of_events(tmp_path_factory, monkeypatch, block, steps):
    folder = tmp_path_factory.mktemp("masks")
    monkeypatch.setattr(files, "_BLOCK", block)
    own, _ = fill(folder)
    seen = np.zeros((WORKERS, MASKS), int)
    for count, alone, worker in steps:
        if alone:  # one worker takes, and dies before the others do
            file = MaskFile(mask_path(folder, worker))
            if file.label.masks - file.used >= count:
                taken = file.take(count)
                seen[worker, taken.start : taken.start + count] += 1
                assert (taken.own == own[worker, taken.start : taken.start + count]).all()
            file.close()
        else:
            with Inventory(folder) as inventory:
                if inventory.left < count:
                    continue
                start, masks, _ = inventory.take(count)
            seen[:, start : start + count] += 1
            assert (masks == own[:, start : start + count]).all()
    assert seen.max(initial=0) <= 1


SCRIPT = """
import json, os, signal, sys
from pathlib import Path
from qring.security.masks import file as files
from qring.security.masks.file import MaskFile

path, moment, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
die = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
whole_pwrite = os.pwrite

def torn(descriptor, data, offset):
    if offset in files._SLOTS:
        whole_pwrite(descriptor, data[:11], offset)
        die()
    return whole_pwrite(descriptor, data, offset)

store = MaskFile(path)
if moment == "while the cursor is written":
    os.pwrite = torn
elif moment == "before the disk has the cursor":
    os.fsync = die
elif moment == "before the masks are read":
    files._pread = die
elif moment == "while the masks are erased":
    files._erase = lambda d, size, at: (whole_pwrite(d, bytes(size // 2), at), die())
taken = store.take(count)
print(json.dumps([taken.start, taken.own.tolist()]), flush=True)
if moment == "between taking and using":
    die()
"""

MOMENTS = [
    "while the cursor is written",
    "before the disk has the cursor",
    "before the masks are read",
    "while the masks are erased",
    "between taking and using",
]


def takes(path, moment, count):
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(path), moment, str(count)],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert run.returncode in (0, -signal.SIGKILL), run.stderr
    return json.loads(run.stdout) if run.stdout else None, run.returncode


def test_a_process_killed_at_any_moment_never_leads_to_a_mask_used_twice(tmp_path):
    own, _ = fill(tmp_path)
    path = mask_path(tmp_path, 1)
    used: list[int] = []
    for moment in [*MOMENTS, "at no moment"]:
        taken, status = takes(path, moment, 37)
        assert (status == 0) == (moment == "at no moment")
        if taken is not None:
            start, masks = taken
            assert masks == own[1, start : start + 37].tolist()
            used += range(start, start + 37)
        file = MaskFile(path)
        assert file.used >= max(used, default=-1) + 1
        again = file.take(5)
        used += range(again.start, again.start + 5)
        assert (again.own == own[1, again.start : again.start + 5]).all()
        file.close()
    assert len(used) == len(set(used))
    assert len(used) == 2 * 37 + 5 * (len(MOMENTS) + 1)


def test_processes_that_take_at_once_share_nothing(tmp_path):
    fill(tmp_path)
    code = """
import sys
from pathlib import Path
from qring.security.masks.inventory import Inventory
for _ in range(25):
    with Inventory(Path(sys.argv[1])) as inventory:
        print(inventory.take(7)[0])
"""
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    starts = [int(line) for run in runs for line in run.communicate(timeout=60)[0].split()]
    assert all(run.returncode == 0 for run in runs)
    assert sorted(starts) == list(range(0, 75 * 7, 7))


def test_masks_that_were_taken_are_erased(tmp_path):
    own, _ = fill(tmp_path)
    file = MaskFile(mask_path(tmp_path, 0))
    assert (file.take(10, start=90).own == own[0, 90:100]).all()
    file.close()
    stored = mask_path(tmp_path, 0).read_bytes()[4096:]
    assert not any(stored[: 100 * 8])
    assert any(stored[100 * 8 :])


def test_going_back_is_refused(tmp_path):
    fill(tmp_path)
    file = MaskFile(mask_path(tmp_path, 0))
    file.take(50)
    with pytest.raises(InputError, match=r"before 50 are used up, and no mask is used twice"):
        file.take(5, start=49)
    file.close()


@pytest.mark.parametrize(
    ("break_it", "said"),
    [
        (lambda p: p.unlink(), "masks of 2 of 3 workers"),
        (lambda p: p.write_bytes(b""), "is not a file of masks"),
        (lambda p: p.write_bytes(os.urandom(9000)), "is not a file of masks"),
        (lambda p: p.write_bytes(p.read_bytes()[:-1]), "cut short"),
        (lambda p: p.write_bytes(p.read_bytes() + b"x"), "added to"),
        (lambda p: change(p, 20), "is not a file of masks"),
        (lambda p: [change(p, 515), change(p, 1030)], "does not say any more which masks"),
        (lambda p: p.write_bytes(b"\x93NUMPY" + bytes(200)), "is not a file of masks"),
        (lambda p: older(p), "masks of format 0, and this version uses format 2 only: make new"),
    ],
)  # fmt: skip
def test_files_that_cannot_be_trusted_are_refused(tmp_path, break_it, said):
    fill(tmp_path)
    break_it(mask_path(tmp_path, 1))
    with pytest.raises(InputError, match=said):
        Inventory(tmp_path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(
    block=st.sampled_from([1, 7, 64, 4096]), gone=st.integers(0, 900), count=st.integers(1, 99),
    where=st.integers(0, 10**6), bit=st.integers(0, 7), table=st.booleans(),
)  # fmt: skip
def test_a_flipped_bit_is_found_before_any_mask_is_taken(
    tmp_path_factory, block, gone, count, where, bit, table
):
    folder = tmp_path_factory.mktemp("masks")
    whole, files._BLOCK = files._BLOCK, block
    try:
        own, _ = fill(folder)
        with Inventory(folder) as inventory:
            inventory.take(gone)
        path = mask_path(folder, 1)
        body = bytearray(path.read_bytes())
        end = 4096 + MASKS * 8
        first, stop = gone // block, -(-(gone + count) // block)
        if table and gone % block == 0:  # a check sum of one of the blocks that are asked for
            at = end + 4 * first + where % (4 * (stop - first))
        else:  # a mask of those, or of the rest of the last one's block
            low, high = 4096 + gone * 8, 4096 + 8 * min(MASKS, stop * block)
            at = low + where % (high - low)
        body[at] ^= 1 << bit
        path.write_bytes(body)
        before = [mask_path(folder, worker).read_bytes() for worker in range(WORKERS)]
        with Inventory(folder) as inventory:
            with pytest.raises(InputError, match="damaged: their check sum is wrong; make new"):
                inventory.take(count)
            assert inventory.left == MASKS - gone
        assert before == [mask_path(folder, worker).read_bytes() for worker in range(WORKERS)]
        body[at] ^= 1 << bit
        path.write_bytes(body)
        with Inventory(folder) as inventory:
            assert (inventory.take(count)[1] == own[:, gone : gone + count]).all()
    finally:
        files._BLOCK = whole


def test_what_somebody_else_took_in_between_is_not_taken_again(tmp_path):
    fill(tmp_path)
    file, other = (MaskFile(mask_path(tmp_path, 0)) for _ in range(2))
    seen = file.look(10, start=0)
    other.take(3)
    with pytest.raises(InputError, match="somebody else took masks"):
        file.spend(seen)
    assert file.used == 3
    file.close()
    other.close()


def change(path: Path, at: int) -> None:
    body = bytearray(path.read_bytes())
    body[at] ^= 1
    path.write_bytes(body)


def older(path: Path) -> None:
    body = bytearray(path.read_bytes())
    head = files._unsealed(bytes(body[: files._HEADER.size + 4]))
    changed = files._sealed(head[:8] + bytes(4) + head[12:])
    body[: len(changed)] = changed
    path.write_bytes(body)


def test_masks_of_different_batches_are_refused(tmp_path):
    fill(tmp_path / "a")
    fill(tmp_path / "b", batch=b"C" * 16)
    mask_path(tmp_path / "b", 2).replace(mask_path(tmp_path / "a", 2))
    with pytest.raises(InputError, match="worker 2 .* not made together"):
        Inventory(tmp_path / "a")
    mask_path(tmp_path / "b", 0).replace(mask_path(tmp_path / "b", 2))
    with pytest.raises(InputError, match="cannot open the masks"):
        Inventory(tmp_path / "b")


def test_unfinished_masks_leave_nothing_and_existing_ones_are_kept(tmp_path):
    half_done = writers(tmp_path, [label(0)])
    (writer,) = half_done.__enter__()
    writer.append(masks_of(0), masks_of(0))
    half_done.__exit__(RuntimeError, RuntimeError(), None)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InputError, match="0 of 1000 masks"), writers(tmp_path, [label(0)]):
        pass
    assert list(tmp_path.iterdir()) == []
    own, _ = fill(tmp_path)
    with pytest.raises(InputError, match="exists already"):
        fill(tmp_path)
    with Inventory(tmp_path) as inventory:
        assert (inventory.take(MASKS)[1] == own).all()
    (tmp_path / "plain").write_text("")
    with pytest.raises(InputError, match="cannot keep masks"):
        fill(tmp_path / "plain")


def test_a_file_is_readable_by_its_owner_only(tmp_path):
    fill(tmp_path)
    assert mask_path(tmp_path, 0).stat().st_mode & 0o077 == 0
