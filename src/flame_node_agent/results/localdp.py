"""PUT /final/localdp: one number, made private before it leaves."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Request, Response
from pydantic import Field, TypeAdapter, ValidationError

from flame_node_agent.config.settings import Settings
from flame_node_agent.errors import Refused
from flame_node_agent.results import laplace
from flame_node_agent.results.auth import Caller
from flame_node_agent.results.final import FinalResults
from flame_node_agent.results.form import FilePart, Form, Problem, missing
from flame_node_agent.results.intake import alongside
from flame_node_agent.results.limits import SizeLimit

MAX_NUMBER_BYTES = 4096
"""Longest file that is read as a number; a double needs 25 characters at most to be told from any other."""

_POSITIVE = TypeAdapter(Annotated[float, Field(gt=0, allow_inf_nan=False)])
_FIELDS = ("epsilon", "sensitivity")


class PrivateFinalResults:
    """Accepts numbers, and passes on noisy ones."""

    def __init__(self, final: FinalResults, settings: Settings) -> None:
        self._final = final
        self._size_limit = SizeLimit(settings.results.max_upload_bytes)

    async def put_final_with_local_dp(self, request: Request, caller: Caller) -> Response:
        """Upload a file as a final result with Local DP to the FLAME Hub.

        The file holds a single number, to which Laplace noise of the scale sensitivity / epsilon is added.
        Only the noisy value is stored. Returns a 204 as soon as it is stored safely on this node.
        """
        form = Form.of(request, fields=_FIELDS, size_limit=self._size_limit)
        async with alongside(self._final.result_bucket(caller)) as permission:
            await form.open_file()
            content = await _small(form)
            file, epsilon, sensitivity = _checked(form)
            noisy = _made_private(content, epsilon=epsilon, sensitivity=sensitivity)
            analysis_id, bucket = await permission
            return await self._final.accept(_once(str(noisy).encode()), file, analysis_id, bucket)


async def _small(form: Form) -> bytes:
    """Read the file, or as much of it as shows that it is no number; and the fields behind it."""
    content = bytearray()
    while len(content) <= MAX_NUMBER_BYTES and (chunk := await form.next_chunk()) is not None:
        content += chunk
    await form.finish()
    return bytes(content)


def _checked(form: Form) -> tuple[FilePart, float, float]:
    problems: list[Problem] = []
    values: list[float] = []
    for name in _FIELDS:
        if name not in form.fields:
            problems.append(missing(name))
            continue
        try:
            values.append(_POSITIVE.validate_python(form.fields[name]))
        except ValidationError as error:
            problems += [{**found, "loc": ["body", name]} for found in error.errors(include_url=False)]
    file = form.check(problems)
    epsilon, sensitivity = values
    return file, epsilon, sensitivity


def _made_private(content: bytes, *, epsilon: float, sensitivity: float) -> float:
    try:
        value = float(content) if len(content) <= MAX_NUMBER_BYTES else None
    except ValueError:
        value = None
    if value is None:
        raise Refused(400, "Uploaded file must contain a single numerical value.")
    if not math.isfinite(value):
        raise Refused(400, "Uploaded file must contain a finite numerical value.")
    try:
        return laplace.noisy(value, sensitivity=sensitivity, epsilon=epsilon)
    except laplace.NoiseUndefined as error:
        raise Refused(400, f"The value cannot be made private: {error}.") from error


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content
