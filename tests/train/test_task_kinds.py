"""The kinds of tasks: the table, and the heads and scores of choices and of numbers."""

import numpy as np
import pytest
from small_model import VOCABULARY, small_config

from bert_wwm.compat import tf
from bert_wwm.core.errors import DataError
from bert_wwm.finetuning.choice import ChoiceJob, ChoiceObjective
from bert_wwm.finetuning.job import Job, Split
from bert_wwm.finetuning.objective import predict_labels
from bert_wwm.finetuning.regression import RegressionJob, ScorePrediction
from bert_wwm.finetuning.sentence import SentenceObjective
from bert_wwm.tasks.examples import Choices, Sentence
from bert_wwm.tasks.kinds import KINDS
from bert_wwm.tasks.table import TASKS
from bert_wwm.text.tokenizer import Tokenizer
from bert_wwm.text.vocabulary import Vocabulary
from bert_wwm.train.objective import Encoded, Objective, Predictor, split_choices, sum_losses


@pytest.fixture
def tokenizer(vocab_file):
    return Tokenizer(Vocabulary.from_file(vocab_file))


@pytest.fixture
def graph():
    with tf.Graph().as_default():
        tf.set_random_seed(1)
        yield


@pytest.mark.parametrize("name", KINDS.names())
def test_each_kind_has_tasks_and_a_job(name, tokenizer):
    tasks = [TASKS[task] for task in TASKS.names() if TASKS[task].kind == name]
    kind = KINDS[name].load_job()
    assert issubclass(kind, Job)
    for task in tasks:
        labels = (task.labels or ("a", "b")) if kind.has_labels else ()
        job = kind(task, tokenizer, 32, labels)
        assert job.featurizer.describe()["kind"] == name
        assert isinstance(job.objective, Objective) and isinstance(job.objective, Predictor)
        assert len(job.objective.targets) == len(job.objective.heads)
    assert tasks


def test_tokens_that_take_turns_become_sequences(graph):
    feature = tf.constant([[1, 4, 2, 5, 3, 0], [7, 9, 8, 0, 0, 0]])
    with tf.Session() as session:
        assert session.run(split_choices(feature, 2)).tolist() == [
            [1, 2, 3],
            [4, 5, 0],
            [7, 8, 0],
            [9, 0, 0],
        ]
    assert split_choices(feature, 1) is feature


def sequences(lengths, longest):
    rng = np.random.default_rng(3)
    mask = np.arange(longest) < np.asarray(lengths)[:, None]
    arrays = {
        "input_ids": rng.integers(1, VOCABULARY, mask.shape) * mask,
        "input_mask": mask,
        "segment_ids": rng.integers(0, 2, mask.shape) * mask,
    }
    return {name: array.astype(np.int32) for name, array in arrays.items()}


@pytest.mark.parametrize("skip_padding", [False, True])
def test_each_choice_is_scored_as_a_sequence_by_itself(graph, skip_padding):
    arrays = sequences([5, 7, 3, 3, 6, 4, 7, 2], 7)
    together = {
        name: array.reshape(2, 4, 7).transpose(0, 2, 1).reshape(2, 28)
        for name, array in arrays.items()
    }
    labels = tf.constant([2, -1])
    config = small_config()
    objective = ChoiceObjective()
    features = {name: tf.constant(array) for name, array in together.items()}
    batch = Encoded(
        config,
        {**features, "label_ids": labels},
        training=skip_padding,
        skip_padding=skip_padding,
        num_choices=objective.num_choices,
    )
    logits = objective.outputs(batch)["logits"]
    with tf.variable_scope(tf.get_variable_scope(), reuse=True):
        loss = sum_losses(
            objective.predictions(batch), objective.totals(batch.features), {"label": 1.0}
        )
        alone = {name: tf.constant(array) for name, array in arrays.items()}
        scores = SentenceObjective(1).outputs(Encoded(config, alone, training=False))["logits"]
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        logits, scores, loss = session.run([logits, scores, loss])
    np.testing.assert_allclose(logits, scores.reshape(2, 4), atol=1e-6)
    expected = np.log(np.exp(logits[0]).sum()) - logits[0, 2]
    assert loss["loss"] == pytest.approx(expected, abs=1e-6)


