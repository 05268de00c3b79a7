"""The processes of a cluster: they start with the same flags and data, and end together.

TensorFlow averages whatever gradients the processes send, and waits for ever for a process that has
gone. So each process has a connection to the first one until the training ends. The operating
system closes it when a process dies, in whatever way; a machine that is switched off or cut off no
longer answers the keepalive probes. The first process then tells the others, and all end.

The connections use the first process's port in TF_CONFIG, before TensorFlow's server takes it:
connections that are open do not keep a server from listening at the port. On them are lines of
JSON: ``{"name": ...}`` from a process that joins, and the answer ``{"welcome": true}``;
``{"values": ...}``, what it was started with, and the answer ``{"same": true}``; at the end
``{"done": true}`` both ways. Instead of any of these, ``{"error": ...}`` is the sentence that a
process ends with.
"""

import contextlib
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from bert_wwm.compat import tf
from bert_wwm.core.errors import ConfigError, DataError, ToolkitError, list_few
from bert_wwm.core.json_files import parse_line
from bert_wwm.train.cluster import Cluster

_PATIENCE = 300.0  # seconds: machines of a cluster seldom start at the same time
_SILENCE = 10.0  # seconds until a line says who is waited for
_TURN = 0.5  # seconds between two looks
_HELLO = 5.0  # seconds that the first words of a connection may take
_GRACE = 2.0  # seconds in which this process may end by itself, and say why
# A machine that vanishes is noticed after 30 seconds, be it asked or sent something (milliseconds).
_KEEPALIVE = {
    "TCP_KEEPIDLE": 10,
    "TCP_KEEPINTVL": 5,
    "TCP_KEEPCNT": 4,
    "TCP_USER_TIMEOUT": 30_000,
}
_LONGEST_GREETING = 1000  # bytes
_RESTART = (
    "start all processes of the cluster again, together: they resume from the last checkpoint"
)

Message = dict[str, Any]


class PeerError(ToolkitError):
    """Another process of the cluster is missing, has gone, or was started with something else."""


class Peers:
    """The other processes of a cluster; use it as a context from the start to the training's end.

    ``log`` takes a line if others are waited for, ``patience`` seconds at most. ``end`` ends this
    process with a sentence, from another thread: the main one may be in an operation of
    TensorFlow's that never returns. Raises PeerError if a process does not start in time.
    """

    def __init__(
        self,
        cluster: Cluster,
        log: Callable[[str], None],
        end: Callable[[str], None],
        patience: float = _PATIENCE,
    ):
        self._addresses = cluster.find_trainers()
        self._name = cluster.name
        self._first = next(iter(self._addresses), "")
        if self._name not in self._addresses:
            raise ConfigError(
                f"TF_CONFIG: this process is {self._name}, which does not train; expected a task "
                "of type chief or worker"
            )
        self._log = log
        self._end = end
        self._patience = patience
        self._begin = time.monotonic()
        self._has_logged = False
        self._lines: dict[str, _Line] = {}
        self._watches: list[threading.Thread] = []
        self._has_left = threading.Event()
        self._is_ending = threading.Lock()

    def __enter__(self) -> "Peers":
        try:
            if self._name == self._first:
                self._gather()
            else:
                self._join()
        except BaseException as error:
            self._leave(error)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: Any, trace: object) -> None:
        if isinstance(error, tf.errors.OpError):  # if another process has gone, a watch says so
            for watch in self._watches:
                watch.join(2 * _GRACE / len(self._watches))
        self._leave(error)

    def compare(self, values: Mapping[str, Any]) -> None:
        """Compares what the processes were started with; from then on watches them.

        The values are ready for JSON, by names that a message can show. All processes raise
        PeerError if one has other values, or has gone.
        """
        values = json.loads(json.dumps(values))
        if self._name == self._first:
            for name, found in {name: self._receive(name) for name in self._lines}.items():
                self._refuse_differences(name, found["values"], values)
            self._send({"same": True})
        else:
            self._send({"values": values})
            self._receive(self._first)
        for name in self._lines:
            self._watches.append(threading.Thread(target=self._watch, args=(name,), daemon=True))
            self._watches[-1].start()

    def _gather(self) -> None:
        """Waits until all other processes have joined."""
        others = [name for name in self._addresses if name != self._first]
        if not others:
            return
        with _listen(self._addresses[self._first]) as listener:
            while True:
                self._lines = {n: line for n, line in self._lines.items() if line.is_open()}
                missing = [self._show(name) for name in others if name not in self._lines]
                if not missing:
                    return
                self._check_time(list_few(missing), "not started")
                self._admit(listener)

    def _admit(self, listener: socket.socket) -> None:
        """Lets a process join, if one asks for it. Ignores whatever else connects."""
        try:
            line = _Line(listener.accept()[0])
        except OSError:
            return
        name = str(line.greet().get("name"))
        if name in self._lines and self._lines[name].is_open():
            line.send({"error": f"TF_CONFIG: two processes are {self._show(name)}; expected one"})
        elif name in self._addresses and name != self._first:
            line.send({"welcome": True})
            self._lines[name] = line
            return
        line.close()

    def _join(self) -> None:
        """Connects to the first process, as soon as it is there."""
        address = _split(self._addresses[self._first])
        while True:
            problem = "something else answers at its port"
            try:
                line = _Line(socket.create_connection(address, _HELLO))
                line.send({"name": self._name})
                answer = line.greet()
                if "error" in answer:
                    raise PeerError(answer["error"])
                if "welcome" in answer:
                    self._lines[self._first] = line
                    return
                line.close()
            except OSError as error:
                problem = _reason(error)
            self._check_time(self._show(self._first), "no answer", problem)
            time.sleep(_TURN)

    def _check_time(self, others: str, what: str, problem: str = "") -> None:
        """Logs once who is waited for; raises PeerError, such as "worker 1: not started (why)"."""
        waited = time.monotonic() - self._begin
        if waited > self._patience:
            why = problem and f" ({problem})"
            raise PeerError(
                f"{others}: {what} within {self._patience:.0f} seconds{why}; {_RESTART}"
            )
        if waited > _SILENCE and not self._has_logged:
            self._log(f"Waiting for {others}{problem and ': '}{problem}")
            self._has_logged = True

    def _refuse_differences(self, name: str, found: Message, values: Mapping[str, Any]) -> None:
        differences = [
            f"{key} is {found.get(key)}, not {values.get(key)}"
            for key in {**values, **found}
            if found.get(key) != values.get(key)
        ]
        if differences:
            raise PeerError(
                f"{self._show(name)} was not started like {self._show(self._first)}: "
                f"{list_few(differences)}; expected the same in all processes of the cluster"
            )

    def _watch(self, name: str) -> None:
        """Ends this process once another one has gone before the training's end."""
        try:
            if "done" in self._receive(name):
                return
        except PeerError as error:
            if self._has_left.wait(_GRACE) or not self._is_ending.acquire(blocking=False):
                return
            self._send({"error": str(error)})
            self._end(str(error))

    def _receive(self, name: str) -> Message:
        message = self._lines[name].receive()
        if message is None:
            raise PeerError(f"{self._show(name)} has gone before the training ended; {_RESTART}")
        if "error" in message:
            raise PeerError(message["error"])
        return message

    def _send(self, message: Message) -> None:
        for line in self._lines.values():
            line.send(message)

    def _leave(self, error: BaseException | None) -> None:
        """Says goodbye: that all is done, or what this process ends with."""
        self._has_left.set()
        if error is None:
            self._send({"done": True})
        elif isinstance(error, PeerError):
            self._send({"error": str(error)})
        elif isinstance(error, Exception):
            reason = str(error).partition("\n")[0]
            self._send({"error": f"{self._show(self._name)} has ended: {reason}; {_RESTART}"})
        for line in self._lines.values():
            line.close()

    def _show(self, name: str) -> str:
        return f"{name} ({self._addresses[name]})"


