"""For tests of large graphs: only make test-long repeats them with the older kind of variables."""

import pytest

RESOURCE_FIRST = pytest.mark.parametrize(
    "graph",
    [True, pytest.param(False, marks=pytest.mark.long)],
    indirect=True,
    ids=["resource", "ref"],
)
