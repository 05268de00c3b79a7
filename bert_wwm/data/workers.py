"""Blocks to results in several processes, in the order of the blocks."""

import collections
import concurrent.futures
import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
from concurrent.futures.process import BrokenProcessPool
from typing import Any, Callable, Deque, Iterable, Iterator, Optional, Tuple, TypeVar

from bert_wwm.core.errors import ToolkitError
from bert_wwm.text.blocks import Block

Result = TypeVar("Result")

# Blocks that are done before their turn wait in this process; so few that memory stays bounded, and
# so many that no worker waits for one that takes longer.
_WAITING = 2

_work: Optional[Callable[[Block], Any]] = None  # in a worker: what it does


def map_blocks(
    work: Callable[[Block], Result], blocks: Iterable[Block], num_workers: int
) -> Iterator[Tuple[Block, Result]]:
    """Yields blocks and what became of them, in their order.

    Args:
        work: what is done with a block; it is pickled once for each worker.
        blocks: the blocks; only as many are read ahead as the workers need.
        num_workers: processes.

    Raises:
        ToolkitError: what ``work`` raised, or a worker was killed.
    """
    others = set(multiprocessing.active_children())
    executor = concurrent.futures.ProcessPoolExecutor(
        num_workers,
        # Nothing is inherited: neither locks nor threads nor TensorFlow.
        multiprocessing.get_context("spawn"),
        _start,
        (work,),
    )
    pending: Deque[Tuple[Block, concurrent.futures.Future]] = collections.deque()
    try:
        for block in blocks:
            pending.append((block, executor.submit(_run, block)))
            if len(pending) >= num_workers + _WAITING:
                first, future = pending.popleft()
                yield first, future.result()
        while pending:
            first, future = pending.popleft()
            yield first, future.result()
    except BaseException as error:
        # A block may take minutes; what the workers are at is done again by the next run.
        for worker in set(multiprocessing.active_children()) - others:
            worker.terminate()
        if not isinstance(error, BrokenProcessPool):
            raise
        raise ToolkitError(
            "a worker process was killed, perhaps for want of memory (then take fewer "
            "--num_workers); what is finished is kept, and the same command goes on from there"
        ) from None
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


def _start(work: Callable[[Block], Any]) -> None:
    """Prepares a worker."""
    global _work
    _work = work
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Ends this process when the parent is gone, however it went."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)


def _run(block: Block) -> Any:
    assert _work is not None
    return _work(block)
