"""Runs programs in processes of their own that have imported TensorFlow already.

Reads requests from standard input, a line of JSON each: ``argv``, and the files ``stdout`` and
``stderr``. Answers each by two lines: the number of the process, and the status it ended with
(negative: the signal).
"""

import json
import os
import runpy
import sys
from typing import Any, Dict


def serve() -> Dict[str, Any]:
    """Forks for each request; returns the request in the new process."""
    for line in sys.stdin:
        request = json.loads(line)
        process = os.fork()
        if not process:
            return request
        print(process, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), flush=True)
    sys.exit()


if __name__ == "__main__":
    import bert_wwm.finetuning.run  # noqa: F401  imports TensorFlow, and defines no flags

    work = serve()
    for number, name in enumerate((os.devnull, work["stdout"], work["stderr"])):
        flags = os.O_RDONLY if not number else os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        os.dup2(os.open(name, flags, 0o644), number)
    sys.argv = work["argv"]
    runpy.run_path(sys.argv[0], run_name="__main__")
