import gzip
import json
import pathlib

import launcher
import numpy as np
import pytest

from bert_wwm.core import files
from bert_wwm.text.google import FullTokenizer

PROGRAM = "extract_features.py"
WORDS = "我们在 probability 学习"
LONG = WORDS * 20  # more pieces than are read
LINES = [
    "使用语言模型来预测下一个词的概率。",
    "",
    "今天天气很不错！ ||| 中国人民",
    "  BERT 大 家 好 ",
    "我们",
    WORDS * 6_000,  # more than 100,000 characters
    f"{LONG} ||| {LONG}好",
    "中国 ||| ",
    " ||| 中国",
    '我"\\😀 ||| 学习 ||| 2019年',
    *(f"{'中国人民大家好'[: n % 7]}{'今天' * (n % 12)}" for n in range(80)),
]
LAST_FOUR = [-1, -2, -3, -4]


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    path = tmp_path_factory.mktemp("texts") / "texts.txt"
    path.write_bytes("\r\n".join(LINES).encode("utf-8"))
    return path


@pytest.fixture(scope="module")
def config_file(bert_config):
    return bert_config(num_hidden_layers=4, initializer_range=0.2)


@pytest.fixture(scope="module")
def saved(config_file, vocab_file, tmp_path_factory):
    """A checkpoint of random weights, and the tokens and states of each line.

    Tokens are found as google-research/bert does it, step by step, and each text goes through the
    model alone, without padding.
    """
    from bert_wwm.compat import tf
    from bert_wwm.model.bert import BertConfig, BertModel

    config = BertConfig.from_json_file(config_file).with_gelu("tanh")
    tokenizer = FullTokenizer(vocab_file)
    prefix = str(tmp_path_factory.mktemp("model") / "bert_model.ckpt")
    expected = []
    with tf.Graph().as_default(), tf.Session() as session:
        tf.set_random_seed(7)
        ids, segments = (tf.placeholder(tf.int32, [1, None]) for _ in range(2))
        model = BertModel(config, False, ids, token_type_ids=segments, scope="bert")
        session.run(tf.global_variables_initializer())
        tf.train.Saver().save(session, prefix)
        states = tf.stack(model.get_all_encoder_layers(), axis=2)
        for line in LINES:
            tokens, of_tokens = googles_tokens(tokenizer, line.strip(), 24)
            feed = {ids: [tokenizer.convert_tokens_to_ids(tokens)], segments: [of_tokens]}
            expected.append((tokens, session.run(states, feed)[0]))
    return prefix, expected


def googles_tokens(tokenizer, line, length):
    a, between, b = line.rpartition(" ||| ")
    a, b = (a, b) if between else (line, "")
    a, b = tokenizer.tokenize(a), tokenizer.tokenize(b)
    while len(a) + len(b) > length - (3 if b else 2):
        (a if len(a) > len(b) else b).pop()
    second = [*b, "[SEP]"] if b else []
    return ["[CLS]", *a, "[SEP]", *second], [0] * (len(a) + 2) + [1] * len(second)


@pytest.fixture(scope="module")
def model(config_file, vocab_file, saved):
    """The flags that name the model."""
    return (
        f"--bert_config_file={config_file}",
        f"--vocab_file={vocab_file}",
        f"--init_checkpoint={saved[0]}",
        "--gelu=tanh",
        "--max_seq_length=24",
    )


def extract(model, texts, output, *flags):
    return launcher.output(
        PROGRAM, f"--input_file={texts}", f"--output_file={output}", *model, *flags
    )


@pytest.fixture(scope="module")
def written(model, texts, tmp_path_factory):
    """The file of JSON lines of all defaults."""
    path = tmp_path_factory.mktemp("out") / "texts.jsonl"
    extract(model, texts, path)
    return path


def check(path: pathlib.Path, layers, expected) -> None:
    lines = path.read_text("ascii").split("\n")
    assert lines.pop() == "" and len(lines) == len(LINES)
    for number, (line, (tokens, states)) in enumerate(zip(lines, expected)):
        found = json.loads(line)
        assert json.dumps(found) == line  # in the very form in which Google writes it
        assert list(found) == ["linex_index", "features"] and found["linex_index"] == number
        assert [list(entry) for entry in found["features"]] == [["token", "layers"]] * len(tokens)
        assert [entry["token"] for entry in found["features"]] == tokens
        for token, entry in zip(states, found["features"]):
            assert [list(layer) for layer in entry["layers"]] == [["index", "values"]] * len(layers)
            assert [layer["index"] for layer in entry["layers"]] == layers
            values = np.array([layer["values"] for layer in entry["layers"]])
            assert (np.round(values, 6) == values).all()
            np.testing.assert_allclose(values, token[layers], atol=1.1e-5)


def test_lines_are_those_of_google(written, saved):
    check(written, LAST_FOUR, saved[1])


def test_layers_come_in_the_order_asked_for(model, texts, saved, tmp_path):
    path = tmp_path / "a" / "texts.jsonl"  # the folder is made
    output = extract(model, texts, path, "--layers=0,-1,2,0", "--batch_size=7")
    check(path, [0, -1, 2, 0], saved[1])
    assert f"{path}: {len(LINES)} texts\n" in output
    assert [file.name for file in path.parent.iterdir()] == ["texts.jsonl"]