class _Line:
    """A connection, on which lines of JSON go both ways."""

    def __init__(self, connection: socket.socket):
        self._socket = connection
        self._socket.settimeout(_HELLO)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in _KEEPALIVE.items():
            self._socket.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
        self._stream = connection.makefile("rb")

    def greet(self) -> Message:
        """Returns the first message; an empty one of what is not in the cluster."""
        message = self.receive(_LONGEST_GREETING) or {}
        self._socket.settimeout(None)
        return message

    def receive(self, most_bytes: int = -1) -> Message | None:
        """Waits for a message. Returns None if the other process has gone, or sends no message."""
        try:
            # Of a process that dies while it sends, half a line may come.
            message = parse_line(self._stream.readline(most_bytes), "a message")
        except (OSError, DataError):
            return None
        return message if isinstance(message, dict) else None

    def send(self, message: Message) -> None:
        """Sends a message. If the other process has gone, the next ``receive`` finds out."""
        with contextlib.suppress(OSError):
            self._socket.sendall(json.dumps(message).encode("ascii") + b"\n")

    def is_open(self) -> bool:
        """False once the other process has gone."""
        try:
            return self._socket.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) != b""
        except BlockingIOError:
            return True
        except OSError:
            return False

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes the thread that reads
        self._socket.close()


def _split(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    if not port.isdecimal():
        raise ConfigError(f"TF_CONFIG: {address!r} is not an address; expected host:port")
    return host.strip("[]"), int(port)


def _reason(error: OSError) -> str:
    """Returns the operating system's message, without Python's additions."""
    number = error.errno  # the resolver's are not above 0
    return os.strerror(number) if number and number > 0 else str(error)


def _listen(address: str) -> socket.socket:
    """Listens at a port of this machine, at all its addresses, as TensorFlow's server does."""
    place = ("", _split(address)[1])
    try:
        if socket.has_dualstack_ipv6():
            listener = socket.create_server(place, family=socket.AF_INET6, dualstack_ipv6=True)
        else:
            listener = socket.create_server(place)
    except OSError as error:
        raise ConfigError(
            f"TF_CONFIG: {address}, the address of this process, can't be used ({_reason(error)}); "
            "expected a port that no other process uses"
        ) from None
    listener.settimeout(_TURN)
    return listener
