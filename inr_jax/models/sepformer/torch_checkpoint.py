"""Reads state dicts of float32 tensors that torch saved, without torch.

Since release 1.6 torch saves a zip archive: a pickle `data.pkl` that names the tensors, a
file in `data/` for the numbers of each storage, and the byte order. Pickles can run any
program, so this one may name three things only, none of which is torch's own code.
"""

import collections
import os
import pickle
import zipfile
from typing import NamedTuple

import numpy as np

from inr_jax.errors import InputError


class _FloatStorage:
    """Stands for `torch.FloatStorage`, the kind of a storage."""


class _Tensor(NamedTuple):
    """A tensor as the pickle describes it, all in numbers of elements."""

    storage: np.ndarray
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def read(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """Arrays of a state dict by name, float32, in order of the file.

    Raises:
      InputError: the file is missing, cut short, no state dict of float32 tensors, or
        its pickle names anything else.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            state = _Unpickler(archive).load()
            if not isinstance(state, dict):
                raise TypeError("no state dict")
            return {name: _array(name, value) for name, value in state.items()}
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    # a pickle or an archive of unknown origin can raise anything
    except Exception as error:  # noqa: BLE001
        raise InputError(f"{path}: cannot read as a torch file: {error}") from None


class _Unpickler(pickle.Unpickler):
    """Admits an ordered dict, float32 tensors and their storages."""

    def __init__(self, archive):
        (pickled,) = (n for n in archive.namelist() if n.endswith("/data.pkl"))
        self._archive = archive
        self._root = pickled.removesuffix("data.pkl")
        self._order = ">" if self._big_endian() else "<"
        self._storages: dict[str, np.ndarray] = {}
        super().__init__(archive.open(self._stored("data.pkl")))

    def find_class(self, module, name):
        allowed = {
            "collections.OrderedDict": collections.OrderedDict,
            "torch.FloatStorage": _FloatStorage,
            "torch._utils._rebuild_tensor_v2": lambda storage, offset, shape, strides, *_: (
                _Tensor(storage, offset, shape, strides)
            ),
        }
        if f"{module}.{name}" not in allowed:
            raise pickle.UnpicklingError(f"its pickle asks for {module}.{name}")
        return allowed[f"{module}.{name}"]

    def persistent_load(self, pid):
        what, kind, key, _, size = pid
        if what != "storage" or kind is not _FloatStorage:
            raise pickle.UnpicklingError("a storage is not of float32")
        if key not in self._storages:
            data = self._archive.read(self._stored(f"data/{key}"))
            self._storages[key] = np.frombuffer(data, f"{self._order}f4", size)
        return self._storages[key]

    def _big_endian(self):
        name = f"{self._root}byteorder"
        return name in self._archive.namelist() and self._archive.read(name) == b"big"

    def _stored(self, name):
        info = self._archive.getinfo(self._root + name)
        if info.compress_type != zipfile.ZIP_STORED:  # a few bytes could fill memory
            raise ValueError(f"{name} is compressed")
        return info


def _array(name, tensor) -> np.ndarray:
    if not isinstance(name, str) or not isinstance(tensor, _Tensor):
        raise TypeError(f"{name} is not a tensor")
    storage, offset, shape, strides = tensor
    inside = len(shape) == len(strides) and min((offset, *shape, *strides)) >= 0
    size = np.prod(shape, dtype=object)
    last = offset + sum((n - 1) * s for n, s in zip(shape, strides, strict=False))
    if not inside or size and max(size - 1, last) >= len(storage):
        raise ValueError(f"{name} reaches outside of its storage")
    steps = [storage.itemsize * s for s in strides]
    view = np.lib.stride_tricks.as_strided(storage[offset:], shape, steps)
    return np.array(view, np.float32)
