"""What the programs that fine-tune do, whatever the kind of their tasks."""

import contextlib
from typing import Any

from absl import flags

from bert_wwm.cli import finetuning_flags, model_flags
from bert_wwm.cli.tokenizer_flags import make_tokenizer_from_flags
from bert_wwm.core.errors import ConfigError
from bert_wwm.core.lock import locked
from bert_wwm.core.output import log
from bert_wwm.tasks.task import Task

FLAGS = flags.FLAGS


def finetune(task: Task, **job_options: Any) -> None:
    """Trains, evaluates and predicts, as the flags say; ``job_options`` are its kind's."""
    finetuning_flags.check_flags()
    model_flags.prepare_xla()
    # TensorFlow takes seconds to import; a wrong flag should not.
    from bert_wwm.compat import tf
    from bert_wwm.finetuning.experiment import fine_tune
    from bert_wwm.model.bert import BertConfig
    from bert_wwm.train.cluster import check_cluster
    from bert_wwm.train.half_precision import check_half_precision
    from bert_wwm.train.start import check_start

    if FLAGS.use_tpu:  # there the Estimator says how the training goes
        tf.logging.set_verbosity(tf.logging.INFO)
    check_cluster(None, log)
    if FLAGS.use_bfloat16 or FLAGS.use_float16:
        check_half_precision(FLAGS.use_tpu, FLAGS.use_float16, log)
    check_start(FLAGS.output_dir, FLAGS.init_checkpoint, for_task=True)
    with locked(FLAGS.output_dir) if FLAGS.do_train else contextlib.nullcontext():
        config = BertConfig.from_json_file(FLAGS.bert_config_file).with_gelu(FLAGS.gelu)
        options = finetuning_flags.read_options(task, config, job_options)
        tokenizer = make_tokenizer_from_flags()
        if len(tokenizer.vocabulary) > config.vocab_size:
            raise ConfigError(
                f"{FLAGS.vocab_file}: {len(tokenizer.vocabulary):,} pieces; expected at most the "
                f"{config.vocab_size:,} of vocab_size in {FLAGS.bert_config_file}"
            )
        fine_tune(task, config, tokenizer, options, log)
