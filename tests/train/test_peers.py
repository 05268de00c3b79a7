"""The processes of a cluster, here threads: they compare their flags, and end together."""

import contextlib
import socket
import threading

import pytest

from bert_wwm.compat import tf
from bert_wwm.core.errors import ConfigError, DataError
from bert_wwm.train import peers as peers_module
from bert_wwm.train.cluster import Cluster
from bert_wwm.train.peers import Peers

SECONDS = 30  # until a thread that hangs fails the test
RESTART = (
    "; start all processes of the cluster again, together: they resume from the last checkpoint"
)


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr(peers_module, "_TURN", 0.02)
    monkeypatch.setattr(peers_module, "_GRACE", 0.3)


@pytest.fixture
def addresses():
    """Three addresses that are free."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(3)]
        for each in sockets:
            each.bind(("localhost", 0))
        return [f"localhost:{each.getsockname()[1]}" for each in sockets]


class Process(threading.Thread):
    """Does something among its peers in a thread of its own.

    Attributes:
        peers: its Peers.
        error: what it ended with, if anything.
        ended: the sentences by which it was ended from the thread that watches.
        lines: what it printed.
    """

    def __init__(self, addresses, index, action, patience=SECONDS, job="worker"):
        super().__init__(daemon=True)
        self.error = None
        self.ended, self.lines = [], []
        self.has_joined, self.is_ended = threading.Event(), threading.Event()
        cluster = Cluster({"worker": addresses}, job, index)
        self.peers = Peers(cluster, self.lines.append, self._end, patience)
        self._action = action
        self.start()

    def _end(self, sentence):
        self.ended.append(sentence)
        self.is_ended.set()

    def run(self):
        try:
            with self.peers:
                self.has_joined.set()
                self._action(self)
        except Exception as error:
            self.error = error

    def finish(self):
        self.join(SECONDS)
        assert not self.is_alive()
        return self.error and f"{type(self.error).__name__}: {self.error}"


def compare(**values):
    return lambda process: process.peers.compare(values)


def compare_and_train(process):
    """Trains until it is ended, like a process in an operation that never returns."""
    process.peers.compare({})
    assert process.is_ended.wait(SECONDS)


def die(process):
    """Lets the operating system close the connections, as a kill does."""
    process.peers.compare({})
    for line in process.peers._lines.values():
        line.close()
    assert process.is_ended.wait(SECONDS)  # from its own watch


@pytest.mark.parametrize("count", [1, 3])
def test_equal_processes_begin_and_end_in_peace(addresses, count):
    processes = [
        Process(addresses[:count], index, compare(a=(1, 2), b=None)) for index in range(count)
    ]
    assert [process.finish() for process in processes] == [None] * count
    assert [process.ended + process.lines for process in processes] == [[]] * count


def test_tensorflow_can_listen_at_the_port_while_the_connections_are_open(addresses):
    port = int(addresses[0].rpartition(":")[2])

    def serve(process):
        process.peers.compare({})
        with socket.create_server(("", port), reuse_port=True):
            pass

    processes = [Process(addresses, 0, serve), *(Process(addresses, i, compare()) for i in (1, 2))]
    assert [process.finish() for process in processes] == [None] * 3


def test_all_name_the_one_that_differs_and_both_values(addresses):
    values = {
        "--learning_rate": 1e-3,
        "--init_layers": None,
        "file 1 of --input_file": "a, 5 bytes",
    }
    other = {**values, "--learning_rate": 1e-4, "file 2 of --input_file": "b, 6 bytes"}
    processes = [
        Process(addresses, index, compare(**each))
        for index, each in enumerate((values, values, other))
    ]
    assert [process.finish() for process in processes] == [
        f"PeerError: worker 2 ({addresses[2]}) was not started like worker 0 ({addresses[0]}): "
        "--learning_rate is 0.0001, not 0.001, file 2 of --input_file is b, 6 bytes, not None; "
        "expected the same in all processes of the cluster"
    ] * 3


@pytest.mark.parametrize("victim", [0, 2])
def test_the_others_end_if_one_dies_while_they_train(addresses, victim):
    actions = [die if index == victim else compare_and_train for index in range(3)]
    processes = [Process(addresses, index, action) for index, action in enumerate(actions)]
    assert [process.finish() for process in processes] == [None] * 3
    sentence = f"worker {victim} ({addresses[victim]}) has gone before the training ended{RESTART}"
    survivors = [process for index, process in enumerate(processes) if index != victim]
    assert [process.ended for process in survivors] == [[sentence]] * 2


def test_the_others_say_why_one_has_ended(addresses):
    def fail(process):
        raise DataError("part-3: 7 bytes")

    processes = [
        Process(addresses, index, action)
        for index, action in enumerate((compare(), compare(), fail))
    ]
    reason = f"PeerError: worker 2 ({addresses[2]}) has ended: part-3: 7 bytes{RESTART}"
    assert [process.finish() for process in processes] == [
        reason,
        reason,
        "DataError: part-3: 7 bytes",
    ]
    assert [process.ended for process in processes] == [[]] * 3


def test_processes_that_fail_at_the_same_step_show_their_own_errors(addresses, monkeypatch):
    monkeypatch.setattr(peers_module, "_GRACE", SECONDS)

    def diverge(process):
        process.peers.compare({})
        raise DataError("step 7: not finite")

    processes = [Process(addresses, index, diverge) for index in range(3)]
    assert [process.finish() for process in processes] == ["DataError: step 7: not finite"] * 3
    assert [process.ended for process in processes] == [[]] * 3


def test_one_that_is_not_started_is_named(addresses, monkeypatch):
    monkeypatch.setattr(peers_module, "_SILENCE", 1.0)
    processes = [Process(addresses, 1, compare()), Process(addresses, 0, compare(), 1.5)]
    sentence = f"PeerError: worker 2 ({addresses[2]}): not started within 2 seconds{RESTART}"
    assert [process.finish() for process in processes] == [sentence] * 2
    assert processes[1].lines == [f"Waiting for worker 2 ({addresses[2]})"]


def test_one_that_is_restarted_alone_does_not_wait_for_ever(addresses, monkeypatch):
    monkeypatch.setattr(peers_module, "_SILENCE", 0.1)
    process = Process(addresses, 1, compare(), 0.5)
    assert process.finish() == (
        f"PeerError: worker 0 ({addresses[0]}): no answer within 0 seconds "
        f"(Connection refused){RESTART}"
    )
    assert process.lines == [f"Waiting for worker 0 ({addresses[0]}): Connection refused"]


def test_strangers_and_doubles_do_not_join(addresses):
    host, _, port = addresses[0].rpartition(":")
    first = Process(addresses, 0, compare())
    second = Process(addresses, 1, compare())
    for greeting in (
        b"",
        b"PRI * HTTP/2.0\r\n\r\n",
        b'{"name": "worker 7"}\n',
        b"[1]\n",
        b"\xff" * 200,
    ):
        while True:  # it may not listen yet
            with contextlib.suppress(ConnectionRefusedError):
                stranger = socket.create_connection((host, int(port)))
                break
        with stranger:
            stranger.sendall(greeting)
            stranger.shutdown(socket.SHUT_WR)
            assert b"welcome" not in stranger.recv(100)
    assert second.has_joined.wait(SECONDS)
    double = Process(addresses, 1, compare())
    assert f"two processes are worker 1 ({addresses[1]}); expected one" in double.finish()
    third = Process(addresses, 2, compare())
    assert [process.finish() for process in (first, second, third)] == [None] * 3


def test_tensorflows_error_gives_way_to_its_cause(addresses, monkeypatch):
    """An operation fails because a process has gone; that is what the user should read."""
    monkeypatch.setattr(peers_module, "_GRACE", 1.0)

    def fail(process):
        process.peers.compare({})
        raise tf.errors.UnavailableError(None, None, "Socket closed")

    processes = [Process(addresses, 0, fail), Process(addresses, 1, compare_and_train)]
    processes.append(Process(addresses, 2, die))
    for process in processes:
        process.finish()
    sentence = f"worker 2 ({addresses[2]}) has gone before the training ended{RESTART}"
    assert [process.ended for process in processes[:2]] == [[sentence]] * 2


def test_one_that_dies_before_all_are_there_may_be_started_again(addresses):
    first = Process(addresses, 0, compare())
    gone = Process(addresses, 1, lambda process: process.peers._lines.pop("worker 0").close())
    assert gone.finish() is None
    others = [Process(addresses, index, compare()) for index in (1, 2)]
    assert [process.finish() for process in (first, *others)] == [None] * 3


def test_what_the_cluster_cannot_use_is_refused(addresses):
    with socket.create_server(("localhost", int(addresses[0].rpartition(":")[2]))):
        assert Process(addresses, 0, compare()).finish() == (
            f"ConfigError: TF_CONFIG: {addresses[0]}, the address of this process, can't be used "
            "(Address already in use); expected a port that no other process uses"
        )
    assert "'host' is not an address; expected host:port" in (
        Process(["host", "b:1"], 1, compare()).finish()
    )
    with pytest.raises(ConfigError, match="this process is evaluator 0, which does not train"):
        Process(addresses, 0, compare(), job="evaluator")
