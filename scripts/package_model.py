"""Makes a release archive, as HFL's are: a checkpoint, its configuration and its vocabulary.

The archive holds bert_model.ckpt.*, with the weights as they are and nothing of the optimizer,
bert_config.json and vocab.txt; of a model with LERT's heads, lert_model.ckpt.* and
lert_config.json. There is no .meta, a graph that nothing needs to read the weights. The same model
gives the same bytes.

Example:
  python scripts/package_model.py --tf_checkpoint=outputs/wwm/model.ckpt-100000 \\
      --bert_config_file=configs/bert_base.json --vocab_file=vocab.txt \\
      --name=wwm --output_dir=releases   # releases/chinese_wwm_L-12_H-768_A-12.zip
"""

import hashlib
import os
import re
from collections.abc import Mapping
from typing import Any

from absl import flags

from bert_wwm.cli import app
from bert_wwm.convert import archive, model_config
from bert_wwm.convert.pretrained import Pretrained
from bert_wwm.core import files
from bert_wwm.core.errors import ConfigError, naming
from bert_wwm.core.staging import temporary_folder

FLAGS = flags.FLAGS

flags.DEFINE_string(
    "tf_checkpoint", None, "The weights: prefix of a checkpoint, or a folder of a training."
)
flags.DEFINE_string("bert_config_file", None, "The model's shape, as JSON.")
flags.DEFINE_string("vocab_file", None, "The model's vocabulary.")
flags.DEFINE_string("output_file", None, "The archive.")
flags.DEFINE_string(
    "output_dir", None, "Instead of --output_file: a folder for chinese_NAME_L-12_H-768_A-12.zip."
)
flags.DEFINE_string("name", None, "With --output_dir: NAME, such as wwm_ext.")
flags.mark_flags_as_required(["tf_checkpoint", "bert_config_file", "vocab_file"])

_LERT_HEAD = re.compile(r"^cls/predictions/output_(pos|ner|dep)_layer/")
_NAME = re.compile(r"[\w.-]+")


def main(_) -> None:
    check_flags()
    output = FLAGS.output_file or output_path(model_config.read_google(FLAGS.bert_config_file))
    if files.exists(output):
        raise ConfigError(f"{output}: is there already; expected the name of a new archive")

    from bert_wwm.convert import google_folder
    from bert_wwm.model import checkpoint, checkpoint_path

    def read(prefix):
        return prefix, google_folder.read(prefix, FLAGS.bert_config_file, FLAGS.vocab_file)

    prefix, model = checkpoint_path.read_newest(
        lambda: checkpoint_path.resolve(FLAGS.tf_checkpoint), read
    )
    heads = sorted({match[1] for match in map(_LERT_HEAD.match, model.tensors) if match})
    kind = "lert" if heads else "bert"
    folder, name = os.path.split(os.path.abspath(output))
    with temporary_folder(folder, name) as work:
        with naming(output, work):
            checkpoint.write_variables(f"{work}/{kind}_model.ckpt", model.tensors)
        members = {name: f"{work}/{name}" for name in os.listdir(work)}
        members[f"{kind}_config.json"] = FLAGS.bert_config_file
        members["vocab.txt"] = FLAGS.vocab_file
        archive.write(output, members)
        report(output, prefix, members, model, heads)


def check_flags() -> None:
    """Raises ConfigError where flags say too much or too little of the output."""
    if bool(FLAGS.output_file) == bool(FLAGS.output_dir):
        raise ConfigError("expected one of --output_file and --output_dir")
    if bool(FLAGS.output_dir) != bool(FLAGS.name):
        raise ConfigError("--name goes with --output_dir: expected both or neither")
    if FLAGS.name and not _NAME.fullmatch(FLAGS.name):
        raise ConfigError(f"--name={FLAGS.name}: expected letters, digits, '_', '-' and '.'")


def output_path(config: dict[str, Any]) -> str:
    """Returns the archive's path by HFL's names, which tell layers, hidden size and heads."""
    size = "L-{num_hidden_layers}_H-{hidden_size}_A-{num_attention_heads}".format(**config)
    return os.path.join(FLAGS.output_dir, f"chinese_{FLAGS.name}_{size}.zip")


def report(
    output: str, prefix: str, members: Mapping[str, str], model: Pretrained, heads: list[str]
) -> None:
    """Prints what the archive holds."""
    print(f"Weights from {prefix}")
    if heads:
        print(f"A LERT, by its heads {', '.join(heads)}: the files are named lert_*")
    state = len(model.optimizer_state)
    print(f"{len(model.tensors):,} tensors; {state:,} of the optimizer left out")
    for note in model.notes:
        print(f"  note: {note}")
    for name in sorted(members):
        print(f"  {name:<40}{files.size(members[name]):>16,} bytes")
    digest = hashlib.sha256()
    for chunk in files.read_chunks(output, 1 << 20):
        digest.update(chunk)
    print(f"Wrote {output}: {files.size(output):,} bytes, SHA-256 {digest.hexdigest()}")


if __name__ == "__main__":
    app.run(main)
