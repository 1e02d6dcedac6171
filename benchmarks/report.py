"""The report: Markdown with tables and pictures, every claim next to its target."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import matplotlib as mpl
import psutil

from benchmarks.cohort import CohortTime
from benchmarks.measures import GIB, KIB, MIB, Health, SmallResults, Transfer
from benchmarks.tasks import TaskLatency, TaskRate
from flame_node_agent import __version__

mpl.use("Agg")
from matplotlib import pyplot as plt


@dataclass
class Measured:
    """Everything one run has measured."""

    transfers: list[Transfer] = field(default_factory=list)
    small: list[SmallResults] = field(default_factory=list)
    health: Health | None = None
    task_rate: TaskRate | None = None
    task_latency: TaskLatency | None = None
    cohorts: list[CohortTime] = field(default_factory=list)
    persons: int = 0
    data_access_memory: int = 0
    largest: int = 0

    def find(self, what: str, size: int) -> Transfer:
        """One transfer."""
        return next(found for found in self.transfers if found.what == what and found.size == size)


@dataclass(frozen=True)
class Claim:
    """A target and what was measured."""

    what: str
    target: str
    measured: str
    holds: bool


def claims(measured: Measured) -> list[Claim]:
    """Hold the figures against the targets."""
    size = measured.largest
    direct = measured.find("S3 put, direct", size)
    found = []
    for way in ("PUT /local", "PUT /final (until acknowledged)"):
        share = measured.find(way, size).rate / direct.rate
        found.append(
            Claim(f"{way} at {human(size)} against direct S3", "≥ 70 %", f"{share:.0%}", share >= 0.7)
        )
    share = measured.find("GET /local", size).rate / measured.find("S3 get, direct", size).rate
    found.append(Claim(f"GET /local at {human(size)} against direct S3", "(no target)", f"{share:.0%}", True))
    plain = measured.find("PUT /intermediate", size).seconds
    cost = measured.find("PUT /intermediate, sealed", size).seconds / plain - 1
    found.append(Claim(f"Cost of sealing at {human(size)}", "≤ 25 %", f"{cost:.0%}", cost <= 0.25))
    smallest = min(transfer.size for transfer in measured.transfers)
    growth = max(
        measured.find(transfer.what, size).peak_memory - transfer.peak_memory
        for transfer in measured.transfers
        if transfer.size == smallest
    )
    found.append(
        Claim(
            f"Growth of peak memory from {human(smallest)} to {human(size)}",
            "≤ 64 MiB",
            f"{growth / MIB:.0f} MiB",
            growth <= 64 * MIB,
        )
    )
    if measured.health is not None:
        p99 = measured.health.p99
        found.append(
            Claim(f"/healthz p99 during a {human(size)} upload", "< 50 ms", f"{p99 * 1e3:.1f} ms", p99 < 0.05)
        )
    found.extend(
        Claim(
            f"PUT {small.path}, 1 KiB, {small.clients} clients",
            "≥ 300 a second",
            f"{small.per_second:.0f} a second",
            small.per_second >= 300,
        )
        for small in measured.small
    )
    if (rate := measured.task_rate) is not None:
        found.append(
            Claim(
                f"{rate.tasks} tasks from poll to report",
                "≥ 100 a second",
                f"{rate.per_second:.0f} a second",
                rate.per_second >= 100,
            )
        )
    found.extend(_cohort_claims(measured))
    return found


def _cohort_claims(measured: Measured) -> list[Claim]:
    if not measured.cohorts:
        return []
    memory = measured.data_access_memory
    return [
        *(
            Claim(
                f"Statistics of {cohort.rows:,} {cohort.name} against a statement written by hand",
                "≤ 1.5 times",
                f"{cohort.ratio:.2f} times",
                cohort.ratio <= 1.5,
            )
            for cohort in measured.cohorts
        ),
        Claim("Peak memory of data-access-api", "≤ 150 MiB", f"{memory / MIB:.0f} MiB", memory <= 150 * MIB),
    ]


def write(measured: Measured, directory: Path) -> Path:
    """Write README.md and the pictures; gives the path of the text."""
    directory.mkdir(parents=True, exist_ok=True)
    _draw_rates(measured, directory / "throughput.svg")
    _draw_memory(measured, directory / "memory.svg")
    lines = [
        "# Benchmark",
        "",
        (
            "Written by `make bench`. All figures come from one run on one machine, client, agent, S3 server, database"
            " and hub side by side on it; so the ratios mean more than the absolute numbers."
        ),
        "",
        f"* Agent {__version__}, Python {platform.python_version()}, {datetime.now(UTC):%Y-%m-%d}",
        (
            f"* {psutil.cpu_count()} cores, {psutil.virtual_memory().total / GIB:.0f} GiB memory,"
            f" {platform.system()} {platform.machine()}; SeaweedFS, PostgreSQL with fsync, the development hub"
        ),
        "",
        "## Targets",
        "",
        *_table(
            ["what", "target", "measured", ""],
            [[c.what, c.target, c.measured, "✔" if c.holds else "✘"] for c in claims(measured)],
        ),
        "",
        "## Throughput",
        "",
        (
            "The yardstick puts the same bytes straight into the same S3 server with the same client library"
            " (miniopy-async, its defaults). `PUT /final` is timed until the result is acknowledged, which means stored"
            " and committed; `PUT /intermediate` until the hub has it."
        ),
        "",
        "![Throughput by size](throughput.svg)",
        "",
        *_table(
            ["what", "size", "seconds", "MiB/s", "peak memory of the agent"],
            [
                [t.what, human(t.size), f"{t.seconds:.3f}", f"{t.rate:.1f}", f"{t.peak_memory / MIB:.0f} MiB"]
                for t in measured.transfers
            ],
        ),
        "",
        "## Memory",
        "",
        "Highest resident memory of the agent while one transfer ran (`VmHWM`, begun anew for each).",
        "",
        "![Peak memory by size](memory.svg)",
        "",
        "## Small results",
        "",
        *_table(
            ["what", "a second", "p50", "p99"],
            [
                [f"PUT {s.path}, 1 KiB, {s.clients} clients", f"{s.per_second:.0f}", _ms(s.p50), _ms(s.p99)]
                for s in measured.small
            ],
        ),
        "",
    ]
    if measured.health is not None:
        health = measured.health
        lines += [
            "## Liveness",
            "",
            (
                f"/healthz asked {health.answers} times while {human(measured.largest)} were PUT to /local: p50"
                f" {_ms(health.p50)}, p99 {_ms(health.p99)}, slowest {_ms(health.slowest)}."
            ),
            "",
        ]
    lines += [*_tasks(measured), *_cohorts(measured)]
    path = directory / "README.md"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def _tasks(measured: Measured) -> list[str]:
    rate, latency = measured.task_rate, measured.task_latency
    if rate is None or latency is None:
        return []
    return [
        "## Tasks",
        "",
        (
            f"Created at the development hub without its limits of requests, of a type whose outcome is known at once:"
            f" {rate.tasks} tasks together came back at {rate.per_second:.0f} a second, counted at the hub from the"
            f" first result to the last. {latency.tasks} single ones at an idle node, which polls every"
            f" {latency.poll_interval:g} s, took from creation to result p50 {latency.p50:.1f} s,"
            f" p99 {latency.p99:.1f} s."
        ),
        "",
    ]


def _cohorts(measured: Measured) -> list[str]:
    if not measured.cohorts:
        return []
    return [
        "## Cohorts",
        "",
        (
            f"Half of {measured.persons:,} synthetic persons, counted by `POST /cohort` over HTTP and, in turn, by one"
            " SQL statement written by hand for the same counts, ages and sexes, without disclosure control."
            " Medians; nothing is remembered between the turns."
        ),
        "",
        *_table(
            ["cohort", "rows", "POST /cohort", "by hand", "ratio"],
            [
                [c.name, f"{c.rows:,}", f"{c.service:.2f} s", f"{c.by_hand:.2f} s", f"{c.ratio:.2f}"]
                for c in measured.cohorts
            ],
        ),
        "",
    ]


def human(size: int) -> str:
    """A size in the largest unit that fits it."""
    for unit, name in ((GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")):
        if size >= unit:
            return f"{size / unit:g} {name}"
    return f"{size} B"


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:.1f} ms"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [header, ["---"] * len(header), *rows]
    return ["| " + " | ".join(line) + " |" for line in lines]


def _draw_rates(measured: Measured, path: Path) -> None:
    sizes = sorted({transfer.size for transfer in measured.transfers if transfer.size >= MIB})
    ways = list(dict.fromkeys(transfer.what for transfer in measured.transfers))
    figure, axes = plt.subplots(figsize=(8, 4))
    height = 0.8 / max(1, len(sizes))
    for index, size in enumerate(sizes):
        places = [number + index * height for number in range(len(ways))]
        bars = axes.barh(places, [measured.find(way, size).rate for way in ways], height, label=human(size))
        axes.bar_label(bars, fmt="%.0f", padding=2, fontsize=7)
    axes.set_yticks([number + height * (len(sizes) - 1) / 2 for number in range(len(ways))], ways)
    axes.invert_yaxis()
    axes.set_xlabel("MiB/s")
    axes.legend()
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def _draw_memory(measured: Measured, path: Path) -> None:
    sizes = sorted({transfer.size for transfer in measured.transfers})
    ways = [way for way in dict.fromkeys(t.what for t in measured.transfers) if "direct" not in way]
    figure, axes = plt.subplots(figsize=(8, 4))
    for way in ways:
        peaks = [measured.find(way, size).peak_memory / MIB for size in sizes]
        axes.plot(range(len(sizes)), peaks, marker="o", label=way)
    axes.set_xticks(range(len(sizes)), [human(size) for size in sizes])
    axes.set_ylim(bottom=0)
    axes.set_ylabel("peak memory, MiB")
    axes.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
