"""A phase of training, or an evaluation, and what becomes of it on a slice."""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

from bert_wwm.estimate.compiler import Compiled, DoesNotFit
from bert_wwm.estimate.numbers import GIB, Figures, Work, figures
from bert_wwm.estimate.search import Trial, largest_batch, next_batch
from bert_wwm.estimate.slices import Slice

_MOST_PARTS_TRIED, _PARTS_COMPARED = 4, 2
_COPIES = 3  # of each weight: itself and an optimizer's two moments

# Builds the step of a device, given its examples and accumulation steps; returns its HLO, and how
# many bytes it adds up over all devices: those of the gradients.
Build = Callable[[int, int], tuple[bytes, int]]
# Compiles such HLO, or raises DoesNotFit.
Compile = Callable[[bytes], Compiled]
Log = Callable[[str], object]


class Phase(NamedTuple):
    """What is asked about.

    Attributes:
        name: the recipe's, or the task's.
        model: what it is of, for people.
        mode: ``train`` or ``eval``.
        work: what a step does.
    """

    name: str
    model: str
    mode: str
    work: Work


class Measured(NamedTuple):
    """A step that fits."""

    figures: Figures
    compiled: Compiled


@dataclasses.dataclass(frozen=True)
class Estimate:
    """The answer.

    Attributes:
        phase: what was asked.
        measured: the step; None where it doesn't fit.
        needed_gib: the memory that the compiler comes to for such a step, at its last attempt;
            None where it fits, or the compiler doesn't say.
        largest: the largest batch that fits; None where none does, or nobody looked.
        in_parts: the step with few accumulation steps, which fits, where it doesn't as it is; None
            where none was found.
    """

    phase: Phase
    measured: Measured | None
    needed_gib: float | None = None
    largest: Figures | None = None
    in_parts: Figures | None = None

    def as_json(self) -> dict[str, Any]:
        """Returns all as JSON knows it; figures of a step that doesn't fit are null."""
        values: dict[str, Any] = {
            "name": self.phase.name,
            "model": self.phase.model,
            "mode": self.phase.mode,
            "max_seq_length": self.phase.work.length,
            "fits": self.measured is not None,
            **{field.name: None for field in dataclasses.fields(Figures)},
            **self.phase.work._asdict(),
            "needed_gib": self.needed_gib,
        }
        del values["length"]
        if self.measured:
            values.update(dataclasses.asdict(self.measured.figures))
        for name in ("largest", "in_parts"):
            found = getattr(self, name)
            values[name] = found and dataclasses.asdict(found)
        return values


class PhaseEstimator:
    """Asks the compiler about a phase.

    Args:
        phase: what is asked.
        tpu: where it runs.
        build: builds its step.
        compile_step: compiles that.
        find_batch: look for the largest batch that fits also where the phase's own does.
        price_per_hour: of the slice.
        log: takes a line for each compilation.
    """

    def __init__(
        self,
        phase: Phase,
        tpu: Slice,
        build: Build,
        compile_step: Compile,
        find_batch: bool,
        price_per_hour: float | None,
        log: Log,
    ):
        self._phase = phase
        self._tpu = tpu
        self._build = build
        self._compile = compile_step
        self._find_batch = find_batch
        self._price_per_hour = price_per_hour
        self._log = log
        self._reduced_bytes = 0

    def estimate(self) -> Estimate:
        """Returns the answer."""
        work = self._phase.work
        answer = self._measure(work)
        if isinstance(answer, Measured):
            largest = self._largest(answer) if self._find_batch else None
            return Estimate(self._phase, answer, largest=largest)
        largest = self._largest(answer)
        in_parts = self._in_parts(largest) if largest and self._phase.mode == "train" else None
        needed = answer.needed_bytes
        return Estimate(self._phase, None, needed and needed / GIB, largest, in_parts)

    def _measure(self, work: Work) -> Measured | DoesNotFit:
        hlo, self._reduced_bytes = self._build(work.batch_per_core, work.num_accumulation_steps)
        title = f"{self._phase.name}: {work.batch_per_core:,} examples a {self._tpu.device}"
        if work.num_accumulation_steps > 1:
            title += f" in {work.num_accumulation_steps} parts"
        try:
            compiled = self._compile(hlo)
        except DoesNotFit as error:
            needed = error.needed_bytes
            self._log(f"{title}: {f'{needed / GIB:.2f} GiB, ' if needed else ''}doesn't fit")
            return error
        found = figures(compiled, self._tpu, work, self._reduced_bytes, self._price_per_hour)
        self._log(f"{title}: {found.used_gib:.2f} GiB, {found.step_ms:,.1f} ms")
        return Measured(found, compiled)

    def _largest(self, first: Measured | DoesNotFit) -> Figures | None:
        """Returns the figures of the largest batch, by parts of the phase's number."""
        parts = self._phase.work.num_accumulation_steps

        def trial(batch: int, answer: Measured | DoesNotFit) -> Trial[Figures]:
            if isinstance(answer, Measured):
                return Trial(batch, int(answer.figures.used_gib * GIB), answer.figures)
            return Trial(batch, answer.needed_bytes, None)

        def attempt(batch: int) -> Trial[Figures]:
            work = self._phase.work._replace(batch_per_core=batch * parts)
            return trial(batch, self._measure(work))

        found = largest_batch(
            attempt,
            trial(self._phase.work.batch_per_core // parts, first),
            self._tpu.available_gib * GIB,
            _COPIES * self._reduced_bytes,
        )
        return found and found.outcome

    def _in_parts(self, largest: Figures) -> Figures | None:
        """Returns the figures of the phase's batch with few accumulation steps that fit.

        The fewest, or the next more where these are faster: near the limit of the memory the
        compiler computes things again.
        """
        work = self._phase.work
        at_a_time = largest.batch_per_core // largest.num_accumulation_steps
        too_many = next_batch(at_a_time)  # between the two nothing was tried
        candidates = [
            parts
            for parts in range(work.num_accumulation_steps + 1, work.batch_per_core + 1)
            if work.batch_per_core % parts == 0 and work.batch_per_core // parts < too_many
        ]
        fitting: list[Figures] = []
        for parts in candidates[:_MOST_PARTS_TRIED]:
            answer = self._measure(work._replace(num_accumulation_steps=parts))
            if isinstance(answer, Measured):
                fitting.append(answer.figures)
            if len(fitting) == _PARTS_COMPARED:
                break
        return min(fitting, key=lambda figures: figures.step_ms, default=None)
