"""The estimate for a phase of training, or for an evaluation, on a slice."""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

from bert_wwm.estimate.compiler import Compiled, DoesNotFit
from bert_wwm.estimate.numbers import GIB, Figures, Work, compute_figures
from bert_wwm.estimate.search import Trial, find_largest_batch, next_batch
from bert_wwm.estimate.slices import Slice

_MAX_PARTS_TRIED = 4
_COPIES = 3  # of each weight: itself and an optimizer's two moments


class Phase(NamedTuple):
    """A step to estimate."""

    name: str  # the recipe's, or the task's
    model: str  # its description
    mode: str  # "train" or "eval"
    work: Work


class Measured(NamedTuple):
    """A step that fits."""

    figures: Figures
    compiled: Compiled


@dataclasses.dataclass(frozen=True)
class Estimate:
    """The estimate for a phase."""

    phase: Phase
    measured: Measured | None  # None if it doesn't fit
    # The compiler's figure at its last attempt; None if the step fits, or the compiler doesn't say.
    needed_gib: float | None = None
    largest: Figures | None = None  # the largest batch that fits; None if none does, or unknown
    # The same step with few accumulation steps, if it fits only so.
    in_parts: Figures | None = None

    def as_json(self) -> dict[str, Any]:
        """Returns all of it; figures of a step that doesn't fit are null."""
        work = self.phase.work._asdict()
        figures = dict.fromkeys(field.name for field in dataclasses.fields(Figures))
        if self.measured:
            figures = dataclasses.asdict(self.measured.figures)
        return {
            "name": self.phase.name,
            "model": self.phase.model,
            "mode": self.phase.mode,
            "max_seq_length": work.pop("length"),
            "fits": self.measured is not None,
            **figures,
            **work,
            "needed_gib": self.needed_gib,
            "largest": self.largest and dataclasses.asdict(self.largest),
            "in_parts": self.in_parts and dataclasses.asdict(self.in_parts),
        }


@dataclasses.dataclass
class PhaseEstimator:
    """Estimates a phase."""

    phase: Phase
    tpu: Slice
    # Builds the step of a device; returns its HLO, and the number of bytes that it adds up over all
    # devices: those of the gradients.
    build: Callable[[Work], tuple[bytes, int]]
    # Compiles that, given the number of accumulation steps, or raises DoesNotFit.
    compile_step: Callable[[bytes, int], Compiled]
    find_batch: bool  # look for the largest batch also if the phase's own fits
    price_per_hour: float | None  # of the slice
    log: Callable[[str], object]  # takes a line for each compilation
    _reduced_bytes: int = 0

    def estimate(self) -> Estimate:
        """Returns the estimate."""
        found = self._measure(self.phase.work)
        if isinstance(found, Measured):
            largest = self._find_largest(found) if self.find_batch else None
            return Estimate(self.phase, found, largest=largest)
        largest = self._find_largest(found)
        in_parts = self._find_parts(largest) if largest and self.phase.mode == "train" else None
        needed = found.needed_bytes
        return Estimate(self.phase, None, needed and needed / GIB, largest, in_parts)

    def _measure(self, work: Work) -> Measured | DoesNotFit:
        hlo, self._reduced_bytes = self.build(work)
        title = f"{self.phase.name}: {work.batch_per_core:,} examples a {self.tpu.device}"
        if work.num_accumulation_steps > 1:
            title += f" in {work.num_accumulation_steps} parts"
        try:
            compiled = self.compile_step(hlo, work.num_accumulation_steps)
        except DoesNotFit as error:
            needed = error.needed_bytes
            self.log(f"{title}: {f'{needed / GIB:.2f} GiB, ' if needed else ''}doesn't fit")
            return error
        found = compute_figures(compiled, self.tpu, work, self._reduced_bytes, self.price_per_hour)
        self.log(f"{title}: {found.used_gib:.2f} GiB, {found.step_ms:,.1f} ms")
        return Measured(found, compiled)

    def _find_largest(self, first: Measured | DoesNotFit) -> Figures | None:
        """Returns the figures of the largest batch, with the phase's accumulation steps."""
        work = self.phase.work
        parts = work.num_accumulation_steps

        def as_trial(batch: int, found: Measured | DoesNotFit) -> Trial:
            if isinstance(found, Measured):
                return Trial(batch, found.compiled.used_bytes, found.figures)
            return Trial(batch, found.needed_bytes, None)

        largest = find_largest_batch(
            lambda batch: as_trial(
                batch, self._measure(work._replace(batch_per_core=batch * parts))
            ),
            as_trial(work.batch_per_core // parts, first),
            self.tpu.available_gib * GIB,
            _COPIES * self._reduced_bytes,
        )
        return largest and largest.outcome

    def _find_parts(self, largest: Figures) -> Figures | None:
        """Returns the figures of the phase's batch with the fewest accumulation steps that fit."""
        work = self.phase.work
        # Between the largest batch and the next one nothing was tried.
        limit = next_batch(largest.batch_per_core // largest.num_accumulation_steps)
        candidates = [
            parts
            for parts in range(work.num_accumulation_steps + 1, work.batch_per_core + 1)
            if work.batch_per_core % parts == 0 and work.batch_per_core // parts < limit
        ]
        for parts in candidates[:_MAX_PARTS_TRIED]:
            found = self._measure(work._replace(num_accumulation_steps=parts))
            if isinstance(found, Measured):
                return found.figures
        return None
