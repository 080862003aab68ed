"""Networks in ONNX files, run by onnxruntime."""

import os
from typing import TYPE_CHECKING

from inr_jax.errors import InputError

if TYPE_CHECKING:
    import onnxruntime


def load(path: str | os.PathLike) -> "onnxruntime.InferenceSession":
    """The network of a file, on one thread of the CPU.

    Raises:
      InputError: onnxruntime is not installed, or the file is no network.
    """
    try:
        import onnxruntime
        from onnxruntime.capi import onnxruntime_pybind11_state as errors
    except ImportError:
        raise InputError(
            "ONNX files are run by onnxruntime: pip install onnxruntime"
        ) from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors
    try:
        return onnxruntime.InferenceSession(
            os.fspath(path), options, providers=["CPUExecutionProvider"]
        )
    except errors.NoSuchFile:
        raise InputError(f"{path}: no such file") from None
    except (
        *(errors.Fail, errors.InvalidArgument, errors.InvalidGraph),
        *(errors.InvalidProtobuf, errors.NotImplemented),
    ) as error:
        text = " ".join(str(error).split())
        raise InputError(f"{path}: no ONNX file that runs here: {text}") from None
