"""Checkpoints of pytrees through orbax: written aside, then renamed."""

import os
import pathlib
import shutil
from typing import Any

import jax
from orbax.checkpoint import v1 as ocp


class Checkpoints:
    """A folder of numbered checkpoints; one that was cut short is never seen.

    Of several processes all save and load together, in one folder.
    """

    def __init__(self, folder: str | os.PathLike, keep: int = 1):
        """Names the folder; it holds the newest `keep` checkpoints."""
        self.folder = pathlib.Path(folder).absolute()
        self._keep = keep

    def steps(self) -> list[int]:
        """Numbers of the checkpoints, oldest first."""
        found = self.folder.iterdir() if self.folder.is_dir() else ()
        return sorted(int(path.name) for path in found if path.name.isdecimal())

    def save(self, step: int, tree: Any, metadata: dict) -> None:
        """Writes a pytree of arrays, and JSON beside it, as checkpoint `step`."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / str(step)
        ocp.save(path, tree, overwrite=True, custom_metadata=metadata)
        if jax.process_index() == 0:
            for old in self.steps()[: -self._keep]:
                _discard(self.folder / str(old))

    def metadata(self, step: int) -> dict:
        """What `save` was given beside the arrays."""
        return ocp.metadata(self.folder / str(step)).custom_metadata

    def load(self, step: int, like: Any) -> Any:
        """The arrays of a checkpoint, where those of `like` are or on the first device.

        Args:
          step: Its number.
          like: Pytree of arrays or `jax.ShapeDtypeStruct`, equal in structure, shapes.

        Raises:
          ValueError: structure or shapes differ.
        """
        first = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])

        def abstract(x):
            sharding = getattr(x, "sharding", None) or first
            return jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding)

        return ocp.load(self.folder / str(step), jax.tree.map(abstract, like))

    def remove(self) -> None:
        """Deletes the folder with all checkpoints."""
        if self.folder.exists():
            _discard(self.folder)


def _discard(folder):
    """Deletes a folder that is never seen half deleted, also where this is killed."""
    aside = folder.with_name(f".{folder.name}.old")
    shutil.rmtree(aside, ignore_errors=True)
    folder.rename(aside)
    shutil.rmtree(aside, ignore_errors=True)
