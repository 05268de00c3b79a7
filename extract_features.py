"""Writes the hidden states that a model of the BERT family gives texts, as google-research/bert's.

--input_file has a text a line, or a pair ``a ||| b``; empty lines are texts too. Each becomes a
line of JSON in --output_file, in the order of the input:

  {"linex_index": 0, "features": [{"token": "[CLS]", "layers": [{"index": -1, "values": [...]}, ...

With --pooling one vector a text goes into a NumPy file instead: np.load(output_file) gives float32
[texts, hidden], or [texts, layers, hidden] where --layers names several.

Texts of like length share a batch, so hardly any padding is computed. Memory is bounded, whatever
the size of the input; the output takes its name when it is whole.

Example:
  python extract_features.py --input_file=texts.txt --output_file=texts.jsonl --layers=-1 \\
      --bert_config_file=chinese_wwm_ext_L-12_H-768_A-12/bert_config.json \\
      --vocab_file=chinese_wwm_ext_L-12_H-768_A-12/vocab.txt \\
      --init_checkpoint=chinese_wwm_ext_L-12_H-768_A-12/bert_model.ckpt
"""

from absl import flags

from bert_wwm.cli import app, model_flags, tokenizer_flags
from bert_wwm.cli.tokenizer_flags import make_tokenizer_from_flags
from bert_wwm.core import files
from bert_wwm.core.choices import POOLINGS
from bert_wwm.core.errors import ConfigError, DataError
from bert_wwm.core.output import log
from bert_wwm.core.progress import Progress
from bert_wwm.core.staging import temporary_folder
from bert_wwm.tasks.sentence_features import SentenceFeaturizer
from bert_wwm.tasks.text_lines import read_texts, split_into_blocks

FLAGS = flags.FLAGS

flags.adopt_module_key_flags(tokenizer_flags)
for _name in (
    "bert_config_file init_checkpoint gelu use_tpu tpu_name tpu_zone gcp_project master "
    "num_tpu_cores use_xla"
).split():
    flags.declare_key_flag(_name)

flags.DEFINE_string("input_file", None, "Texts, one a line, or pairs: a ||| b.")
flags.DEFINE_string("output_file", None, "File of JSON lines, or with --pooling .npy, to write.")
flags.DEFINE_list(
    "layers",
    None,
    "Layers whose states are wanted, in this order: 0 is the lowest layer of the encoder, -1 the "
    "highest. By default -1,-2,-3,-4, or as many of these as there are, and with --pooling -1.",
)
flags.DEFINE_enum(
    "pooling",
    None,
    POOLINGS,
    "Write a vector a text instead of one a token. cls: the state of [CLS] in the layer, not that "
    "of the pooler on top. mean: that of all tokens, [CLS] and [SEP] among them, padding not.",
)
flags.DEFINE_integer(
    "max_seq_length",
    128,
    "Tokens of a text, at most; of longer ones the end is cut off.",
    lower_bound=1,
)
flags.DEFINE_integer("batch_size", 32, "Texts of a step.", lower_bound=1)
flags.DEFINE_bool(
    "use_one_hot_embeddings",
    False,
    "Look words up by a product; with --use_tpu the fastest way is taken anyway.",
)
flags.mark_flags_as_required(
    ["input_file", "output_file", "bert_config_file", "vocab_file", "init_checkpoint"]
)

_DEFAULT_LAYERS, _DEFAULT_POOLED_LAYERS = (-1, -2, -3, -4), (-1,)


