"""Run all measurements and write the report: ``python -m benchmarks [--quick] [--out DIR]``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks.cohort import cohort_times
from benchmarks.measures import GIB, KIB, MIB, health_during_upload, small_results, transfers
from benchmarks.report import Measured, claims, human, write
from benchmarks.stack import running_stack
from benchmarks.tasks import task_latency, task_rate

REPORT = Path("docs/explanation/benchmark")
CLIENTS = 16
POLL_SECONDS = 5  # the default of POLL_INTERVAL_SECONDS
TASK_PAUSE_SECONDS = 2.3
BLOCK = 4 * MIB


def main(
    quick: Annotated[bool, typer.Option(help="Small files, once, to try the benchmark itself.")] = False,
    out: Annotated[Path, typer.Option(help="Folder of the report.")] = REPORT,
) -> None:
    """Measure, write the report, and tell which targets hold; exit code 1 when one does not."""
    sizes = {KIB: 5, 8 * MIB: 1, 32 * MIB: 1} if quick else {KIB: 10, 64 * MIB: 1, 2 * GIB: 1}
    console = Console()
    measured = Measured(largest=max(sizes))
    block = os.urandom(BLOCK)
    persons = 20_000 if quick else 1_000_000
    with running_stack(persons) as stack:
        for size, repeats in sizes.items():
            console.print(f"Transfers of {human(size)}, each way {repeats} times …")
            with console.status("") as status:
                measured.transfers += transfers(stack, block, size, repeats, status.update)
        console.print(f"Liveness: /healthz while {human(measured.largest)} are stored …")
        measured.health = health_during_upload(stack, block, measured.largest)
        for path in ("/local", "/final"):
            console.print(f"Small results: PUT {path}, 1 KiB, {CLIENTS} clients …")
            small_results(stack, path, clients=CLIENTS, seconds=1)  # warm
            measured.small.append(small_results(stack, path, clients=CLIENTS, seconds=2 if quick else 10))
        console.print("Tasks, many together …")
        task_rate(stack, 100)  # warm
        measured.task_rate = task_rate(stack, 300 if quick else 2000)
        console.print("Tasks, one at a time …")
        with console.status("") as status:
            measured.task_latency = task_latency(
                stack,
                3 if quick else 25,
                pause=TASK_PAUSE_SECONDS,
                poll_interval=POLL_SECONDS,
                say=status.update,
            )
        console.print(f"Cohorts of half of {persons:,} persons …")
        with console.status("") as status:
            measured.cohorts = cohort_times(stack, 2 if quick else 5, status.update)
        measured.persons = persons
        measured.data_access_memory = stack.peak_memory("data_access")
    path = write(measured, out)
    found = claims(measured)
    for claim in found:
        console.print(f"{'✔' if claim.holds else '✘'} {claim.what}: {claim.measured} (target {claim.target})")
    console.print(f"The report is in {path}")
    raise typer.Exit(0 if all(claim.holds for claim in found) else 1)


if __name__ == "__main__":
    typer.run(main)
