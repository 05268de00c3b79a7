import itertools
import json

import numpy as np
import pytest
from reading_oracle import MASKED, oracle_outputs

from bert_wwm.tasks.answers import best_answers
from bert_wwm.tasks.examples import ANSWER_TYPES, UNANSWERABLE, Answer, Question
from bert_wwm.tasks.reading_features import ReadingFeaturizer
from bert_wwm.text.tokenizer import Tokenizer
from bert_wwm.text.vocabulary import Vocabulary


@pytest.fixture(scope="module")
def tokenizer(vocab_file):
    return Tokenizer(Vocabulary.from_file(vocab_file))


def question(context, answer=None, name="1", **more):
    answers = () if answer is None else (Answer(answer),)
    return Question(name, "学什么", context, answers, **more)


def texts_of(entries):
    return [entry["text"] for entry in entries]


def random_outputs(table, seed, types=False):
    rng = np.random.default_rng(seed)
    outputs = []
    for row, length in enumerate(table.lengths.tolist()):
        allowed = np.zeros(length, bool)
        allowed[table.rows["context_begin"][row] : table.rows["context_end"][row]] = True
        allowed[0] = True
        output = {}
        for name in ("start_log_probs", "end_log_probs"):
            logits = np.where(allowed, rng.normal(size=length), MASKED)
            output[name] = logits - np.log(np.exp(logits).sum())
        if types:
            logits = rng.normal(size=4)
            output["answer_type_log_probs"] = logits - np.log(np.exp(logits).sum())
        outputs.append(output)
    return outputs


def all_spans(example, table, outputs, max_answer_length):
    """Every text that may be an answer and its best score, by looking at all pairs."""
    scores = {}
    rows = range(len(table))
    best_end = {}  # of the piece that starts at a character: where its best chunk ends
    spans = [
        list(zip(table.of_tokens("char_starts", r), table.of_tokens("char_ends", r))) for r in rows
    ]
    contexts = [range(table.rows["context_begin"][r], table.rows["context_end"][r]) for r in rows]
    for row in rows:
        for i in contexts[row]:
            if table.of_tokens("max_context", row)[i]:
                best_end[spans[row][i]] = spans[row][contexts[row][-1]][1]
    for row in rows:
        for i, j in itertools.product(contexts[row], contexts[row]):
            if not i <= j < i + max_answer_length:
                continue
            fits = spans[row][j][1] <= best_end[spans[row][i]]
            if fits and not table.of_tokens("max_context", row)[i]:
                continue
            text = example.context[spans[row][i][0] : spans[row][j][1]]
            score = outputs[row]["start_log_probs"][i] + outputs[row]["end_log_probs"][j]
            scores[text] = max(score, scores.get(text, -np.inf))
    return scores


@pytest.mark.parametrize("max_answer_length", [1, 5, 30, 64])
@pytest.mark.parametrize(("length", "stride"), [(512, 128), (64, 40), (40, 8), (24, 5), (16, 16)])
def test_the_best_of_all_pairs(tokenizer, length, stride, max_answer_length):
    for seed in range(3):
        rng = np.random.default_rng(seed)
        context = "".join(rng.choice(list("使用语言模型 来预测ab")) for _ in range(70))
        example = question(context)
        table = ReadingFeaturizer(tokenizer, length, stride)([example], 0)
        outputs = random_outputs(table, seed)
        answers = best_answers([example], table, outputs, max_answer_length=max_answer_length)
        expected = all_spans(example, table, outputs, max_answer_length)
        best = sorted(expected.values(), reverse=True)[:20]
        entries = answers.n_best["1"]
        np.testing.assert_allclose([e["start_logit"] + e["end_logit"] for e in entries], best)
        np.testing.assert_allclose([expected[entry["text"]] for entry in entries], best)
        assert len({entry["text"] for entry in entries}) == len(entries) == min(20, len(expected))
        np.testing.assert_allclose(sum(entry["probability"] for entry in entries), 1)
        assert answers.texts == {"1": entries[0]["text"]} and answers.null_odds == {}


