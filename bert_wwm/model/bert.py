"""BERT: its configuration and the model (Devlin et al. 2018, arXiv 1810.04805)."""

import copy
import json
import math
from typing import Any

from bert_wwm.compat import tf
from bert_wwm.core.choices import GELU_FORMS
from bert_wwm.core.errors import ConfigError, DataError
from bert_wwm.core.json_files import read_json
from bert_wwm.model.embeddings import embedding_lookup, embedding_postprocessor
from bert_wwm.model.layers import (
    assert_rank,
    dense,
    get_activation,
    get_shape_list,
    reshape_to_matrix,
)
from bert_wwm.model.packed_encoder import encode_packed
from bert_wwm.model.packing import Packing
from bert_wwm.model.tpu_encoder import encode_on_tpu
from bert_wwm.model.transformer import EncoderSettings, encode_padded

# B batch, S sequence, H hidden, V vocabulary


class BertConfig:
    """The size and make of a model, as in ``bert_config.json``.

    Args:
        vocab_size: V, rows of the word embeddings.
        hidden_size: H.
        num_attention_heads: a divisor of H.
        intermediate_size: width of the feed-forward layers.
        hidden_act: activation of the feed-forward layers and the masked LM head: a name that
            ``get_activation`` knows, or a function.
        hidden_dropout_prob: fraction of the hidden states that dropout drops in training.
        attention_probs_dropout_prob: the same of the attention weights.
        max_position_embeddings: longest sequence, in tokens.
        type_vocab_size: number of segments.
        initializer_range: standard deviation of the truncated normal that weights start from.
    """

    def __init__(
        self,
        vocab_size: int | None,
        hidden_size: int = 768,
        num_hidden_layers: int = 12,
        num_attention_heads: int = 12,
        intermediate_size: int = 3072,
        hidden_act: Any = "gelu",
        hidden_dropout_prob: float = 0.1,
        attention_probs_dropout_prob: float = 0.1,
        max_position_embeddings: int = 512,
        type_vocab_size: int = 16,
        initializer_range: float = 0.02,
    ):
        self.vocab_size: Any = vocab_size
        self.hidden_size = hidden_size
        self.num_hidden_layers = num_hidden_layers
        self.num_attention_heads = num_attention_heads
        self.hidden_act = hidden_act
        self.intermediate_size = intermediate_size
        self.hidden_dropout_prob = hidden_dropout_prob
        self.attention_probs_dropout_prob = attention_probs_dropout_prob
        self.max_position_embeddings = max_position_embeddings
        self.type_vocab_size = type_vocab_size
        self.initializer_range = initializer_range

    @classmethod
    def from_dict(cls, json_object: dict[str, Any]) -> "BertConfig":
        """Returns the configuration with these values; keys it doesn't know become attributes."""
        config = cls(vocab_size=None)
        config.__dict__.update(json_object)
        return config

    @classmethod
    def from_json_file(cls, json_file: str) -> "BertConfig":
        """Reads a ``bert_config.json``, local or in a bucket.

        Raises:
            ConfigError: the file is missing, isn't a JSON object, or lacks ``vocab_size``.
        """
        try:
            values = read_json(json_file)
        except DataError as error:
            raise ConfigError(f"BERT configuration {error}") from None
        if not isinstance(values, dict):
            raise ConfigError(
                f"{json_file}: a JSON {type(values).__name__}; expected the object of a BERT "
                "configuration"
            )
        if values.get("vocab_size") is None:
            raise ConfigError(f"{json_file}: vocab_size is missing from this BERT configuration")
        _check(values, json_file)
        return cls.from_dict(values)

    def with_gelu(self, form: str) -> "BertConfig":
        """Returns a copy in which "gelu" means one form of the function.

        Configuration files say ``gelu`` for both: google-research/bert computes the tanh form,
        Hugging Face and some of HFL's models the exact one. Other activations stay.

        Args:
            form: one of ``GELU_FORMS``.

        Raises:
            ConfigError: there is no such form.
        """
        if form not in GELU_FORMS:
            raise ConfigError(f"unknown form of GELU {form!r}; known: {', '.join(GELU_FORMS)}")
        config = copy.deepcopy(self)
        if isinstance(config.hidden_act, str) and config.hidden_act.lower() == "gelu":
            config.hidden_act = f"gelu_{form}"
        return config

    def check_length(self, length: int, path: str, flag: str = "--max_seq_length") -> None:
        """Raises ConfigError if sequences of so many tokens have no position embeddings.

        Args:
            length: tokens of a sequence.
            path: the file of this configuration.
            flag: where the length is from.
        """
        if length > self.max_position_embeddings:
            raise ConfigError(
                f"{flag}={length} is more than max_position_embeddings of {path}, "
                f"{self.max_position_embeddings}"
            )

    def to_dict(self) -> dict[str, Any]:
        """Returns all values, those of unknown keys too."""
        return copy.deepcopy(self.__dict__)

    def to_json_string(self) -> str:
        """Returns the text of a ``bert_config.json``."""
        return json.dumps(self.to_dict(), indent=2, sort_keys=True) + "\n"


