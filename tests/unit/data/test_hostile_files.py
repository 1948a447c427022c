"""Files that are damaged, absurd or odd: one line says which, and no memory is taken."""

import os
import struct

import numpy as np
import pytest

from qring.data.gradient_files import (
    IntegerTensors,
    check_target,
    read_gradient,
    read_workers,
    write_gradient,
)
from qring.errors import InputError

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")


def refusal(path):
    with pytest.raises(InputError) as caught:
        read_gradient(path)
    text = str(caught.value)
    assert "\n" not in text
    assert str(path)[:40] in text
    return text


def npy(path, header, data=bytes(64)):
    path.write_bytes(
        b"\x93NUMPY\x01\0" + struct.pack("<H", len(header) + 1) + header + b"\n" + data
    )
    return path


def head(shape, kind="<f4"):
    return f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}".encode()


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (head("(1000000000000,)"), "4,000,000,000,000 bytes, but 64 follow"),
        (head(f"({2**70},)"), "bytes, but 64 follow"),
        (head("(-4,)"), "its shape is"),
        (head("(0, 4)"), "holds no values"),
        (head("(4,)", "|V2"), "save those as .safetensors"),
        (head("(4,)", "<c8"), "real numbers"),
        (head("(4,)", "|O"), "never runs code"),
        (head("(4,)", "<U1"), "real numbers"),
        (b"{'descr': '<f4', 'fortran_order': False, 'shape': (16,", "not a readable"),
        (b"(" * 5000, "not a readable"),
        (b"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (4,), }", "real numbers"),
        (b"\xff" * 40, "not a readable"),
    ],
)
def test_bad_npy_heads(tmp_path, header, message):
    assert message in refusal(npy(tmp_path / "a.npy", header))


def test_archives_and_odd_versions_are_no_npy(tmp_path):
    (tmp_path / "a.npy").write_bytes(b"PK\x03\x04garbage")
    assert "archive" in refusal(tmp_path / "a.npy")
    np.savez(tmp_path / "b.npz", np.ones(3))
    (tmp_path / "b.npz").rename(tmp_path / "b.npy")
    assert "archive" in refusal(tmp_path / "b.npy")
    (tmp_path / "c.npy").write_bytes(b"\x93NUMPY\x09\0" + bytes(100))
    assert "version" in refusal(tmp_path / "c.npy")


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("shape", [(), (1,), (3, 4), (2, 3, 4)])
def test_npy_files_are_those_of_numpy(tmp_path, shape, order):
    array = np.asarray(np.random.default_rng(0).normal(size=shape), dtype=">f8", order=order)
    np.save(tmp_path / "a.npy", array)
    vector, layout = read_gradient(tmp_path / "a.npy")
    write_gradient(tmp_path / "b.npy", vector, layout)
    again = np.load(tmp_path / "b.npy")
    assert again.shape == shape
    assert (again == array).all()


@pytest.mark.parametrize("suffix", [".npy", ".safetensors", ".pt"])
def test_what_is_no_file_is_called_what_it_is(tmp_path, suffix):
    assert "no such file" in refusal(tmp_path / f"a{suffix}")
    (tmp_path / f"d{suffix}").mkdir()
    assert "is a folder" in refusal(tmp_path / f"d{suffix}")
    os.mkfifo(tmp_path / f"p{suffix}")
    assert "is a pipe" in refusal(tmp_path / f"p{suffix}")
    assert "too long" in refusal(tmp_path / ("a" * 300 + suffix))


def embedding_gradient():
    table = torch.nn.Embedding(10, 3, sparse=True)
    table(torch.tensor([1, 2, 2])).sum().backward()
    return table.weight.grad


