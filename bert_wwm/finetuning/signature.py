"""The graph that answers requests: features in; classes, tags or spans out."""

from typing import NamedTuple

from bert_wwm.compat import tf
from bert_wwm.finetuning.objective import (
    ReadingObjective,
    SentenceObjective,
    TaggingObjective,
    TaskObjective,
)
from bert_wwm.finetuning.served import Served
from bert_wwm.model.bert import BertConfig
from bert_wwm.tasks.task import READING, SENTENCE, TAGGING
from bert_wwm.train.objective import Encoded

# B batch, S sequence, C classes

Tensors = dict[str, tf.Tensor]

INPUTS = ("input_ids", "input_mask", "segment_ids")  # google-research/bert's features

_PADDING = -1  # the tag of what is no token
# The log-probability of a span where none is possible: that of two positions which are masked.
_NO_SPAN = -2e4


class Signature(NamedTuple):
    """What a request holds and what the answer, by name.

    Attributes:
        inputs: int32 placeholders of shape [B, S], B and S as in the request.
        outputs: Tensors of shape [B, ...].
    """

    inputs: Tensors
    outputs: Tensors


def build_signature(config: BertConfig, served: Served) -> Signature:
    """Builds the encoder and the task's head in float32, without dropout.

    The outputs of

    - ``sentence``: ``label_ids`` int32 [B], ``probabilities`` and ``logits`` float32 [B, C];
    - ``tagging``: ``tag_ids`` int32 [B, S], -1 at padding, ``probabilities`` float32 [B, S, C];
    - ``reading``: ``start_logits`` and ``end_logits`` float32 [B, S], the log-probabilities as in
      ``nbest_predictions.json``; ``start_positions`` and ``end_positions`` int32 [B], the first and
      the last position of the likeliest span, both 0 where there is none; ``span_log_probs`` and
      ``null_log_probs`` float32 [B], of that span and of no answer; and where the type of answer is
      predicted, ``answer_type_ids`` int32 [B] and ``answer_type_log_probs`` float32 [B, 4].

    The context of a question is the tokens of segment 1 but for the last, ``[SEP]``.

    Args:
        config: the encoder.
        served: the model.
    """
    inputs = {name: tf.placeholder(tf.int32, [None, None], name) for name in INPUTS}
    build = {SENTENCE: _sentence, TAGGING: _tagging, READING: _reading}[served.kind]
    outputs = build(config, served, inputs)
    return Signature(inputs, {name: tf.identity(outputs[name], name) for name in sorted(outputs)})


def _sentence(config: BertConfig, served: Served, inputs: Tensors) -> Tensors:
    logits = _outputs(config, SentenceObjective(len(served.labels)), inputs)["logits"]
    return {
        "logits": logits,
        "probabilities": tf.nn.softmax(logits),
        "label_ids": tf.argmax(logits, axis=1, output_type=tf.int32),
    }


def _tagging(config: BertConfig, served: Served, inputs: Tensors) -> Tensors:
    logits = _outputs(config, TaggingObjective(len(served.labels)), inputs)["tag_logits"]
    tags = tf.argmax(logits, axis=2, output_type=tf.int32)
    is_token = tf.equal(inputs["input_mask"], 1)
    return {
        "tag_ids": tf.where_v2(is_token, tags, _PADDING),
        "probabilities": tf.nn.softmax(logits),
    }


def _reading(config: BertConfig, served: Served, inputs: Tensors) -> Tensors:
    begin, end = _context(inputs)
    objective = ReadingObjective(len(served.reading.answer_types))
    outputs = _outputs(config, objective, {**inputs, "context_begin": begin, "context_end": end})
    starts, ends = outputs["start_log_probs"], outputs["end_log_probs"]
    first, last, best = _best_spans(starts, ends, begin, end, served.reading.max_answer_length)
    answers = {
        "start_logits": starts,
        "end_logits": ends,
        "start_positions": first,
        "end_positions": last,
        "span_log_probs": best,
        "null_log_probs": starts[:, 0] + ends[:, 0],
    }
    if served.reading.answer_types:
        types = outputs["answer_type_log_probs"]
        answers["answer_type_log_probs"] = types
        answers["answer_type_ids"] = tf.argmax(types, axis=1, output_type=tf.int32)
    return answers


def _outputs(config: BertConfig, objective: TaskObjective, features: Tensors) -> Tensors:
    return objective.outputs(Encoded(config, features, training=False))


def _context(inputs: Tensors) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the half-open span of positions of the context: int32 [B], [B]."""
    inside = tf.equal(inputs["segment_ids"], 1) & tf.equal(inputs["input_mask"], 1)
    inside = tf.cast(inside, tf.int32)
    begin = tf.argmax(inside, axis=1, output_type=tf.int32)
    return begin, begin + tf.reduce_sum(inside, axis=1) - 1


def _best_spans(
    starts: tf.Tensor, ends: tf.Tensor, begin: tf.Tensor, end: tf.Tensor, max_answer_length: int
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Finds the likeliest span of each context, of all pairs of a first and a last position.

    Args:
        starts, ends: float32 [B, S], log-probabilities.
        begin, end: int32 [B], the half-open span of the context's positions.
        max_answer_length: positions of a span, at most.

    Returns:
        First and last positions, int32 [B], and their log-probabilities, float32 [B].
    """
    length = tf.shape(starts)[1]
    positions = tf.range(length)
    width = positions[None, :] - positions[:, None]  # [S, S], from the first to the last
    inside = (positions >= begin[:, None]) & (positions < end[:, None])  # [B, S]
    allowed = inside[:, :, None] & inside[:, None, :] & (width >= 0) & (width < max_answer_length)
    scores = tf.where_v2(allowed, starts[:, :, None] + ends[:, None, :], _NO_SPAN)
    scores = tf.reshape(scores, [-1, length * length])
    best = tf.argmax(scores, axis=1, output_type=tf.int32)
    return best // length, best % length, tf.reduce_max(scores, axis=1)
