"""Makes a starting point with fewer layers: some layers of a model, and everything else it has.

Writes bert_model.ckpt.*, with the same weights and without the optimizer's variables, and
bert_config.json into --output_dir.

Example:
  python scripts/init_small_model.py --bert_config_file=chinese_wwm/bert_config.json \\
      --init_checkpoint=chinese_wwm/bert_model.ckpt --vocab_file=chinese_wwm/vocab.txt \\
      --num_hidden_layers=3 --output_dir=rbt3
"""

import dataclasses
import re

from absl import flags

from bert_wwm.cli import app, checkpoint_flags
from bert_wwm.core import files
from bert_wwm.core.errors import CheckpointError, ConfigError
from bert_wwm.core.json_files import format_json, read_object
from bert_wwm.text.vocabulary import Vocabulary

FLAGS = flags.FLAGS

flags.DEFINE_string("bert_config_file", None, "The given model's shape, as JSON.")
flags.DEFINE_string("init_checkpoint", None, "The given model's weights.")
flags.DEFINE_integer("num_hidden_layers", None, "Layers of the new model.", lower_bound=1)
flags.DEFINE_list(
    "init_layers",
    None,
    "The layers to take, counted from 0 and separated by commas, such as 0,2,4,7,9,11; by default "
    "the first ones.",
)
flags.DEFINE_string("output_dir", None, "Where the new model goes.")
flags.DEFINE_string("vocab_file", None, "A vocabulary to copy into --output_dir.")
flags.mark_flags_as_required(
    ["bert_config_file", "init_checkpoint", "num_hidden_layers", "output_dir"]
)

_LAYER = re.compile(r"^(bert/encoder/layer_)(\d+)(/.*)$")


def main(_) -> None:
    checkpoint_flags.refuse_patterns("output_dir")
    layers = parse_layers(FLAGS.init_layers, FLAGS.num_hidden_layers)
    folder = FLAGS.output_dir.rstrip("/")
    checkpoint = f"{folder}/bert_model.ckpt"
    contents = read_contents(layers)
    for name in ("bert_model.ckpt.index", "bert_config.json", "vocab.txt"):
        path = f"{folder}/{name}"
        # A run that was killed has left the same.
        if files.exists(path) and files.read_bytes(path) != contents.get(name):
            raise ConfigError(f"{path}: is there already; expected a folder without a model")

    from bert_wwm.model.bert import BertConfig
    from bert_wwm.model.checkpoint import note_files, read_variables, write_variables
    from bert_wwm.model.checkpoint_path import read_newest, resolve

    config = BertConfig.from_json_file(FLAGS.bert_config_file)
    if FLAGS.vocab_file:
        check_vocabulary(config)

    def write_layers(prefix):
        plan = plan_layers(prefix, config.num_hidden_layers, layers)
        note_files(plan.checkpoint)
        tensors = read_variables(plan.checkpoint, optimizer_state=False)
        print(plan.report())
        files.make_folder(folder)
        for name, content in contents.items():
            files.write_bytes(f"{folder}/{name}", content)
        # The last, by which a run that was killed is known.
        write_variables(checkpoint, {new: tensors[old] for new, old in plan.sources.items()})
        return plan

    plan = read_newest(lambda: resolve(FLAGS.init_checkpoint), write_layers)
    print(f"Wrote {len(plan.sources):,} variables to {checkpoint}")


def read_contents(layers):
    """Returns the content of each file that the new model has next to its weights, by name."""
    values = read_object(FLAGS.bert_config_file)
    values["num_hidden_layers"] = len(layers)
    contents = {"bert_config.json": format_json(values).encode("utf-8")}
    if FLAGS.vocab_file:
        contents["vocab.txt"] = files.read_bytes(FLAGS.vocab_file)
    return contents


def parse_layers(names, count):
    """Returns the numbers of --init_layers, by default those of the first layers."""
    if names is None:
        return list(range(count))
    if not all(name.isdecimal() for name in names):
        raise ConfigError(f"--init_layers={','.join(names)}: expected numbers, separated by commas")
    if len(names) != count:
        raise ConfigError(
            f"--init_layers={','.join(names)}: {len(names)} layers; expected as many as "
            f"--num_hidden_layers={count}"
        )
    return [int(name) for name in names]


def check_vocabulary(config) -> None:
    size = len(Vocabulary.from_file(FLAGS.vocab_file))
    if config.vocab_size != size:
        raise ConfigError(
            f"{FLAGS.vocab_file} has {size} pieces, but vocab_size of {FLAGS.bert_config_file} is "
            f"{config.vocab_size}; expected those of one model"
        )


def plan_layers(init_checkpoint, num_layers, layers):
    """Returns the plan by which ``layers`` of a checkpoint become the layers 0, 1, 2, ...

    ``num_layers`` is the number of layers in the configuration of the checkpoint.
    """
    from bert_wwm.model.checkpoint import plan_restore

    given = plan_restore([], init_checkpoint)
    by_layer = {}
    sources = {}
    for name in given.unused:
        layer = _LAYER.match(name)
        if layer:
            by_layer.setdefault(int(layer[2]), []).append(layer)
        else:
            sources[name] = name
    if by_layer.keys() != set(range(num_layers)):
        raise CheckpointError(
            f"{given.checkpoint}: has {len(by_layer)} layers under bert/encoder, but "
            f"num_hidden_layers of {FLAGS.bert_config_file} is {num_layers}; expected those of one "
            "model"
        )
    for new, old in enumerate(layers):
        if old not in by_layer:
            raise ConfigError(
                f"--init_layers: {given.checkpoint} has no layer {old}; expected some of "
                f"{', '.join(map(str, sorted(by_layer)))}"
            )
        sources.update({f"{layer[1]}{new}{layer[3]}": layer[0] for layer in by_layer[old]})
    taken = set(sources.values())
    unused = tuple(name for name in given.unused if name not in taken)
    return dataclasses.replace(given, sources=sources, unused=unused)


if __name__ == "__main__":
    app.run(main)
