"""The faces: every public name of google-research/bert's modules, with its signature."""

import importlib
import inspect

import pytest

# As in google-research/bert, word for word. Arguments that the toolkit adds stand at the end of a
# signature and are listed under ADDED.
SIGNATURES = {
    "modeling": {
        "BertConfig": "vocab_size, hidden_size=768, num_hidden_layers=12, num_attention_heads=12, "
        "intermediate_size=3072, hidden_act='gelu', hidden_dropout_prob=0.1, "
        "attention_probs_dropout_prob=0.1, max_position_embeddings=512, type_vocab_size=16, "
        "initializer_range=0.02",
        "BertConfig.from_dict": "json_object",
        "BertConfig.from_json_file": "json_file",
        "BertConfig.to_dict": "self",
        "BertConfig.to_json_string": "self",
        "BertModel": "config, is_training, input_ids, input_mask=None, token_type_ids=None, "
        "use_one_hot_embeddings=False, scope=None",
        "BertModel.get_pooled_output": "self",
        "BertModel.get_sequence_output": "self",
        "BertModel.get_all_encoder_layers": "self",
        "BertModel.get_embedding_output": "self",
        "BertModel.get_embedding_table": "self",
        "gelu": "x",
        "get_activation": "activation_string",
        "get_assignment_map_from_checkpoint": "tvars, init_checkpoint",
        "dropout": "input_tensor, dropout_prob",
        "layer_norm": "input_tensor, name=None",
        "layer_norm_and_dropout": "input_tensor, dropout_prob, name=None",
        "create_initializer": "initializer_range=0.02",
        "embedding_lookup": "input_ids, vocab_size, embedding_size=128, initializer_range=0.02, "
        "word_embedding_name='word_embeddings', use_one_hot_embeddings=False",
        "embedding_postprocessor": "input_tensor, use_token_type=False, token_type_ids=None, "
        "token_type_vocab_size=16, token_type_embedding_name='token_type_embeddings', "
        "use_position_embeddings=True, position_embedding_name='position_embeddings', "
        "initializer_range=0.02, max_position_embeddings=512, dropout_prob=0.1",
        "create_attention_mask_from_input_mask": "from_tensor, to_mask",
        "attention_layer": "from_tensor, to_tensor, attention_mask=None, num_attention_heads=1, "
        "size_per_head=512, query_act=None, key_act=None, value_act=None, "
        "attention_probs_dropout_prob=0.0, initializer_range=0.02, do_return_2d_tensor=False, "
        "batch_size=None, from_seq_length=None, to_seq_length=None",
        "transformer_model": "input_tensor, attention_mask=None, hidden_size=768, "
        "num_hidden_layers=12, num_attention_heads=12, intermediate_size=3072, "
        "intermediate_act_fn=gelu, hidden_dropout_prob=0.1, attention_probs_dropout_prob=0.1, "
        "initializer_range=0.02, do_return_all_layers=False",
        "get_shape_list": "tensor, expected_rank=None, name=None",
        "reshape_to_matrix": "input_tensor",
        "reshape_from_matrix": "output_tensor, orig_shape_list",
        "assert_rank": "tensor, expected_rank, name=None",
    },
    "optimization": {
        "create_optimizer": "loss, init_lr, num_train_steps, num_warmup_steps, use_tpu",
        "AdamWeightDecayOptimizer": "learning_rate, weight_decay_rate=0.0, beta_1=0.9, "
        "beta_2=0.999, epsilon=1e-06, exclude_from_weight_decay=None, "
        "name='AdamWeightDecayOptimizer'",
        "AdamWeightDecayOptimizer.apply_gradients": "self, grads_and_vars, global_step=None, "
        "name=None",
    },
    "tokenization": {
        "validate_case_matches_checkpoint": "do_lower_case, init_checkpoint",
        "convert_to_unicode": "text",
        "printable_text": "text",
        "load_vocab": "vocab_file",
        "convert_by_vocab": "vocab, items",
        "convert_tokens_to_ids": "vocab, tokens",
        "convert_ids_to_tokens": "inv_vocab, ids",
        "whitespace_tokenize": "text",
        "FullTokenizer": "vocab_file, do_lower_case=True",
        "FullTokenizer.tokenize": "self, text",
        "FullTokenizer.convert_tokens_to_ids": "self, tokens",
        "FullTokenizer.convert_ids_to_tokens": "self, ids",
        "BasicTokenizer": "do_lower_case=True",
        "BasicTokenizer.tokenize": "self, text",
        "WordpieceTokenizer": "vocab, unk_token='[UNK]', max_input_chars_per_word=200",
        "WordpieceTokenizer.tokenize": "self, text",
    },
}
ADDED = {
    "optimization.create_optimizer": "optimizer='adamw'",
    "optimization.AdamWeightDecayOptimizer": "rate_scale=None",
    "modeling.BertModel": "compute_dtype=tf.float32, gradient_checkpointing=False, for_tpu=False, "
    "skip_padding=False, instance_starts=None",
    "modeling.embedding_lookup": "tpu_dtype=None",
    "modeling.embedding_postprocessor": "compute_dtype=tf.float32, position_ids=None, "
    "tpu_dtype=None",
    "modeling.transformer_model": "gradient_checkpointing=False",
}


def described(parameter):
    if parameter.default is parameter.empty:
        return parameter.name
    value = parameter.default
    return f"{parameter.name}={value.__name__ if callable(value) else repr(value)}"


@pytest.mark.parametrize(
    ("module", "name"), [(module, name) for module in SIGNATURES for name in SIGNATURES[module]]
)
def test_signature_is_googles(module, name):
    entry = importlib.import_module(module)
    for part in name.split("."):
        entry = getattr(entry, part)
    got = ", ".join(map(described, inspect.signature(entry).parameters.values()))
    expected = [SIGNATURES[module][name], ADDED.get(f"{module}.{name}")]
    assert got == ", ".join(filter(None, expected))


@pytest.mark.parametrize("module", SIGNATURES)
def test_a_face_exports_these_names_and_no_others(module):
    face = importlib.import_module(module)
    assert face.__all__ == sorted({name.split(".")[0] for name in SIGNATURES[module]})
    assert "bert_wwm/" in face.__doc__