def test_the_same_input_gives_the_same_bytes(model, texts, written, tmp_path):
    """Also compressed, and where there is a line end behind the last line."""
    packed = tmp_path / "texts.gz"
    packed.write_bytes(gzip.compress(texts.read_bytes() + b"\n"))
    extract(model, packed, tmp_path / "again.jsonl", "--layers=-1,-2,-3,-4")
    assert (tmp_path / "again.jsonl").read_bytes() == written.read_bytes()


@pytest.mark.parametrize(
    "pooling, layers",
    [("cls", None), ("mean", [-1, 0])],
    ids=["cls-default", "mean-two"],
)
def test_pooled_states_make_an_array(model, texts, saved, pooling, layers, tmp_path):
    flags = [f"--layers={','.join(map(str, layers))}"] if layers else []
    extract(model, texts, tmp_path / "a.npy", f"--pooling={pooling}", *flags)
    found = np.load(tmp_path / "a.npy", mmap_mode="r", allow_pickle=False)
    states = [of_text[:, layers or [-1]] for _, of_text in saved[1]]
    truth = [of_text[0] if pooling == "cls" else of_text.mean(axis=0) for of_text in states]
    expected = np.array(truth)[:, 0] if layers != [-1, 0] else np.array(truth)
    assert found.dtype == np.float32 and found.shape == expected.shape
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_by_default_no_more_layers_than_there_are(model, bert_config, tmp_path):
    """The model is the lower half of that of the other tests."""
    small = bert_config(num_hidden_layers=2, initializer_range=0.2)
    (tmp_path / "texts.txt").write_text("今天\n")
    path = tmp_path / "texts.jsonl"
    output = extract(model, tmp_path / "texts.txt", path, f"--bert_config_file={small}")
    assert "Layers -1,-2: the model has no more\n" in output
    found = json.loads(path.read_text("ascii"))["features"]
    assert [[layer["index"] for layer in of_token["layers"]] for of_token in found] == [
        [-1, -2] for _ in ("[CLS]", "今", "天", "[SEP]")
    ]
    error = launcher.error(
        *(PROGRAM, f"--input_file={tmp_path}/texts.txt", f"--output_file={path}", *model),
        *(f"--bert_config_file={small}", "--layers=-1,-2,-3,-4"),
    )
    assert error.startswith("--layers: -3; expected numbers from -2 to 1")


def test_a_killed_run_leaves_nothing_under_the_name(model, texts, tmp_path):
    path = tmp_path / "texts.jsonl"
    flags = (f"--input_file={texts}", f"--output_file={path}", *model)
    launcher.interrupt(PROGRAM, *flags, at="Initial weights from")
    assert not path.exists()


def test_what_is_no_text_ends_the_run_without_output(model, tmp_path):
    (tmp_path / "bad.txt").write_bytes("好\n".encode() * 100 + b"\xff\n")
    path = tmp_path / "out.jsonl"
    path.write_text("of an earlier run")
    flags = (f"--input_file={tmp_path / 'bad.txt'}", f"--output_file={path}")
    error = launcher.error(PROGRAM, *flags, *model)
    assert error.startswith(f"{tmp_path / 'bad.txt'}:101: byte 0xff at column 1 is not UTF-8")
    assert path.read_text() == "of an earlier run"


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--layers=-1,4"], "--layers: 4; expected numbers from -4 to 3, as num_hidden_layers of"),
        (["--layers=last"], "--layers=last: expected numbers of layers, such as -1,-2"),
        (["--layers="], "--layers=: expected numbers of layers"),
        (["--max_seq_length=65"], "--max_seq_length=65 is more than max_position_embeddings"),
        (["--use_tpu"], "--use_tpu needs --tpu_name or --master"),
        (["--use_tpu", "--master=a", "--batch_size=12"], "--batch_size=12 can't be divided evenly"),
        (["--output_file=missing.txt"], "--output_file=missing.txt: is the input"),
        (["--output_file=/tmp"], "/tmp: is no regular file"),
        ([], "missing.txt: no such file"),
    ],
)
def test_flags_are_refused(model, tmp_path, flags, sentence):
    """Before anything is read: the input isn't there."""
    path = f"--output_file={tmp_path / 'out.jsonl'}"
    error = launcher.error(PROGRAM, "--input_file=missing.txt", path, *model, *flags)
    assert error.startswith(sentence)
    assert not list(tmp_path.iterdir())


def test_files_that_do_not_fit_are_refused(model, texts, vocab_file, tmp_path):
    def refused(*flags):
        path = f"--output_file={tmp_path / 'out.jsonl'}"
        error = launcher.error(PROGRAM, f"--input_file={texts}", path, *model, *flags)
        assert not (tmp_path / "out.jsonl").exists()
        return error

    empty, large = tmp_path / "empty.txt", tmp_path / "vocab.txt"
    empty.write_bytes(b"")
    large.write_bytes(files.read_bytes(vocab_file) + b"more\n")
    assert refused(f"--input_file={empty}") == f"{empty}: is empty; expected one text a line"
    assert refused(f"--vocab_file={large}").startswith(f"{large}: 58 pieces; expected at most")
    assert refused("--init_checkpoint=missing") == "missing: no such checkpoint"
