"""Writes hidden states, text by text: as JSON lines, or as an array of NumPy."""

import io
from collections.abc import Iterable, Sequence

import numpy as np

from bert_wwm.compat import tf
from bert_wwm.core import files, input_files
from bert_wwm.core.errors import DataError
from bert_wwm.finetuning.hidden_states import Text
from bert_wwm.tasks.state_lines import StateLines


def write_lines(
    path: str, texts: Iterable[Text], count: int, pieces: Sequence[str], layers: Sequence[int]
) -> None:
    """Writes the ids of tokens, [T], and states, float32 [T, L, H], as google-research/bert does.

    Raises DataError if there are not ``count`` texts. ``pieces`` are those of the vocabulary.
    """
    lines = StateLines(pieces, layers)
    _write(path, b"", (lines.line(number, *text) for number, text in enumerate(texts)), count)


def write_array(
    path: str, texts: Iterable[Text], count: int, num_layers: int, hidden_size: int
) -> None:
    """Writes states, float32 [num_layers, hidden_size] of each text, as an ``.npy`` file.

    Its shape is [count, hidden_size], or of several layers [count, num_layers, hidden_size]. Raises
    DataError if there are not ``count`` texts.
    """
    shape = (count, *([num_layers] if num_layers > 1 else []), hidden_size)
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f4", "fortran_order": False, "shape": shape}
    )
    _write(path, header.getvalue(), (states.astype("<f4").tobytes() for _, states in texts), count)


def _write(path: str, header: bytes, texts: Iterable[bytes], count: int) -> None:
    """Writes a file, which takes its name when it is whole."""
    with files.atomic_path(path) as temporary:
        opener = tf.gfile.GFile if files.is_remote(temporary) else open
        done = 0
        with opener(temporary, "wb") as stream:
            stream.write(header)
            for text in texts:
                stream.write(text)
                done += 1
        if done != count:
            raise DataError(
                f"the input had {count:,} texts, and {done:,} when it was read again; expected a "
                "file that stays as it is"
            )
        input_files.check_unchanged()
