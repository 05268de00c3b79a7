"""Writes a fine-tuned model as a SavedModel, for TensorFlow Serving and tf.saved_model.load.

Takes the --output_dir of run_classifier.py, run_squad.py or run_ner.py, of several runs the one
that is best on dev, and of its weights the best. What the run has recorded (task, labels, lengths,
how text is cut up) needs no flag; for the output of google-research/bert's programs, which record
nothing, flags say it.

Each export is a new version, EXPORT_DIR/1, EXPORT_DIR/2, ...: saved_model.pb and variables/ with
the signature serving_default, assets.extra/ with vocab.txt, labels.txt and serving.json (what makes
features of texts, and answers of outputs), and with --onnx model.onnx.

Of each request, input_ids, input_mask and segment_ids are int32 [batch, length], both as you like:
[CLS] text [SEP] or [CLS] text [SEP] second text [SEP], where segment_ids are 1 from the second text
on and input_mask is 0 at padding. The answer is
  for a class: label_ids [batch], probabilities and logits [batch, classes];
  for a choice, a row for each, or for a score: scores [batch];
  for tags: tag_ids [batch, length] (-1 at padding), probabilities [batch, length, tags];
  for spans, question first: start_positions and end_positions [batch], the first and the last
      position of the likeliest span up to --max_answer_length, span_log_probs and null_log_probs
      [batch], how likely it is and how likely no answer; start_logits and end_logits
      [batch, length], as in nbest_predictions.json; for CJRC answer_type_ids [batch] and
      answer_type_log_probs [batch, 4].

Example:
  python export_saved_model.py --finetuned_dir=outputs/chnsenticorp \\
      --export_dir=serving/chnsenticorp
  docker run -p 8501:8501 -e MODEL_NAME=chnsenticorp \\
      -v $PWD/serving/chnsenticorp:/models/chnsenticorp tensorflow/serving
"""

import os

from absl import flags

from bert_wwm.cli import app, checkpoint_flags
from bert_wwm.core import files
from bert_wwm.core.choices import GELU_FORMS
from bert_wwm.finetuning.outcome import find_outcome
from bert_wwm.finetuning.served import describe
from bert_wwm.tasks.table import TASKS, USERS_TASK

FLAGS = flags.FLAGS

flags.DEFINE_string(
    "finetuned_dir", None, "The --output_dir of a fine-tuning, or a run's folder in it."
)
flags.DEFINE_string("export_dir", None, "Where the numbered versions of the model go.")
flags.DEFINE_enum(
    "task_name",
    None,
    [*TASKS.names(), USERS_TASK],
    "The task; by default the run's.",
    case_sensitive=False,
)
flags.DEFINE_string(
    "bert_config_file", None, "The model's shape, as JSON; by default the file that the run had."
)
flags.DEFINE_string(
    "vocab_file",
    None,
    "The model's vocabulary, one piece a line; by default vocab.txt beside --bert_config_file.",
)
flags.DEFINE_list(
    "labels", None, "The classes or tags by number, parted by commas; by default the run's."
)
flags.DEFINE_integer(
    "max_seq_length", None, "Tokens of a sequence, at most; by default the run's.", lower_bound=1
)
flags.DEFINE_bool("do_lower_case", None, "Lower-case and strip accents; by default as the run.")
flags.DEFINE_enum("tokenizer", None, ["google", "hfl"], "Whose; by default the run's.")
flags.DEFINE_enum(
    "gelu",
    None,
    GELU_FORMS,
    "Form of the activation that the configuration calls gelu; by default the run's, and tanh for "
    "google-research/bert's.",
)
flags.DEFINE_integer(
    "max_answer_length",
    None,
    "Pieces of an answer, at most; by default as the run predicted.",
    lower_bound=1,
)
flags.DEFINE_bool("onnx", False, "Write model.onnx too, and compare what it computes.")
flags.mark_flags_as_required(["finetuned_dir", "export_dir"])

_GIVEN = (
    "task_name bert_config_file vocab_file labels max_seq_length do_lower_case tokenizer gelu "
    "max_answer_length"
).split()


def main(_) -> None:
    checkpoint_flags.refuse_patterns("finetuned_dir", "export_dir")
    outcome = find_outcome(FLAGS.finetuned_dir, print)
    served = describe(outcome, {name: FLAGS[name].value for name in _GIVEN})
    if FLAGS.onnx:
        from bert_wwm.finetuning.onnx import check_installed

        check_installed()
    from bert_wwm.finetuning.export import export, weights_in
    from bert_wwm.model.checkpoint_path import read_newest

    def export_weights(checkpoint):
        print(f"Weights from {checkpoint}, for {served.task}")
        for dtype in ("bfloat16", "float16"):
            if outcome.settings.get(f"use_{dtype}"):
                print(f"They were trained with activations in {dtype}; here these are float32")
        return export(served, checkpoint, FLAGS.export_dir, FLAGS.onnx, print)

    # A run that still trains may replace its best weights meanwhile.
    report(read_newest(lambda: weights_in(outcome.folder, print), export_weights), served)


def report(exported, served) -> None:
    """Says what was written, and how to use it."""
    print(f"\n{exported.folder}")
    for folder, _, names in sorted(os.walk(exported.folder)):
        for path in sorted(os.path.join(folder, name) for name in names):
            name = os.path.relpath(path, exported.folder)
            print(f"  {name:<40}{files.size(path):>14,} bytes")
    for title, tensors in (("inputs", exported.inputs), ("outputs", exported.outputs)):
        print(title)
        for name, (dtype, shape) in tensors.items():
            sizes = ["any" if size is None else str(size) for size in shape]
            print(f"  {name:<24}{dtype:<10}[{', '.join(sizes)}]")
    print(f"\nTo try it:\n  {example(exported.folder, served.vocabulary)}")


def example(folder, vocabulary) -> str:
    """Returns a command that asks the model about two pieces of its vocabulary."""
    first, last = vocabulary.ids["[CLS]"], vocabulary.ids["[SEP]"]
    ids = [first, len(vocabulary) // 2, last, len(vocabulary) // 3, last]
    inputs = {"input_ids": ids, "input_mask": [1] * 5, "segment_ids": [0, 0, 0, 1, 1]}
    values = ";".join(f"{name}=[{values}]" for name, values in inputs.items())
    return (
        f"saved_model_cli run --dir {folder} --tag_set serve --signature_def serving_default "
        f"--input_exprs '{values}'"
    )


if __name__ == "__main__":
    app.run(main)
