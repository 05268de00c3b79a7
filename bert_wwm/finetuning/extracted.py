"""Hidden states into files, text by text: JSON lines, or an array of NumPy."""

import contextlib
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import IO

import numpy as np

from bert_wwm.compat import tf
from bert_wwm.core import files, input_files
from bert_wwm.core.errors import DataError
from bert_wwm.finetuning.hidden_states import Text
from bert_wwm.tasks.state_lines import StateLines


def write_lines(
    path: str, texts: Iterable[Text], count: int, pieces: Sequence[str], layers: Sequence[int]
) -> None:
    """Writes the states of texts as JSON lines, as google-research/bert does.

    Args:
        path: the file, which takes its name when it is whole.
        texts: ids of tokens and states, [T] and float32 [T, L, H] each.
        count: of texts.
        pieces: the vocabulary.
        layers: the numbers of the layers.

    Raises:
        DataError: there are not as many texts as were counted.
    """
    lines = StateLines(pieces, layers)
    with _writing(path) as stream:
        for number, (ids, states) in enumerate(_counted(texts, count)):
            stream.write(lines.line(number, ids, states))


def write_array(
    path: str, texts: Iterable[Text], count: int, num_layers: int, hidden_size: int
) -> None:
    """Writes the states of texts as an ``.npy`` file, float32.

    Its shape is [count, hidden_size], or of several layers [count, num_layers, hidden_size].

    Args:
        path: the file, which takes its name when it is whole.
        texts: ids of tokens and states, the latter float32 [num_layers, hidden_size] each.
        count: of texts.
        num_layers: of each text.
        hidden_size: of each state.

    Raises:
        DataError: there are not as many texts as were counted.
    """
    shape = (count, *([num_layers] if num_layers > 1 else []), hidden_size)
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f4", "fortran_order": False, "shape": shape}
    )
    with _writing(path) as stream:
        stream.write(header.getvalue())
        for _, states in _counted(texts, count):
            stream.write(states.astype("<f4").tobytes())


def _counted(texts: Iterable[Text], count: int) -> Iterator[Text]:
    done = 0
    for text in texts:
        yield text
        done += 1
    if done != count:
        raise DataError(
            f"the input had {count:,} texts, and {done:,} when it was read again; expected a file "
            "that stays as it is"
        )


@contextlib.contextmanager
def _writing(path: str) -> Iterator[IO[bytes]]:
    with files.atomic_path(path) as temporary:
        opener = tf.gfile.GFile if files.is_remote(temporary) else open
        with opener(temporary, "wb") as stream:
            yield stream
        input_files.check_unchanged()
