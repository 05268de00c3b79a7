"""Fine-tunes a model of the BERT family to classify texts and pairs of texts, and predicts.

Each task of the papers has their settings as defaults (scripts/list_tasks.py prints them); flags
override them. With --do_train and --do_eval it evaluates every epoch and keeps the best weights,
with --num_runs=10 it does so with ten seeds, and gives maximum and mean as HFL's tables do. Killed
at any moment and started again with the same command, it goes on.

Leaves in --output_dir: eval_results.txt, dev_results.tsv and test_results.tsv (the probabilities of
the classes), dev_labels.tsv and test_labels.tsv, of CLUE's tasks TASK_predict.json (to submit),
labels.json (the classes), results.json, run.json (the settings), TensorBoard's events,
training_summary.json, learning_curve.png and the best weights in best/. Of several runs each has a
folder of its own with all but results.json, and keeps of its weights the best alone.

Example:
  python run_classifier.py --task_name=chnsenticorp --data_dir=data/chnsenticorp \\
      --do_train --do_eval --do_predict --output_dir=outputs/chnsenticorp \\
      --bert_config_file=chinese_wwm_ext_L-12_H-768_A-12/bert_config.json \\
      --vocab_file=chinese_wwm_ext_L-12_H-768_A-12/vocab.txt \\
      --init_checkpoint=chinese_wwm_ext_L-12_H-768_A-12/bert_model.ckpt --num_runs=10
"""

from absl import flags

from bert_wwm.cli import app, finetuning_flags
from bert_wwm.cli.finetuning import finetune
from bert_wwm.core.errors import ConfigError
from bert_wwm.tasks.sentence_tasks import user_task
from bert_wwm.tasks.table import TASKS, USERS_TASK, list_tasks

FLAGS = flags.FLAGS

flags.adopt_module_key_flags(finetuning_flags)

flags.DEFINE_enum(
    "task_name",
    None,
    [*list_tasks("run_classifier.py"), USERS_TASK],
    "The task; tsv: a file of your own, with --text_columns and --label_column.",
    case_sensitive=False,
)
flags.DEFINE_list(
    "text_columns",
    None,
    "For --task_name=tsv: the column of the text, or the two of a pair: names of the header, or "
    "numbers from 0 where the files have none.",
)
flags.DEFINE_string(
    "label_column", None, "For --task_name=tsv: the column of the label, by name or number."
)
flags.mark_flag_as_required("task_name")


def main(_) -> None:
    finetune(task_from_flags())


def task_from_flags():
    if FLAGS.task_name != USERS_TASK:
        for name in ("text_columns", "label_column"):
            if FLAGS[name].present:
                raise ConfigError(f"--{name}: only for --task_name=tsv")
        return TASKS[FLAGS.task_name]
    if not FLAGS.text_columns or not FLAGS.label_column:
        raise ConfigError("--task_name=tsv: expected --text_columns and --label_column")
    return user_task(FLAGS.text_columns, FLAGS.label_column)


if __name__ == "__main__":
    app.run(main)
