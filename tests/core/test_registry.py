import pytest

from bert_wwm.core.errors import ConfigError
from bert_wwm.core.registry import Registry


def test_finds_what_was_registered():
    registry = Registry("animal")

    @registry.register("cat")
    class Cat:
        pass

    assert registry["cat"] is Cat
    assert registry.names() == ["cat"]


def test_refuses_a_name_that_is_taken():
    registry = Registry("animal")
    registry.add("cat", 1)
    with pytest.raises(ValueError, match="animal 'cat' is registered twice"):
        registry.add("cat", 2)


def test_an_unknown_name_lists_the_known_ones_and_the_nearest():
    registry = Registry("animal")
    registry.add("cat", 1)
    registry.add("tiger", 2)
    with pytest.raises(ConfigError) as error:
        registry["tigre"]
    assert str(error.value) == ("unknown animal 'tigre'; known: cat, tiger; did you mean 'tiger'?")
