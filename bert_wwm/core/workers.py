"""Pieces of work to results in several processes, in the order of the work."""

import collections
import concurrent.futures
import contextlib
import multiprocessing
import multiprocessing.connection
import os
import pickle
import signal
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from bert_wwm.core.errors import ToolkitError
from bert_wwm.core.staging import temporary_folder

Block = TypeVar("Block")
Result = TypeVar("Result")

# Blocks that are done before their turn wait in this process; so few that memory stays bounded, and
# so many that no worker waits for one that takes longer.
_WAITING = 2
_WORK = "work"  # the name of a file

# In a worker: what it does, and the folder for blocks and results.
_work: Callable[[Any], Any] | None = None
_folder = ""


class WorkerError(ToolkitError):
    """A worker process was killed, or ran out of memory."""


def map_blocks(
    work: Callable[[Block], Result], blocks: Iterable[Block], num_workers: int
) -> Iterator[tuple[Block, Result]]:
    """Yields blocks and what became of them, in their order."""
    others = set(multiprocessing.active_children())
    pending: collections.deque[tuple[Block, concurrent.futures.Future]] = collections.deque()
    # Work, blocks and results go by way of files. Through a pipe, a process that is killed while it
    # starts, or while it sends a result, would block this one for ever; so would workers that end
    # while a block is sent to them, before Python 3.11.5.
    with temporary_folder() as folder:
        with open(os.path.join(folder, _WORK), "wb") as stream:
            pickle.dump(work, stream)
        executor = concurrent.futures.ProcessPoolExecutor(
            num_workers,
            # Nothing is inherited: neither locks nor threads nor TensorFlow.
            multiprocessing.get_context("spawn"),
            _start,
            (folder,),
        )
        try:
            for block in blocks:
                path = _store(block, folder)
                with _interrupts_held_back():  # workers, which start here, never see any
                    pending.append((block, executor.submit(_run, path)))
                if len(pending) >= num_workers + _WAITING:
                    yield _take_result(*pending.popleft())
            while pending:
                yield _take_result(*pending.popleft())
        except BaseException as error:
            # A block may take minutes; what the workers are at is done again by the next run.
            for worker in set(multiprocessing.active_children()) - others:
                worker.terminate()
            if not isinstance(error, (BrokenProcessPool, MemoryError)):
                raise
            what = "ran out of memory" if isinstance(error, MemoryError) else "was killed"
            raise WorkerError(
                f"a worker process {what}; if memory is short, take fewer --num_workers. What is "
                "finished is kept, and the same command goes on from there"
            ) from None
        finally:
            executor.shutdown(wait=True, cancel_futures=True)


def _take_result(block: Block, future: concurrent.futures.Future) -> tuple[Block, Any]:
    return block, _take(future.result())


def _store(value: Any, folder: str) -> str:
    """Returns the path of a new file with a value."""
    handle, path = tempfile.mkstemp(dir=folder)
    with open(handle, "wb") as stream:
        pickle.dump(value, stream, pickle.HIGHEST_PROTOCOL)
    return path


def _take(path: str) -> Any:
    """Returns the value of such a file, and removes it."""
    with open(path, "rb") as stream:
        value = pickle.load(stream)
    os.unlink(path)
    return value


@contextlib.contextmanager
def _interrupts_held_back() -> Iterator[None]:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _start(folder: str) -> None:
    """Prepares a worker."""
    global _work, _folder
    _folder = folder
    with open(os.path.join(folder, _WORK), "rb") as stream:
        _work = pickle.load(stream)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Ends this process when the parent is gone, however it went."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)


def _run(path: str) -> str:
    """Returns the path of a file with the result for the block in a file."""
    assert _work is not None
    return _store(_work(_take(path)), _folder)


def default_num_workers() -> int:
    """The cores that this process may run on."""
    return len(os.sched_getaffinity(0))
