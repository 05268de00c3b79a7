"""C3: its files, the sequences of its choices, and predictions for it."""

import json

import numpy as np
import pytest

from bert_wwm.core.errors import ConfigError, DataError
from bert_wwm.tasks.choice_features import NUM_CHOICES, ChoiceFeaturizer, truncate_longest
from bert_wwm.tasks.choice_tasks import clue_lines, read_c3
from bert_wwm.tasks.examples import Choices
from bert_wwm.tasks.features import join_tables
from bert_wwm.text.tokenizer import Tokenizer
from bert_wwm.text.vocabulary import Vocabulary


def document(*questions, lines=("男：你好。", "女：你好。"), name="d-1"):
    return [list(lines), list(questions), name]


def question(text="谁？", choices=("男", "女"), **others):
    return {"question": text, "choice": list(choices), **others}


def write(path, *documents):
    path.write_text(json.dumps(documents, ensure_ascii=False))
    return str(path)


def test_both_files_of_a_split_are_read(tmp_path):
    dialogues = write(
        tmp_path / "d-train.json",
        document(question(answer="女"), question("几？", ("一", "二", "三"), answer="一")),
    )
    other = write(tmp_path / "m-train.json", document(question(answer="男"), name="m-1"))
    notes = []
    examples = read_c3(dialogues, notes.append)
    assert notes == [f"{dialogues}: read with {other}"]
    assert [example.label for example in examples] == ["1", "0", "0"]
    assert [example.id for example in examples] == ["0", "1", "2"]
    assert examples[1] == Choices(
        "1",
        "男：你好。\n女：你好。",
        "几？",
        ("一", "二", "三"),
        "0",
        f"document 1 of {dialogues}, question 2",
    )
    assert read_c3(other, notes.append)[0].line == "document 1, question 1"


def test_the_files_of_the_benchmark_have_ids_and_no_answers(tmp_path):
    path = write(tmp_path / "test1.0.json", document(question(id=7), question(id=3)))
    examples = read_c3(path, print)
    assert [(example.id, example.label) for example in examples] == [("7", None), ("3", None)]
    assert list(clue_lines(examples, ["1", "0"])) == [
        '{"id": 7, "label": 1}',
        '{"id": 3, "label": 0}',
    ]


@pytest.mark.parametrize(
    "content, error",
    [
        ([], "holds no question; expected one at least"),
        ({}, "is {}; expected a list"),
        ([[["a"]]], "document 1: expected [lines of the context, questions, name]"),
        ([["a", [], "d"]], 'document 1: context: is "a"; expected a list'),
        ([[[1], [], "d"]], "document 1: context: is 1; expected a text"),
        ([document({"question": "a"})], "document 1, question 1: expected an object with 'que"),
        ([document(question(choices=["a"]))], "document 1, question 1: 1 choices; expected 2 to 4"),
        (
            [document(question(choices="abcde"))],
            "document 1, question 1: 5 choices; expected 2",
        ),
        (
            [document(question(answer="人"))],
            "document 1, question 1: the answer '人' is none of the choices",
        ),
    ],
)
def test_other_files_are_refused(tmp_path, content, error):
    path = tmp_path / "train.json"
    path.write_text(json.dumps(content))
    with pytest.raises(DataError) as raised:
        read_c3(str(path), print)
    assert str(raised.value).startswith(f"{path}: {error}")


def reference_truncation(a, b, c, room):
    """As CLUE's ``_truncate_seq_tuple`` does it, piece by piece."""
    while a + b + c > room:
        if a >= b and a >= c:
            a -= 1
        elif b >= a and b >= c:
            b -= 1
        else:
            c -= 1
    return a, b, c


def test_the_longest_text_loses_its_end():
    rng = np.random.default_rng(0)
    sizes = rng.integers(0, 30, [3, 3000])
    for room in (3, 8, 20, 60):
        found = np.stack(truncate_longest(*sizes, room), axis=1).tolist()
        assert found == [list(reference_truncation(*row, room)) for row in sizes.T.tolist()]


@pytest.fixture
def featurizer(vocab_file):
    return ChoiceFeaturizer(Tokenizer(Vocabulary.from_file(vocab_file)), 16)


EXAMPLES = [
    Choices("0", "我们在学习使用语言模型", "什么", ("语言", "模型", "学习使用"), "2"),
    Choices("1", "今天\n天气", "气", ("天", "今天"), None),
]


def reference_sequence(tokenizer, example, number, length):
    """[CLS] context [SEP] question [SEP] choice [SEP] of a choice, as CLUE makes it."""
    choice = (*example.choices, "", "", "")[number]
    texts = (example.context, choice, example.question)
    a, b, c = (
        [piece.text for piece in tokenizer.tokenize(text.replace("\n", " "))] for text in texts
    )
    sizes = reference_truncation(len(a), len(b), len(c), length - 4)
    a, b, c = (pieces[:size] for pieces, size in zip((a, b, c), sizes))
    pieces = ["[CLS]", *a, "[SEP]", *c, "[SEP]", *b, "[SEP]"]
    return pieces, [0] * (len(a) + 2) + [1] * (len(pieces) - len(a) - 2)


def test_sequences_take_turns_in_a_row(featurizer, vocab_file):
    tokenizer = Tokenizer(Vocabulary.from_file(vocab_file))
    table = featurizer(EXAMPLES, 5)
    for row, example in enumerate(EXAMPLES):
        columns = {
            name: table.of_tokens(name, row).reshape(-1, NUM_CHOICES).T for name in table.tokens
        }
        longest = 0
        for number in range(NUM_CHOICES):
            pieces, segments = reference_sequence(tokenizer, example, number, 16)
            size, longest = len(pieces), max(longest, len(pieces))
            ids = [tokenizer.vocabulary.ids[piece] for piece in pieces]
            assert columns["input_ids"][number, :size].tolist() == ids
            assert columns["segment_ids"][number, :size].tolist() == segments
            assert columns["input_mask"][number].tolist() == [
                int(place < size) for place in range(columns["input_mask"].shape[1])
            ]
        assert columns["input_ids"].shape[1] == longest
    assert table.rows["label_ids"].tolist() == [2, -1]
    assert table.rows["example"].tolist() == [5, 6]
    assert table.rows["truncated"].tolist() == [1, 0]


def test_features_in_parts_are_those_of_the_whole(featurizer):
    whole = featurizer(EXAMPLES, 0)
    parts = join_tables([featurizer(EXAMPLES[:1], 0), featurizer(EXAMPLES[1:], 1)])
    assert whole.to_bytes() == parts.to_bytes()
    with pytest.raises(ConfigError, match="max_seq_length is 6; expected at least 7"):
        ChoiceFeaturizer(None, 6)
