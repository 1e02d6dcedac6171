"""Which project a request is for: told in an envelope that only the hub and this trust's services can make."""

from __future__ import annotations

from uuid import NAMESPACE_OID, UUID, uuid5

import structlog

from flame_node_agent.crypto.envelope import PROJECT_ID_CONTEXT, Keyring
from flame_node_agent.errors import EnvelopeRejected, InvalidEnvelope, Refused

log = structlog.get_logger(__name__)

NOT_A_UUID = "Project id is not a valid UUID."


class Project:
    """A project as the hub names it."""

    def __init__(self, text: str) -> None:
        self.text = text

    @property
    def uuid(self) -> UUID | None:
        """Its id; None when the hub calls it by anything else, to which no rule and no snapshot can belong."""
        try:
            return UUID(self.text)
        except ValueError:
            return None

    @property
    def log_id(self) -> UUID:
        """An id under which what it was told is remembered, whatever it is called."""
        return self.uuid or uuid5(NAMESPACE_OID, self.text)

    def required_uuid(self) -> UUID:
        """Its id.

        Raises:
            Refused: 400, it is called by something else.
        """
        found = self.uuid
        if found is None:
            raise Refused(400, NOT_A_UUID)
        return found


def open_project(keyring: Keyring, encrypted_project_id: str) -> Project:
    """Open an ``encrypted_project_id``.

    Raises:
        Refused: with the texts of FLIP's data-access-api: 400 when it does not open, 500 for a fault of this side.
    """
    try:
        return Project(keyring.decrypt(encrypted_project_id, context=PROJECT_ID_CONTEXT))
    except EnvelopeRejected:
        raise Refused(400, "encrypted_project_id failed authentication") from None
    except InvalidEnvelope as error:
        raise Refused(400, f"encrypted_project_id is not a valid envelope: {error}") from None
    except Exception as error:
        log.exception("project.not_opened")
        raise Refused(500, f"Failed to decrypt encrypted_project_id ({type(error).__name__})") from None
