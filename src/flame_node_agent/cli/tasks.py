"""``flame-node tasks``: what the hub has asked of this node."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

import typer
from rich.table import Table

from flame_node_agent.cli.database import with_database
from flame_node_agent.cli.env_file import EnvFile
from flame_node_agent.cli.tables import print_table
from flame_node_agent.config.environment import ENV_FILE
from flame_node_agent.stores.database import Database
from flame_node_agent.stores.journal_rows import Entry, TaskState
from flame_node_agent.stores.journal_upkeep import JournalUpkeep

app = typer.Typer(help="See what the hub has asked of this node, and report again.", no_args_is_help=True)

UNKNOWN = 1

TaskId = Annotated[UUID, typer.Argument(help="Id of the task, as `flame-node tasks list` shows it.")]


@app.command("list")
def list_tasks(
    env_file: EnvFile = ENV_FILE,
    state: Annotated[TaskState | None, typer.Option(help="Only tasks in this state.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most this many, newest first.")] = 50,
) -> None:
    """List tasks with their state, and what went wrong last."""

    async def show(database: Database) -> None:
        table = Table("task", "type", "state", "outcome", "runs", "reports", "last error", box=None)
        for entry in await JournalUpkeep(database).listing(state, limit):
            table.add_row(
                str(entry.task_id),
                repr(entry.task_type)[1:-1],
                _state(entry),
                _outcome(entry),
                str(entry.runs),
                str(entry.reports),
                entry.last_error or "",
            )
        print_table(table)

    with_database(env_file, show)


@app.command()
def show(task_id: TaskId, env_file: EnvFile = ENV_FILE) -> None:
    """Tell all about a task but what it asked and what was answered."""

    async def tell(database: Database) -> None:
        entry = await JournalUpkeep(database).find(task_id)
        if entry is None:
            typer.echo(f"no task has the id {task_id}", err=True)
            raise typer.Exit(UNKNOWN)
        for name, value in _facts(entry).items():
            typer.echo(f"{name + ':':<18}{value}")

    with_database(env_file, tell)


@app.command()
def retry(task_id: TaskId, env_file: EnvFile = ENV_FILE) -> None:
    """Report a refused task again, or one that waits for its next report now."""

    async def replay(database: Database) -> None:
        if not await JournalUpkeep(database).replay(task_id):
            typer.echo(f"no refused task, and none that waits to be reported, has the id {task_id}", err=True)
            raise typer.Exit(UNKNOWN)
        typer.echo(f"{task_id} will be reported.")

    with_database(env_file, replay)


def _facts(entry: Entry) -> dict[str, str]:
    return {
        "task": str(entry.task_id),
        "type": repr(entry.task_type)[1:-1],
        "state": _state(entry),
        "in work": "yes" if entry.leased else "no",
        "outcome": _outcome(entry),
        "result": f"{entry.result_characters} characters",
        "received": _time(entry.received_at),
        "runs": str(entry.runs),
        "finished": _time(entry.finished_at),
        "reports": str(entry.reports),
        "next report": _time(entry.not_before if entry.state is TaskState.DONE else None),
        "closed": _time(entry.closed_at),
        "last error": entry.last_error or "none",
    }


def _state(entry: Entry) -> str:
    return f"{entry.state} ({entry.close_reason})" if entry.close_reason else str(entry.state)


def _outcome(entry: Entry) -> str:
    return {True: "success", False: "failure", None: "none yet"}[entry.success]


def _time(moment: datetime | None) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds") if moment else "not yet"
