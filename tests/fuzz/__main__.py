"""Fuzzes parsers with atheris: `python -m tests.fuzz TARGET --runs N [--seed S] [--keep]`, or `all`.

Prints one line of JSON a target: what was run and how long it took; what broke it and how, if something did.
`--keep` puts the smallest inputs that together reach everything into the corpus. What is measured (coverage)
is all of Ulak and nothing else.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import secrets
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.fuzz import corpus

LONGEST = 10
"""Seconds after which an input counts as one that hangs."""

MEGABYTES = 2048
_DONE = re.compile(r"^Done (\d+) runs in (\d+) second", re.MULTILINE)
_COVERED = re.compile(r"cov: (\d+)")
_ROOT = Path(__file__).parents[2]


def fuzz(target: str, runs: int, seed: int, *, keep: bool = False) -> dict[str, Any]:
    """Fuzz one target in a process of its own, and say what came of it."""
    from tests.fuzz.targets import TARGETS

    with tempfile.TemporaryDirectory() as scratch:
        inputs = Path(scratch, "inputs")
        inputs.mkdir()
        for place, data in enumerate(TARGETS[target].inputs + corpus.read(target)):
            Path(inputs, f"kept-{place}").write_bytes(data)
        ended = _inside(target, scratch, f"-runs={runs}", f"-seed={seed}", str(inputs))
        done = _DONE.search(ended.stderr)
        broken = sorted(Path(scratch).glob("found-*"))
        told: dict[str, Any] = {"target": target, "seed": seed, "runs": int(done[1]) if done else 0}
        if done is None or broken or ended.returncode:
            return told | {
                "broken": [repr(one.read_bytes()) for one in broken],
                "said": ended.stdout[-4000:] + ended.stderr[-500:],
            }
        told["seconds"] = int(done[2])
        told["covered"] = max(map(int, _COVERED.findall(ended.stderr)), default=0)
        if keep:
            _merge(target, scratch, inputs)
        return told


def _merge(target: str, scratch: str, inputs: Path) -> None:
    """Keep the smallest inputs that reach everything."""
    least = Path(scratch, "least")
    least.mkdir()
    _inside(target, scratch, "-merge=1", str(least), str(inputs))
    corpus.keep(target, [one.read_bytes() for one in least.iterdir()])


def _inside(target: str, scratch: str, *flags: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            *(sys.executable, "-m", "tests.fuzz", "--inside", target),
            *(f"-artifact_prefix={scratch}/found-", f"-timeout={LONGEST}", f"-rss_limit_mb={MEGABYTES}"),
            *(f"-dict={_dictionary(target, scratch)}", *flags),
        ],
        cwd=_ROOT,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(_ROOT / "src"), str(_ROOT)])},
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )


def _dictionary(target: str, scratch: str) -> Path:
    from tests.fuzz.targets import TARGETS

    words = ("".join(f"\\x{octet:02x}" for octet in word) for word in TARGETS[target].words)
    path = Path(scratch, "words")
    path.write_text("".join(f'"{word}"\n' for word in words))
    return path


def _run_inside(target: str, flags: list[str]) -> None:
    """Be the fuzzer. Does not return."""
    import atheris

    with atheris.instrument_imports(include=["ulak"]):
        from tests.fuzz.targets import TARGETS
    found = TARGETS[target]
    atheris.Setup([sys.argv[0], f"-max_len={found.size}", *flags], found.run)
    atheris.Fuzz()


def main() -> int:
    """1 when something broke."""
    if sys.argv[1:2] == ["--inside"]:
        _run_inside(sys.argv[2], sys.argv[3:])
    from tests.fuzz.targets import TARGETS

    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("target", choices=["all", *TARGETS])
    parser.add_argument("--runs", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**31) + 1)
    parser.add_argument("--keep", action="store_true")
    given = parser.parse_args()
    broken = 0
    for target in TARGETS if given.target == "all" else [given.target]:
        told = fuzz(target, given.runs, given.seed, keep=given.keep)
        broken |= "broken" in told
        print(json.dumps(told), flush=True)
    return int(broken)


if __name__ == "__main__":
    sys.exit(main())
