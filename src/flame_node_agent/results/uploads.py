"""GET /uploads/{upload_id}: how far an accepted result has come, told to the analysis that sent it."""

from __future__ import annotations

from uuid import UUID

from flame_node_agent.errors import Refused
from flame_node_agent.results.auth import Caller
from flame_node_agent.results.identifiers import as_uuid
from flame_node_agent.results.ports import Outbox
from flame_node_agent.wire.results import UploadStateResponse


class Uploads:
    """Tells the state of uploads."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox

    async def get_upload(self, upload_id: UUID, caller: Caller) -> UploadStateResponse:
        """Get the state of an upload that this analysis has made, as named by the header `X-Upload-Id`."""
        upload = await self._outbox.find(upload_id)
        if upload is None or upload.analysis_id != as_uuid(caller):
            # The same for both, so that nobody learns of the uploads of others.
            raise Refused(404, f"Upload with ID {upload_id} does not exist")
        return UploadStateResponse(
            upload_id=upload.upload_id,
            state=upload.state,
            attempts=upload.attempts,
            last_error=upload.last_error,
            filename=upload.filename,
            size=upload.size,
            sha256=upload.sha256,
            object_id=upload.hub_file_id,
            created_at=upload.created_at,
            finished_at=upload.finished_at,
        )
