import importlib.util
import json
import pathlib
import shutil
import subprocess
import sys

import launcher
import numpy as np
import pytest
from finetuning_runs import chnsenticorp, entities, questions, reviews

from bert_wwm.tasks.reading_features import ReadingFeaturizer
from bert_wwm.tasks.sentence_features import SentenceFeaturizer
from bert_wwm.tasks.table import TASKS
from bert_wwm.tasks.tagging_features import TaggingFeaturizer, pick_tags
from bert_wwm.text.tokenizer import Tokenizer
from bert_wwm.text.vocabulary import Vocabulary

PROGRAM = "export_saved_model.py"
FLAGS = ("--train_batch_size=16", "--learning_rate=3e-3")
TASK_NAMES = ("chnsenticorp", "ner", "squad2", "cjrc")
SEVERAL = "ner"  # of this there are two runs
WITH_ONNX = ("ner", "cjrc")  # between them they have every operation
INPUTS = ("input_ids", "input_mask", "segment_ids")
HAS_ONNX = all(map(importlib.util.find_spec, ("tf2onnx", "onnxruntime")))

# Knows nothing of the toolkit. Arguments: of each SavedModel its folder, a file of batches, and one
# for the answers.
CLIENT = """
import sys
import numpy as np
import tensorflow as tf

arguments = iter(sys.argv[1:])
for folder, questions, written in zip(arguments, arguments, arguments):
    model = tf.saved_model.load(folder)
    ask = model.signatures["serving_default"]
    batches = np.load(questions)
    answers = {}
    for length in sorted({name.split("/")[0] for name in batches.files}):
        features = {n: tf.constant(batches[f"{length}/{n}"]) for n in SPLIT}
        for name, values in ask(**features).items():
            answers[f"{length}/{name}"] = values.numpy()
    np.savez(written, **answers)
""".replace("SPLIT", repr(INPUTS))


class Case:
    """A toy task: its run, its test file, and its export."""

    def __init__(self, model, task, folder: pathlib.Path):
        self.task, self.flags = TASKS[task], model
        self.folder, self.export = folder / "run", folder / "serving"
        # One epoch of much rather than several of little: each is followed by an evaluation.
        num_train = 384 if self.task.kind == "sentence" else 192
        for seed, (name, count) in enumerate((("train", num_train), ("dev", 32), ("test", 16))):
            text = {
                "chnsenticorp": lambda: chnsenticorp(reviews(count, seed)),  # noqa: B023
                "ner": lambda: entities(count, seed),  # noqa: B023
            }.get(task, lambda: questions(count, seed, impossible=True))()  # noqa: B023
            (folder / name).write_text(text, encoding="utf-8")
        self.test = folder / "test"
        program = {"sentence": "run_classifier.py", "tagging": "run_ner.py"}
        output = launcher.output(
            program.get(self.task.kind, "run_squad.py"),
            f"--task_name={task}",
            *(*model, *FLAGS, f"--max_seq_length={self.length}", "--do_train", "--do_predict"),
            *(["--do_eval"] if self.has_best else []),
            *(f"--train_file={folder}/train", f"--eval_file={folder}/dev"),
            *(f"--predict_file={folder}/test", f"--output_dir={self.folder}"),
            *(["--num_runs=2"] if task == SEVERAL else []),
            "--num_train_epochs=1",
        )
        assert (f"{self.task.title}, dev" in output) == self.has_best
        self.output = launcher.output(
            PROGRAM,
            f"--finetuned_dir={self.folder}",
            f"--vocab_file={self.vocab_file}",
            f"--export_dir={self.export}",
            *(["--onnx"] if HAS_ONNX and task in WITH_ONNX else []),
        )

    @property
    def has_best(self):
        """Whether it is evaluated, and the best weights kept; else the newest are exported."""
        return self.task.kind != "reading"

    @property
    def length(self):
        return 64 if self.task.kind == "reading" else 24

    @property
    def vocab_file(self):
        return self.flags[1].partition("=")[2]

    @property
    def run(self):
        """The folder of the run that is exported."""
        if self.task.name != SEVERAL:
            return self.folder
        records = {path: content(path)["dev"] for path in self.folder.glob("*/run.json")}
        assert len(records) == 2
        return max(sorted(records), key=lambda path: records[path]["f1"]).parent

    def features(self):
        """Examples of the test file, and their features by what the export says of itself."""
        extra = self.export / "1" / "assets.extra"
        facts = content(extra / "serving.json")
        vocabulary = Vocabulary.from_file(str(extra / "vocab.txt"))
        tokenizer = Tokenizer(vocabulary, facts["do_lower_case"], facts["tokenizer"] == "hfl")
        length = facts["max_seq_length"]
        assert (facts["task"], length) == (self.task.name, self.length)
        if self.task.kind == "sentence":
            featurizer = SentenceFeaturizer(tokenizer, length, facts["labels"])
        elif self.task.kind == "tagging":
            featurizer = TaggingFeaturizer(tokenizer, length, facts["labels"])
        else:
            featurizer = ReadingFeaturizer(
                tokenizer, length, facts["doc_stride"], facts["max_query_length"]
            )
        examples = self.task.read(str(self.test), lambda _: None)
        table = featurizer(examples, 0)
        assert len(table) == len(examples)  # no text is in several parts
        return facts, examples, table