@pytest.mark.parametrize(("pieces", "is_found"), [(64, True), (65, False)])
def test_answers_have_up_to_64_pieces_by_default(tokenizer, pieces, is_found):
    example = question("用" + "使" * pieces + "言", "使" * pieces)
    table = ReadingFeaturizer(tokenizer, 128)([example], 0)
    answers = best_answers([example], table, oracle_outputs(table))
    assert (answers.texts["1"] == "使" * pieces) == is_found


def test_texts_that_occur_again_make_way_for_others(tokenizer):
    example = question("使" * 60 + "用")
    table = ReadingFeaturizer(tokenizer, 80)([example], 0)
    outputs = random_outputs(table, 0)
    for entry in outputs[0].values():
        entry[-2] = -50.0  # 用
    entries = best_answers([example], table, outputs, 8, max_answer_length=5).n_best["1"]
    assert [entry["text"] for entry in entries[:5]] == sorted(
        ["使" * n for n in range(1, 6)],
        key=lambda text: [e["text"] for e in entries].index(text),
    )
    assert len(entries) == 8 and all("用" in entry["text"] for entry in entries[5:])


def test_repeated_texts_make_way_for_others_of_the_same_chunk_first(tokenizer):
    example = question("使使用来来来语言模")
    table = ReadingFeaturizer(tokenizer, 12, doc_stride=3)([example], 0)
    scores = np.array([-1.0, -2.0, -3.0, -20.0, -20.0, -20.0, -10.0, -11.0, -12.0])
    outputs = []
    for first, begin, length in zip((0, 3), table.rows["context_begin"], table.lengths):
        starts = np.full(length, MASKED)
        starts[begin : begin + 6] = scores[first : first + 6]
        outputs.append({"start_log_probs": starts, "end_log_probs": np.zeros(length)})
    entries = best_answers([example], table, outputs, 2, max_answer_length=1).n_best["1"]
    assert texts_of(entries) == ["使", "用"]


@pytest.mark.parametrize(
    ("context", "answer"),
    [
        ("學習使用繁體字的語言模型", "繁體字"),
        ("使用😀😀語言", "😀😀"),
        ("使用ＢＥＲＴ（１２）語言", "ＢＥＲＴ（１２）"),
        ("我们用 BERT-Base，  学习", "BERT-Base"),
        ("我们用 BERT  Base 学习", "BERT  Base"),
        ("在Café́ 学习", "Café́"),
        ("ΟΔΟΣ 学", "ΟΔΟΣ"),
        ("第一\n第二\r\n第三", "二\r\n第"),
        ("\u3000使\u200b用", "使\u200b用"),
    ],
)
@pytest.mark.parametrize("do_lower_case", [True, False])
def test_answers_are_cut_from_the_context(vocab_file, context, answer, do_lower_case):
    tokenizer = Tokenizer(Vocabulary.from_file(vocab_file), do_lower_case)
    example = question(context, answer)
    table = ReadingFeaturizer(tokenizer, 64)([example], 0)
    answers = best_answers([example], table, oracle_outputs(table))
    assert answers.texts == {"1": answer}
    assert answers.n_best["1"][0] == {
        "text": answer,
        "probability": pytest.approx(1),
        "start_logit": 0.0,
        "end_logit": 0.0,
    }


def test_blanks_go_as_with_hfl(tokenizer):
    example = question("我们用 BERT  Base 学习", "BERT  Base")
    table = ReadingFeaturizer(tokenizer, 64)([example], 0)
    answers = best_answers([example], table, oracle_outputs(table), hfl_compat=True)
    assert answers.texts == {"1": "BERTBase"}


