"""Documents to train on, and others to see what was learned."""

import contextlib
import os

from bert_wwm.core import files
from bert_wwm.core.errors import DataError
from bert_wwm.core.progress import Progress
from bert_wwm.corpus.documents import read_documents

EVERY = 20  # one document in twenty is kept apart


def hold_out(source: str, train: str, heldout: str) -> tuple[int, int] | None:
    """Splits the documents of a corpus into two files, which are there whole or not at all.

    The first of every twenty documents is held out. Returns how many there are of each part; None
    where both files are there already. Raises DataError for fewer than two documents.
    """
    places = (heldout, train)
    if all(map(os.path.exists, places)):
        return None
    counts = [0, 0]
    with contextlib.ExitStack() as stack:
        temporary = [stack.enter_context(files.atomic_path(place)) for place in places]
        streams = [stack.enter_context(open(path, "w", encoding="utf-8")) for path in temporary]
        progress = stack.enter_context(Progress("documents kept apart", files.size(source)))
        done = part = 0
        for document in read_documents([source]):
            if not document.is_rest:  # what goes on stays with its beginning
                part = int(sum(counts) % EVERY > 0)
                streams[part].write("\n" if counts[part] else "")
                counts[part] += 1
            streams[part].writelines(f"{sentence}\n" for sentence in document.sentences)
            done += document.size
            progress.update(done)
        if not all(counts):
            raise DataError(
                f"{source}: {sum(counts)} document(s); expected two at least, one of them to "
                "evaluate on"
            )
    return counts[1], counts[0]
