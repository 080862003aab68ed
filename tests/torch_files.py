"""Writes files as `torch.save` does, without torch."""

import collections
import pickle
import sys
import types
import zipfile
from unittest import mock

import numpy as np


class Storage:
    """Numbers that tensors look at."""

    def __init__(self, key, numbers, kind="FloatStorage"):
        self.key, self.numbers, self.kind = key, np.asarray(numbers), kind


class Tensor:
    """A view of a storage, in numbers of elements."""

    def __init__(self, storage, offset, shape, strides):
        self.args = (storage, offset, shape, strides, False, collections.OrderedDict())

    def __reduce__(self):
        return sys.modules["torch._utils"]._rebuild_tensor_v2, self.args


def tensors(arrays):
    """A state dict with a storage for each array."""
    state = collections.OrderedDict()
    for i, (name, array) in enumerate(arrays.items()):
        array = np.asarray(array, np.float32)
        strides = tuple(step // 4 for step in array.strides)
        storage = Storage(str(i), array.reshape(-1))
        state[name] = Tensor(storage, 0, array.shape, strides)
    state._metadata = collections.OrderedDict()  # as torch has it
    return state


def save(path, state, byteorder="little", compression=zipfile.ZIP_STORED):
    """Writes a state dict, or any other object, at `path`."""
    root, storages = path.stem, {}

    class Pickler(pickle.Pickler):
        def persistent_id(self, obj):
            if not isinstance(obj, Storage):
                return None
            storages[obj.key] = obj
            kind = getattr(sys.modules["torch"], obj.kind)
            return ("storage", kind, obj.key, "cpu", len(obj.numbers))

    with zipfile.ZipFile(path, "w", compression) as archive:
        with (
            mock.patch.dict(sys.modules, _torch()),
            archive.open(f"{root}/data.pkl", "w") as file,
        ):
            Pickler(file, 2).dump(state)
        archive.writestr(f"{root}/byteorder", byteorder)
        for key, storage in storages.items():
            order = "<" if byteorder == "little" else ">"
            archive.writestr(
                f"{root}/data/{key}", storage.numbers.astype(f"{order}f4").tobytes()
            )
        archive.writestr(f"{root}/version", "3\n")


def _torch():
    """What pickles of torch name, for the pickler to find."""
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
    for name in ("FloatStorage", "HalfStorage"):
        setattr(torch, name, type(name, (), {"__module__": "torch"}))

    def _rebuild_tensor_v2(*args):
        raise NotImplementedError

    _rebuild_tensor_v2.__module__ = "torch._utils"
    _rebuild_tensor_v2.__qualname__ = "_rebuild_tensor_v2"
    utils._rebuild_tensor_v2 = _rebuild_tensor_v2
    torch._utils = utils
    return {"torch": torch, "torch._utils": utils}
