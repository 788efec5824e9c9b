"""Run the benchmarks: `python -m benchmarks [--quick] [names]`."""

from __future__ import annotations

import argparse
import importlib
import os
import platform
import sys
import time
from pathlib import Path

import msgspec

from benchmarks import machine, rig

NAMES = (
    "bulk",
    "single",
    "reports",
    "memory",
    "parcels",
    "labels",
    "callbacks",
    "told",
    "numbers",
    "limits",
    "roles",
    "absence",
    "partitions",
    "upkeep",
    "backup",
)
LONG = ("growth", "soak")
"""Only when they are named: they take half an hour each."""


def main() -> int:
    """Run what is wanted. Goals are shown as met or missed; a missed one is a result, not a failure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="name", help=f"of {', '.join(NAMES)} [all of these], {', '.join(LONG)}"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="add the figures there, a JSON line each")
    rig.options_of(parser)
    options = parser.parse_args()
    names = options.names or list(NAMES)
    if unknown := set(names) - {*NAMES, *LONG}:
        parser.error(f"no benchmark {', '.join(sorted(unknown))}")
    with rig.workspace(options.directory) as directory:
        bench = rig.Bench(options, directory)
        print(_machine(directory, options))
        for name in names:
            print(name, flush=True)
            importlib.import_module(f"benchmarks.{name}").run(bench)
    if options.out:
        _write(options.out, bench.figures)
    return 0


def _machine(directory: Path, options: argparse.Namespace) -> str:
    model = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    cpu = model[0].split(":", 1)[1].strip() if model else platform.machine()
    syncs = machine.sync_rate(directory)
    return (
        f"{time.strftime('%Y-%m-%d %H:%M')}, {os.cpu_count()} cores ({cpu}), "
        f"Python {platform.python_version()}, "
        f"{machine.file_system(directory)}, {syncs:,.0f} syncs/s; window {options.window}, "
        f"id_form {options.id_form}, receipts {options.receipt_ms:g} ms after the answer"
    )


def _write(path: Path, figures: list[rig.Figure]) -> None:
    at = time.strftime("%Y-%m-%dT%H:%M:%S%z")
    with path.open("ab") as file:
        for figure in figures:
            line = msgspec.to_builtins(figure) | {"met": figure.met, "at": at, "command": sys.argv[1:]}
            file.write(msgspec.json.encode(line) + b"\n")


if __name__ == "__main__":
    sys.exit(main())
