import collections
import pickle
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bert_wwm.core.errors import ConfigError
from bert_wwm.tasks.examples import ANSWER_TYPES, NO, UNANSWERABLE, YES, Answer, Question
from bert_wwm.tasks.reading_features import ReadingFeaturizer
from bert_wwm.tasks.reading_files import find_answer, read_questions
from bert_wwm.text.tokenizer import Tokenizer
from bert_wwm.text.vocabulary import Vocabulary


@pytest.fixture(scope="module")
def tokenizer(vocab_file):
    return Tokenizer(Vocabulary.from_file(vocab_file))


def question(context, answer=None, asked="学什么", name="1", **more):
    answers = () if answer is None else (answer if isinstance(answer, Answer) else Answer(answer),)
    return Question(name, asked, context, answers, **more)


def plain_features(tokenizer, example, max_seq_length, doc_stride, max_query_length):
    """What google-research/bert's run_squad.py makes of a question, piece by piece."""
    asked = tokenizer.tokenize(example.question)[:max_query_length]
    pieces = tokenizer.tokenize(example.context)
    room = max_seq_length - len(asked) - 3
    spans = []
    start = 0
    while True:
        length = min(len(pieces) - start, room)
        spans.append((start, length))
        if start + length >= len(pieces):
            break
        start += min(length, doc_stride)

    def best_chunk(position):
        best, score = None, None
        for number, (begin, length) in enumerate(spans):
            end = begin + length - 1
            if begin <= position <= end:
                here = min(position - begin, end - position) + 0.01 * length
                if score is None or here > score:
                    best, score = number, here
        return best

    ids = tokenizer.vocabulary.ids
    features = []
    for number, (begin, length) in enumerate(spans):
        chunk = pieces[begin : begin + length]
        head = [ids["[CLS]"], *(piece.id for piece in asked), ids["[SEP]"]]
        tail = [*(piece.id for piece in chunk), ids["[SEP]"]]
        best = [int(best_chunk(begin + i) == number) for i in range(length)]
        positions = (0, 0)
        if not example.answers:
            positions = (-1, -1)
        else:
            span = find_answer(example.context, example.answers[0])
            inside = [i for i, p in enumerate(pieces) if p.end > span[0] and p.start < span[1]]
            if begin <= inside[0] and inside[-1] < begin + length:
                positions = tuple(i - begin + len(head) for i in (inside[0], inside[-1]))
        features.append(
            {
                "input_ids": head + tail,
                "segment_ids": [0] * len(head) + [1] * len(tail),
                "max_context": [0] * len(head) + best + [0],
                "char_starts": [-1] * len(head) + [p.start for p in chunk] + [-1],
                "char_ends": [-1] * len(head) + [p.end for p in chunk] + [-1],
                "start_positions": positions[0],
                "end_positions": positions[1],
                "context_begin": len(head),
                "context_end": len(head) + length,
            }
        )
    return features


@pytest.mark.slow
@pytest.mark.parametrize(
    ("max_seq_length", "doc_stride", "max_query_length"),
    [(512, 128, 64), (384, 128, 64), (128, 128, 64), (64, 16, 20), (40, 3, 8)],
)
def test_features_are_googles(samples, max_seq_length, doc_stride, max_query_length):
    tokenizer = Tokenizer(Vocabulary.from_file(str(samples / "vocab.txt")))
    examples = read_questions(str(samples / "cmrc2018/cmrc2018_trial.json"), lambda note: None)
    examples[3] = examples[3]._replace(answers=())
    featurizer = ReadingFeaturizer(tokenizer, max_seq_length, doc_stride, max_query_length)
    table = featurizer(examples, 7)
    row = 0
    for number, example in enumerate(examples):
        for expected in plain_features(
            tokenizer, example, max_seq_length, doc_stride, max_query_length
        ):
            assert table.rows["example"][row] == number + 7
            for name, value in expected.items():
                if name in table.rows:
                    assert table.rows[name][row] == value, name
                else:
                    assert table.of_tokens(name, row).tolist() == value, name
            row += 1
    assert row == len(table)
    assert all(values.dtype == np.int32 for values in [*table.tokens.values()])
    assert all(values.dtype == np.int32 for values in [*table.rows.values()])


TEXT = st.text(alphabet="学习使用 bertABC12年\n。\u3000\u200b😀é́ﬃΣẞ\ud800", max_size=60)


@settings(max_examples=60)
@given(
    examples=st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=4),
    max_seq_length=st.integers(8, 40),
    doc_stride=st.integers(1, 40),
)
def test_every_piece_is_in_a_chunk(tokenizer, examples, max_seq_length, doc_stride):
    questions = [question(context, asked=asked) for asked, context in examples]
    table = ReadingFeaturizer(tokenizer, max_seq_length, doc_stride)(questions, 0)
    assert sorted(set(table.rows["example"].tolist())) == list(range(len(questions)))
    assert table.lengths.max() <= max_seq_length
    pieces = [collections.Counter() for _ in questions]
    best = [collections.Counter() for _ in questions]
    for row, number in enumerate(table.rows["example"].tolist()):
        context = slice(table.rows["context_begin"][row], table.rows["context_end"][row])
        spans = zip(
            *(
                table.of_tokens(name, row)[context].tolist()
                for name in ("char_starts", "char_ends", "input_ids", "max_context")
            )
        )
        for start, end, piece, is_best in spans:
            assert questions[number].context[start:end].strip()
            pieces[number][start, end, piece] += 1
            best[number][start, end, piece] += is_best
        assert table.of_tokens("max_context", row).sum() == sum(
            table.of_tokens("max_context", row)[context]
        )
    for number, example in enumerate(questions):
        expected = collections.Counter(
            (piece.start, piece.end, piece.id) for piece in tokenizer.tokenize(example.context)
        )
        assert pieces[number].keys() == expected.keys()
        assert best[number] == expected


