import dataclasses
import pickle

import numpy as np
import pytest
from documents import FIRST_ID, SHAPES, block_of
from hypothesis import given, settings
from hypothesis import strategies as st
from packed_instances import count_instances

from bert_wwm.core.errors import ConfigError
from bert_wwm.data.counts import Counts
from bert_wwm.data.examples import ExampleMaker, ExampleSettings
from bert_wwm.data.instances import PAIRINGS
from bert_wwm.data.packing import pack
from bert_wwm.masking.labels import INVENTORIES
from bert_wwm.masking.strategies import STRATEGIES
from bert_wwm.records.encoding import encode_examples
from bert_wwm.records.schema import pretraining_schema
from bert_wwm.text.similar_words import SimilarWords
from bert_wwm.text.tokenizer import Tokenizer
from bert_wwm.text.vocabulary import SPECIAL_TOKENS, Vocabulary

PAD, UNK, CLS, SEP, MASK = range(5)
VOCABULARY = Vocabulary([*SPECIAL_TOKENS, *(chr(0x4E00 + n) for n in range(FIRST_ID, 3000))])
SETTINGS = ExampleSettings(
    strategy="wwm",
    pairing="nsp",
    max_seq_length=48,
    max_predictions_per_seq=8,
    masked_lm_prob=0.15,
    short_seq_prob=0.1,
    seed=1,
)
SEEDS = st.integers(0, 10**6)


@pytest.fixture(scope="session")
def similar_words(tmp_path_factory):
    """Of each run of pieces that doesn't begin with every third: two others of its length."""

    def word(start, length):
        return "".join(map(chr, range(0x4E00 + start, 0x4E00 + start + length)))

    path = tmp_path_factory.mktemp("similar") / "similar.txt"
    path.write_text(
        "".join(
            f"{word(start, length)}\t{word(start + 9, length)} {word(start + 17, length)}\n"
            for start in range(FIRST_ID, 2000)
            for length in range(1, 6)
            if start % 3
        ),
        encoding="utf-8",
    )
    return SimilarWords.from_file(str(path), Tokenizer(VOCABULARY))


def settings_of(strategy, pairing="", **changes):
    row = STRATEGIES[strategy]
    return dataclasses.replace(
        SETTINGS,
        **{
            "strategy": strategy,
            "pairing": pairing or row.pairing,
            "lert_labels": tuple(INVENTORIES) if row.has_linguistic_labels else (),
            "pert_target": row.targets[0] if row.targets else "",
            "pert_scope": row.scopes[0] if row.scopes else "",
            **changes,
        },
    )


def make(block, example_settings=SETTINGS, place=(0, 0), duplicate=0, similar=None):
    counts = Counts()
    maker = ExampleMaker(VOCABULARY, example_settings, similar)
    return maker.features(block, place, duplicate, counts), counts


def rows_of(features):
    """The features of each example, as lists."""
    for number in range(len(features["input_ids"])):
        yield {name: values[number].tolist() for name, values in features.items()}


def restore(row):
    """Undoes the masking; returns the tokens, without padding, and the positions predicted."""
    ids = [i for i, used in zip(row["input_ids"], row["input_mask"]) if used]
    positions = []
    for position, label, weight in zip(
        row["masked_lm_positions"], row["masked_lm_ids"], row["masked_lm_weights"]
    ):
        if weight:
            ids[position] = label
            positions.append(position)
    return ids, positions


def words_of(block, ids):
    """The positions of each word of a sequence; a truncated one holds what is left of it."""
    words = []
    for position, (before, piece) in enumerate(zip([CLS, *ids], ids)):
        if piece >= FIRST_ID:
            if before < FIRST_ID or block.word_starts[piece - FIRST_ID]:
                words.append([])
            words[-1].append(position)
    return words