def batches(table):
    """All sequences in one batch, padded to the longest, and more."""
    rows = np.arange(len(table))
    for length in (int(table.lengths.max()), 64):
        arrays = table.batch(rows, length, ("input_ids", "segment_ids"), {})
        yield length, {name: arrays[name] for name in INPUTS}


def content(path):
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def cases(model, tmp_path_factory):
    """By task."""
    return {name: Case(model, name, tmp_path_factory.mktemp(name)) for name in TASK_NAMES}


@pytest.fixture(params=TASK_NAMES)
def case(request, cases):
    return cases[request.param]


@pytest.fixture(scope="module")
def all_answers(cases, tmp_path_factory):
    """By task, of the shortest padding and of more, what TensorFlow without the toolkit answers."""
    folder = tmp_path_factory.mktemp("client")
    (folder / "client.py").write_text(CLIENT)
    arguments = []
    for name, case in cases.items():
        _, _, table = case.features()
        arrays = {
            f"{length:02}/{name}": values
            for length, batch in batches(table)
            for name, values in batch.items()
        }
        np.savez(folder / f"{name}.in.npz", **arrays)
        arguments += [str(case.export / "1"), f"{name}.in.npz", f"{name}.out.npz"]
    command = [sys.executable, "client.py", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return {name: read_answers(folder / f"{name}.out.npz") for name in cases}


def read_answers(path):
    found = np.load(path)
    lengths = sorted({name.split("/")[0] for name in found.files})
    return [
        {name[3:]: found[name] for name in found.files if name.startswith(length)}
        for length in (lengths[0], lengths[-1])
    ]


@pytest.fixture
def answers(case, all_answers):
    few, many = all_answers[case.task.name]
    assert few.keys() == many.keys()
    return few, many


def test_it_is_what_tensorflow_serving_loads(case):
    from tensorflow.core.protobuf import saved_model_pb2

    version = case.export / "1"
    assert [path.name for path in case.export.iterdir()] == ["1"]
    assert {path.name for path in version.iterdir()} - {"model.onnx", "fingerprint.pb"} == {
        *("saved_model.pb", "variables", "assets.extra")
    }
    saved = saved_model_pb2.SavedModel.FromString((version / "saved_model.pb").read_bytes())
    (graph,) = saved.meta_graphs
    assert list(graph.meta_info_def.tags) == ["serve"]
    signature = graph.signature_def["serving_default"]
    assert signature.method_name == "tensorflow/serving/predict"
    assert set(signature.inputs) == set(INPUTS)
    for tensor in signature.inputs.values():
        assert tensor.dtype == 3  # int32
        assert [dimension.size for dimension in tensor.tensor_shape.dim] == [-1, -1]
    for tensor in signature.outputs.values():
        assert tensor.tensor_shape.dim[0].size == -1
    assert not any(node.device for node in graph.graph_def.node)
    labels = version / "assets.extra" / "labels.txt"
    assert labels.exists() == (case.task.kind != "reading")
    if labels.exists():
        facts = content(version / "assets.extra" / "serving.json")
        assert labels.read_text().split() == facts["labels"]


def test_what_is_printed(case):
    weights = case.run / "best" if case.has_best else case.run
    assert f"Weights from {weights}/model.ckpt-" in case.output
    assert ("the best of 2 runs, with f1 " in case.output) == (case.run != case.folder)
    assert "  saved_model.pb  " in case.output and "  variables/variables.index  " in case.output
    assert f"saved_model_cli run --dir {case.export}/1 --tag_set serve" in case.output


def test_more_padding_changes_nothing(case, answers):
    few, many = answers
    _, _, table = case.features()
    assert [length for length, _ in batches(table)] == [table.lengths.max(), 64]
    assert table.lengths.max() < 64 or case.task.kind == "reading"
    for name, values in few.items():
        others = many[name]
        if values.ndim > 1 and values.shape != others.shape:
            others = others[:, : values.shape[1]]
        np.testing.assert_allclose(values, others, rtol=1e-5, atol=1e-5, err_msg=name)


def test_it_answers_what_the_run_has_predicted(case, answers):
    {"sentence": check_classes, "tagging": check_tags, "reading": check_spans}[case.task.kind](
        case, answers[0]
    )


def check_classes(case, answers):
    lines = (case.run / "test_results.tsv").read_text().splitlines()
    chances = np.array([line.split("\t") for line in lines], float)
    assert set(answers) == {"label_ids", "probabilities", "logits"}
    np.testing.assert_allclose(answers["probabilities"], chances, atol=1e-5)
    np.testing.assert_array_equal(answers["label_ids"], chances.argmax(axis=1))
    np.testing.assert_array_equal(answers["logits"].argmax(axis=1), chances.argmax(axis=1))
    assert np.ptp(chances[:, 0]) > 0.01  # far from all the same


def check_tags(case, answers):
    facts, examples, table = case.features()
    assert set(answers) == {"tag_ids", "probabilities"}
    lengths = table.lengths
    is_token = np.arange(lengths.max()) < lengths[:, None]
    best = answers["probabilities"].argmax(axis=-1)
    np.testing.assert_array_equal(answers["tag_ids"], np.where(is_token, best, -1))
    np.testing.assert_allclose(answers["probabilities"].sum(axis=-1), 1, atol=1e-5)
    outputs = [
        {"tag_logits": values[:length]} for values, length in zip(answers["probabilities"], lengths)
    ]
    tags = pick_tags(examples, table, outputs, facts["labels"])
    text = (case.run / "predictions.conll").read_text(encoding="utf-8")
    written = [
        [line.split("\t")[-1] for line in part.split("\n")] for part in text.strip().split("\n\n")
    ]
    assert tags == written
    assert {"B-LOC", "I-PER"} <= {tag for of_one in tags for tag in of_one}


def check_spans(case, answers):
    facts, examples, table = case.features()
    predictions = content(case.run / "predictions.json")
    n_best = content(case.run / "nbest_predictions.json")
    odds = content(case.run / "null_odds.json")
    found = set()
    for row, example in enumerate(examples):
        first, last = answers["start_positions"][row], answers["end_positions"][row]
        begin = table.of_tokens("char_starts", row)[first]
        text = example.context[begin : table.of_tokens("char_ends", row)[last]]
        spans = [entry for entry in n_best[example.id] if entry["text"] == text]
        start, end = answers["start_logits"][row], answers["end_logits"][row]
        assert answers["span_log_probs"][row] == pytest.approx(start[first] + end[last])
        assert answers["null_log_probs"][row] == pytest.approx(start[0] + end[0], rel=1e-5)
        assert start[first] == pytest.approx(spans[0]["start_logit"], abs=1e-5)
        assert end[last] == pytest.approx(spans[0]["end_logit"], abs=1e-5)
        if case.task.answer_types:
            types = answers["answer_type_log_probs"][row]
            kind = facts["answer_types"][answers["answer_type_ids"][row]]
            assert types.max() == types[answers["answer_type_ids"][row]]
            assert odds[example.id] == pytest.approx(types[3] - types[:3].max(), abs=1e-5)
            answer = {"span": text, "unanswerable": ""}.get(kind, kind)
        else:
            margin = answers["null_log_probs"][row] - answers["span_log_probs"][row]
            assert odds[example.id] == pytest.approx(margin, rel=1e-5, abs=1e-5)
            answer = "" if margin > facts["null_score_diff_threshold"] else text
        assert predictions[example.id] == answer
        found.add(answer)
    assert "中国人民" in found


@pytest.mark.parametrize("case", WITH_ONNX, indirect=True)
def test_onnx_computes_the_same(case, answers):
    import onnxruntime

    assert f"ONNX: onnxruntime {onnxruntime.__version__} differs from TensorFlow by " in case.output
    session = onnxruntime.InferenceSession(
        str(case.export / "1" / "model.onnx"), providers=["CPUExecutionProvider"]
    )
    assert {(node.name, tuple(node.shape)) for node in session.get_inputs()} == {
        (name, ("batch", "length")) for name in INPUTS
    }
    assert {node.name for node in session.get_outputs()} == set(answers[0])
    assert {node.shape[0] for node in session.get_outputs()} == {"batch"}
    _, _, table = case.features()
    for (_, batch), expected in zip(batches(table), answers):
        found = dict(zip(expected, session.run(list(expected), batch)))
        for name, values in expected.items():
            assert found[name].dtype == values.dtype
            np.testing.assert_allclose(found[name], values, rtol=1e-5, atol=1e-5, err_msg=name)


@pytest.fixture
def classifier(cases):
    """The folder of a run of run_classifier.py."""
    return cases["chnsenticorp"].folder


def test_further_versions_and_what_googles_programs_leave(classifier, model, tmp_path):
    export = tmp_path / "a" / "serving"
    flags = (f"--export_dir={export}", *model)
    launcher.output(PROGRAM, f"--finetuned_dir={classifier}", *flags)
    bare = tmp_path / "google"
    shutil.copytree(classifier / "best", bare)
    (bare / "best.json").unlink()
    error = launcher.error(PROGRAM, f"--finetuned_dir={bare}", *flags)
    assert error.startswith(f"{bare}: doesn't say what --task_name is; expected that flag")
    given = ("--task_name=chnsenticorp", "--max_seq_length=24", "--gelu=erf")
    output = launcher.output(PROGRAM, f"--finetuned_dir={bare}", *flags, *given)
    assert f"Weights from {bare}/model.ckpt-" in output
    assert sorted(path.name for path in export.iterdir()) == ["1", "2"]
    names = ("variables/variables.data-00000-of-00001", "assets.extra/vocab.txt", "saved_model.pb")
    first, second = ([(export / n / name).read_bytes() for name in names] for n in "12")
    assert first[:2] == second[:2]
    facts = [content(export / n / "assets.extra" / "serving.json") for n in "12"]
    assert [one.pop("checkpoint").rpartition("/")[0] for one in facts] == [
        *(f"{classifier}/best", str(bare))
    ]
    assert facts[0] == facts[1]

    error = launcher.error(
        PROGRAM, f"--finetuned_dir={bare}", *flags, "--task_name=squad", "--max_seq_length=24"
    )
    assert "lacks cls/squad/output_weights, cls/squad/output_bias; expected weights that" in error
    error = launcher.error(
        PROGRAM,
        f"--finetuned_dir={bare}",
        *flags,
        "--task_name=tsv",
        "--max_seq_length=24",
        "--labels=a,b,c",
    )
    assert "output_weights is float32 [3, 32] in the model and float32 [2, 32] in the ch" in error
    assert sorted(path.name for path in export.iterdir()) == ["1", "2"]


def test_what_cannot_be_exported_is_told_in_a_sentence(
    classifier, model, bert_config, vocab_file, tmp_path
):
    export = tmp_path / "serving"

    def error(*flags, folder=classifier):
        sentence = launcher.error(
            *(PROGRAM, f"--finetuned_dir={folder}", f"--export_dir={export}"),
            *(f"--vocab_file={vocab_file}", *flags),
        )
        assert not export.exists()
        return sentence

    assert error(folder=tmp_path / "no").startswith(f"{tmp_path}/no: no such folder; expected")
    assert "holds no trained weights" in error(folder=tmp_path)
    assert "was trained with chnsenticorp" in error("--task_name=cmrc2018")
    assert "lacks 16 variables of the encoder" in error(
        f"--bert_config_file={bert_config(num_hidden_layers=2)}"
    )
    assert "word_embeddings is float32 [" in error(
        f"--bert_config_file={bert_config(hidden_size=64, num_hidden_layers=1)}"
    )
    assert "expected at most the 9 of vocab_size in" in error(
        f"--bert_config_file={bert_config(vocab_size=9)}"
    )
    assert "max_seq_length=24 is more than max_position_embeddings" in error(
        f"--bert_config_file={bert_config(max_position_embeddings=16)}"
    )
    assert "other pieces than those that" in error(f"--vocab_file={other_vocabulary(tmp_path)}")
    assert "expected a local folder" in error("--export_dir=gs://bucket/serving")

    broken = tmp_path / "broken"
    shutil.copytree(classifier, broken)
    data = next((broken / "best").glob("*.data-*"))
    data.write_bytes(data.read_bytes()[:-1000])
    assert "broken checkpoint" in error(folder=broken)
    pretrained = tmp_path / "pretrained"
    pretrained.mkdir()
    shutil.copy(classifier / "run.json", pretrained)
    assert "holds no trained weights" in error(folder=pretrained)


def test_a_pretrained_model_has_no_head(classifier, model, tmp_path):
    folder = without_head(classifier / "best", tmp_path / "pretrained")
    error = launcher.error(
        *(PROGRAM, f"--finetuned_dir={folder}", f"--export_dir={tmp_path}/serving", *model),
        *("--task_name=chnsenticorp", "--max_seq_length=32"),
    )
    assert "lacks output_weights, output_bias; expected weights that were fine-tuned for" in error
    assert not (tmp_path / "serving").exists()


def without_head(finetuned, folder):
    """Writes the encoder of a fine-tuned model as a checkpoint of its own."""
    from bert_wwm.compat import tf

    reader = tf.train.load_checkpoint(str(finetuned))
    folder.mkdir()
    with tf.Graph().as_default(), tf.Session() as session:
        for name in reader.get_variable_to_shape_map():
            if name.startswith("bert/"):
                tf.get_variable(name, initializer=reader.get_tensor(name))
        session.run(tf.global_variables_initializer())
        tf.train.Saver().save(session, str(folder / "model.ckpt"), global_step=0)
    return folder


def other_vocabulary(folder):
    path = folder / "vocab.txt"
    path.write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n")
    return path


def test_onnx_without_its_packages_is_told(monkeypatch):
    from bert_wwm.core.errors import ConfigError
    from bert_wwm.finetuning.onnx import check_installed

    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ConfigError, match=r"aren't installed: pip install -e '\.\[onnx\]'"):
        check_installed()
