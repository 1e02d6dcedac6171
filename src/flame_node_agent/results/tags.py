"""Tags group the local results of a project: the rule for their names, and the routes around them."""

from __future__ import annotations

import re
from typing import Annotated
from uuid import UUID

from fastapi import Query, Request

from flame_node_agent.errors import Refused
from flame_node_agent.results import filenames
from flame_node_agent.results.auth import Caller
from flame_node_agent.results.ports import ResultDependencies
from flame_node_agent.results.projects import Projects, existing
from flame_node_agent.results.urls import local_url, tag_url
from flame_node_agent.wire.results import (
    LocalTag,
    LocalTaggedResult,
    LocalTaggedResultListResponse,
    LocalTagListResponse,
)

_TAG = re.compile(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?", re.ASCII)


def is_valid(tag: str) -> bool:
    """Whether a tag has 1 to 32 lower-case letters, digits and hyphens, with no hyphen at either end.

    The rule of the FLAME Node Result Service.
    """
    return _TAG.fullmatch(tag) is not None


def check(tag: str) -> None:
    """Refuse a tag that breaks the rule.

    Raises:
        Refused: 400.
    """
    if not is_valid(tag):
        raise Refused(400, f"Invalid tag `{tag}`")


class Tags:
    """Sets and lists tags."""

    def __init__(self, deps: ResultDependencies, projects: Projects) -> None:
        self._objects = deps.objects
        self._local_results = deps.local_results
        self._projects = projects

    async def get_tags(self, request: Request, caller: Caller) -> LocalTagListResponse:
        """Get a list of tags assigned to the project for an analysis.

        Returns a 200 on success.
        """
        _, project_id = await self._projects.of(caller)
        names = await self._local_results.tags(project_id)
        return LocalTagListResponse(tags=[LocalTag(name=name, url=tag_url(request, name)) for name in names])

    async def get_tagged_results(
        self, request: Request, tag_name: str, caller: Caller
    ) -> LocalTaggedResultListResponse:
        """Get a list of files assigned to a tag.

        Returns a 200 on success, with an empty list for a tag that nobody has used.
        """
        _, project_id = await self._projects.of(caller)
        tagged = await self._local_results.tagged(project_id, tag_name) if is_valid(tag_name) else []
        return LocalTaggedResultListResponse(
            results=[
                LocalTaggedResult(filename=result.filename, url=local_url(request, result.object_id))
                for result in tagged
            ]
        )

    async def tag_object(
        self,
        request: Request,
        tag_name: str,
        object_id: UUID,
        caller: Caller,
        filename: Annotated[
            str | None, Query(description="Name to list the file under; its known one by default")
        ] = None,
    ) -> LocalTaggedResult:
        """Tag a specific object and return that file.

        Returns a 200 on success; repeating it changes nothing.
        """
        analysis_id, project_id = await self._projects.of(caller)
        await existing(self._objects, project_id, object_id)
        check(tag_name)
        if filename:
            name = filenames.accepted(filename)
        else:
            known = await self._local_results.filename_of(object_id, analysis_id)
            name = known or filenames.UNNAMED
        name = await self._local_results.tag_object(
            project_id=project_id, analysis_id=analysis_id, object_id=object_id, tag=tag_name, filename=name
        )
        return LocalTaggedResult(filename=name, url=local_url(request, object_id))
