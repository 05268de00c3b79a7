import pytest
from absl import flags
from absl.testing import flagsaver

from bert_wwm.cli import finetuning_flags, model_flags
from bert_wwm.core.errors import ConfigError
from bert_wwm.tasks.batches import Padding
from bert_wwm.tasks.table import TASKS

REQUIRED = ("--bert_config_file=a", "--vocab_file=b", "--output_dir=c")


@pytest.fixture
def given():
    """Parses flags, for one test."""
    assert model_flags  # its flags are some of theirs
    with flagsaver.flagsaver():
        yield lambda *arguments: flags.FLAGS(["run_classifier.py", *REQUIRED, *arguments])


@pytest.mark.parametrize(
    "arguments, padding",
    [
        ((), Padding((1, 2, 3, 4, 5), skipped=True)),
        (("--skip_padding=False",), Padding((5,))),
        (("--use_xla",), Padding((5,))),
        (("--use_xla", "--skip_padding=False"), Padding((5,))),
        (("--use_tpu",), Padding((5,))),
        (("--use_tpu", "--tpu_buckets=4,2"), Padding((2, 4, 5), by_length=True)),
    ],
)
def test_padding_is_what_the_flags_say(given, arguments, padding):
    given(*arguments)
    assert finetuning_flags.padding_of(5) == padding


def test_xla_has_few_lengths(given):
    given("--use_xla")
    assert finetuning_flags.padding_of(150) == Padding((64, 128, 150))


def test_a_tpu_has_buckets_only(given):
    given("--do_train", "--use_tpu", "--tpu_name=a", "--skip_padding")
    with pytest.raises(ConfigError, match="--skip_padding: has no form for TPUs; expected --tpu_"):
        finetuning_flags.check_flags()


def error(function, *arguments):
    with pytest.raises(ConfigError) as raised:
        function(*arguments)
    return str(raised.value)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((), "nothing to do; expected --do_train"),
        (("--do_train", "--num_train_epochs=0"), "--num_train_epochs=0: expected more than 0"),
        (("--do_train", "--num_train_epochs=inf"), "--num_train_epochs=inf: expected more than 0"),
        (("--do_train", "--num_train_epochs=nan"), "--num_train_epochs=nan: expected more than 0"),
        (
            ("--do_train", "--use_tpu", "--tpu_name=a", "--distribution_strategy=mirrored"),
            "--use_tpu and --distribution_strategy: expected one of the two",
        ),
        (("--do_train", "--use_float16", "--use_bfloat16"), "--use_float16 and --use_bfloat16: e"),
        (("--do_train", "--learning_rate=1,2"), "--learning_rate: which is best? expected --do_e"),
        (("--do_train", f"--output_dir={__file__}"), f"--output_dir={__file__}: is a file; exp"),
    ],
)
def test_flags_that_make_no_sense_are_refused(given, arguments, message):
    given(*arguments)
    assert error(finetuning_flags.check_flags).startswith(message)


@pytest.mark.parametrize(
    "rates, message",
    [
        ("1e-5,much", "--learning_rate: 'much' is no number; expected"),
        ("0", "--learning_rate=0: expected a rate above 0"),
        ("nan", "--learning_rate=nan: expected a rate above 0"),
    ],
)
def test_learning_rates_that_are_not_above_0_are_refused(given, rates, message):
    given(f"--learning_rate={rates}")
    assert error(finetuning_flags.learning_rates, 1e-5).startswith(message)


@pytest.mark.parametrize(
    "task, split, flags, message",
    [
        (
            "ner",
            "train",
            ["--data_dir=/no"],
            "/no: holds no train file of ner; expected train.txt,",
        ),
        ("ner", "dev", ["--data_dir=/no"], "/no: holds no dev file of ner; expected dev.txt, or"),
        (
            "ner",
            "train",
            [],
            "where is the train file of ner? expected --train_file, or --data_dir",
        ),
        ("squad", "test", [], "where is the test file of squad? expected --predict_file"),
    ],
)
def test_a_missing_file_of_a_task_is_told(given, task, split, flags, message):
    given(*flags)
    assert error(finetuning_flags.path_of, TASKS[task], split).startswith(message)