def test_line_ends_part_pieces_and_keep_positions(tokenizer):
    table = ReadingFeaturizer(tokenizer, 32)([question("使\r\n用\nbe\nrt", "用\nbe")], 0)
    assert table.of_tokens("char_starts", 0).tolist() == [-1] * 5 + [0, 3, 5, 8, -1]
    assert table.rows["start_positions"].tolist() == [6]
    assert table.rows["end_positions"].tolist() == [7]


def test_answer_within_a_piece_is_widened(tokenizer):
    table = ReadingFeaturizer(tokenizer, 32)([question("在2019年学习", Answer("19年", 3))], 0)
    start, end = table.rows["start_positions"][0], table.rows["end_positions"][0]
    assert table.of_tokens("char_starts", 0)[start] == 1  # 2019 is a piece
    assert table.of_tokens("char_ends", 0)[end] == 6


def test_first_occurrence(tokenizer):
    examples = [question("使用使用", Answer("用", 3))]
    assert ReadingFeaturizer(tokenizer, 32)(examples, 0).rows["start_positions"] == [8]
    compatible = ReadingFeaturizer(tokenizer, 32, hfl_compat=True)
    assert compatible(examples, 0).rows["start_positions"] == [6]


def test_what_is_not_trained_on(tokenizer):
    examples = [
        question("使用", "学习"),
        question("使用"),
        question("使\u200b用", "\u200b"),
        question("", "学"),
    ]
    table = ReadingFeaturizer(tokenizer, 32, answer_types=True)(examples, 0)
    for name in ("start_positions", "end_positions", "answer_types"):
        assert table.rows[name].tolist() == [-1] * 4


def test_answer_types(tokenizer):
    context = "使用语言模型来预测"
    examples = [
        question(context, "预测"),
        question("使用", "YES", answer_type=YES),
        question("使用", "NO", answer_type=NO),
        question("使用", "", answer_type=UNANSWERABLE),
    ]
    table = ReadingFeaturizer(tokenizer, 12, doc_stride=6, answer_types=True)(examples, 0)
    assert table.rows["example"].tolist() == [0, 0, 1, 2, 3]
    types = [ANSWER_TYPES[number] for number in table.rows["answer_types"]]
    # The first chunk shows nothing of the answer.
    assert types == [UNANSWERABLE, "span", YES, NO, UNANSWERABLE]
    assert table.rows["start_positions"].tolist() == [0, 6, 0, 0, 0]
    assert "answer_types" not in ReadingFeaturizer(tokenizer, 12)(examples, 0).rows


def test_empty_context_has_a_sequence(tokenizer):
    table = ReadingFeaturizer(tokenizer, 32)([question("", asked=""), question(" \n")], 0)
    assert table.lengths.tolist() == [3, 6]
    assert table.rows["context_begin"].tolist() == table.rows["context_end"].tolist() == [2, 5]


def test_question_is_cut_so_that_a_quarter_is_left(tokenizer):
    table = ReadingFeaturizer(tokenizer, 11)([question("使用语言模型", asked="学" * 100)], 0)
    assert set(table.rows["context_begin"].tolist()) == {8}
    assert len(table) == 3 and table.lengths.tolist() == [11] * 3
    table = ReadingFeaturizer(tokenizer, 64, max_query_length=5)(
        [question("使", asked="学" * 9)], 0
    )
    assert table.rows["context_begin"].tolist() == [7]


def test_settings_that_make_no_sense(tokenizer):
    with pytest.raises(ConfigError, match="max_seq_length is 7; expected at least 8"):
        ReadingFeaturizer(tokenizer, 7)
    with pytest.raises(ConfigError, match="doc_stride is 0; expected at least 1"):
        ReadingFeaturizer(tokenizer, 64, doc_stride=0)
    with pytest.raises(ConfigError, match="max_query_length is 0; expected at least 1"):
        ReadingFeaturizer(tokenizer, 64, max_query_length=0)


def test_very_long_context(tokenizer):
    context = "使用语言模型" * 16_667
    begin = time.process_time()
    table = ReadingFeaturizer(tokenizer, 384)([question(context, Answer("语", 50_000))], 0)
    assert time.process_time() - begin < 10
    assert table.rows["context_end"].max() == 383
    assert table.tokens["max_context"].sum() == len(context)


def test_description_and_pickle(tokenizer):
    featurizer = pickle.loads(pickle.dumps(ReadingFeaturizer(tokenizer, 64, answer_types=True)))
    described = featurizer.describe()
    assert described == ReadingFeaturizer(tokenizer, 64, answer_types=True).describe()
    for other in (
        ReadingFeaturizer(tokenizer, 63, answer_types=True),
        ReadingFeaturizer(tokenizer, 64, doc_stride=1, answer_types=True),
        ReadingFeaturizer(tokenizer, 64, max_query_length=1, answer_types=True),
        ReadingFeaturizer(tokenizer, 64, hfl_compat=True, answer_types=True),
        ReadingFeaturizer(tokenizer, 64),
    ):
        assert other.describe() != described
