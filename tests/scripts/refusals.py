"""Refusals of scripts: one sentence, and nothing else."""

import launcher


def refusal(program: str, *flags: str, prints: bool = False) -> str:
    """Runs a script that fails; returns the sentence it writes, without its own name.

    Args:
        prints: whether it may print something before it fails.
    """
    ran = launcher.run(f"scripts/{program}", *flags, status=1)
    begin = f"{program}: error: "
    assert prints or not ran.stdout
    assert ran.stderr.startswith(begin) and ran.stderr.count("\n") == 1, ran.stderr
    return ran.stderr[len(begin) :]
