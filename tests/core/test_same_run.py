import pytest

from bert_wwm.core.errors import ConfigError
from bert_wwm.core.same_run import check_same_run


def test_a_run_is_the_same_with_the_same_settings_as_json_knows_them():
    check_same_run(
        {"a": [1, "字"], "b": {"1": None}}, {"b": {1: None}, "a": (1, "字")}, "f", "or x"
    )
    check_same_run({"a": 1}, {"a": 1, "new": None}, "f", "or x")


@pytest.mark.parametrize(
    "now, what",
    [
        ({"a": 2, "b": 1}, "a = 1, this run has 2"),
        ({"a": 1}, "b = 1, this run has None"),
        ({"a": 1, "b": 1, "new": 0}, "new = None, this run has 0"),
    ],
)
def test_every_difference_counts(now, what):
    with pytest.raises(ConfigError, match=f"^f: was made with {what}; expected the same, or x$"):
        check_same_run({"a": 1, "b": 1}, now, "f", "or x")
