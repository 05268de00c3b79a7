"""The same fine-tuning with several seeds and learning rates, and what came out on the whole."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bert_wwm.finetuning.job import DEV, TEST

Record = dict[str, Any]


def repeat(
    carry_out: Callable[[int, float], Record],
    seeds: Sequence[int],
    rates: Sequence[float],
    best_metric: str,
) -> dict[str, Any]:
    """Carries out a run for each seed and rate; the best rate has the best mean score on ``dev``.

    ``carry_out`` gives the record of a run: of each split its scores by name.

    Returns:
        ``learning_rate``, ``runs`` with it, ``dev`` and ``test`` with maximum, mean and standard
        deviation of each score, and with several rates ``search``: of each what ``dev`` came to.
    """
    by_rate = {}
    for rate in rates:
        records = [carry_out(seed, rate) for seed in seeds]
        by_rate[rate] = [
            {"seed": seed, "learning_rate": rate, **_select_scores(record)}
            for seed, record in zip(seeds, records)
        ]
    dev = {rate: summarize_scores(runs, DEV) for rate, runs in by_rate.items()}
    chosen = max(rates, key=lambda rate: dev[rate][best_metric]["mean"] if len(rates) > 1 else 0)
    results: dict[str, Any] = {"learning_rate": chosen, "num_runs": len(seeds)}
    results["runs"] = by_rate[chosen]
    for split in (DEV, TEST):
        summary = summarize_scores(by_rate[chosen], split)
        if summary:
            results[split] = summary
    if len(rates) > 1:
        results["search"] = {f"{rate:g}": dev[rate] for rate in rates}
    return results


def _select_scores(record: Mapping[str, Any]) -> Record:
    return {key: record[key] for key in (DEV, TEST, "seconds") if record.get(key)}


def summarize_scores(runs: Sequence[Mapping[str, Any]], split: str) -> dict[str, dict[str, float]]:
    """Returns maximum, mean and (sample) standard deviation of each score over runs."""
    scores: list[Mapping[str, float]] = [run[split] for run in runs if split in run]
    if not scores:
        return {}
    return {
        name: {
            "max": max(score[name] for score in scores),
            "mean": statistics.fmean(score[name] for score in scores),
            "std": statistics.stdev(s[name] for s in scores) if len(scores) > 1 else 0.0,
        }
        for name in scores[0]
        if all(name in score for score in scores)
    }


def format_like_hfl(summary: Mapping[str, Mapping[str, float]], metrics: Sequence[str]) -> str:
    """Returns scores as HFL's tables have them, as in ``67.4 (66.5) / 87.2 (86.5)``."""
    return " / ".join(
        f"{summary[name]['max']:.1f} ({summary[name]['mean']:.1f})" for name in metrics
    )
