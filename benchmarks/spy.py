"""Where the time of a profiled run went: `python -m benchmarks.spy DIR/NAME.raw`.

Reads what `--profile DIR` had py-spy sample and prints, for each thread, its share and the functions that
took most: `self` is the function's own work, `with` includes what it called. Only threads that hold the
interpreter lock are sampled; what SQLite and the disk do meanwhile is not in here, CPU seconds by thread are
printed with the run.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

_LINE = re.compile(r":\d+\)$")
_THREAD = re.compile(r"thread \(\S+?\)(?:: (.*))?$|process .*")
SHOWN = 25


def main() -> None:
    """Print one profile."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.spy", description=__doc__)
    parser.add_argument("profile", type=Path)
    parser.add_argument("--top", type=int, default=SHOWN, help="functions shown of each thread")
    options = parser.parse_args()
    with options.profile.open() as lines:
        _show(*_counted(lines), top=options.top)


def _counted(lines: Iterable[str]) -> tuple[dict[str, Counter[str]], dict[str, Counter[str]]]:
    """By thread: samples in which a function was the innermost, and in which it was anywhere."""
    own: dict[str, Counter[str]] = {}
    inside: dict[str, Counter[str]] = {}
    for line in lines:
        stack, count = line.rsplit(" ", 1)
        frames = stack.split(";")
        thread = frames.pop(0) if _THREAD.match(frames[0]) else "all"
        thread = re.sub(r"thread \(\S+?\): ", "", thread)
        names = [_LINE.sub(")", frame) for frame in frames]
        if names:
            own.setdefault(thread, Counter())[names[-1]] += int(count)
            inside.setdefault(thread, Counter()).update(dict.fromkeys(names, int(count)))
    return own, inside


def _show(own: dict[str, Counter[str]], inside: dict[str, Counter[str]], top: int) -> None:
    samples = sum(counts.total() for counts in own.values())
    out = sys.stdout.write
    for thread, counts in sorted(own.items(), key=lambda item: -item[1].total()):
        out(f"{thread}: {100 * counts.total() / samples:.1f} %\n")
        for title, ranked in (("self", counts), ("with", inside[thread])):
            for name, count in ranked.most_common(top):
                if count * 200 > samples:
                    out(f"  {title} {100 * count / samples:5.1f} %  {name}\n")


if __name__ == "__main__":
    main()
