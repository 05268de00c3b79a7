"""Where records come from: their manifests, as far as they have any."""

import dataclasses
from typing import Any

from bert_wwm.core import files
from bert_wwm.core.errors import DataError
from bert_wwm.core.shards import base_name, manifest_path
from bert_wwm.data.counts import Counts
from bert_wwm.records.manifest import Manifest
from bert_wwm.segmentation import ltp


@dataclasses.dataclass
class Provenance:
    """Files of records and their manifests."""

    paths: list[str]
    manifests: dict[str, Manifest]  # by path of the manifest; files of one run share theirs
    # Names of those that found the words of the examples.
    segmenters: list[str] = dataclasses.field(default_factory=list)

    @classmethod
    def of(cls, paths: list[str]) -> "Provenance":
        """Reads the manifests of files, where they are."""
        found = dict.fromkeys(map(manifest_path, paths))
        return cls(paths, {where: Manifest.load(where) for where in found if files.exists(where)})

    def manifest_of(self, path: str) -> Manifest | None:
        """Returns the manifest of a file."""
        return self.manifests.get(manifest_path(path))

    def values(self, name: str) -> list[str]:
        """Returns the different values that an attribute has in the manifests, as text."""
        known = [getattr(manifest, name) for manifest in self.manifests.values()]
        return list(dict.fromkeys(str(value) for value in known if value is not None))

    def value(self, name: str) -> str | None:
        """Returns the value that an attribute has in all manifests; None without one."""
        values = self.values(name)
        return values[0] if len(values) == 1 else None

    def counts(self) -> Counts | None:
        """Returns what all runs counted; None where a file has no manifest.

        An instance that is not packed counts as a row.
        """
        if not all(self.manifest_of(path) for path in self.paths):
            return None
        total = Counts()
        for where, manifest in self.manifests.items():
            try:
                counts = Counts.from_json(manifest.counts)
            except ValueError as error:
                raise DataError(f"{where}: not a manifest of records (counts: {error})") from None
            total += dataclasses.replace(counts, rows=counts.rows or counts.instances)
        return total

    def is_whole_run(self) -> bool:
        """Whether all files that the manifests list are among these."""
        named = {base_name(path) for path in self.paths}
        return all(named.issuperset(manifest.files) for manifest in self.manifests.values())

    def facts(self) -> dict[str, str]:
        """Returns what the records were made with, each fact by its name."""
        counts = self.counts()
        paths = self.paths
        known = {
            "Records": f"{counts.rows:,}" if counts else "",
            "Instances": f"{counts.instances:,}, packed"
            if counts and counts.rows < counts.instances
            else "",
            "Files": paths[0] if len(paths) == 1 else f"{len(paths):,}: {paths[0]} ... {paths[-1]}",
            "Strategy": ", ".join(self.values("strategy")),
            "Pairing": ", ".join(self.values("pairing")),
            "Tokens of a sequence": ", ".join(self.values("max_seq_length")),
            "Predictions, at most": ", ".join(self.values("max_predictions_per_seq")),
            "Words found by": ", ".join(self.segmenters),
        }
        bare = sum(self.manifest_of(path) is None for path in paths)
        if bare:
            known["Without a manifest"] = f"{bare:,} of {len(paths):,} file(s)"
        return {name: value for name, value in known.items() if value}


def choose_segmenter(manifest: Manifest | None) -> tuple[str, str]:
    """Returns the name of the segmenter that can find a run's words again, and LTP's model.

    Single characters where nothing is known of the words, or where spaces separated them: the
    records have no spaces.
    """
    described: dict[str, Any] = dict(manifest.segmenter or {}) if manifest else {}
    while described.get("name") == "presegmented":
        described = described.get("by") or {}  # of a segmented corpus, what segmented it
    model = described.get("model", ltp.DEFAULT_MODEL)
    return str(described.get("name", "characters")), str(model)
