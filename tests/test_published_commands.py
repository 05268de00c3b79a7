"""The commands that google-research/bert and HFL publish for their programs parse here.

From google-research/bert's README.md and multilingual.md, the README of LERT's pretraining, and
that of the baseline of CMRC 2018, whose program run_squad.py stands for. Chinese-BERT-wwm, MacBERT
and PERT publish no commands.
"""

import parsed_flags
import pytest

BERT = "--vocab_file=$BERT/vocab.txt --bert_config_file=$BERT/bert_config.json"
INITIAL = f"{BERT} --init_checkpoint=$BERT/bert_model.ckpt"
SQUAD = (
    f"{INITIAL} --train_file=train.json --do_predict=True --predict_file=dev.json "
    "--learning_rate=3e-5 --num_train_epochs=2.0 --max_seq_length=384 --doc_stride=128 "
)
LARGE = "--train_batch_size=24 --output_dir=gs://BUCKET/squad_large/ --use_tpu=True --tpu_name=TPU"

COMMANDS = {
    "create_pretraining_data_wwm.py": [
        "--input_file=./sample_text.txt --output_file=/tmp/tf_examples.tfrecord "
        "--vocab_file=$BERT/vocab.txt --do_lower_case=True --max_seq_length=128 "
        "--max_predictions_per_seq=20 --masked_lm_prob=0.15 --random_seed=12345 --dupe_factor=5",
        "--input_file=a --output_file=b --vocab_file=c --do_whole_word_mask=True",
    ],
    "run_pretraining.py": [
        "--input_file=/tmp/tf_examples.tfrecord --output_dir=/tmp/pretraining_output "
        "--do_train=True --do_eval=True --bert_config_file=$BERT/bert_config.json "
        "--init_checkpoint=$BERT/bert_model.ckpt --train_batch_size=32 --max_seq_length=128 "
        "--max_predictions_per_seq=20 --num_train_steps=20 --num_warmup_steps=10 "
        "--learning_rate=2e-5",
        "--input_file=$DATA/tf_examples.tfrecord.* --output_dir=$MODEL --do_train=True "
        "--bert_config_file=$CONFIG --train_batch_size=1024 --eval_batch_size=1024 "
        "--max_seq_length=512 --max_predictions_per_seq=75 --num_train_steps=2000000 "
        "--num_warmup_steps=10000 --save_checkpoints_steps=50000 --learning_rate=1e-4 "
        "--do_lower_case=True --use_tpu=True --tpu_name=TPU --tpu_zone=ZONE",
    ],
    "run_classifier.py": [
        "--task_name=MRPC --do_train=true --do_eval=true --data_dir=$GLUE/MRPC "
        f"{INITIAL} --max_seq_length=128 --train_batch_size=32 --learning_rate=2e-5 "
        "--num_train_epochs=3.0 --output_dir=/tmp/mrpc_output/",
        f"--task_name=MRPC --do_predict=true --data_dir=$GLUE/MRPC {BERT} "
        "--init_checkpoint=$TRAINED --max_seq_length=128 --output_dir=/tmp/mrpc_output/",
        "--task_name=XNLI --do_train=true --do_eval=true --data_dir=$XNLI "
        f"{INITIAL} --max_seq_length=128 --train_batch_size=32 --learning_rate=5e-5 "
        "--num_train_epochs=2.0 --output_dir=/tmp/xnli_output/",
    ],
    "run_squad.py": [
        f"{SQUAD} --do_train=True --train_batch_size=12 --output_dir=/tmp/squad_base/",
        f"{SQUAD} --do_train=True {LARGE}",
        f"{SQUAD} --do_train=True {LARGE} --version_2_with_negative=True",
        f"{SQUAD} --do_train=False {LARGE} --version_2_with_negative=True "
        "--null_score_diff_threshold=-2.5",
        f"{INITIAL} --do_train=True --train_file=cmrc2018_train.json --do_predict=True "
        "--predict_file=cmrc2018_dev.json --train_batch_size=32 --num_train_epochs=2 "
        "--max_seq_length=512 --doc_stride=128 --learning_rate=3e-5 --save_checkpoints_steps=1000 "
        "--output_dir=$MODEL --do_lower_case=False --use_tpu=False",
    ],
    "extract_features.py": [
        f"--input_file=/tmp/input.txt --output_file=/tmp/output.jsonl {INITIAL} "
        "--layers=-1,-2,-3,-4 --max_seq_length=128 --batch_size=8",
    ],
}

# Every flag that these programs define; do_lower_case of run_pretraining.py is HFL's (LERT).
TPU = "use_tpu tpu_name tpu_zone gcp_project master num_tpu_cores iterations_per_loop"
FINE_TUNING = (
    f"{TPU} bert_config_file vocab_file output_dir init_checkpoint do_lower_case max_seq_length "
    "do_train do_predict train_batch_size predict_batch_size learning_rate num_train_epochs "
    "warmup_proportion save_checkpoints_steps"
)
DEFINED = {
    "create_pretraining_data_wwm.py": "input_file output_file vocab_file do_lower_case "
    "do_whole_word_mask max_seq_length max_predictions_per_seq random_seed dupe_factor "
    "masked_lm_prob short_seq_prob",
    "run_pretraining.py": f"{TPU} bert_config_file input_file output_dir init_checkpoint "
    "max_seq_length max_predictions_per_seq do_lower_case do_train do_eval train_batch_size "
    "eval_batch_size learning_rate num_train_steps num_warmup_steps save_checkpoints_steps "
    "max_eval_steps",
    "run_classifier.py": f"{FINE_TUNING} data_dir task_name do_eval eval_batch_size",
    "run_squad.py": f"{FINE_TUNING} train_file predict_file doc_stride max_query_length "
    "n_best_size max_answer_length verbose_logging version_2_with_negative "
    "null_score_diff_threshold eval_file do_eval rand_seed",
    "extract_features.py": "input_file output_file layers bert_config_file max_seq_length "
    "init_checkpoint vocab_file do_lower_case batch_size use_tpu master num_tpu_cores "
    "use_one_hot_embeddings",
}


@pytest.mark.parametrize("program", COMMANDS)
def test_published_commands_parse(program):
    for values in parsed_flags.parse(program, [line.split() for line in COMMANDS[program]]):
        assert set(DEFINED[program].split()) <= values.keys()


def test_the_seed_of_hfls_baseline():
    (values,) = parsed_flags.parse(
        "run_squad.py", [f"{SQUAD} --output_dir=o --rand_seed=7".split()]
    )
    assert values["random_seed"] == 7