@pytest.mark.parametrize("pairing", PAIRINGS.names())
@pytest.mark.parametrize("strategy", STRATEGIES.names())
@settings(deadline=None, max_examples=25)
@given(shape=SHAPES, seed=SEEDS)
def test_the_input_can_be_rebuilt_and_special_tokens_are_untouched(
    strategy, pairing, similar_words, shape, seed
):
    chosen = settings_of(strategy, pairing, seed=seed)
    block = block_of(shape, chosen.max_pieces, INVENTORIES)
    features, counts = make(block, chosen, similar=similar_words)
    budgets = 0
    for row in rows_of(features):
        ids, positions = restore(row)
        separators = [position for position, piece in enumerate(ids) if piece == SEP]
        assert ids[0] == CLS and len(separators) == PAIRINGS[pairing].segments
        assert separators[-1] == len(ids) - 1
        for start, end in zip([0, *separators], separators):
            run = ids[start + 1 : end]
            assert run == list(range(run[0], run[0] + len(run)))
            assert FIRST_ID <= run[0] <= run[-1] < FIRST_ID + len(block.ids)
        assert not {0, *separators} & set(positions)
        first = separators[0] + 1
        assert row["segment_ids"] == [0] * first + [1] * (len(ids) - first) + [0] * (48 - len(ids))
        assert row["input_mask"] == [1] * len(ids) + [0] * (48 - len(ids))
        assert row["input_ids"][len(ids) :] == [PAD] * (48 - len(ids))
        budget = min(8, max(1, round(len(ids) * 0.15)))
        budgets += budget
        assert len(positions) <= budget
        assert positions == sorted(set(positions))
        rest = 8 - len(positions)
        assert row["masked_lm_weights"] == [1] * len(positions) + [0] * rest
        assert row["masked_lm_positions"] == positions + [0] * rest
        assert row["masked_lm_ids"] == [ids[position] for position in positions] + [0] * rest
        if strategy == "piece":
            assert len(positions) == min(budget, len(ids) - 1 - len(separators))
        else:
            for word in words_of(block, ids):
                assert set(word) & set(positions) in (set(), set(word))
    assert counts.instances == len(features["input_ids"])
    assert counts.tokens == features["input_mask"].sum()
    assert counts.budget == budgets
    assert counts.predicted == features["masked_lm_weights"].sum() == sum(counts.kinds.values())


@pytest.mark.parametrize("pairing", PAIRINGS.names())
@pytest.mark.parametrize("strategy", [name for name in STRATEGIES.names() if name != "macbert"])
@settings(deadline=None, max_examples=25)
@given(shape=SHAPES, seed=SEEDS)
def test_every_piece_may_be_predicted_also_of_words_cut_off_at_their_front(
    strategy, pairing, shape, seed
):
    chosen = settings_of(
        strategy, pairing, seed=seed, masked_lm_prob=1.0, max_predictions_per_seq=48
    )
    block = block_of(shape, chosen.max_pieces, INVENTORIES)
    for row in rows_of(make(block, chosen)[0]):
        ids, positions = restore(row)
        assert positions == [n for n, piece in enumerate(ids) if piece not in (CLS, SEP)]


@pytest.mark.parametrize("pairing", PAIRINGS.names())
@pytest.mark.parametrize("strategy", STRATEGIES.names())
def test_features_are_those_of_the_schema(strategy, pairing, similar_words):
    chosen = settings_of(strategy, pairing)
    labels = [INVENTORIES[task].feature for task in chosen.lert_labels]
    schema = pretraining_schema(
        48, 8, PAIRINGS[pairing].has_loss, labels + ["target_positions"] * bool(chosen.pert_target)
    )
    for shape in ([[[1, 2, 3]] * 9] * 3, []):
        block = block_of(shape, tasks=INVENTORIES)
        features, counts = make(block, chosen, similar=similar_words)
        assert set(features) == {field.name for field in schema}
        assert len(encode_examples(features, schema)) == counts.instances
        assert bool(counts.instances) == bool(shape)


