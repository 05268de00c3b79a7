"""What the tests of training share."""

import pytest

from bert_wwm.compat import tf


@pytest.fixture(params=[True, False], ids=["resource", "ref"])
def graph(request):
    """A fresh graph whose variables are of the newer or of the older kind."""
    with tf.Graph().as_default() as graph:
        tf.set_random_seed(1)
        with tf.variable_scope(tf.get_variable_scope(), use_resource=request.param):
            yield graph
