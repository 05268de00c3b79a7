"""The graph that answers requests: features in; classes, tags or spans out."""

from typing import NamedTuple

from bert_wwm.compat import tf
from bert_wwm.finetuning.served import Served
from bert_wwm.model.bert import BertConfig
from bert_wwm.tasks.kinds import KINDS

# B batch, S sequence

Tensors = dict[str, tf.Tensor]

INPUTS = ("input_ids", "input_mask", "segment_ids")  # google-research/bert's features


class Signature(NamedTuple):
    """What a request holds and what the answer, by name.

    Attributes:
        inputs: int32 placeholders of shape [B, S], B and S as in the request.
        outputs: Tensors of shape [B, ...]; see ``build_answers`` of each kind's job.
    """

    inputs: Tensors
    outputs: Tensors


def build_signature(config: BertConfig, served: Served) -> Signature:
    """Builds the encoder and the task's head in float32, without dropout."""
    inputs = {name: tf.placeholder(tf.int32, [None, None], name) for name in INPUTS}
    outputs = KINDS[served.kind].load_job().build_answers(config, served, inputs)
    return Signature(inputs, {name: tf.identity(outputs[name], name) for name in sorted(outputs)})
