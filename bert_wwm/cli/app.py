"""Runs a program: parses its flags, and turns errors into one sentence and a status."""

import logging
import os
import re
import sys
import threading
import warnings
from collections.abc import Callable, Sequence
from typing import NoReturn

from absl import app, flags
from absl import logging as absl_logging

from bert_wwm.core import input_files, output
from bert_wwm.core.errors import ToolkitError, first_reason

# As Python writes a byte of a file's name that is not UTF-8.
_BYTE_OF_A_NAME = re.compile("[\udc80-\udcff]")
_CURVES = "events.out.tfevents."  # in the names of files of TensorBoard's


def run(main: Callable[[list[str]], None], commands: Sequence[str] = ()) -> None:
    """Parses the flags and runs ``main``.

    With ``commands``, the first argument must be one of them: ``main`` finds it in ``argv``. A file
    that has changed since ``main`` began to read it is an error, at the latest at the end.

    What a user can mend (such as a ToolkitError or a full disk) ends the program with one sentence
    on standard error and status 1, an interrupt (Ctrl-C) with status 130; anything else is a bug
    and shows its traceback.
    """

    def guarded(argv: list[str]) -> None:
        if commands and argv[1:2] not in ([command] for command in commands):
            raise app.UsageError(f"expected one of {', '.join(commands)} as the first argument")
        if len(argv) > (2 if commands else 1):
            raise app.UsageError(f"unexpected argument {argv[-1]!r}; flags start with --")
        absl_logging.set_verbosity(absl_logging.WARNING)
        # TensorFlow warns of deprecations within itself, which a user can do nothing about.
        logging.getLogger("tensorflow").setLevel(logging.ERROR)
        logging.getLogger("tensorflow").addFilter(_is_not_of_curves)
        threading.excepthook = _show_failed_thread
        warnings.filterwarnings("ignore", module="tensorflow")
        program = os.path.basename(argv[0])
        output.protect_output()
        try:
            with input_files.noting(flags.FLAGS.flag_values_dict().get("output_dir")):
                main(argv)
        except (ToolkitError, OSError) as error:
            message = str(error).replace("\n", "\\n")  # of a name
            sys.exit(f"{program}: error: {message}")
        except UnicodeEncodeError as error:
            if not _BYTE_OF_A_NAME.search(error.object):
                raise
            name = error.object.replace("\n", "\\n")
            sys.exit(
                f"{program}: error: {name}: is not UTF-8; TensorFlow and Beam expect names "
                "of files in UTF-8"
            )
        except Exception as error:
            if not _is_tensorflows(error):
                raise
            message = first_reason(str(error))
            sys.exit(f"{program}: error: TensorFlow's {type(error).__name__}: {message}")
        except KeyboardInterrupt:
            print(f"{program}: interrupted", file=sys.stderr)
            sys.exit(130)

    app.run(guarded)


def end_at_once(message: str) -> NoReturn:
    """Ends the program with a sentence and status 1, as ``run`` does, but from any thread."""
    program = os.path.basename(sys.argv[0])
    print(f"{program}: error: {message}", file=sys.stderr, flush=True)
    os._exit(1)


# A thread of TensorFlow's writes TensorBoard's curves: it logs its error and ends with it, and then
# the main thread gets the same error.


def _is_not_of_curves(line: logging.LogRecord) -> bool:
    return _CURVES not in line.getMessage()


def _show_failed_thread(failed: threading.ExceptHookArgs) -> None:
    if _CURVES not in str(failed.exc_value):
        threading.__excepthook__(failed)


def _is_tensorflows(error: Exception) -> bool:
    """True for what TensorFlow's operations and its writer of curves raise, as for a full disk."""
    if isinstance(error, RuntimeError):
        return _CURVES in str(error)
    tensorflow = sys.modules.get("tensorflow")
    return tensorflow is not None and isinstance(error, tensorflow.errors.OpError)
