"""What FLIP's hub says about tasks, in the agent's own words.

Its form of an error is ``{"detail": …}``. What is retryable is decided by :mod:`.answers`, except that here

    401                a key the hub does not know (yet): it may be put right on either side, so it is tried again
    2xx                taken; a hub that did not note it hands the task out again after half an hour
    403, 404, 409, …   a no for good: the same report would get the same answer for ever. Only in the hub's own form,
                       for gateways say no as well, and some of them in JSON
    413                from whoever, such as a proxy with a web page: the same body would never pass
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flame_node_agent.errors import HubCredentialsRefused, HubRefused, HubUnavailable, HubUnexpected
from flame_node_agent.hub.answers import CONTENT_TOO_LARGE, LATER, UNAUTHORIZED, Answer, one_line
from flame_node_agent.hub.task_routes import is_missing
from flame_node_agent.wire.tasks import (
    MAX_NAME_CHARACTERS,
    Accepted,
    HeartbeatAnswer,
    Identity,
    Pending,
    RefusedForGood,
    ReportAnswer,
    Task,
    storable,
)

WEB_PAGE = "this is the hub's web page, not its API; CENTRAL_HUB_API_URL should end in /api"


def read_pending(answer: Answer) -> Pending:
    """Read the tasks that wait: an object with the identity, or a bare list from older hubs.

    Raises:
        HubUnavailable, HubUnexpected, HubCredentialsRefused: no tasks now.
        HubRefused: this node may not ask, such as for a trust of another name.
    """
    answered = report_answer(answer)
    if isinstance(answered, RefusedForGood):
        raise HubRefused(answered.status, "refused", answered.detail)
    listed = answer.body.get("tasks") if isinstance(answer.body, dict) else answer.body
    if not isinstance(listed, list):
        raise HubUnexpected(answer.status, "no list of tasks")
    tasks = [task for element in listed if (task := _task(element)) is not None]
    return Pending(tuple(tasks), _identity(answer.body), unreadable=len(listed) - len(tasks))


def report_answer(answer: Answer) -> ReportAnswer:
    """Say whether the hub has taken a report, or never will.

    Raises:
        HubUnavailable: nobody answered, or "later".
        HubUnexpected: an answer that makes no sense now.
        HubCredentialsRefused: the hub does not know this node's key.
    """
    if answer.status in LATER:
        raise HubUnavailable(f"the hub answered {answer.status}", retry_after=answer.retry_after)
    if answer.status == CONTENT_TOO_LARGE:
        return RefusedForGood(answer.status, detail(answer))
    if not answer.decodable:
        page = 200 <= answer.status < 300
        raise HubUnexpected(None, WEB_PAGE if page else f"{answer.what} with status {answer.status}")
    if 200 <= answer.status < 300:
        return Accepted()
    if answer.status == UNAUTHORIZED:
        raise HubCredentialsRefused(f"401: {detail(answer)} (check TRUST_API_KEY and its header)")
    if is_missing(answer) or not 400 <= answer.status < 500 or not _is_hubs_own(answer.body):
        raise HubUnexpected(answer.status, detail(answer))
    return RefusedForGood(answer.status, detail(answer))


def read_heartbeat(answer: Answer) -> HeartbeatAnswer:
    """Read the answer to a heartbeat; a success whose body is no JSON is a success all the same."""
    if not 200 <= answer.status < 300:
        return HeartbeatAnswer(answer.status, detail=detail(answer))
    body = answer.body if isinstance(answer.body, dict) else {}
    return HeartbeatAnswer(
        answer.status,
        _identity(body),
        hub_version=_text(body.get("hub_version")),
        fingerprint=_text(body.get("aes_key_fingerprint")),
        detail="" if answer.decodable else WEB_PAGE,
    )


def detail(answer: Answer) -> str:
    """The hub's reason in one line; validation errors (422) as FastAPI lists them, without the values."""
    said = answer.body.get("detail") if isinstance(answer.body, dict) else None
    if isinstance(said, list):
        said = "; ".join(
            f"{'.'.join(map(str, each['loc'])) if isinstance(each.get('loc'), list) else '?'}:"
            f" {each.get('msg', 'refused')}"
            for each in said
            if isinstance(each, dict)
        )
    return one_line(said if isinstance(said, str) and said else answer.what)


def _is_hubs_own(body: Any) -> bool:
    """Whether a refusal has the form that FastAPI gives to all of the hub's."""
    return isinstance(body, dict) and "detail" in body


def _task(element: Any) -> Task | None:
    """Read one task; None when it has no id, so that nothing could ever be reported for it.

    One whose other fields are missing is kept: it fails where it is run, and the hub is told.
    """
    if not isinstance(element, dict) or not isinstance(element.get("id"), str):
        return None
    try:
        task_id = UUID(element["id"])
    except ValueError:
        return None
    return Task(
        task_id,
        (_text(element.get("task_type")) or "")[:MAX_NAME_CHARACTERS],
        _text(element.get("payload")) or "",
        _text(element.get("created_at")),
    )


def _identity(body: Any) -> Identity | None:
    if not isinstance(body, dict):
        return None
    trust_id, trust_name = _text(body.get("trust_id")), _text(body.get("trust_name"))
    return Identity(trust_id, trust_name) if trust_id and trust_name else None


def _text(value: Any) -> str | None:
    return storable(value) if isinstance(value, str) else None
