"""Checkpoints of pytrees through orbax: written aside, then renamed."""

import os
import pathlib
import shutil
from typing import Any

import jax
from orbax.checkpoint import v1 as ocp


class Checkpoints:
    """A folder of numbered checkpoints; one that was cut short is never seen."""

    def __init__(self, folder: str | os.PathLike, keep: int = 1, shared: bool = False):
        """Names the folder.

        Args:
          folder: Made when something is saved.
          keep: It holds so many, the newest.
          shared: Whether all processes save and load together; else this one alone.
        """
        self.folder = pathlib.Path(folder).absolute()
        self._keep = keep
        self._shared = shared

    def steps(self) -> list[int]:
        """Numbers of the checkpoints, oldest first."""
        found = self.folder.iterdir() if self.folder.is_dir() else ()
        return sorted(int(path.name) for path in found if path.name.isdecimal())

    def save(self, step: int, tree: Any, metadata: dict) -> None:
        """Writes a pytree of arrays, and JSON beside it, as checkpoint `step`."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / str(step)
        with self._context():
            ocp.save(path, tree, overwrite=True, custom_metadata=metadata)
        if self._shared and jax.process_index():
            return
        for old in self.steps()[: -self._keep]:
            shutil.rmtree(self.folder / str(old))

    def metadata(self, step: int) -> dict:
        """What `save` was given beside the arrays."""
        with self._context():
            return ocp.metadata(self.folder / str(step)).custom_metadata

    def load(self, step: int, like: Any) -> Any:
        """The arrays of a checkpoint, on the first device; shared ones as `like` lies.

        Args:
          step: Its number.
          like: Pytree of arrays or `jax.ShapeDtypeStruct`, equal in structure, shapes.

        Raises:
          ValueError: structure or shapes differ.
        """
        here = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])

        def abstract(x):
            sharding = x.sharding if self._shared else here
            return jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding)

        with self._context():
            return ocp.load(self.folder / str(step), jax.tree.map(abstract, like))

    def remove(self) -> None:
        """Deletes the folder with all checkpoints."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _context(self):
        context = ocp.Context()
        if not self._shared:
            own = jax.process_index()
            context.multiprocessing.primary_host = own
            context.multiprocessing.active_processes = {own}
            context.multiprocessing.barrier_sync_key_prefix = str(own)
        return context
