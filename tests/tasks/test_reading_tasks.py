import dataclasses
import pickle

import numpy as np
import pytest
from reading_oracle import oracle_outputs

from bert_wwm.metrics import cmrc
from bert_wwm.tasks.answers import best_answers
from bert_wwm.tasks.examples import NO, SPAN, UNANSWERABLE, YES, Answer, Question
from bert_wwm.tasks.reading_features import ReadingFeaturizer
from bert_wwm.tasks.reading_tasks import ReadingTask
from bert_wwm.tasks.task import TASKS, list_tasks
from bert_wwm.text.tokenizer import Tokenizer
from bert_wwm.text.vocabulary import Vocabulary

TRAIN, TRIAL = "cmrc2018/cmrc2018_train.json", "cmrc2018/cmrc2018_trial.json"
DRCD = "drcd/DRCD_dev.json"
# Answers that don't begin or end where a piece does, so that the piece makes them longer.
WIDENED = {
    TRAIN: {
        "TRAIN_1107_QUERY_1",  # 984年 of 1984年
        "TRAIN_1216_QUERY_3",  # R货物 of JR货物
        "TRAIN_1243_QUERY_2",  # 06年 of 2006年
        "TRAIN_2521_QUERY_2",  # 010年 of 2010年
        "TRAIN_3722_QUERY_4",  # 1933 of ～1933: ～ is no punctuation in Unicode
    },
    TRIAL: set(),
    DRCD: {"1180-23-1", "1194-6-3"},  # 8 of 80 and 81
}
# ～1933年 is right all the same: the measure drops ～.
RIGHT_ALL_THE_SAME = {"TRAIN_3722_QUERY_4"}


@pytest.fixture(scope="module")
def tokenizer(samples):
    return Tokenizer(Vocabulary.from_file(str(samples / "vocab.txt")))


@pytest.mark.parametrize("length", [512, 384, 128, 64, 32])
@pytest.mark.parametrize("file", WIDENED)
def test_who_knows_the_answers_is_right(samples, tokenizer, file, length):
    check_perfect_answers(tokenizer, samples / file, file, length)


@pytest.mark.long
@pytest.mark.parametrize("length", [512, 128])
@pytest.mark.parametrize("file", WIDENED)
def test_who_knows_the_answers_is_right_on_full_sets(full_data, tokenizer, file, length):
    check_perfect_answers(tokenizer, full_data(file), file, length)


def check_perfect_answers(tokenizer, path, file, length):
    """All but the answers that no chunk holds, which are long, and those within a piece."""
    task = TASKS[file.partition("/")[0]]
    questions = task.read(str(path), lambda note: None)
    stride = min(128, length // 4)
    table = ReadingFeaturizer(tokenizer, length, stride, answer_types=task.answer_types)(
        questions, 0
    )
    assert np.unique(table.rows["example"]).tolist() == list(range(len(questions)))
    assert (table.rows["start_positions"] >= 0).all()

    answers = best_answers(questions, table, oracle_outputs(table), max_answer_length=500)
    assert answers.texts.keys() == {question.id for question in questions}
    references = {question.id: [question.answers[0].text] for question in questions}
    scores = cmrc.question_scores(references, answers.texts)
    wrong = {name for name, score in scores.items() if score.em < 1}

    held = table.rows["example"][table.rows["start_positions"] > 0]
    too_long = {questions[number].id for number in set(range(len(questions))) - set(held.tolist())}
    room = length - table.rows["context_begin"] - 1  # pieces of the context
    room_of = dict(zip(table.rows["example"].tolist(), room.tolist()))
    for number, question in enumerate(questions):
        if question.id in too_long:
            pieces = len(tokenizer.tokenize(question.answers[0].text))
            assert pieces > room_of[number] - min(stride, room_of[number])
    if length == 512:
        assert not too_long
    assert wrong - too_long == WIDENED[file] - too_long - RIGHT_ALL_THE_SAME
    assert all(
        references[name][0].strip() in answers.texts[name] for name in WIDENED[file] - too_long
    )


@pytest.mark.parametrize("name", ["cmrc2018", "drcd", "cjrc", "squad", "squad2"])
def test_rows(name):
    assert name in list_tasks("run_squad.py")
    task = TASKS[name]
    assert isinstance(task, ReadingTask) and dataclasses.is_dataclass(task)
    assert task.files["train"] and task.files["dev"]
    assert (task.best_metric or task.metrics[0]) in task.metrics
    assert task.max_answer_length == (30 if task.name.startswith("squad") else 64)
    again = pickle.loads(pickle.dumps(task))
    # A partial equals only itself.
    assert dataclasses.replace(again, read=task.read, score=task.score) == task


def test_settings_of_the_paper():
    assert TASKS["cmrc2018"].settings == (512, 64, 2.0, 3e-5)
    assert TASKS["drcd"].settings == (512, 64, 2.0, 3e-5)
    assert TASKS["cjrc"].settings == (512, 64, 2.0, 4e-5)


def asked(name, *texts, kind=SPAN):
    return Question(name, "什么", "使用语言模型", tuple(Answer(text) for text in texts), kind)


def test_scores_of_cmrc_and_drcd():
    questions = [asked("a", "语言", "语言模型"), asked("b", "使用"), asked("untold")]
    for name in ("cmrc2018", "drcd"):
        scores = TASKS[name].score(questions, ["语言模型", "使", "模型"])
        assert list(scores) == list(TASKS[name].metrics)
        assert scores["em"] == pytest.approx(50)
        assert scores["f1"] == pytest.approx((100 + 200 / 3) / 2)
        assert scores["average"] == pytest.approx((scores["em"] + scores["f1"]) / 2)


def test_scores_of_squad():
    questions = [asked("a", "the cat"), asked("b", "dog house")]
    assert TASKS["squad"].score(questions, ["Cat!", "dog"]) == {
        "em": pytest.approx(50),
        "f1": pytest.approx((100 + 200 / 3) / 2),
    }


def test_scores_of_squad2():
    questions = [asked("a", "cat"), asked("b", "", kind=UNANSWERABLE), asked("c", "dog")]
    assert TASKS["squad2"].score(questions, ["cat", "", ""]) == {
        "em": pytest.approx(200 / 3),
        "f1": pytest.approx(200 / 3),
    }


def test_scores_of_cjrc():
    questions = [
        asked("a", "YES", "YES", "NO", kind=YES),
        asked("b", "NO", kind=NO),
        asked("c", "", "", "", kind=UNANSWERABLE),
        asked("d", "", "语言", "", kind=UNANSWERABLE),
    ]
    assert TASKS["cjrc"].score(questions, ["YES", "NO", "", "语言"]) == {
        "em": pytest.approx(100 * (1 + 1 + 1 + 2 / 3) / 4),
        "f1": pytest.approx(100 * (1 + 1 + 1 + 2 / 3) / 4),
    }