@pytest.mark.parametrize(
    "make",
    [
        embedding_gradient,
        lambda: torch.eye(4).to_sparse_csr(),
        lambda: torch.eye(4).to_sparse_csc(),
        lambda: torch.eye(4).to_sparse_bsr((2, 2)),
        lambda: torch._neg_view(torch.eye(4)),
        lambda: torch.nn.Parameter(torch.eye(4)),
        lambda: torch.ones(1).expand(5),
        lambda: torch.arange(12.0).reshape(3, 4).T,
        lambda: torch.ones(3, dtype=torch.complex64).conj().imag,
    ],
)
@pytest.mark.filterwarnings("ignore:Sparse")
def test_torch_tensors_of_all_layouts_are_resolved(tmp_path, make):
    tensor = make()
    torch.save({"w": tensor}, tmp_path / "a.pt")
    vector, layout = read_gradient(tmp_path / "a.pt")
    dense = tensor.detach().to_dense() if tensor.layout is not torch.strided else tensor.detach()
    assert layout.shapes == (("w", tuple(tensor.shape)),)
    assert vector.tolist() == dense.resolve_neg().reshape(-1).tolist()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: torch.quantize_per_tensor(torch.eye(4), 0.1, 0, torch.qint8), "quantised"),
        (lambda: torch.empty(4, device="meta"), "meta device"),
        (lambda: torch.nested.nested_tensor([torch.ones(2), torch.ones(3)]), "nested"),
        (lambda: torch.eye(4, dtype=torch.complex64).conj(), "complex64"),
        (lambda: torch.ones(1).expand(10**12), "unpacks to 4e+12"),
        (lambda: torch.sparse_coo_tensor([[0], [0]], [1.0], (10**6, 10**6)), "unpacks to 4e+12"),
        (lambda: torch.zeros(0), "no values"),
        (lambda: {"deeper": torch.ones(2)}, "'w' is dict"),
        (lambda: 3, "'w' is int"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_torch_tensors_without_plain_values_are_refused_by_name(tmp_path, make, message):
    torch.save({"w": make()}, tmp_path / "a.pt")
    assert message in refusal(tmp_path / "a.pt")


@pytest.mark.parametrize("name", ["float8_e4m3fn", "float8_e5m2", "bfloat16"])
@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
def test_narrow_floats_are_read_though_nobody_imported_their_package(tmp_path, name, suffix):
    from safetensors.torch import save_file

    tensor = torch.tensor([1.0, -2.0, 0.5]).to(getattr(torch, name))
    path = tmp_path / f"a{suffix}"
    torch.save({"w": tensor}, path) if suffix == ".pt" else save_file({"w": tensor}, path)
    code = f"""
import pathlib, sys
assert "ml_dtypes" not in sys.modules
from qring.data.gradient_files import read_gradient, write_gradient
vector, layout = read_gradient(pathlib.Path({str(path)!r}))
print(vector.dtype.name, vector.astype("float32").tolist())
write_gradient(pathlib.Path({str(tmp_path / "b.pt")!r}), vector, layout)
"""
    import subprocess
    import sys

    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.stdout.split(maxsplit=1) == [name, "[1.0, -2.0, 0.5]\n"], run.stderr
    again = torch.load(tmp_path / "b.pt", weights_only=True)["w"]
    assert again.dtype is tensor.dtype
    assert (again.float() == tensor.float()).all()


def test_narrow_floats_are_not_written_where_numpy_could_not_read_them(tmp_path):
    torch.save({"w": torch.ones(3, dtype=torch.bfloat16)}, tmp_path / "a.pt")
    vector, layout = read_gradient(tmp_path / "a.pt")
    for attempt in (
        lambda: check_target(tmp_path / "s.npy", layout, vector.dtype),
        lambda: write_gradient(tmp_path / "s.npy", vector, layout),
    ):
        with pytest.raises(InputError, match=r"cannot hold bfloat16; write \.safetensors"):
            attempt()


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({0: torch.ones(2), "0": torch.full((2,), 7.0)}, "key 0"),
        ({"": torch.ones(2), "gradient": torch.full((2,), 5.0)}, "key ''"),
        ({("a",): torch.ones(2)}, "key"),
    ],
)
def test_keys_that_would_become_one_name_are_refused(tmp_path, state, message):
    torch.save(state, tmp_path / "a.pt")
    assert message in refusal(tmp_path / "a.pt")


def test_the_reserved_name_of_safetensors_is_refused_before_any_work(tmp_path):
    torch.save({"__metadata__": torch.ones(2), "w": torch.ones(2)}, tmp_path / "a.pt")
    vector, layout = read_gradient(tmp_path / "a.pt")
    with pytest.raises(InputError, match="reserved"):
        check_target(tmp_path / "s.safetensors", layout)
    write_gradient(tmp_path / "s.pt", vector, layout)
    assert set(torch.load(tmp_path / "s.pt", weights_only=True)) == {"__metadata__", "w"}


def test_counters_among_floats_are_left_out_aloud_or_taken_in_exactly(tmp_path):
    model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3))
    torch.save(model.state_dict(), tmp_path / "a.pt")
    rows, layout = read_workers([tmp_path / "a.pt"] * 2)
    assert layout.left_out == ("1.num_batches_tracked",)
    assert "'1.num_batches_tracked'" in layout.notice()
    assert "--integers as-floats" in layout.notice()
    whole, all_of_it = read_workers([tmp_path / "a.pt"] * 2, integers=IntegerTensors.AS_FLOATS)
    assert whole.shape[1] == rows.shape[1] + 1
    assert whole.dtype == np.float32
    assert not all_of_it.left_out
    torch.save({"w": torch.ones(2), "n": torch.tensor(2**24 + 1)}, tmp_path / "b.pt")
    with pytest.raises(InputError, match="'n' holds int64 values that float32 cannot hold"):
        read_workers([tmp_path / "b.pt"], integers=IntegerTensors.AS_FLOATS)


def test_archives_that_unpack_to_more_than_memory_are_refused(tmp_path):
    import zipfile

    entry = zipfile.ZipInfo("archive/data/0")
    with zipfile.ZipFile(tmp_path / "a.pt", "w") as archive:
        archive.writestr(entry, b"x")
    whole = bytearray((tmp_path / "a.pt").read_bytes())
    place = whole.index(b"PK\x01\x02")
    struct.pack_into("<I", whole, place + 24, 0xFFFFFFF0)
    (tmp_path / "a.pt").write_bytes(bytes(whole))
    refusal(tmp_path / "a.pt")


@pytest.mark.parametrize("layout", ["coo", "csr"])
@pytest.mark.filterwarnings("ignore:Sparse")
def test_indices_of_sparse_tensors_are_checked_before_memory_is_written(tmp_path, layout):
    tensor = torch.eye(3).to_sparse() if layout == "coo" else torch.eye(3).to_sparse_csr()
    torch.save({"w": tensor}, tmp_path / "a.pt")
    whole = bytearray((tmp_path / "a.pt").read_bytes())
    place = whole.index(np.array([0, 1, 2], np.int64).tobytes())
    whole[place + 16 : place + 24] = np.int64(1 << 40).tobytes()
    (tmp_path / "a.pt").write_bytes(bytes(whole))
    refusal(tmp_path / "a.pt")
