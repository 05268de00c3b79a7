import io

import pytest

from bert_wwm.core.progress import Progress, duration


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    times = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: times[0])
    return times


def test_a_log_gets_a_line_now_and_then(clock):
    stream = io.StringIO()
    with Progress("records", 100, stream=stream) as progress:
        clock[0] = 1
        progress.update(10)
        clock[0] = 30
        progress.update(25, "5 instances")
    assert stream.getvalue() == "records:  25 %, 5 instances, 1:30 left\n"


def test_a_terminal_gets_one_line_that_goes_away(clock):
    stream = Terminal()
    with Progress("records", 100, stream=stream) as progress:
        clock[0] = 1
        progress.update(50)
    assert stream.getvalue() == "\rrecords:  50 %, 0:01 left\033[K\r\033[K"


def test_the_time_left_is_told_by_what_was_done_since_the_start(clock):
    stream = io.StringIO()
    with Progress("records", 100, done=50, stream=stream) as progress:
        clock[0] = 30
        progress.update(50)
        clock[0] = 60
        progress.update(75, "5 instances")
        clock[0] = 90
        progress.update(120)  # a total may be an estimate
    assert stream.getvalue() == (
        "records:  50 %, ? left\n"
        "records:  75 %, 5 instances, 1:00 left\n"
        "records: 100 %, 0:00 left\n"
    )


def test_no_work_is_done_at_once(clock):
    stream = io.StringIO()
    with Progress("records", 0, stream=stream) as progress:
        clock[0] = 30
        progress.update(0)
    assert stream.getvalue() == "records: 100 %, 0:00 left\n"


@pytest.mark.parametrize(
    "seconds, text", [(0, "0:00"), (7.4, "0:07"), (61, "1:01"), (3723, "1:02:03")]
)
def test_durations(seconds, text):
    assert duration(seconds) == text
