"""Files of safetensors, by the library of that name."""

from collections.abc import Mapping

import ml_dtypes  # noqa: F401  makes bfloat16 known to numpy
import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from bert_wwm.core import stand_ins
from bert_wwm.core.errors import DataError

# The last three: tensors with types or dimensions that numpy hasn't.
_READ_ERRORS = (SafetensorError, OSError, AttributeError, TypeError, ValueError)


def read(path: str) -> dict[str, np.ndarray]:
    """Returns the tensors in a file by name.

    Raises:
        DataError: the file is broken, cut short or stands for another one, or numpy has no such
            tensors.
    """
    stand_ins.refuse(path)
    try:
        with safe_open(path, "numpy") as stream:
            return {name: stream.get_tensor(name) for name in sorted(stream.keys())}
    except _READ_ERRORS as error:
        raise DataError(
            f"{path}: is cut short, or no file of safetensors that can be read ({error}); expected "
            "a whole one, of plain numbers"
        ) from None


def write(path: str, tensors: Mapping[str, np.ndarray]) -> None:
    """Writes tensors as PyTorch's programs expect them, the same bytes every time.

    Raises:
        DataError: the file can't be written.
    """
    whole = {name: np.asarray(tensor, order="C") for name, tensor in tensors.items()}
    try:
        save_file(whole, path, {"format": "pt"})
    except SafetensorError as error:  # such as of a full disk
        raise DataError(f"{path}: can't be written: {error}") from None