def test_empty_contexts_and_diverged_models(tokenizer):
    examples = [question("", name="a"), question("使用语言", name="b")]
    table = ReadingFeaturizer(tokenizer, 32, answer_types=True)(examples, 0)
    outputs = random_outputs(table, 0, types=True)
    outputs[1]["start_log_probs"][:] = np.nan
    answers = best_answers(examples, table, outputs)
    assert answers.texts == {"a": "", "b": ""}
    assert answers.n_best["a"] == [
        {"text": "", "probability": 1.0, "start_logit": 0.0, "end_logit": 0.0}
    ]
    with_null = best_answers(examples, table, outputs, with_null=True)
    assert with_null.texts == {"a": "", "b": ""}
    null = outputs[0]["start_log_probs"][0] + outputs[0]["end_log_probs"][0]
    assert with_null.null_odds["a"] == pytest.approx(null + 2e4)
    with_types = best_answers(examples, table, outputs, answer_types=True)
    assert with_types.texts.keys() == {"a", "b"}
    assert sum(entry["probability"] for entry in with_types.n_best["a"]) == pytest.approx(1)


def test_no_answer(tokenizer):
    examples = [
        question("使用语言模型来预测", "预测", name="a"),
        question("使用语言模型来预测", "", name="b", answer_type=UNANSWERABLE),
    ]
    table = ReadingFeaturizer(tokenizer, 12, doc_stride=3)(examples, 0)
    assert len(table) == 4
    outputs = oracle_outputs(table)
    answers = best_answers(examples, table, outputs, with_null=True)
    # One chunk of "a" holds the answer, so that there is none is masked in it.
    assert answers.texts == {"a": "预测", "b": ""}
    assert answers.null_odds["a"] == pytest.approx(2 * MASKED)
    assert answers.null_odds["b"] == pytest.approx(-2 * MASKED)
    assert [entries[0]["text"] for entries in answers.n_best.values()] == ["预测", ""]
    assert all(
        sum(entry["text"] == "" for entry in entries) == 1 for entries in answers.n_best.values()
    )
    strict = best_answers(
        examples, table, outputs, with_null=True, null_score_diff_threshold=1e5, n_best_size=1
    )
    assert strict.texts["b"] and strict.n_best["b"][0]["text"] == strict.texts["b"]
    impossible = best_answers(examples, table, outputs).n_best["b"]
    assert sum(entry["probability"] for entry in impossible) == pytest.approx(1)


def test_no_answer_is_listed_by_its_score_or_first(tokenizer):
    example = question("使用语言模型")
    table = ReadingFeaturizer(tokenizer, 32)([example], 0)
    outputs = random_outputs(table, 0)
    spans = best_answers([example], table, outputs).n_best["1"]
    texts = texts_of(spans)
    third, fourth = (span["start_logit"] + span["end_logit"] for span in spans[2:4])
    outputs[0]["start_log_probs"][0] = (third + fourth) / 2
    outputs[0]["end_log_probs"][0] = 0.0
    for threshold, size, expected in (
        (1e5, 1, [texts[0], ""]),
        (1e5, 2, [texts[0], ""]),
        (1e5, 5, [*texts[:3], "", texts[3]]),
        (-1e5, 5, ["", *texts[:4]]),
    ):
        answers = best_answers([example], table, outputs, size, 64, threshold, with_null=True)
        assert texts_of(answers.n_best["1"]) == expected


@pytest.mark.parametrize("more", [{"with_null": True}, {"answer_types": True}])
def test_odds_on_the_threshold_are_not_above_it(tokenizer, more):
    example = question("使用语言")
    table = ReadingFeaturizer(tokenizer, 32, answer_types=True)([example], 0)
    outputs = random_outputs(table, 0, types=True)
    odds = best_answers([example], table, outputs, **more).null_odds["1"]
    for threshold, is_null in ((odds, False), (np.nextafter(odds, -np.inf), True)):
        answers = best_answers(
            [example], table, outputs, null_score_diff_threshold=threshold, **more
        )
        assert (answers.texts["1"] == "") == is_null


