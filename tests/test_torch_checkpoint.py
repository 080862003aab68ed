"""State dicts of torch without torch: views, byte orders, and what is refused."""

import os
import zipfile

import numpy as np
import pytest
import torch_files
from torch_files import Storage, Tensor

from inr_jax.errors import InputError
from inr_jax.models.sepformer import torch_checkpoint


@pytest.mark.parametrize("byteorder", ["little", "big"])
def test_views_of_a_shared_storage(tmp_path, byteorder):
    numbers = np.arange(12, dtype=np.float32)
    shared = Storage("0", numbers)
    state = {
        "whole": Tensor(shared, 0, (3, 4), (4, 1)),
        "turned": Tensor(shared, 0, (4, 3), (1, 4)),
        "corner": Tensor(shared, 5, (2, 2), (4, 1)),
        "one": Tensor(shared, 7, (), ()),
        "empty": Tensor(shared, 0, (0, 3), (3, 1)),
    }
    torch_files.save(tmp_path / "a.ckpt", state, byteorder)
    found = torch_checkpoint.read(tmp_path / "a.ckpt")
    whole = numbers.reshape(3, 4)
    assert list(found) == list(state)
    np.testing.assert_array_equal(found["whole"], whole)
    np.testing.assert_array_equal(found["turned"], whole.T)
    np.testing.assert_array_equal(found["corner"], whole[1:, 1:3])
    assert found["one"] == 7 and found["one"].shape == ()
    assert found["empty"].shape == (0, 3)
    assert {a.dtype for a in found.values()} == {np.dtype(np.float32)}


class Hostile:
    """Runs a command where it is unpickled by an unwary reader."""

    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


def test_a_pickle_that_runs_commands_is_refused(tmp_path):
    path, trace = tmp_path / "a.ckpt", tmp_path / "trace"
    torch_files.save(path, {"weight": Hostile(f"touch {trace}")})
    with pytest.raises(InputError, match=r"a\.ckpt: .* asks for posix\.system"):
        torch_checkpoint.read(path)
    assert not trace.exists()


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"w": Tensor(Storage("0", [1, 2]), 1, (2,), (1,))}, "w reaches outside"),
        ({"w": Tensor(Storage("0", [1, 2]), 0, (2,), (-1,))}, "w reaches outside"),
        ({"w": Tensor(Storage("0", [1, 2]), -1, (2,), (1,))}, "w reaches outside"),
        ({"w": Tensor(Storage("0", [1]), 0, (10**9, 10**9), (0, 0))}, "w reaches"),
        ({"w": Tensor(Storage("0", [1, 2]), 0, (2,), (1, 1))}, "w reaches outside"),
        ({"w": Tensor(Storage("0", [1], "HalfStorage"), 0, (1,), (1,))}, "HalfStorage"),
        ({"w": 1}, "w is not a tensor"),
        ([1], "no state dict"),
    ],
)
def test_what_is_no_state_dict_of_floats(tmp_path, state, message):
    torch_files.save(tmp_path / "a.ckpt", state)
    with pytest.raises(InputError, match=message):
        torch_checkpoint.read(tmp_path / "a.ckpt")


def test_broken_files_end_with_one_line(tmp_path):
    path = tmp_path / "a.ckpt"
    state = torch_files.tensors({"w": np.ones(1000)})
    torch_files.save(path, state)
    whole = path.read_bytes()
    for broken in (whole[:-100], whole[: len(whole) // 2], b"", b"PK", b"\x80\x02."):
        path.write_bytes(broken)
        with pytest.raises(InputError, match=r"^[^\n]*a\.ckpt: cannot read[^\n]*$"):
            torch_checkpoint.read(path)
    changed = bytearray(whole)
    changed[whole.index(np.ones(4, "<f4").tobytes())] ^= 1
    path.write_bytes(changed)
    with pytest.raises(InputError, match="Bad CRC"):
        torch_checkpoint.read(path)
    torch_files.save(path, state, compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(InputError, match="compressed"):
        torch_checkpoint.read(path)
    with pytest.raises(InputError, match="nowhere: no such file"):
        torch_checkpoint.read("nowhere")


def test_files_of_torch_itself(tmp_path):
    torch = pytest.importorskip("torch", reason="cross-check with torch's own files")
    base = torch.arange(12.0).reshape(3, 4)
    state = torch.nn.Linear(3, 2).state_dict()
    state |= {"turned": base.T, "part": base[1:, 2:]}
    torch.save(state, tmp_path / "a.ckpt")
    found = torch_checkpoint.read(tmp_path / "a.ckpt")
    assert list(found) == list(state)
    for name, tensor in state.items():
        np.testing.assert_array_equal(found[name], tensor.numpy())