@pytest.mark.parametrize("pairing", PAIRINGS.names())
@pytest.mark.parametrize("strategy", STRATEGIES.names())
def test_packed_they_are_the_same(strategy, pairing, similar_words):
    chosen = settings_of(strategy, pairing, short_seq_prob=0.8)
    shape = [[[1, 2, 3]] * 4, [[2]] * 9, [[4, 1], [3]] * 3] * 6
    block = block_of(shape, tasks=INVENTORIES)
    features, counts = make(block, chosen, similar=similar_words)
    rows = list(rows_of(pack(features, PAD)))
    assert set(rows[0]) == {*features, "instance_starts"}
    assert len(rows) < counts.instances
    found = count_instances(rows)
    assert found == count_instances(rows_of(features))
    assert found.total() == counts.instances


@settings(deadline=None)
@given(SHAPES, SEEDS)
def test_labels_of_words_are_those_of_the_original_pieces(shape, seed):
    chosen = settings_of("lert", seed=seed)
    block = block_of(shape, chosen.max_pieces, INVENTORIES)
    for row in rows_of(make(block, chosen)[0]):
        ids, positions = restore(row)
        for task, (feature, _) in INVENTORIES.items():
            tags = block.tags[task]
            assert row[feature] == [
                *(tags[ids[position] - FIRST_ID] for position in positions),
                *[0] * (8 - len(positions)),
            ]


@pytest.mark.parametrize("target", STRATEGIES["pert"].targets)
@pytest.mark.parametrize("scope", STRATEGIES["pert"].scopes)
@settings(deadline=None)
@given(shape=SHAPES, seed=SEEDS)
def test_targets_of_pert_tell_where_a_piece_went_or_came_from(target, scope, shape, seed):
    chosen = settings_of("pert", "nsp", seed=seed, pert_target=target, pert_scope=scope)
    for row in rows_of(make(block_of(shape, chosen.max_pieces), chosen)[0]):
        ids, positions = restore(row)
        if scope != "sequence":
            end = ids.index(SEP)
            for position, other in zip(positions, row["target_positions"]):
                assert (position < end) == (other < end)
        assert sorted(row["input_ids"][: len(ids)]) == sorted(ids)
        for position, other in zip(positions, row["target_positions"]):
            if target == "pointers":
                assert row["input_ids"][other] == ids[position]
            else:
                assert ids[other] == row["input_ids"][position]
        assert sorted(row["target_positions"]) == [0] * (8 - len(positions)) + positions


@pytest.mark.parametrize("pairing", ["nsp", "sop"])
@settings(deadline=None)
@given(shape=SHAPES, seed=SEEDS)
def test_labels_of_pairs_are_right(pairing, shape, seed):
    chosen = settings_of("wwm", pairing, seed=seed)
    block = block_of(shape, chosen.max_pieces)
    ends = np.array(block.sentences)[block.documents[1:]]
    features, counts = make(block, chosen)
    for row in rows_of(features):
        ids, _ = restore(row)
        first, second = ids[1] - FIRST_ID, ids[ids.index(SEP) + 1] - FIRST_ID
        of_first, of_second = np.searchsorted(ends, [first, second], "right")
        expected = of_first != of_second if pairing == "nsp" else second < first
        assert row["next_sentence_labels"] == [int(expected)]
    assert counts.pairs_labelled_1 == features["next_sentence_labels"].sum()


@pytest.mark.parametrize("pairing", ["contiguous", "single"])
def test_pairs_without_a_loss_have_no_label(pairing):
    features, counts = make(block_of([[[1, 2, 3]] * 9] * 3), settings_of("wwm", pairing))
    assert "next_sentence_labels" not in features
    assert counts.pairs_labelled_1 == 0


