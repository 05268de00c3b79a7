"""Fine-tunes a model of the BERT family to answer questions on a text, and predicts answers.

CMRC 2018, DRCD, CJRC, SQuAD 1.1 and 2.0; each has the papers' settings as defaults
(scripts/list_tasks.py prints them), which flags override. With --do_train and --do_eval it
evaluates every epoch and keeps the best weights, with --num_runs=10 it does so with ten seeds, and
gives maximum and mean as HFL's tables do. Killed at any moment and started again with the same
command, it goes on. Epochs count features, that is chunks of texts, as in HFL's code;
google-research/bert counts questions, so that the same --num_train_epochs has fewer steps there.

Leaves in --output_dir: predictions.json, nbest_predictions.json and, where a question may have no
answer, null_odds.json (of the evaluated file with dev_ in front), eval_results.txt, results.json,
run.json (the settings), TensorBoard's events, training_summary.json, learning_curve.png and the
best weights in best/. Of several runs each has a folder of its own with all but results.json, and
keeps of its weights the best alone.

Example:
  python run_squad.py --task_name=cmrc2018 --train_file=cmrc2018_train.json \\
      --eval_file=cmrc2018_dev.json --do_train --do_eval --output_dir=outputs/cmrc2018 \\
      --bert_config_file=chinese_wwm_ext_L-12_H-768_A-12/bert_config.json \\
      --vocab_file=chinese_wwm_ext_L-12_H-768_A-12/vocab.txt \\
      --init_checkpoint=chinese_wwm_ext_L-12_H-768_A-12/bert_model.ckpt
"""

from absl import flags

from bert_wwm.cli import app, finetuning_flags
from bert_wwm.cli.finetuning import finetune
from bert_wwm.core.errors import ConfigError
from bert_wwm.tasks.reading_tasks import ReadingOptions
from bert_wwm.tasks.table import TASKS, list_tasks

FLAGS = flags.FLAGS

flags.adopt_module_key_flags(finetuning_flags)

flags.DEFINE_enum(
    "task_name",
    None,
    list_tasks("run_squad.py"),
    "The task; by default squad, or squad2 with --version_2_with_negative.",
    case_sensitive=False,
)
flags.DEFINE_integer(
    "doc_stride",
    128,
    "By how many pieces a chunk of a long text begins behind the one before.",
    lower_bound=1,
)
flags.DEFINE_integer("max_query_length", 64, "Pieces of a question, at most.", lower_bound=1)
flags.DEFINE_integer("n_best_size", 20, "Answers to list in nbest_predictions.json.", lower_bound=1)
flags.DEFINE_integer(
    "max_answer_length",
    None,
    "Pieces of a predicted answer, at most; by default 64 for Chinese, where 30 makes one answer "
    "in twenty of CMRC 2018 unreachable, and 30 for English.",
    lower_bound=1,
)
flags.DEFINE_bool(
    "version_2_with_negative",
    False,
    "Questions may have no answer: the default task is squad2. (CJRC's may in any case.)",
)
flags.DEFINE_float(
    "null_score_diff_threshold",
    0.0,
    "A question has no answer where that is more likely than the best answer by so much.",
)
flags.DEFINE_bool(
    "hfl_compat",
    False,
    "The choices of HFL's baseline for CMRC 2018: learn the first occurrence of an answer, "
    "whatever the file says, predict 30 pieces at most, and take the blanks out of predictions.",
)
flags.DEFINE_bool(
    "verbose_logging", False, "Name the questions to learn from whose answer is whole in no chunk."
)
flags.DEFINE_alias("rand_seed", "random_seed")  # its name in HFL's baseline for CMRC 2018

_HFLS_MAX_ANSWER_LENGTH = 30


def main(_) -> None:
    options = {name: FLAGS[name].value for name in ReadingOptions._fields}
    if FLAGS.hfl_compat and FLAGS.max_answer_length is None:
        options["max_answer_length"] = _HFLS_MAX_ANSWER_LENGTH
    finetune(task_from_flags(), **options)


def task_from_flags():
    default = "squad2" if FLAGS.version_2_with_negative else "squad"
    task = TASKS[FLAGS.task_name or default]
    if FLAGS.version_2_with_negative and not task.with_null:
        raise ConfigError(
            f"--version_2_with_negative: questions of {task.name} have an answer; expected "
            "--task_name=squad2 or cjrc"
        )
    return task


if __name__ == "__main__":
    app.run(main)
