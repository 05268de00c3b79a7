"""Starts programs in processes that have imported TensorFlow already.

Reads requests from standard input, a line of JSON each: ``argv``, ``cwd``, ``environment``,
``new_session``, and the files ``stdout``, ``stderr`` and ``status``. Answers each with the process
ID of the program. When the program ends, its exit status (negative: a signal) is in ``status``.
"""

import atexit
import contextlib
import gc
import json
import os
import runpy
import signal
import sys
import threading
from typing import Any


def preload() -> None:
    """Imports what is slow to import. Nothing here defines flags."""
    from bert_wwm.compat import tf

    tf.estimator.tpu.RunConfig  # noqa: B018  loaded at the first use
    from matplotlib.backends import backend_agg  # noqa: F401
    from tensorflow.python.training import training_util

    import bert_wwm.finetuning.hidden_states
    import bert_wwm.finetuning.run
    import bert_wwm.model.fill_mask
    import bert_wwm.records.input_fn
    import bert_wwm.train.loop  # noqa: F401

    with contextlib.suppress(ImportError):  # not every environment of tests has it
        import gensim.models  # noqa: F401

    # To print a graph as text takes a quarter of a small training, and no test reads it.
    training_util.write_graph = lambda *arguments: None
    sys.modules["triton"] = None  # as in conftest.py
    gc.set_threshold(50_000, 20, 100)  # as in conftest.py
    gc.freeze()  # else the programs' garbage collection, at exit too, copies all this memory


def serve() -> dict[str, Any]:
    """Forks twice for each request; returns the request in the program's process.

    The process in between waits for the program, so that the server takes the next request.
    """
    for line in sys.stdin:
        if os.fork():
            reap_children(os.WNOHANG)
            continue
        request = json.loads(line)
        program = os.fork()
        if not program:
            return request
        print(program, flush=True)
        code = os.waitstatus_to_exitcode(os.waitpid(program, 0)[1])
        with open(f"{request['status']}.part", "w") as file:
            file.write(str(code))
        os.replace(file.name, request["status"])
        os._exit(0)
    reap_children()
    sys.exit()


def reap_children(flags: int = 0) -> None:
    """Waits for children, which adds their CPU time to this process's."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, flags)[0]:
            pass


def become(request: dict[str, Any]) -> None:
    """Gives this process the files, environment and arguments of a program."""
    for number, name in enumerate((os.devnull, request["stdout"], request["stderr"])):
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND if number else os.O_RDONLY
        os.dup2(os.open(name, flags, 0o644), number)
    # Python leaves a signal ignored that was so at the start, as in the background of a shell.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if request["new_session"]:
        os.setsid()
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv = request["argv"]
    sys.path[0] = os.path.dirname(sys.argv[0])


def run_program() -> int:
    """Runs the program in sys.argv; returns its exit status."""
    try:
        runpy.run_path(sys.argv[0], run_name="__main__")
    except SystemExit as error:
        if error.code is None or isinstance(error.code, int):
            return error.code or 0
        print(error.code, file=sys.stderr)
        return 1
    except Exception:
        sys.excepthook(*sys.exc_info())
        return 1
    return 0


def leave(status: int) -> None:
    """Ends this process without taking TensorFlow's modules down, which takes 0.3 CPU seconds."""
    threading._shutdown()  # waits for threads, as the interpreter does at exit
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status & 0xFF)


if __name__ == "__main__":
    preload()
    become(serve())
    leave(run_program())
