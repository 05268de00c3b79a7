import numpy as np
import pytest
from reading_oracle import oracle_outputs

from bert_wwm.core.errors import DataError
from bert_wwm.finetuning.job import Split
from bert_wwm.finetuning.reading import ReadingJob
from bert_wwm.finetuning.sentence import SentenceJob
from bert_wwm.finetuning.tagging import TaggingJob
from bert_wwm.tasks.examples import UNANSWERABLE, Answer, Question, Sentence, Tagged
from bert_wwm.tasks.table import TASKS
from bert_wwm.text.tokenizer import Tokenizer
from bert_wwm.text.vocabulary import Vocabulary


@pytest.fixture
def tokenizer(vocab_file):
    return Tokenizer(Vocabulary.from_file(vocab_file))


def split_of(job, name, examples):
    return Split(name, "a.json", examples, job.featurizer(examples, 0), "")


def reading_job(tokenizer, doc_stride, task="squad2"):
    return ReadingJob(TASKS[task], tokenizer, 20, doc_stride=doc_stride)


CONTEXT = "我们在学习" * 4 + "使用语言模型来预测下一"
QUESTIONS = [
    Question("short", "什么", "使用语言", (Answer("语言"),)),
    # Rooms of 15 pieces: at a stride of 15, chunks of pieces 0-14, 15-29 and 30.
    Question("whole", "什么", CONTEXT, (Answer("使用"),)),
    Question("cut", "什么", CONTEXT, (Answer("下一", 29),)),
    Question("elsewhere", "什么", CONTEXT, (Answer("没有"),)),
    Question("none", "什么", CONTEXT, (Answer(""),), UNANSWERABLE),
    Question("not told", "什么", CONTEXT),
]


def test_chunks_that_overlap_too_little_and_answers_they_lose(tokenizer):
    job = reading_job(tokenizer, 15)
    overlap, lost = job.notes(split_of(job, "train", QUESTIONS))
    assert overlap.startswith(
        "a.json: 5 of 6 contexts are read in chunks, of 15 pieces at least, which overlap by less "
        "than half at --doc_stride=15,"
    )
    assert "expected 7 at most" in overlap
    assert lost.startswith("a.json: 1 of 6 answers are whole in no chunk,")
    assert len(list(job.notes(split_of(job, "dev", QUESTIONS)))) == 1


def test_chunks_that_overlap_by_half_and_contexts_in_one_are_no_matter(tokenizer):
    job = reading_job(tokenizer, 7)
    assert not list(job.notes(split_of(job, "train", QUESTIONS)))
    job = reading_job(tokenizer, 128)
    assert not list(job.notes(split_of(job, "train", QUESTIONS[:1])))


def test_questions_that_are_cut_are_counted(tokenizer):
    """Each once, though its context is read in chunks, and in any split."""
    asked = [QUESTIONS[0], QUESTIONS[1]._replace(question="我们在学习" * 3)]
    for limit, holds in (
        (8, "--max_query_length=8 holds"),
        (64, "the 13 that --max_seq_length=20 leaves them"),
    ):
        options = {"doc_stride": 1, "max_query_length": limit}
        job = ReadingJob(TASKS["squad2"], tokenizer, 20, **options)
        for name in ("train", "dev", "test"):
            assert list(job.notes(split_of(job, name, asked))) == [
                f"a.json: 1 of 2 questions (50.0 %) have more pieces than {holds}, and lose the "
                "last ones"
            ]
        assert not list(job.notes(split_of(job, "train", asked[:1])))


def test_the_file_to_submit_is_named_by_the_task(tokenizer):
    texts = [Sentence("7", "我们", "学习", None, "1"), Sentence("9", "今天", "学习", None, "2")]
    predictions = np.array([[0.2, 0.7, 0.1], [0.9, 0.1, 0.0]]), ["entailment", "contradiction"]
    job = SentenceJob(TASKS["ocnli"], tokenizer, 12, TASKS["ocnli"].labels)
    files = job.files(split_of(job, "test", texts), predictions)
    assert files["ocnli_predict.json"] == (
        '{"id": 7, "label": "entailment"}\n{"id": 9, "label": "contradiction"}\n'
    )
    assert "dev_ocnli_predict.json" in job.files(split_of(job, "dev", texts), predictions)
    job = SentenceJob(TASKS["xnli"], tokenizer, 12, TASKS["xnli"].labels)
    assert sorted(job.files(split_of(job, "test", texts), predictions)) == [
        *("test_labels.tsv", "test_results.tsv")
    ]