def test_80_10_10_is_drawn_and_counted():
    block = block_of([[[2] * 10] * 40] * 2)
    counts = Counts()
    maker = ExampleMaker(VOCABULARY, SETTINGS)
    for duplicate in range(300):
        features = maker.features(block, (0, 0), duplicate, counts)
        assert (features["masked_lm_weights"].sum(axis=1) <= 8).all()
    assert counts.predicted > 20_000
    assert set(counts.kinds) == {"mask", "random", "kept"}
    for kind, share in (("mask", 0.8), ("random", 0.1), ("kept", 0.1)):
        assert abs(counts.kinds[kind] / counts.predicted - share) < 0.01


@pytest.mark.parametrize("strategy", STRATEGIES.names())
def test_examples_hang_on_seed_place_and_duplicate_alone(strategy, similar_words):
    chosen = settings_of(strategy)
    block = block_of([[[1, 2]] * 20, [[3]] * 20, [[2]] * 9], tasks=INVENTORIES)

    def same(first, second):
        return set(first) == set(second) and all(
            np.array_equal(first[name], second[name]) for name in first
        )

    features, _ = make(block, chosen, (3, 1), 2, similar_words)
    maker = pickle.loads(pickle.dumps(ExampleMaker(VOCABULARY, chosen, similar_words)))
    maker.features(block_of([[[1]]] * 5, tasks=INVENTORIES), (3, 1), 2, Counts())  # other work
    assert same(maker.features(block, (3, 1), 2, Counts()), features)
    assert not same(make(block, chosen, (3, 2), 2, similar_words)[0], features)
    assert not same(make(block, chosen, (1, 3), 2, similar_words)[0], features)
    assert not same(make(block, chosen, (3, 1), 3, similar_words)[0], features)
    other = dataclasses.replace(chosen, seed=2)
    assert not same(make(block, other, (3, 1), 2, similar_words)[0], features)


def test_every_pass_has_masks_of_its_own():
    chosen = settings_of("wwm", "single", short_seq_prob=0)  # the same sequences in every pass
    block = block_of([[[1, 2]] * 20, [[3]] * 20])
    passes = [list(rows_of(make(block, chosen, duplicate=n)[0])) for n in range(3)]
    for rows in zip(*passes):
        restored = [restore(row) for row in rows]
        assert restored[0][0] == restored[1][0] == restored[2][0]
        assert len({tuple(positions) for _, positions in restored}) > 1


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"max_seq_length": 4}, "--max_seq_length=4: out of range; expected 5 to 65536"),
        (
            {"max_seq_length": 3, "pairing": "single"},
            "--max_seq_length=3: out of range; expected 4 to 65536",
        ),
        ({"max_predictions_per_seq": 0}, "--max_predictions_per_seq=0"),
        ({"masked_lm_prob": 1.5}, "--masked_lm_prob=1.5: out of range; expected 0 to 1"),
        ({"short_seq_prob": -0.1}, "--short_seq_prob=-0.1"),
    ],
)
def test_settings_that_make_no_sense_are_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        dataclasses.replace(SETTINGS, **changes)


@pytest.mark.parametrize(
    "pairing, length", [("nsp", 5), ("sop", 5), ("contiguous", 5), ("single", 4)]
)
def test_the_shortest_sequences_hold_two_pieces(pairing, length):
    chosen = settings_of("wwm", pairing, max_seq_length=length, short_seq_prob=1.0)
    assert chosen.max_pieces == 2
    features, counts = make(block_of([[[1] * 2] * 5, [[1]] * 5]), chosen)
    assert counts.instances > 0
    assert (features["input_mask"].sum(axis=1) <= length).all()


def test_unknown_names_list_the_known_ones():
    with pytest.raises(
        ConfigError, match="unknown masking strategy 'whole'; known: piece, wwm, ng"
    ):
        make(block_of([]), dataclasses.replace(SETTINGS, strategy="whole"))
    with pytest.raises(ConfigError, match="unknown pairing 'none'; known: nsp, sop, contiguous, s"):
        dataclasses.replace(SETTINGS, pairing="none")
