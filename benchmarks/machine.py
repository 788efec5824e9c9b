"""What our programs cost, and what else goes on: CPU, memory, and the disk of the machine."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

TICK = os.sysconf("SC_CLK_TCK")


def cpu_of(pid: int) -> float:
    """CPU seconds of a process so far, user and system, its threads included."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def cpu_of_main_thread(pid: int) -> float:
    """CPU seconds of a process's first thread so far."""
    fields = Path(f"/proc/{pid}/task/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def children_of(pid: int) -> list[int]:
    """The processes that a process has started and not yet buried."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return [int(child) for task in tasks for child in (task / "children").read_text().split()]


def cpu_of_family(pid: int) -> float:
    """CPU seconds of a process and of all its children so far, also of those that have ended."""
    while True:
        before, children = _times(pid), children_of(pid)
        try:
            found = [_times(child) for child in children]
        except (FileNotFoundError, ProcessLookupError):
            continue  # one has just ended, and is counted with its parent now
        after = _times(pid)
        if after[2:] == before[2:]:
            return sum(map(sum, [after, *found])) / TICK


def _times(pid: int) -> list[int]:
    """User and system time of a process, and both again for its children that have ended, in ticks."""
    return list(map(int, Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[11:15]))


def own_memory_of(pid: int) -> float:
    """Resident memory that a process shares with nobody, MiB: what PostgreSQL's processes have in common, a
    pool of a fixed size, is not in it."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("RssAnon:", 1)[1].split(None, 1)[0]) / 2**10


def rss_of(pid: int) -> float:
    """Resident memory of a process, MiB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def peak_of(pid: int) -> float:
    """The most resident memory a process ever had, MiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmHWM:", 1)[1].split(None, 1)[0]) / 2**10


def cpu_of_machine() -> float:
    """CPU seconds that all cores together have worked so far."""
    user, nice, system, _idle, _wait, *interrupts = map(
        int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    )
    return (user + nice + system + sum(interrupts)) / TICK


class Meter:
    """CPU seconds of our programs since it was made, and of everything else on the machine meanwhile."""

    def __init__(self, families: Mapping[str, int] = MappingProxyType({}), **pids: int) -> None:
        """`families` are counted with their children."""
        self._pids = pids | {"bench": os.getpid()}
        self._families = families
        self._before = self._now()
        self._loop_before = self._loop()
        self._began = time.perf_counter()

    def _now(self) -> dict[str, float]:
        return {
            **{name: cpu_of(pid) for name, pid in self._pids.items()},
            **{name: cpu_of_family(pid) for name, pid in self._families.items()},
            "all": cpu_of_machine(),
        }

    def _loop(self) -> float:
        return cpu_of_main_thread(self._pids["ulak"]) if "ulak" in self._pids else 0.0

    def read(self) -> Usage:
        """What was used up to now."""
        seconds = time.perf_counter() - self._began
        cpu = {name: after - self._before[name] for name, after in self._now().items()}
        everything = cpu.pop("all")
        others = max(0.0, everything - sum(cpu.values()))
        return Usage(seconds, cpu, others, self._loop() - self._loop_before)


@dataclass(frozen=True, slots=True)
class Usage:
    """CPU seconds by program during `seconds` of wall time. `others` is not ours.

    `main_thread` is the share of Ulak's event loop; the rest of it is nearly all the writer's.
    """

    seconds: float
    cpu: dict[str, float]
    others: float
    main_thread: float

    def shown(self, messages: int) -> str:
        """CPU seconds per 1,000 messages by program, and how busy the machine was with other things."""
        parts = [f"{name} {seconds * 1000 / messages:.3f}" for name, seconds in self.cpu.items()]
        if self.main_thread:
            parts.append(f"of ulak's the main thread {self.main_thread * 1000 / messages:.3f}")
        return f"CPU s/1,000: {', '.join(parts)}; others_cpu {self.others / self.seconds:.2f} cores"


def file_system(path: Path) -> str:
    """What kind of file system a path is on; figures from a tmpfs say nothing."""
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    inside = [mount for mount in mounts if path.is_relative_to(mount[1])]
    return max(inside, key=lambda mount: len(mount[1]))[2]


def sync_rate(directory: Path, seconds: float = 1.0) -> float:
    """Appends of 8 kB, each synced, that one thread gets through in a second."""
    file = os.open(directory / "syncs", os.O_CREAT | os.O_WRONLY)
    count, page, began = 0, b"\1" * 8192, time.perf_counter()
    while time.perf_counter() - began < seconds:
        os.pwrite(file, page, count % 512 * 8192)
        os.fdatasync(file)
        count += 1
    rate = count / (time.perf_counter() - began)
    os.close(file)
    return rate
