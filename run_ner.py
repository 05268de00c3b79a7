"""Fine-tunes a model of the BERT family to tag tokens, such as named entities, and predicts.

Each task has its settings as defaults (scripts/list_tasks.py prints them); flags override them.
With --do_train and --do_eval it evaluates every epoch and keeps the best weights, with
--num_runs=10 it does so with ten seeds, and gives maximum and mean as HFL's tables do. Killed at
any moment and started again with the same command, it goes on.

Tags may be BIO, BIES (also called BIOES) or BMES; others are reported.

Leaves in --output_dir: eval_results.txt, dev_predictions.conll and predictions.conll (a token, its
tag, the predicted tag), labels.json (the tags), results.json, run.json (the settings),
TensorBoard's events, training_summary.json, learning_curve.png and the best weights in best/. Of
several runs each has a folder of its own with all but results.json, and keeps of its weights the
best alone.

Example:
  python run_ner.py --task_name=peopledaily_ner --data_dir=data/peopledaily \\
      --do_train --do_eval --output_dir=outputs/peopledaily \\
      --bert_config_file=chinese_wwm_ext_L-12_H-768_A-12/bert_config.json \\
      --vocab_file=chinese_wwm_ext_L-12_H-768_A-12/vocab.txt \\
      --init_checkpoint=chinese_wwm_ext_L-12_H-768_A-12/bert_model.ckpt
"""

from absl import flags

from bert_wwm.cli import app, finetuning_flags
from bert_wwm.cli.finetuning import finetune
from bert_wwm.tasks.table import TASKS, list_tasks

FLAGS = flags.FLAGS

flags.adopt_module_key_flags(finetuning_flags)

flags.DEFINE_enum(
    "task_name",
    None,
    list_tasks("run_ner.py"),
    "The task; ner: files of your own, each line a token, a blank or tab, and its tag.",
    case_sensitive=False,
)
flags.mark_flag_as_required("task_name")


def main(_) -> None:
    finetune(TASKS[FLAGS.task_name])


if __name__ == "__main__":
    app.run(main)
