"""The estimate for a phase of training, or for an evaluation, on a slice."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from bert_wwm.estimate.compiler import Compiled, DoesNotFit
from bert_wwm.estimate.numbers import GIB, Figures, Work, compute_figures
from bert_wwm.estimate.profile import Instruction
from bert_wwm.estimate.search import Trial, find_largest_batch
from bert_wwm.estimate.slices import Slice

_COPIES = 3  # of each weight: itself and an optimizer's two moments


class Phase(NamedTuple):
    """A step to estimate."""

    name: str  # the recipe's, or the task's
    model: str  # its description
    mode: str  # "train" or "eval"
    work: Work


@dataclasses.dataclass(frozen=True)
class Estimate:
    """The estimate for a phase."""

    phase: Phase
    figures: Figures | None  # None if it doesn't fit
    instructions: Sequence[Instruction]
    # The compiler's figure at its last attempt; None if the step fits, or the compiler doesn't say.
    needed_gib: float | None
    largest: Figures | None  # the largest batch that fits; None if none does, or unknown

    def as_json(self) -> dict[str, Any]:
        """Returns all of it; figures of a step that doesn't fit are null."""
        work = self.phase.work._asdict()
        unknown = dict.fromkeys(field.name for field in dataclasses.fields(Figures))
        return {
            "name": self.phase.name,
            "model": self.phase.model,
            "mode": self.phase.mode,
            "max_seq_length": work.pop("length"),
            "fits": self.figures is not None,
            **(dataclasses.asdict(self.figures) if self.figures else unknown),
            **work,
            "needed_gib": self.needed_gib,
            "largest": self.largest and dataclasses.asdict(self.largest),
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
        trial = self._try(self.phase.work)
        figures, instructions = trial.outcome or (None, ())
        needed = None if figures else trial.used_bytes
        largest = None if figures and not self.find_batch else self._find_largest(trial)
        return Estimate(self.phase, figures, instructions, needed and needed / GIB, largest)

    def _try(self, work: Work) -> Trial:
        """Compiles a step; the batch is that of an accumulation step."""
        hlo, self._reduced_bytes = self.build(work)
        parts = work.num_accumulation_steps
        title = f"{self.phase.name}: {work.batch_per_core:,} {work.unit} a {self.tpu.device}"
        if parts > 1:
            title += f" in {parts} parts"
        try:
            compiled = self.compile_step(hlo, parts)
        except DoesNotFit as error:
            needed = error.needed_bytes
            self.log(f"{title}: {f'{needed / GIB:.2f} GiB, ' if needed else ''}doesn't fit")
            return Trial(work.batch_per_core // parts, needed, None)
        found = compute_figures(compiled, self.tpu, work, self._reduced_bytes, self.price_per_hour)
        self.log(f"{title}: {found.used_gib:.2f} GiB, {found.step_ms:,.1f} ms")
        outcome = found, compiled.instructions
        return Trial(work.batch_per_core // parts, compiled.used_bytes, outcome)

    def _find_largest(self, first: Trial) -> Figures | None:
        """Returns the figures of the largest batch, with the phase's accumulation steps."""
        work = self.phase.work
        largest = find_largest_batch(
            lambda batch: self._try(
                work._replace(batch_per_core=batch * work.num_accumulation_steps)
            ),
            first,
            self.tpu.available_gib * GIB,
            _COPIES * self._reduced_bytes,
        )
        return largest and largest.outcome[0]