_SIZES = (
    "vocab_size",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "max_position_embeddings",
    "type_vocab_size",
)


_DROPOUTS = ("hidden_dropout_prob", "attention_probs_dropout_prob")


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _check(values: dict[str, Any], path: str) -> None:
    """Raises ConfigError for values that no model can be built with."""
    config = BertConfig.from_dict(values)
    for name in _SIZES:
        size = getattr(config, name)
        if type(size) is not int or size < 1:
            raise ConfigError(f"{path}: {name} is {size!r}; expected a positive integer")
    for name in _DROPOUTS:
        prob = getattr(config, name)
        if not _is_number(prob) or not 0 <= prob < 1:
            raise ConfigError(f"{path}: {name} is {prob!r}; expected a number from 0 to below 1")
    deviation = config.initializer_range
    if not _is_number(deviation) or not 0 <= deviation < math.inf:
        raise ConfigError(
            f"{path}: initializer_range is {deviation!r}; expected a number from 0 up"
        )
    if config.hidden_size % config.num_attention_heads:
        raise ConfigError(
            f"{path}: hidden_size {config.hidden_size} is not a multiple of num_attention_heads "
            f"{config.num_attention_heads}"
        )
    if not isinstance(config.hidden_act, (str, type(None))):
        raise ConfigError(f"{path}: hidden_act is {config.hidden_act!r}; expected a name")
    try:
        get_activation(config.hidden_act)
    except ValueError as error:
        raise ConfigError(f"{path}: hidden_act: {error}") from None


class BertModel:
    """The encoder over a batch of token ids, with its embeddings below and its pooler above.

    Args:
        is_training: whether dropout is on.
        input_ids: int32 Tensor of shape [B, S].
        input_mask: int32 Tensor of shape [B, S], 1 at tokens and 0 at padding; all 1 by default.
        token_type_ids: int32 Tensor of shape [B, S], the segments; all 0 by default.
        use_one_hot_embeddings: look words up by a product, as google-research/bert does on TPUs.
        scope: variable scope; by default ``bert``, made unique.
        compute_dtype: of the layers' activations, tf.float32 or tf.bfloat16. Variables, layer
            norm's means, and scores and exponents of the softmax are float32 in any case.
        gradient_checkpointing: see ``EncoderSettings``.
        for_tpu: build what a TPU computes fastest: the same numbers up to rounding. Shapes have to
            be known with the graph; ``use_one_hot_embeddings`` is ignored then.
        skip_padding: compute nothing for padding in dense layers, and little in attention: the
            same numbers up to rounding at tokens, and all outputs 0 at padding. Not ``for_tpu``, as
            shapes depend on the mask.

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
    ):
        if skip_padding and (for_tpu or input_mask is None):
            raise ValueError("skip_padding needs input_mask, and has no form for TPUs")
        hidden_dropout = config.hidden_dropout_prob if is_training else 0.0
        batch_size, sequence_length = get_shape_list(input_ids, expected_rank=2)
        if token_type_ids is None:
            token_type_ids = tf.zeros([batch_size, sequence_length], tf.int32)
        if input_mask is not None:
            assert_rank(input_mask, 2, "input_mask")
        packing = Packing(input_mask) if skip_padding else None
        position_ids = None
        if packing:  # below, all tokens are one sequence
            ids = packing.pack(input_ids), packing.pack(token_type_ids), packing.position_ids
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
                    dropout_prob=hidden_dropout,
                    compute_dtype=compute_dtype,
                    position_ids=position_ids,
                )
            settings = EncoderSettings(
                config.num_hidden_layers,
                config.num_attention_heads,
                config.intermediate_size,
                get_activation(config.hidden_act),
                hidden_dropout,
                config.attention_probs_dropout_prob if is_training else 0.0,
                config.initializer_range,
                gradient_checkpointing,
            )
            with tf.variable_scope("encoder"):
                if packing:
                    tokens = reshape_to_matrix(self.embedding_output)
                    states = encode_packed(tokens, packing, settings)
                    self.embedding_output = packing.unpack(tokens)
                    self.all_encoder_layers = [packing.unpack(x) for x in states]
                else:
                    choice = encode_on_tpu if for_tpu else encode_padded
                    states = choice(self.embedding_output, input_mask, settings)
                    self.all_encoder_layers = states
            self.sequence_output = self.all_encoder_layers[-1]
            with tf.variable_scope("pooler"):
                self.pooled_output = dense(
                    packing.take_first(states[-1]) if packing else self.sequence_output[:, 0, :],
                    config.hidden_size,
                    config.initializer_range,
                    activation=tf.tanh,
                )

    def get_pooled_output(self) -> tf.Tensor:
        """The [CLS] state after one more dense layer and tanh: float Tensor of shape [B, H]."""
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
