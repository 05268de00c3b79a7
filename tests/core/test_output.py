"""Output that can't command a terminal, and that nobody need read."""

import errno
import io
import os
import subprocess
import sys

import pytest

from bert_wwm.core.output import SafeStream, escape, trusting


@pytest.mark.parametrize(
    "text, shown",
    [
        ("使用\tBERT，\n好😀", "使用\tBERT，\n好😀"),
        ("\x1b[2J\x1b]0;a\x07", r"\x1b[2J\x1b]0;a\x07"),
        ("a\rb\x00\x7f\x9b", r"a\rb\x00\x7f\x9b"),
        ("a\u202eb\u2066", r"a\u202eb\u2066"),
        ("\ud800", r"\ud800"),
    ],
)
def test_control_characters_are_shown_as_python_writes_them(text, shown):
    assert escape(text) == shown
    stream = io.StringIO()
    print(text, file=SafeStream(stream), end="")
    assert stream.getvalue() == shown


def test_a_program_may_colour():
    stream = io.StringIO()
    safe = SafeStream(stream)
    trusting(safe).write("\x1b[1m")
    safe.write("\x1b")
    assert stream.getvalue() == "\x1b[1m\\x1b"
    assert trusting(stream) is stream


def test_what_an_encoding_lacks_is_escaped():
    raw = io.BytesIO()
    stream = SafeStream(io.TextIOWrapper(raw, "ascii"))
    print("好", file=stream, flush=True)
    assert raw.getvalue() == b"\\u597d\n"


class Full(io.StringIO):
    def write(self, text):
        raise OSError(errno.ENOSPC, "full")


def test_a_full_disk_is_an_error():
    with pytest.raises(OSError, match="full"):
        SafeStream(Full()).write("a")


def test_work_goes_on_when_its_reader_has_gone(tmp_path):
    done = tmp_path / "done"
    code = (
        "from bert_wwm.core import output; output.protect_output()\n"
        "for number in range(20_000): print(number, flush=True)\n"
        f"open({str(done)!r}, 'w').close()"
    )
    reader, writer = os.pipe()
    process = subprocess.Popen([sys.executable, "-c", code], stdout=writer, stderr=writer)
    os.close(writer)
    os.read(reader, 10)
    os.close(reader)
    assert process.wait(60) == 0
    assert done.exists()
