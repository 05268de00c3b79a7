"""The programs that write, each with flags that make it end in a few seconds."""

import pathlib
from collections.abc import Callable
from typing import NamedTuple

from torture import results
from torture.inputs import RECORD_SIZES, Inputs


class Case(NamedTuple):
    """A program under attack.

    Attributes:
        name: as it is shown.
        program: its path in the checkout.
        flags: makes its flags of the inputs and of the folder to write to.
        result: reads what it has written there.
        keeps_bytes: whether a file with its final name holds its final bytes.
        is_rare: it takes minutes, and is attacked less often.
    """

    name: str
    program: str
    flags: Callable[[Inputs, pathlib.Path], list[str]]
    result: Callable[[pathlib.Path], results.Result] = results.all_files
    keeps_bytes: bool = True
    is_rare: bool = False


_SHARDS = ["--num_output_shards=2", "--num_workers=2", "--segmenter=characters"]
_FINETUNING = [
    *("--max_seq_length=24", "--train_batch_size=8", "--num_train_epochs=2"),
    *("--save_checkpoints_steps=5", "--do_train", "--do_eval", "--do_predict"),
]


def _finetune(*flags: str, ending: str) -> Callable[[Inputs, pathlib.Path], list[str]]:
    def make_flags(inputs: Inputs, folder: pathlib.Path) -> list[str]:
        splits = (("train", "train"), ("eval", "dev"), ("predict", "test"))
        data = [f"--{flag}_file={inputs.tasks}/{name}.{ending}" for flag, name in splits]
        return [*flags, *data, *inputs.model, *_FINETUNING, f"--output_dir={folder}/model"]

    return make_flags


def _pretrain(inputs: Inputs, folder: pathlib.Path) -> list[str]:
    return [
        f"--input_file={inputs.records}",
        f"--eval_input_file={inputs.records}",
        f"--output_dir={folder}/model",
        *inputs.model,
        *RECORD_SIZES,
        *("--do_train", "--do_eval", "--train_batch_size=8", "--num_train_steps=16"),
        *("--num_warmup_steps=2", "--save_checkpoints_steps=3", "--eval_every_steps=8"),
        *("--max_eval_steps=2", "--log_every_steps=1"),
    ]


CASES = [
    Case(
        "run_pretraining.py", "run_pretraining.py", _pretrain, results.training, keeps_bytes=False
    ),
    Case(
        "create_pretraining_data_wwm.py",
        "create_pretraining_data_wwm.py",
        lambda inputs, folder: [
            f"--input_file={inputs.corpus}",
            f"--output_file={folder}/out",
            f"--vocab_file={inputs.vocabulary}",
            *RECORD_SIZES,
            "--dupe_factor=1",
            *_SHARDS,
        ],
    ),
    Case(
        "build_vocabulary.py",
        "scripts/build_vocabulary.py",
        lambda inputs, folder: [
            f"--input_file={inputs.corpus}",
            f"--output_file={folder}/vocab.txt",
        ],
    ),
    Case(
        "run_classifier.py",
        "run_classifier.py",
        _finetune("--task_name=chnsenticorp", ending="tsv"),
        results.training,
        keeps_bytes=False,
    ),
    Case(
        "convert_checkpoint.py to_hf",
        "convert_checkpoint.py",
        lambda inputs, folder: [
            "to_hf",
            f"--tf_checkpoint={inputs.checkpoint}",
            f"--output_dir={folder}/hf",
            "--overwrite",
        ],
    ),
    Case(
        "segment_corpus.py",
        "scripts/segment_corpus.py",
        lambda inputs, folder: [
            f"--input_file={inputs.corpus}",
            f"--output_file={folder}/words.gz",
            *_SHARDS,
        ],
    ),
    Case(
        "train_ltp_model.py",
        "scripts/train_ltp_model.py",
        lambda inputs, folder: [
            f"--input_file={inputs.tagged}",
            f"--output_dir={folder}/ltp",
            *("--num_epochs=2", "--heldout_fraction=0.1"),
        ],
        results.word_finder,
        keeps_bytes=False,
    ),
    Case(
        "run_ner.py",
        "run_ner.py",
        _finetune("--task_name=NER", ending="txt"),
        results.training,
        keeps_bytes=False,
    ),
    Case(
        "extract_features.py",
        "extract_features.py",
        lambda inputs, folder: [
            f"--input_file={inputs.texts}",
            f"--output_file={folder}/texts.jsonl",
            "--max_seq_length=32",
            *inputs.model,
            f"--init_checkpoint={inputs.checkpoint}",
        ],
    ),
    Case(
        "prepare_text.py",
        "scripts/prepare_text.py",
        lambda inputs, folder: [
            f"--input_file={inputs.corpus}",
            f"--output_file={folder}/text",
            *_SHARDS[:2],
        ],
    ),
    Case(
        "export_saved_model.py",
        "export_saved_model.py",
        lambda inputs, folder: [
            f"--finetuned_dir={inputs.finetuned}",
            f"--export_dir={folder}/export",
        ],
        results.exports,
        keeps_bytes=False,
    ),
    Case(
        "run_squad.py",
        "run_squad.py",
        _finetune("--doc_stride=8", ending="json"),
        results.training,
        keeps_bytes=False,
    ),
    Case(
        "convert_checkpoint.py to_tf",
        "convert_checkpoint.py",
        lambda inputs, folder: [
            "to_tf",
            f"--hf_model={inputs.hugging_face}",
            f"--output_dir={folder}/tf",
            "--overwrite",
        ],
    ),
    Case(
        "extract_features.py --pooling",
        "extract_features.py",
        lambda inputs, folder: [
            f"--input_file={inputs.texts}",
            f"--output_file={folder}/texts.npy",
            *("--pooling=mean", "--max_seq_length=32"),
            *inputs.model,
            f"--init_checkpoint={inputs.checkpoint}",
        ],
    ),
    Case(
        "make_similar_words.py",
        "scripts/make_similar_words.py",
        lambda inputs, folder: [
            f"--word2vec_file={inputs.vectors}",
            f"--output_file={folder}/similar.txt",
        ],
    ),
    Case(
        "adapt_domain.py",
        "scripts/adapt_domain.py",
        lambda inputs, folder: [
            f"--input_file={inputs.small_corpus}",
            f"--model={inputs.hugging_face}",
            f"--output_dir={folder}/model",
            *("--segmenter=characters", "--train_batch_size=8", "--num_train_steps=8"),
        ],
        results.adapted,
        keeps_bytes=False,
        is_rare=True,
    ),
]
