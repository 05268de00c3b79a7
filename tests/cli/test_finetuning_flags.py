import pytest
from absl import flags
from absl.testing import flagsaver

from bert_wwm.cli import finetuning_flags, model_flags
from bert_wwm.core.errors import ConfigError
from bert_wwm.tasks.batches import Padding

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
