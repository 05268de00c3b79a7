"""Recipes: their flags and headers, and that each runs at toy size by the documented commands."""

import json
import re

import launcher
import numpy as np
import parsed_flags
import pytest
from recipes import EXPECTED, NAMES, PAIRS, commands
from toy_recipes import Toy, depth

from bert_wwm.cli.recipes import RECIPES, RECORDS, find_recipes, load_recipe, read_recipe
from bert_wwm.core.errors import DataError

README = (launcher.ROOT / "README.md").read_text(encoding="utf-8")
PARTS = ["reproduces", "records", "starts from", "hardware", "estimated"]
SURE = ["confirmed", "inferred", "unknown, chosen here"]

SHAPES = {  # layers, hidden size, heads, feed-forward size, vocabulary
    "bert_base": (12, 768, 12, 3072, 21128),
    "bert_large": (24, 1024, 16, 4096, 21128),
    "rbt3": (3, 768, 12, 3072, 21128),
    "rbt4": (4, 768, 12, 3072, 21128),
    "rbt6": (6, 768, 12, 3072, 21128),
    "rbtl3": (3, 1024, 16, 4096, 21128),
    "lert_small": (12, 256, 4, 1024, 21128),
    "english_bert_large_uncased": (24, 1024, 16, 4096, 30522),
}


def parse(program: str) -> dict[str, dict[str, object]]:
    """The values of all flags of a program, by the commands of each recipe."""
    lines = {name: line[1:] for name in NAMES for line in commands(name) if line[0] == program}
    return dict(zip(lines, parsed_flags.parse(program, list(lines.values()))))


@pytest.fixture(scope="module")
def of_training():
    """Each recipe's flags of run_pretraining.py. An unknown flag or a bad value fails here."""
    return parse("run_pretraining.py")


@pytest.fixture(scope="module")
def of_data():
    """Each recipe's flags of create_pretraining_data_wwm.py."""
    return parse("create_pretraining_data_wwm.py")


def test_every_recipe_and_its_records_are_there():
    assert find_recipes() == NAMES
    assert find_recipes(RECORDS) == sorted({load_recipe(name).header["records"] for name in NAMES})


@pytest.mark.parametrize(
    "folder, name, parts",
    [
        *((RECIPES, name, PARTS) for name in NAMES),
        *((RECORDS, name, ["for"]) for name in find_recipes(RECORDS)),
    ],
)
def test_the_header_says_all(folder, name, parts):
    header = load_recipe(name, folder).header
    found = list(header)
    assert [part for part in found if part not in [*SURE, "needs"]] == parts
    assert found[-1] in SURE
    assert all(header.values())
    with open(f"{folder}/{name}.flags", encoding="utf-8") as file:
        lines = file.read().splitlines()
    assert max(map(len, lines)) <= 100
    assert all(re.fullmatch(r"--[a-z_]+(=\S+)?|#.*|", line) for line in lines)


def test_estimated_hours_are_those_of_the_readmes_table():
    row = r"\| \[([\w-]+)\]\(\S+\) \| yes \| [\d,]+(?: x (\d+))? \|.* ([\d,.]+) \|"
    table = {name: (hours, parts) for name, parts, hours in re.findall(row, README)}
    for name in NAMES:
        estimated = load_recipe(name).header["estimated"]
        hours, parts = table[name]
        want = f"{hours} hours on a v3-8" + (
            f" with --num_accumulation_steps={parts}" * bool(parts)
        )
        assert estimated.split(";")[0] == want


def test_a_line_that_is_no_flag_is_named(tmp_path):
    path = tmp_path / "mine.flags"
    path.write_text(
        "// mine\n# a: b\n#   c\n--do_train\n--gelu=erf\n\ngelu=tanh\n", encoding="utf-8"
    )
    with pytest.raises(
        DataError, match=r"mine.flags:7: 'gelu=tanh'; expected a comment, or --flag"
    ):
        read_recipe(str(path))
    path.write_text("// mine\n# a: b\n#   c\n--do_train\n--gelu=erf\n", encoding="utf-8")
    assert read_recipe(str(path)) == ("mine", {"a": "b c"}, {"do_train": "", "gelu": "erf"})


@pytest.mark.parametrize("name", NAMES)
def test_the_flags_are_of_one_model(name, of_training):
    values = of_training[name]
    with open(launcher.ROOT / values["bert_config_file"], encoding="utf-8") as file:
        config = json.load(file)
    assert config["num_hidden_layers"] == EXPECTED[name].layers
    assert values["max_seq_length"] <= config["max_position_embeddings"]
    assert values["do_train"] and values["masking_strategy"]
    assert values["num_warmup_steps"] < values["num_train_steps"]
    assert values["num_train_steps"] % values["save_checkpoints_steps"] == 0
    assert values["save_checkpoints_steps"] % values["iterations_per_loop"] == 0
    assert values["train_batch_size"] % 8 == 0
    assert values["max_predictions_per_seq"] >= int(0.145 * values["max_seq_length"])