def test_texts_that_are_cut_are_counted(tokenizer):
    job = SentenceJob(TASKS["lcqmc"], tokenizer, 12, ["0", "1"])
    texts = [Sentence("1", "我们", "学习", "1"), Sentence("2", CONTEXT, "学习", "0")]
    (note,) = job.notes(split_of(job, "train", texts))
    assert note.startswith(
        "a.json: 1 of 2 texts (50.0 %) have more pieces than --max_seq_length=12"
    )
    assert not list(job.notes(split_of(job, "train", texts[:1])))


def test_what_annotators_disagree_on_is_predicted_alone(tokenizer):
    job = SentenceJob(TASKS["lcqmc"], tokenizer, 12, ["0", "1"])
    texts = [
        Sentence("1", "我们", "学习", "1"),
        Sentence("2", "今天", "学习", undecided=True),
        Sentence("3", "学习", "使用", "0"),
    ]
    for name in ("train", "dev"):
        usable = job.usable(name, texts)
        assert usable == [texts[0], texts[2]]
        job.check(name, "a.tsv", usable, print)
    assert job.usable("test", texts) == texts
    job.check("test", "a.tsv", texts, print)
    split = split_of(job, "test", texts)
    chances = np.array([[0.2, 0.8], [0.9, 0.1], [0.3, 0.7]])
    predictions = chances, ["1", "0", "1"]
    scores = job.score(split, predictions)
    assert scores["accuracy"] == 50.0
    assert scores["loss"] == pytest.approx(-(np.log(0.8) + np.log(0.3)) / 2)
    files = job.files(split, predictions)
    assert files["test_results.tsv"] == "0.2\t0.8\n0.9\t0.1\n0.3\t0.7\n"
    assert [line.split("\t")[0] for line in files["test_labels.tsv"].splitlines()[1:]] == list(
        "123"
    )
    for unscored in (texts[1:2], [*texts, Sentence("4", "我们", "学习")]):
        assert job.score(split_of(job, "test", unscored), predictions) == {}


def test_what_does_not_tell_the_truth_is_for_prediction_only(tokenizer):
    job = SentenceJob(TASKS["lcqmc"], tokenizer, 12, ["0", "1"])
    texts = [Sentence("1", "我们", "学习"), Sentence("2", "我们", "学习", "1")]
    job.check("test", "a.tsv", texts, print)
    with pytest.raises(DataError, match=r"a.tsv:1: has no label; expected one of 0, 1"):
        job.check("dev", "a.tsv", texts, print)
    nothing = r"a.tsv: no example has a label; expected some to evaluate by, or --do_predict"
    with pytest.raises(DataError, match=nothing):
        job.check("dev", "a.tsv", texts[:1], print)
    with pytest.raises(DataError, match=r"a.tsv: no example has a label; expected some to learn"):
        job.check("train", "a.tsv", [], print)
    tagging = TaggingJob(TASKS["ner"], tokenizer, 12, ["O"])
    tagging.check("test", "a.txt", [Tagged("1", ("中",))], print)
    with pytest.raises(
        DataError, match=r"a.txt: no example has a tag; expected some to evaluate by"
    ):
        tagging.check("dev", "a.txt", [Tagged("1", ("中",))], print)
    reading = reading_job(tokenizer, 7)
    for name in ("train", "dev", "test"):
        reading.check(name, "a.json", QUESTIONS, print)
    reading.check("test", "a.json", QUESTIONS[-1:], print)
    with pytest.raises(
        DataError, match=r"a.json: no example has an answer; expected some to evaluate by"
    ):
        reading.check("dev", "a.json", QUESTIONS[-1:], print)
    with pytest.raises(
        DataError, match=r"a.json: no example has an answer; expected some to learn"
    ):
        reading.check("train", "a.json", QUESTIONS[-1:], print)


def test_blanks_of_english_stay(tokenizer):
    question = Question("1", "who", "by Ada Lovelace", (Answer("Ada Lovelace", 3),))
    for name, text in (("squad", "Ada Lovelace"), ("cmrc2018", "AdaLovelace")):
        job = ReadingJob(TASKS[name], tokenizer, 64, hfl_compat=True)
        split = split_of(job, "dev", [question])
        assert job.decode(split, oracle_outputs(split.table)).texts == {"1": text}
