import multiprocessing
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from bert_wwm.core.errors import DataError, ToolkitError
from bert_wwm.core.workers import map_blocks
from bert_wwm.corpus.blocks import Block

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


# What the workers do; they import it from here.


def place_after_a_while(block):
    time.sleep(0.2 if block.place[1] % 3 == 0 else 0)
    return block.place


def refuse_the_fifth(block):
    if block.place[1] == 4:
        raise DataError("f:5: is broken; expected something else")
    return block.place


def die_at_the_second(block):
    if block.place[1] == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return block.place


def heavy_modules(block):
    return {"tensorflow", "torch"} & set(sys.modules)


def process_id(block):
    time.sleep(0.1)
    return os.getpid()


def blocks(count, taken=None):
    for number in range(count):
        if taken is not None:
            taken.append(number)
        yield Block((0, number), [])


@pytest.fixture(autouse=True)
def nothing_is_left():
    before = set(multiprocessing.active_children())
    yield
    assert set(multiprocessing.active_children()) == before


def test_results_come_in_the_order_of_the_blocks():
    found = list(map_blocks(place_after_a_while, blocks(8), 2))
    assert found == [(block, block.place) for block in blocks(8)]


def test_no_blocks_no_results():
    assert list(map_blocks(place_after_a_while, blocks(0), 2)) == []


def test_blocks_are_read_as_they_are_needed_and_leaving_early_ends_the_workers():
    taken = []
    results = map_blocks(place_after_a_while, blocks(1000, taken), 1)
    assert next(results)[1] == (0, 0)
    assert len(taken) < 10
    results.close()
    assert len(taken) < 10


def test_an_error_of_a_worker_arrives_as_it_is_after_the_results_before_it():
    results = map_blocks(refuse_the_fifth, blocks(1000), 2)
    assert [next(results)[1] for _ in range(4)] == [(0, number) for number in range(4)]
    with pytest.raises(DataError) as error:
        list(results)
    assert str(error.value) == "f:5: is broken; expected something else"


def test_an_error_of_the_blocks_arrives_too():
    def broken():
        yield from blocks(3)
        raise DataError("f: is broken")

    with pytest.raises(DataError, match="f: is broken"):
        list(map_blocks(place_after_a_while, broken(), 1))


def test_a_worker_that_is_killed_ends_the_run_within_seconds():
    begun = time.monotonic()
    with pytest.raises(ToolkitError, match="a worker process was killed"):
        list(map_blocks(die_at_the_second, blocks(1000), 2))
    assert time.monotonic() - begun < 20


def test_workers_do_without_tensorflow():
    import tensorflow  # noqa: F401 - here, but not there

    assert [result for _, result in map_blocks(heavy_modules, blocks(2), 1)] == [set()] * 2


def test_as_many_workers_as_are_wanted():
    ids = {result for _, result in map_blocks(process_id, blocks(12), 2)}
    assert len(ids) == 2 and os.getpid() not in ids


_PARENT = """
import sys
from bert_wwm.core.workers import map_blocks
from test_workers import blocks, process_id

if __name__ == "__main__":
    for _, worker in map_blocks(process_id, blocks(10**6), 2):
        print(worker, flush=True)
"""


def test_workers_end_with_the_parent_however_it_ends(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(_PARENT)
    path = os.pathsep.join([str(ROOT), str(pathlib.Path(__file__).parent)])
    with subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # multiprocessing's resource tracker may complain
        env={**os.environ, "PYTHONPATH": path},
        text=True,
    ) as parent:
        workers = set()
        while len(workers) < 2:
            line = parent.stdout.readline()
            assert line, "the parent ended"
            workers.add(int(line))
        assert all(map(is_running, workers))
        parent.send_signal(signal.SIGKILL)
        end = time.monotonic() + 20
        while any(map(is_running, workers)):
            assert time.monotonic() < end, "a worker is still there"
            time.sleep(0.05)


# Half of a result is written when its process is killed.
_DEADLY = """
import os, signal
from bert_wwm.core.errors import ToolkitError
from bert_wwm.core.workers import map_blocks

class Deadly:
    def __reduce__(self):
        os.kill(os.getpid(), signal.SIGKILL)

def send(block):
    return bytes(1_000_000), Deadly()

if __name__ == "__main__":
    try:
        list(map_blocks(send, range(5), 2))
    except ToolkitError as error:
        print(error)
"""


def test_a_worker_that_is_killed_while_it_writes_a_result_ends_the_run(tmp_path):
    script = tmp_path / "deadly.py"
    script.write_text(_DEADLY)
    ran = subprocess.run(
        [sys.executable, str(script)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ran.stdout.startswith("a worker process was killed")


def is_running(process):
    try:
        state = pathlib.Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2][0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"
