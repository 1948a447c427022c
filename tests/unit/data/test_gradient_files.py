import pickle

import ml_dtypes
import numpy as np
import pytest

from qring.data.gradient_files import read_gradient, read_workers, write_gradient
from qring.errors import InputError

torch = pytest.importorskip("torch")
safetensors = pytest.importorskip("safetensors.numpy")

TENSORS = {
    "layer.bias": np.arange(3, dtype=np.float32),
    "layer.weight": np.arange(6, dtype=np.float32).reshape(2, 3),
}


def save(path, tensors):
    if path.suffix == ".npy":
        np.save(path, next(iter(tensors.values())))
    elif path.suffix == ".safetensors":
        safetensors.save_file(tensors, path)
    else:
        torch.save({name: torch.from_numpy(array.copy()) for name, array in tensors.items()}, path)
    return path


@pytest.mark.parametrize("suffix", [".npy", ".safetensors", ".pt"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int32", "uint8"])
def test_files_come_back_as_they_were_written(tmp_path, suffix, dtype):
    tensors = {name: array.astype(dtype) for name, array in TENSORS.items()}
    vector, layout = read_gradient(save(tmp_path / f"a{suffix}", tensors))
    write_gradient(tmp_path / f"b{suffix}", vector, layout)
    again, same = read_gradient(tmp_path / f"b{suffix}")
    assert layout == same
    assert again.dtype == vector.dtype == dtype
    assert (again == vector).all()


def test_tensors_of_a_state_dict_are_laid_end_to_end(tmp_path):
    for suffix in (".safetensors", ".pt"):
        vector, layout = read_gradient(save(tmp_path / f"a{suffix}", TENSORS))
        assert vector.tolist() == [0, 1, 2, 0, 1, 2, 3, 4, 5]
        assert layout.split(vector)["layer.weight"].tolist() == [[0, 1, 2], [3, 4, 5]]


def test_bfloat16_keeps_its_bits(tmp_path):
    rng = np.random.default_rng(0)
    array = rng.normal(size=7).astype(ml_dtypes.bfloat16)
    safetensors.save_file({"g": array}, tmp_path / "a.safetensors")
    for path in (tmp_path / "a.safetensors", tmp_path / "a.pt"):
        vector, layout = read_gradient(tmp_path / "a.safetensors")
        write_gradient(path, vector, layout)
        again, _ = read_gradient(path)
        assert again.dtype.name == "bfloat16"
        assert again.tobytes() == array.tobytes()


def test_workers_are_stacked_in_the_order_of_their_files(tmp_path):
    paths = [tmp_path / f"{k}.npy" for k in range(3)]
    for k, path in enumerate(paths):
        np.save(path, np.full((2, 2), k, np.float32))
    rows, _ = read_workers(paths)
    assert rows.tolist() == [[k] * 4 for k in range(3)]


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (np.zeros((2, 3), np.float32), "shape"),
        (np.zeros((2, 2), np.float64), "type"),
    ],
)
def test_workers_that_differ_are_refused_by_name(tmp_path, other, message):
    np.save(tmp_path / "a.npy", np.zeros((2, 2), np.float32))
    np.save(tmp_path / "b.npy", other)
    with pytest.raises(InputError, match=rf"b\.npy.*{message}"):
        read_workers([tmp_path / "a.npy", tmp_path / "b.npy"])


def test_workers_with_other_tensor_names_are_refused(tmp_path):
    save(tmp_path / "a.pt", TENSORS)
    save(tmp_path / "b.pt", {"layer.bias": TENSORS["layer.bias"]})
    with pytest.raises(InputError, match=r"only one of them has 'layer\.weight'"):
        read_workers([tmp_path / "a.pt", tmp_path / "b.pt"])


@pytest.mark.parametrize("suffix", [".npy", ".safetensors", ".pt"])
@pytest.mark.parametrize("kept", [0, 5, 60, 0.5])
def test_truncated_files_are_refused(tmp_path, suffix, kept):
    path = save(tmp_path / f"a{suffix}", {"g": np.arange(500, dtype=np.float32)})
    whole = path.read_bytes()
    path.write_bytes(whole[: kept if isinstance(kept, int) else int(len(whole) * kept)])
    with pytest.raises(InputError) as caught:
        read_gradient(path)
    assert path.name in str(caught.value)
    assert "\n" not in str(caught.value)


class Harmful:
    def __reduce__(self):
        return (open, ("touched", "w"))


def test_pickles_with_code_are_refused_and_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"g": Harmful()}, "a.pt")
    (tmp_path / "b.pt").write_bytes(pickle.dumps(Harmful()))
    np.save("c.npy", np.array([Harmful()], dtype=object), allow_pickle=True)
    for name in ("a.pt", "b.pt", "c.npy"):
        with pytest.raises(InputError):
            read_gradient(tmp_path / name)
    assert not (tmp_path / "touched").exists()


@pytest.mark.parametrize(
    "make",
    [
        lambda path: path / "missing.npy",
        lambda path: path / "a.csv",
        lambda path: path,
        lambda path: save(path / "a.pt", {}),
        lambda path: save(path / "a.pt", {"a": np.zeros(2), "b": np.zeros(2, np.float32)}),
    ],
)
def test_what_is_not_a_gradient_is_refused(tmp_path, make):
    with pytest.raises(InputError):
        read_gradient(make(tmp_path))


def test_no_files_are_refused():
    with pytest.raises(InputError, match="one file a worker"):
        read_workers([])


def test_one_npy_cannot_hold_a_state_dict(tmp_path):
    vector, layout = read_gradient(save(tmp_path / "a.pt", TENSORS))
    with pytest.raises(InputError, match="holds one tensor"):
        write_gradient(tmp_path / "b.npy", vector, layout)
