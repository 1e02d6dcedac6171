"""One event a line, whoever logs it, in the form that the reader needs."""

from __future__ import annotations

import hashlib
import io
import json
import logging
import sys
import warnings
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
import structlog

from flame_node_agent.config.agent_settings import load_agent
from flame_node_agent.config.settings import Settings, load_settings
from flame_node_agent.telemetry.logging import configure_logging
from tests.unit.settings_samples import COMPLETE, EVERY_SECRET, TASKS, TRUST_SECRETS

SECRET = COMPLETE["POSTGRES__PASSWORD"]


class Terminal(io.StringIO):
    """A stream that a person watches."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    names = ("uvicorn", "uvicorn.error", "uvicorn.access", "httpx", "httpcore", "apscheduler")
    before = root.handlers, root.level, sys.excepthook
    levels = {name: logging.getLogger(name).level for name in names}
    yield
    root.handlers, root.level, sys.excepthook = before
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def settings(**given: str) -> Settings:
    return load_settings(EVERY_SECRET | given, env_file=None)


def configured(stream: io.StringIO | None = None, **given: str) -> io.StringIO:
    stream = stream or io.StringIO()
    configure_logging(settings(**given), stream)
    return stream


def events(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_event_is_one_json_line_when_nobody_watches() -> None:
    stream = configured()
    structlog.get_logger("flame_node_agent.agent").info("upload.delivered", size=5, name="a\nb")
    (event,) = events(stream)
    timestamp = datetime.fromisoformat(str(event.pop("timestamp")))
    assert timestamp.utcoffset() == timedelta(0)
    assert event == {
        "event": "upload.delivered",
        "level": "info",
        "logger": "flame_node_agent.agent",
        "size": 5,
        "name": "a\nb",
    }


@pytest.mark.parametrize(
    ("stream", "form", "is_json"),
    [
        (io.StringIO, "auto", True),
        (Terminal, "auto", False),
        (Terminal, "json", True),
        (io.StringIO, "pretty", False),
    ],
)
def test_form_follows_the_setting_and_the_terminal(stream, form: str, is_json: bool) -> None:
    written = configured(stream(), LOG__FORMAT=form)
    structlog.get_logger().info("upload.delivered", password=SECRET)
    line = written.getvalue()
    assert line.startswith("{") is is_json
    assert "upload.delivered" in line
    assert SECRET not in line


def test_logs_go_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(settings())
    structlog.get_logger().info("upload.delivered")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert json.loads(captured.err)["event"] == "upload.delivered"


@pytest.mark.parametrize(
    "library", ["uvicorn", "uvicorn.error", "apscheduler.scheduler", "httpx", "anything.else"]
)
def test_libraries_log_in_the_same_form(library: str) -> None:
    stream = configured()
    logging.getLogger(library).warning("listening on %s", "port 8000")
    (event,) = events(stream)
    assert (event["event"], event["level"], event["logger"]) == ("listening on port 8000", "warning", library)
    assert "timestamp" in event


@pytest.mark.parametrize("name", ["uvicorn", "uvicorn.error", "uvicorn.access"])
def test_handlers_that_uvicorn_brings_along_are_not_used(name: str) -> None:
    logger, own = logging.getLogger(name), io.StringIO()
    logger.addHandler(logging.StreamHandler(own))
    logger.propagate = False
    stream = configured()
    logger.warning("up")
    assert own.getvalue() == ""
    assert [event["event"] for event in events(stream)] == ["up"]


@pytest.mark.parametrize(
    "library", ["httpx", "httpcore.http11", "apscheduler.executors.default", "uvicorn.access"]
)
def test_talkative_libraries_are_heard_from_warning_on(library: str) -> None:
    stream = configured(LOG__LEVEL="DEBUG")
    logging.getLogger(library).info("HTTP Request: GET https://hub/bucket-files/name-of-a-file")
    assert events(stream) == []
    stream = configured(LOG__LEVEL="ERROR")
    logging.getLogger(library).warning("retrying")
    assert events(stream) == []


def test_level_of_the_settings_counts() -> None:
    stream = configured(LOG__LEVEL="WARNING")
    structlog.get_logger().info("upload.delivered")
    structlog.get_logger().warning("upload.postponed")
    assert [event["event"] for event in events(stream)] == ["upload.postponed"]


def test_context_of_a_request_is_on_every_line_that_belongs_to_it() -> None:
    stream = configured()
    with structlog.contextvars.bound_contextvars(request="r1"):
        structlog.get_logger().info("upload.accepted")
        logging.getLogger("anything").warning("hm")
    structlog.get_logger().info("upload.delivered")
    assert [event.get("request") for event in events(stream)] == ["r1", "r1", None]


@pytest.mark.parametrize("form", ["json", "pretty"])
@pytest.mark.parametrize("logger", ["structlog", "stdlib"])
def test_exception_is_told_without_secrets_and_without_local_variables(form: str, logger: str) -> None:
    stream = configured(LOG__FORMAT=form)
    try:
        local_only = "value-of-a-local-" + "variable"
        raise ConnectionError(f"password={SECRET}&user", len(local_only))
    except ConnectionError:
        log = structlog.get_logger() if logger == "structlog" else logging.getLogger("psycopg.pool")
        log.exception("loop.failed")
    written = stream.getvalue()
    assert "Traceback (most recent call last)" in written
    assert "ConnectionError" in written
    assert SECRET not in written
    assert "value-of-a-local-variable" not in written
    if form == "json":
        assert len(events(stream)) == 1


def test_secret_in_a_message_of_a_library_is_masked() -> None:
    stream = configured()
    logging.getLogger("psycopg").warning("connecting with %s", f"postgresql://flame:{SECRET}@db/flame")
    assert events(stream)[0]["event"] == "connecting with postgresql://flame:***@db/flame"


def test_secrets_of_both_sides_are_masked_and_so_is_the_key_that_is_made_of_one() -> None:
    agent = load_agent(EVERY_SECRET | TASKS | TRUST_SECRETS, env_file=None)
    stream = io.StringIO()
    configure_logging(agent.shared, stream, besides=agent.sides)
    secrets = [TASKS["TRUST_API_KEY"], TASKS["AES_KEY_BASE64"], *TRUST_SECRETS.values(), SECRET]
    secrets.remove(TRUST_SECRETS["TRUST_AES_KID"])
    secrets.append(hashlib.sha256(TASKS["AES_KEY_BASE64"].encode()).hexdigest())
    for secret in secrets:
        structlog.get_logger("flame_node_agent.agent").info("thing.happened", told=f"with {secret} in it")
    assert [event["told"] for event in events(stream)] == ["with *** in it"] * len(secrets)


def test_warning_of_python_is_an_event() -> None:
    stream = configured()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=True)
        warnings.warn("old ways", UserWarning, stacklevel=1)
    assert "old ways" in str(events(stream)[0]["event"])


def test_crash_is_logged_and_redacted() -> None:
    stream = configured()
    error = RuntimeError(f"lost {SECRET}")
    sys.excepthook(RuntimeError, error, None)
    (event,) = events(stream)
    assert (event["event"], event["level"]) == ("process.crashed", "critical")
    assert "RuntimeError: lost ***" in str(event["exception"])


def test_interrupt_by_keyboard_is_no_crash(capsys: pytest.CaptureFixture[str]) -> None:
    stream = configured()
    sys.excepthook(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert stream.getvalue() == ""
    assert "KeyboardInterrupt" in capsys.readouterr().err


def test_configuring_twice_does_not_log_twice() -> None:
    configured()
    stream = configured()
    structlog.get_logger().info("upload.delivered")
    logging.getLogger("uvicorn").warning("up")
    assert len(events(stream)) == 2
