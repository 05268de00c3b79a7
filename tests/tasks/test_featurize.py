import numpy as np
import pytest
from feature_tables import build_table

from bert_wwm.tasks import featurize as module
from bert_wwm.tasks.examples import Sentence
from bert_wwm.tasks.featurize import Featurizer, features_key, featurize

EXAMPLES = [Sentence(str(number), "字" * (number % 7)) for number in range(5000)]


class Lengths(Featurizer):
    """As many tokens as characters, and one more."""

    def __init__(self, version=1):
        self.version = version

    def describe(self):
        return {"kind": "lengths", "version": self.version}

    def __call__(self, examples, first):
        ids = [[1] * (len(example.text_a) + 1) for example in examples]
        numbers = range(first, first + len(examples))
        return build_table({"input_ids": ids, "segment_ids": ids}, {"example": numbers})


def check(table, key):
    assert key == features_key(Lengths(), EXAMPLES)
    assert table.rows["example"].tolist() == list(range(5000))
    assert table.lengths.tolist() == [number % 7 + 1 for number in range(5000)]


@pytest.mark.parametrize("few", [0, 10**9], ids=["workers", "here"])
def test_features_are_in_the_order_of_the_examples(few, monkeypatch):
    monkeypatch.setattr(module, "_FEW_CHARACTERS", few)
    check(*featurize(Lengths(), EXAMPLES, 2))


def test_features_are_made_once(tmp_path, monkeypatch):
    check(*featurize(Lengths(), EXAMPLES, 1, str(tmp_path)))
    monkeypatch.setattr(Lengths, "__call__", None)
    check(*featurize(Lengths(), EXAMPLES, 1, str(tmp_path)))
    with pytest.raises(TypeError):  # of another kind
        featurize(Lengths(version=2), EXAMPLES, 1, str(tmp_path))


def test_examples_are_hashed_once(tmp_path, monkeypatch):
    hashed = []

    def counting(featurizer, examples):
        hashed.append(len(examples))
        return features_key(featurizer, examples)

    monkeypatch.setattr(module, "features_key", counting)
    check(*featurize(Lengths(), EXAMPLES, 1, str(tmp_path)))
    assert hashed == [5000]


def test_a_broken_file_is_made_anew(tmp_path):
    check(*featurize(Lengths(), EXAMPLES, 1, str(tmp_path)))
    [path] = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:1000])
    lines = []
    check(*featurize(Lengths(), EXAMPLES, 1, str(tmp_path), lines.append))
    assert lines == [f"{path}: broken, and made again"]
    assert np.load(path)["offsets"][-1] == sum(number % 7 + 1 for number in range(5000))


def test_the_key_hangs_on_the_examples_and_on_what_makes_features():
    key = features_key(Lengths(), EXAMPLES)
    assert key == features_key(Lengths(), list(EXAMPLES))
    assert key != features_key(Lengths(2), EXAMPLES)
    assert key != features_key(Lengths(), EXAMPLES[:-1])
    assert key != features_key(Lengths(), [*EXAMPLES[:-1], EXAMPLES[-1]._replace(label="1")])
    undecided = EXAMPLES[-1]._replace(undecided=True)
    assert key != features_key(Lengths(), [*EXAMPLES[:-1], undecided])
    assert key != features_key(Lengths(), [Sentence("\ud800", "x"), *EXAMPLES[1:]])