def main(_) -> None:
    given = layers_of_flags()
    check_flags()
    model_flags.prepare_xla()
    # TensorFlow takes seconds to import; a wrong flag should not.
    from bert_wwm.finetuning.extracted import write_array, write_lines
    from bert_wwm.finetuning.hidden_states import Extraction, extract_states
    from bert_wwm.model.bert import BertConfig
    from bert_wwm.model.checkpoint_path import read_newest, resolve
    from bert_wwm.train.estimator import Machine

    config = BertConfig.from_json_file(FLAGS.bert_config_file).with_gelu(FLAGS.gelu)
    layers = layers_of_model(config, given)
    config.check_length(FLAGS.max_seq_length, FLAGS.bert_config_file)
    tokenizer = make_tokenizer_from_flags()
    check_vocabulary(tokenizer, config)
    featurizer = SentenceFeaturizer(tokenizer, FLAGS.max_seq_length, labels=())
    count = sum(1 for _ in read_texts(FLAGS.input_file))
    if not count:
        raise DataError(f"{FLAGS.input_file}: is empty; expected one text a line")

    def extract(prefix):
        extraction = Extraction(prefix, layers, FLAGS.pooling, FLAGS.use_one_hot_embeddings)
        with temporary_folder() as folder, Progress("texts", total=count) as progress:
            machine = Machine(
                **{
                    **model_flags.values_of(Machine),
                    "output_dir": folder,  # nothing stays there
                    "train_batch_size": FLAGS.batch_size,
                    "eval_batch_size": FLAGS.batch_size,
                    "keep_checkpoint_max": 1,
                    "random_seed": 0,
                }
            )
            blocks = split_into_blocks(read_texts(FLAGS.input_file), FLAGS.batch_size)
            records = f"{FLAGS.output_file}.tpu_input" if FLAGS.use_tpu else None
            texts = extract_states(
                config,
                extraction,
                machine,
                FLAGS.max_seq_length,
                (featurizer(block, 0) for block in blocks),
                log,
                records,
                lambda done: progress.update(done, f"{done:,} texts"),
            )
            if FLAGS.pooling:
                write_array(FLAGS.output_file, texts, count, len(layers), config.hidden_size)
            else:
                write_lines(FLAGS.output_file, texts, count, tokenizer.vocabulary.pieces, layers)

    read_newest(lambda: resolve(FLAGS.init_checkpoint), extract, log)
    log(f"{FLAGS.output_file}: {count:,} texts")


def layers_of_flags() -> list[int] | None:
    """Returns the numbers of --layers, if there are any."""
    if FLAGS.layers is None:
        return None
    try:
        layers = [int(layer) for layer in FLAGS.layers]
    except ValueError:
        layers = []
    if not layers:
        raise ConfigError(
            f"--layers={','.join(FLAGS.layers)}: expected numbers of layers, such as -1,-2"
        )
    return layers


def check_flags() -> None:
    """Refuses flags that make no sense together, before anything is read."""
    model_flags.check_tpu()
    if FLAGS.use_tpu and FLAGS.batch_size % FLAGS.num_tpu_cores:
        raise ConfigError(
            f"--batch_size={FLAGS.batch_size} can't be divided evenly by "
            f"--num_tpu_cores={FLAGS.num_tpu_cores}; expected a multiple"
        )
    if files.same(FLAGS.input_file, FLAGS.output_file):
        raise ConfigError(f"--output_file={FLAGS.output_file}: is the input; expected another file")
    files.check_writable(FLAGS.output_file)


def layers_of_model(config, given: list[int] | None) -> list[int]:
    """Returns the layers that are wanted; by default those of the usual ones that there are."""
    count = config.num_hidden_layers
    if given is None:
        usual = _DEFAULT_POOLED_LAYERS if FLAGS.pooling else _DEFAULT_LAYERS
        if len(usual) > count:
            log(f"Layers {','.join(map(str, usual[:count]))}: the model has no more")
        return list(usual[:count])
    for layer in given:
        if not -count <= layer < count:
            raise ConfigError(
                f"--layers: {layer}; expected numbers from {-count} to {count - 1}, as "
                f"num_hidden_layers of {FLAGS.bert_config_file} is {count}"
            )
    return given


def check_vocabulary(tokenizer, config) -> None:
    if len(tokenizer.vocabulary) > config.vocab_size:
        raise ConfigError(
            f"{FLAGS.vocab_file}: {len(tokenizer.vocabulary):,} pieces; expected at most the "
            f"{config.vocab_size:,} of vocab_size in {FLAGS.bert_config_file}"
        )


if __name__ == "__main__":
    app.run(main)