def test_null_is_that_of_the_chunk_where_it_is_least_likely(tokenizer):
    example = question("使用语言模型来预测")
    table = ReadingFeaturizer(tokenizer, 12, doc_stride=3, answer_types=True)([example], 0)
    outputs = random_outputs(table, 3, types=True)
    assert len(outputs) == 2
    for output, (start, end) in zip(outputs, [(-1.0, -5.0), (-2.0, -1.0)]):
        output["start_log_probs"][0], output["end_log_probs"][0] = start, end
    answers = best_answers([example], table, outputs, with_null=True)
    best = max(all_spans(example, table, outputs, 64).values())
    assert answers.null_odds["1"] == pytest.approx(-6.0 - best)
    with_types = best_answers([example], table, outputs, answer_types=True)
    for entries in (answers.n_best["1"], with_types.n_best["1"]):
        (null,) = (entry for entry in entries if entry["text"] == "")
        assert (null["start_logit"], null["end_logit"]) == (-1.0, -5.0)


@pytest.mark.parametrize(
    ("types", "text"),
    [
        ([[0.9, 0.05, 0.03, 0.02], [0.1, 0.1, 0.1, 0.7]], "span"),
        ([[0.1, 0.1, 0.1, 0.7], [0.1, 0.45, 0.1, 0.35]], "YES"),
        ([[0.1, 0.1, 0.6, 0.2], [0.1, 0.2, 0.2, 0.5]], "NO"),
        ([[0.1, 0.1, 0.1, 0.7], [0.35, 0.1, 0.1, 0.45]], ""),
    ],
)
def test_types_of_answer(tokenizer, types, text):
    example = question("使用语言模型来")
    table = ReadingFeaturizer(tokenizer, 12, doc_stride=6, answer_types=True)([example], 0)
    outputs = random_outputs(table, 1)
    assert len(table) == 2
    for output, probabilities in zip(outputs, types):
        output["answer_type_log_probs"] = np.log(probabilities)
    answers = best_answers([example], table, outputs, answer_types=True, n_best_size=5)
    span = best_answers([example], table, outputs).texts["1"]
    assert answers.texts["1"] == (span if text == "span" else text)
    entries = answers.n_best["1"]
    assert entries[0]["text"] == answers.texts["1"] and len(entries) == 8
    assert sum(entry["probability"] for entry in entries) == pytest.approx(1)
    combined = np.max(np.log(types), axis=0)
    combined[3] = np.min(np.log(types), axis=0)[3]
    assert answers.null_odds["1"] == pytest.approx(combined[3] - combined[:3].max())
    surely = best_answers(
        [example], table, outputs, answer_types=True, null_score_diff_threshold=-1e4
    )
    assert surely.texts["1"] == ""


def test_oracle_of_types(tokenizer):
    texts = {"span": "预测", "YES": "YES", "NO": "NO", "unanswerable": ""}
    examples = [
        question("使用语言模型来预测", texts[kind], name=kind, answer_type=kind)
        for kind in ANSWER_TYPES
    ]
    table = ReadingFeaturizer(tokenizer, 12, doc_stride=3, answer_types=True)(examples, 0)
    assert best_answers(examples, table, oracle_outputs(table), answer_types=True).texts == texts


def test_answers_can_be_written_as_json(tokenizer):
    examples = [question("使用语言", name=str(n)) for n in range(3)]
    table = ReadingFeaturizer(tokenizer, 32, answer_types=True)(examples, 0)
    outputs = [
        {name: values.astype(np.float32) for name, values in output.items()}
        for output in random_outputs(table, 0, types=True)
    ]
    for more in ({}, {"with_null": True}, {"answer_types": True}):
        answers = best_answers(examples, table, outputs, **more)
        assert json.loads(json.dumps(answers)) == [
            answers.texts,
            answers.n_best,
            answers.null_odds,
        ]


def test_outputs_of_another_table(tokenizer):
    table = ReadingFeaturizer(tokenizer, 32)([question("使用")], 0)
    with pytest.raises(ValueError, match="0 outputs for 1 sequences"):
        best_answers([question("使用")], table, [])