@pytest.mark.parametrize("name", NAMES)
def test_records_and_training_fit_together(name, of_training, of_data):
    training, data = of_training[name], of_data[name]
    for flag in ("max_seq_length", "max_predictions_per_seq"):
        assert training[flag] == data[flag]
    assert training["masking_strategy"] == (data["masking_strategy"] or "wwm")
    assert data["pairing"] in ("nsp", "sop", "contiguous")
    assert (data["pairing"] == "contiguous") == EXPECTED[name].heads.isdisjoint(PAIRS)
    assert training["input_file"] == [f"{data['output_file'][0]}-*"]
    assert training["output_dir"] == f"models/{name}"
    init = EXPECTED[name].init
    assert training["init_checkpoint"] == (
        f"models/{init}" if isinstance(init, str) else init and "INIT"
    )
    start = load_recipe(name).header["starts from"]
    assert start.startswith("random weights") == (init is None)
    assert not isinstance(init, str) or start == init


def test_the_corpus_of_lert_is_tagged(of_data):
    segmenting = parse("scripts/segment_corpus.py")
    assert sorted(segmenting) == ["lert-base", "lert-large", "lert-small"]
    for name, values in segmenting.items():
        assert values["annotate"] == of_data[name]["lert_labels"] == ["pos", "ner", "dep"]
        assert of_data[name]["input_file"] == [f"{values['output_file'][0]}-*"]
        assert of_data[name]["segmenter"] == "presegmented"


@pytest.mark.parametrize("name", SHAPES)
def test_the_shapes_are_those_of_the_models(name):
    from bert_wwm.model.bert import BertConfig

    config = BertConfig.from_json_file(str(launcher.ROOT / "configs" / f"{name}.json"))
    shape = (
        config.num_hidden_layers,
        config.hidden_size,
        config.num_attention_heads,
        config.intermediate_size,
        config.vocab_size,
    )
    assert shape == SHAPES[name]
    released = {"hidden_act": "gelu", "type_vocab_size": 2, "max_position_embeddings": 512}
    assert released.items() <= config.to_dict().items()
    assert config.to_dict()["directionality"] == "bidi"
    assert config.to_dict()["pooler_type"] == "first_token_transform"


def test_every_shape_is_tested():
    found = {path.stem for path in (launcher.ROOT / "configs").glob("*.json")} - {
        "published_results"
    }
    assert found == set(SHAPES)


def test_the_table_lists_every_recipe():
    ran = launcher.run("scripts/list_recipes.py")
    assert ran.stderr == ""
    head, rule, *rows = ran.stdout.splitlines()
    assert head.count("|") == rule.count("|")
    assert [re.match(r"\| \[(.*?)\]", row)[1] for row in rows] == NAMES
    assert ran.stdout in README
    assert (
        "| [rbt3](configs/recipes/rbt3.flags) | RBT3 (HFL), 3 layers, 38M parameters | 512 | 384 "
        "| 1,000,000 | 10,000 | 1e-4 | adamw |"
    ) in rows


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory, vocab_file: str) -> Toy:
    return Toy(tmp_path_factory.mktemp("recipes"), vocab_file)


# One for each strategy, optimizer, pairing, language and place where the initial weights are from.
DISTINCT = {
    "bert-wwm-512",
    "rbtl3",
    "macbert-base",
    "pert-base",
    "lert-small",
    "english-bert-large-wwm-128",
}


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.long] * (name not in DISTINCT)) for name in NAMES],
)
def test_a_recipe_runs(toy, name):
    from bert_wwm.compat import tf

    expected = EXPECTED[name]
    printed = toy.train(name)
    assert "step 4/4" in printed
    trained = tf.train.load_checkpoint(str(toy.folder / "models" / name / "model.ckpt-4"))
    names = set(trained.get_variable_to_shape_map())
    slot = f"/{load_recipe(name).flags['optimizer'].replace('adamw', 'adam')}_m"
    assert any(variable.endswith(slot) for variable in names)
    weights = {variable for variable in names if not re.search("/(adam|lamb)_[mv]$", variable)}
    assert {variable[4:] for variable in weights if variable.startswith("cls/")} == expected.heads
    layers = {found[1] for found in map(re.compile(r".*/layer_(\d+)/").match, weights) if found}
    assert layers == {str(number) for number in range(depth(name))}

    assert ("Initial weights from" in printed) == (expected.init is not None)
    if expected.init is None:
        return
    start = toy.folder / "models" / str(expected.init)
    if isinstance(expected.init, int):
        start = toy.folder / "init" / "bert_model.ckpt"
    before = tf.train.load_checkpoint(str(start))
    for number in range(depth(name)):
        kernel = f"bert/encoder/layer_{number}/attention/self/query/kernel"
        # Four steps of the recipe's rate move a weight by less than a tenth of its deviation.
        np.testing.assert_allclose(
            trained.get_tensor(kernel), before.get_tensor(kernel), rtol=0, atol=2e-3
        )
