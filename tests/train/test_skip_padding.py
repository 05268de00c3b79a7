import pytest
from task_steps import assert_same_step, features, run

from bert_wwm.compat import tf


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind, parts",
    [
        ("tagging", 2),
        ("reading", 1),
        pytest.param("sentence", 1, marks=pytest.mark.long),
        pytest.param("sentence", 2, marks=pytest.mark.long),
        pytest.param("tagging", 1, marks=pytest.mark.long),
        pytest.param("reading", 2, marks=pytest.mark.long),
    ],
)
def test_a_step_without_padding_is_that_with_it(kind, parts, tmp_path):
    padded, unpadded = (
        run(
            kind,
            tf.estimator.ModeKeys.TRAIN,
            features(9),
            tmp_path,
            skip_padding=skip_padding,
            num_accumulation_steps=parts,
        )
        for skip_padding in (False, True)
    )
    rows = padded["rows"], unpadded["rows"]
    assert rows == {1: (4 * 16, 9 + 3 + 5 + 9), 2: (2 * 16, 9 + 3)}[parts]
    assert_same_step(padded, unpadded)
