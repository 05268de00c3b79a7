"""The endless stream of training records: which of them stands where.

The stream is made of epochs, each of which holds every record once. An epoch is made of sections of
up to eight files, a section of its files' records, interleaved and then shuffled. The order of an
epoch's files and the shuffling of a section are drawn from the seed and their place alone, so the
stream can be entered anywhere: of what lies in front, only the part of one section is read.

All of it is in the graph, since the input of a Cloud TPU runs on other hosts. Legend: F files,
G sections.
"""

from collections.abc import Mapping, Sequence

from bert_wwm.compat import tf
from bert_wwm.core import files
from bert_wwm.core.errors import DataError, list_few
from bert_wwm.core.shards import base_name, manifest_path
from bert_wwm.records.framing import count_records, find_compression, read_records
from bert_wwm.records.manifest import Manifest

# Records come mixed within a block of documents; this is four blocks with ten duplicates, 80 MB at
# length 128.
_SHUFFLE_RECORDS = 100_000
_SECTION_FILES = 8
_BLOCK_RECORDS = 16  # taken from a file at a time
_GRAPH_SEED = 1  # any but 0, which stands for a random one


def find_compressions(paths: Sequence[str]) -> list[str]:
    """Returns how each file is compressed, "" or "GZIP"; the shards of a run are alike in it."""
    of_runs: dict[str, str] = {}
    for path in paths:
        run = manifest_path(path)
        if run not in of_runs and files.size(path):  # an empty one doesn't tell
            of_runs[run] = find_compression(path)
    return [of_runs.get(manifest_path(path), "") for path in paths]


def count_all_records(paths: Sequence[str]) -> list[int]:
    """Returns the records of each file, by its manifest, or counted where that doesn't list it."""
    manifests: dict[str, Manifest | None] = {}
    counts = []
    for path in paths:
        place = manifest_path(path)
        if place not in manifests:
            manifests[place] = Manifest.load(place) if files.exists(place) else None
        manifest = manifests[place]
        entry = manifest.files.get(base_name(path)) if manifest else None
        counts.append(entry["records"] if entry else count_records(path))
    return counts


def ordered_records(
    paths: Sequence[str], seed: int, first_record: int, counts: Mapping[str, int]
) -> "tf.data.Dataset":
    """Returns the stream from a position on: serialised Examples, without end."""
    if not any(True for path in paths for _ in read_records(path)):
        raise DataError(f"{list_few(paths)}: no record; expected files that hold some")
    # From 0 on nothing is skipped, whatever they are.
    sizes = [counts[path] if first_record else 1 for path in paths]
    first_epoch, first_in_epoch = divmod(first_record, sum(sizes))
    sections = -(-len(paths) // _SECTION_FILES)
    bounds = [section * len(paths) // sections for section in range(sections + 1)]
    table = list(zip(paths, find_compressions(paths)))

    @tf.autograph.experimental.do_not_convert  # which takes half a second, for nothing
    def epoch_records(epoch: tf.Tensor) -> "tf.data.Dataset":
        place = epoch * (sections + 1)  # the epoch's own, and one for each of its sections
        order = tf.argsort(_draw(len(paths), seed, place), stable=True)  # [F]
        ends = tf.cumsum(tf.gather(tf.constant(sizes, tf.int64), order))
        ends = tf.gather(ends, tf.constant(bounds[1:]) - 1)  # [G], positions in the epoch
        begin = tf.where(tf.equal(epoch, first_epoch), tf.constant(first_in_epoch, tf.int64), 0)
        first_section = tf.searchsorted(ends, [begin], side="right", out_type=tf.int64)[0]
        skipped = begin - tf.concat([[0], ends], axis=0)[first_section]

        def section_records(section: tf.Tensor) -> "tf.data.Dataset":
            bound = tf.gather(tf.constant(bounds), [section, section + 1])
            rows = tf.gather(tf.constant(table), order[bound[0] : bound[1]])
            dataset = _shuffled_records(rows, _draw(1, seed, place + 1 + section)[0])
            return dataset.skip(tf.where(tf.equal(section, first_section), skipped, 0))

        return tf.data.Dataset.range(first_section, sections).flat_map(section_records)

    return tf.data.Dataset.range(first_epoch, tf.int64.max).flat_map(epoch_records)


def _draw(count: int, seed: int, place: tf.Tensor) -> tf.Tensor:
    """int64 [count]: random numbers that hang on the seed and the place alone."""
    key = tf.stack([tf.constant(seed, tf.int64), place])
    return tf.random.stateless_uniform([count], key, None, None, tf.int64, alg="philox")


def _shuffled_records(rows: tf.Tensor, seed: tf.Tensor) -> "tf.data.Dataset":
    """The records of files, string [F, 2]: path and compression."""
    dataset = tf.data.Dataset.from_tensor_slices(rows).interleave(
        lambda row: tf.data.TFRecordDataset(row[0], compression_type=row[1]),
        cycle_length=_SECTION_FILES,
        block_length=_BLOCK_RECORDS,
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=True,
    )
    # The second seed of a shuffle is that of its graph, which here is the graph of a function.
    tf.set_random_seed(_GRAPH_SEED)
    return dataset.shuffle(_SHUFFLE_RECORDS, seed, reshuffle_each_iteration=False)
