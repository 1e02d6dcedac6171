"""What a handler of tasks is."""

from __future__ import annotations

from typing import Any, Protocol

from pydantic import BaseModel, ValidationError

from flame_node_agent.errors import ServiceFailed
from flame_node_agent.tasks.outcomes import failure, refused
from flame_node_agent.wire.tasks import Outcome


class Handler(Protocol):
    """Does one type of task.

    A task may be handled twice, when the agent died before it could note the outcome. So whatever a handler asks of
    a service must do no harm when it is asked again.
    """

    async def __call__(self, payload: Any) -> Outcome:
        """Do what ``payload``, the JSON of the opened envelope, asks for; a failure is an outcome as well."""
        ...

    def timed_out(self, payload: Any, seconds: float) -> Outcome:
        """Say what becomes of a task that was given up after so many seconds."""
        ...


class PayloadHandler[Payload: BaseModel]:
    """A handler of payloads of one form; what else comes is refused before anybody is asked for anything."""

    payload: type[Payload]

    async def __call__(self, payload: Any) -> Outcome:
        """Check the payload and handle it."""
        try:
            checked = self.payload.model_validate(payload)
        except ValidationError as error:
            return failure(problems(error))
        try:
            return await self.handle(checked)
        except ServiceFailed as error:
            return refused(error)

    def timed_out(self, payload: Any, seconds: float) -> Outcome:
        """By default nobody but the task itself is told."""
        return failure(f"Given up after {seconds:g} s")

    async def handle(self, payload: Payload) -> Outcome:
        """Do the task; a :class:`ServiceFailed` becomes its failure."""
        raise NotImplementedError


def problems(error: ValidationError) -> str:
    """Say what is wrong with a payload: places and rules, never the values, which may be SQL or e-mail addresses."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    count = f"{len(found)} validation error{'s' if len(found) > 1 else ''} for {error.title}"
    places = (f"{'.'.join(map(str, each['loc'])) or 'payload'}: {each['msg']}" for each in found)
    return f"{count}: {'; '.join(places)}"
