"""The model BERT (Devlin et al. 2018, arXiv 1810.04805)."""

import copy
from typing import Any

from bert_wwm.compat import tf
from bert_wwm.model.config import BertConfig
from bert_wwm.model.embeddings import embedding_lookup, embedding_postprocessor
from bert_wwm.model.layers import (
    assert_rank,
    dense,
    gather_indexes,
    get_shape_list,
    reshape_to_matrix,
)
from bert_wwm.model.rows import Rows
from bert_wwm.model.tpu_encoder import encode_on_tpu
from bert_wwm.model.transformer import encode_padded, encode_unpadded
from bert_wwm.model.unpadded import Unpadded

# B batch, S sequence, H hidden, V vocabulary


class BertModel:
    """The encoder over a batch of token ids, with its embeddings below and its pooler above.

    Args:
        is_training: whether dropout is on.
        input_ids: int32 Tensor of shape [B, S].
        input_mask: int32 Tensor of shape [B, S], 1 at tokens and 0 at padding; all 1 by default.
        token_type_ids: int32 Tensor of shape [B, S], the segments; all 0 by default.
        use_one_hot_embeddings: look words up by a product, as google-research/bert does on TPUs.
        scope: variable scope; by default ``bert``, made unique.
        compute_dtype: of the layers' activations, tf.float32, tf.bfloat16 or tf.float16. Variables,
            layer norm's means, and scores and exponents of the softmax are float32 in any case.
        gradient_checkpointing: keep only each layer's input for the backward pass, which computes
            the layer a second time: the same gradients from less memory in about a third more
            time. Dropout is seeded then, outside of ``seeded_dropout`` by a draw at each step.
        for_tpu: build what a TPU computes fastest: the same numbers up to rounding. Shapes have to
            be known with the graph; ``use_one_hot_embeddings`` is ignored then.
        skip_padding: compute nothing for padding in dense layers, and little in attention: the
            same numbers up to rounding at tokens, and all outputs 0 at padding. Not ``for_tpu``, as
            shapes depend on the mask.
        instance_starts: int32 Tensor of shape [B, K], where the instances of each row begin: 0, and
            then ascending; 0 again after the last. Attention stays within an instance, positions
            count from its beginning, and the pooled output is of each. Without it a row is one.

    Raises:
        ValueError: a shape or the configuration doesn't fit.

    Example:
        model = BertModel(config, is_training=True, input_ids=input_ids, input_mask=input_mask)
        logits = tf.matmul(model.get_pooled_output(), weights)
    """

    def __init__(
        self,
        config: BertConfig,
        is_training: bool,
        input_ids: tf.Tensor,
        input_mask: tf.Tensor | None = None,
        token_type_ids: tf.Tensor | None = None,
        use_one_hot_embeddings: bool = False,
        scope: Any = None,
        compute_dtype: "tf.DType" = tf.float32,
        gradient_checkpointing: bool = False,
        for_tpu: bool = False,
        skip_padding: bool = False,
        instance_starts: tf.Tensor | None = None,
    ):
        if skip_padding and (for_tpu or input_mask is None):
            raise ValueError("skip_padding needs input_mask, and has no form for TPUs")
        config = copy.copy(config)
        if not is_training:
            config.hidden_dropout_prob = config.attention_probs_dropout_prob = 0.0
        batch_size, sequence_length = get_shape_list(input_ids, expected_rank=2)
        if token_type_ids is None:
            token_type_ids = tf.zeros([batch_size, sequence_length], tf.int32)
        if input_mask is not None:
            assert_rank(input_mask, 2, "input_mask")
        self.rows = None if instance_starts is None else Rows.of(instance_starts, sequence_length)
        unpadded = Unpadded(input_mask, self.rows) if skip_padding else None
        position_ids = self.rows.position_ids if self.rows else None
        if unpadded:  # below, all tokens are one sequence
            ids = (
                unpadded.remove_padding(input_ids),
                unpadded.remove_padding(token_type_ids),
                unpadded.position_ids,
            )
            input_ids, token_type_ids, position_ids = (tf.expand_dims(x, 0) for x in ids)

        with tf.variable_scope(scope, default_name="bert"):
            with tf.variable_scope("embeddings"):
                words, self.embedding_table = embedding_lookup(
                    input_ids,
                    vocab_size=config.vocab_size,
                    embedding_size=config.hidden_size,
                    initializer_range=config.initializer_range,
                    use_one_hot_embeddings=use_one_hot_embeddings,
                    tpu_dtype=compute_dtype if for_tpu else None,
                )
                self.embedding_output = embedding_postprocessor(
                    words,
                    use_token_type=True,
                    token_type_ids=token_type_ids,
                    token_type_vocab_size=config.type_vocab_size,
                    initializer_range=config.initializer_range,
                    max_position_embeddings=config.max_position_embeddings,
                    dropout_prob=config.hidden_dropout_prob,
                    compute_dtype=compute_dtype,
                    position_ids=position_ids,
                    tpu_dtype=compute_dtype if for_tpu else None,
                )
            with tf.variable_scope("encoder"):
                if unpadded:
                    tokens = reshape_to_matrix(self.embedding_output)
                    states = encode_unpadded(tokens, unpadded, config, gradient_checkpointing)
                    self.embedding_output = unpadded.restore_padding(tokens)
                    self.all_encoder_layers = [unpadded.restore_padding(x) for x in states]
                else:
                    encode = encode_on_tpu if for_tpu else encode_padded
                    instance_ids = self.rows.instance_ids if self.rows else None
                    self.all_encoder_layers = encode(
                        self.embedding_output,
                        input_mask,
                        config,
                        gradient_checkpointing,
                        instance_ids,
                    )
            self.sequence_output = self.all_encoder_layers[-1]
            with tf.variable_scope("pooler"):
                if unpadded:
                    firsts = unpadded.take_first(states[-1], self.rows)
                elif self.rows:
                    firsts = gather_indexes(self.sequence_output, self.rows.starts)
                else:
                    firsts = self.sequence_output[:, 0, :]
                self.pooled_output = dense(
                    firsts,
                    config.hidden_size,
                    config.initializer_range,
                    activation=tf.tanh,
                )

    def get_pooled_output(self) -> tf.Tensor:
        """The [CLS] state after one more dense layer and tanh: float Tensor of shape [B, H].

        Of rows with ``instance_starts`` [B * K, H]; what it has after the last has no meaning.
        """
        return self.pooled_output

    def get_sequence_output(self) -> tf.Tensor:
        """The last layer's output: float Tensor of shape [B, S, H]."""
        return self.sequence_output

    def get_all_encoder_layers(self) -> list[tf.Tensor]:
        """Every layer's output, the lowest first: float Tensors of shape [B, S, H]."""
        return self.all_encoder_layers

    def get_embedding_output(self) -> tf.Tensor:
        """The encoder's input: float Tensor of shape [B, S, H]."""
        return self.embedding_output

    def get_embedding_table(self) -> tf.Variable:
        """The word embeddings: float variable of shape [V, H]."""
        return self.embedding_table