def test_only_choices_that_there_are_are_predicted(tokenizer):
    job = ChoiceJob(TASKS["c3"], tokenizer, 32)
    examples = [
        Choices("7", "今天", "气", ("天", "气"), "1"),
        Choices("9", "今天", "气", ("天", "气", "学", "习"), "3"),
    ]
    split = Split("dev", "d-dev.json", examples, job.featurizer(examples, 0), "")
    predictions = job.decode(split, [{"logits": np.array([0.0, 1.0, 5.0, 9.0])}] * 2)
    chances, labels = predictions
    assert labels == ["1", "3"]
    assert chances[0, 2:].tolist() == [0.0, 0.0] and chances.sum(axis=1) == pytest.approx(1)
    assert job.score(split, predictions) == {
        "accuracy": 100.0,
        "loss": pytest.approx(-np.log(chances[[0, 1], [1, 3]]).mean()),
    }
    files = job.files(split, predictions)
    assert files["dev_c3_predict.json"] == '{"id": 7, "label": 1}\n{"id": 9, "label": 3}\n'
    assert set(files) == {"dev_results.tsv", "dev_labels.tsv", "dev_c3_predict.json"}


def test_a_score_costs_the_square_of_its_error(graph):
    logits = tf.constant([[1.5], [2.0], [9.0]])
    prediction = ScorePrediction(*predict_labels(logits, tf.constant([1000, 2250, -1])))
    with tf.Session() as session:
        losses, hits, weights = session.run(
            [prediction.losses(), prediction.hits(), prediction.weights]
        )
    assert losses[:2].tolist() == [0.25, 0.0625]
    assert hits[:2].tolist() == [0.0, 1.0]
    assert weights.tolist() == [1, 1, 0]


def test_scores_are_predicted_and_compared(tokenizer):
    job = RegressionJob(TASKS["sts-b"], tokenizer, 16)
    examples = [
        Sentence(str(number), "今天", "天气", label)
        for number, label in enumerate(["3.800", "0", "5"])
    ]
    job.check("train", "train.tsv", examples, print)
    split = Split("dev", "dev.tsv", examples, job.featurizer(examples, 0), "")
    assert split.table.rows["label_ids"].tolist() == [3800, 0, 5000]
    predictions = job.decode(split, [{"logits": np.array([x])} for x in (3.5, 1.0, 4.0)])
    scores = job.score(split, predictions)
    assert scores["spearman"] == pytest.approx(100)
    assert scores["pearson"] == pytest.approx(100 * np.corrcoef([3.8, 0, 5], [3.5, 1, 4])[0, 1])
    assert scores["loss"] == pytest.approx((0.09 + 1 + 1) / 3)
    assert job.result_lines(scores)["eval_spearman"] == pytest.approx(1)
    assert job.files(split, predictions) == {
        "dev_results.tsv": "3.5\n1.0\n4.0\n",
        "dev_labels.tsv": "id\tscore\n0\t3.500000\n1\t1.000000\n2\t4.000000\n",
    }


@pytest.mark.parametrize(
    "label, error",
    [(None, "has no score; expected a number"), ("good", "has the score 'good'; expected a num")],
)
def test_what_is_no_score_is_refused(tokenizer, label, error):
    job = RegressionJob(TASKS["sts-b"], tokenizer, 16)
    examples = [Sentence("1", "今天", "天气", "1"), Sentence("2", "今天", "天气", label)]
    with pytest.raises(DataError, match=f"train.tsv:2: {error}"):
        job.check("train", "train.tsv", examples, print)
    examples = [Sentence("1", "今天", "天气")]
    with pytest.raises(DataError, match=r"dev\.tsv: no example has a score"):
        job.check("dev", "dev.tsv", examples, print)
