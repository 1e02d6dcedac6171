"""The auth service's records (authup): realms, users, robots, clients. Robots go, clients come with 0.8.30."""

from __future__ import annotations

from flame_node_agent.devstack.hub.fields import ID, REALM_ID, TIMES, Catalogue, Entity, Field, Kind, Relation

_DISPLAY_NAME = Field("display_name", create=True, update=True)
_DESCRIPTION = Field("description", create=True, update=True)
_NAME = Field("name", create=True, update=True, required=True)
_ACTIVE = Field("active", Kind.BOOL, default=True, create=True, update=True)
_IN_REALM = (Relation("realm", "realm", "realm_id"),)
_REALM_GIVEN = Field("realm_id", Kind.UUID, create=True)
_SECRET = Field("secret", create=True, update=True, secret=True)

REALM_ENTITY = Entity(
    "realm",
    "realms",
    (ID, _NAME, _DISPLAY_NAME, _DESCRIPTION, Field("built_in", Kind.BOOL, default=False), *TIMES),
    constraints=("UNIQUE (name)",),
)
USER_ENTITY = Entity(
    "user",
    "users",
    (
        ID,
        _NAME,
        _DISPLAY_NAME,
        Field("email", create=True, update=True, on_request=True),
        _ACTIVE,
        Field("name_locked", Kind.BOOL, default=True, create=True, update=True),
        Field("first_name", create=True, update=True),
        Field("last_name", create=True, update=True),
        Field("avatar"),
        Field("cover"),
        Field("password", create=True, update=True, secret=True),
        REALM_ID,
        *TIMES,
    ),
    filters=("id", "name", "realm_id"),
    relations=_IN_REALM,
    constraints=("UNIQUE (name)",),
)
ROBOT_ENTITY = Entity(
    "robot",
    "robots",
    (
        ID,
        _NAME,
        _DISPLAY_NAME,
        _DESCRIPTION,
        _ACTIVE,
        _SECRET,
        Field("user_id", Kind.UUID),
        _REALM_GIVEN,
        *TIMES,
    ),
    filters=("id", "name", "realm_id"),
    relations=(*_IN_REALM, Relation("user", "user", "user_id")),
)
CLIENT_ENTITY = Entity(
    "client",
    "clients",
    (
        ID,
        _NAME,
        _DISPLAY_NAME,
        _DESCRIPTION,
        _ACTIVE,
        _SECRET,
        Field("built_in", Kind.BOOL, default=False),
        Field("is_confidential", Kind.BOOL, default=True, create=True, update=True),
        Field("secret_hashed", Kind.BOOL, default=False, create=True, update=True),
        Field("secret_encrypted", Kind.BOOL, default=False),
        Field("redirect_uri", create=True, update=True),
        Field("grant_types", create=True, update=True),
        Field("scope"),
        Field("base_url"),
        Field("root_url"),
        Field("auth_method", default="secret", create=True, update=True),
        Field("token_binding_method", default="none", create=True, update=True),
        Field("backchannel_logout_uri", create=True, update=True),
        Field("post_logout_redirect_uri", create=True, update=True),
        _REALM_GIVEN,
        *TIMES,
    ),
    filters=("id", "name", "realm_id"),
    relations=_IN_REALM,
)

AUTH = Catalogue("auth", (REALM_ENTITY, USER_ENTITY, ROBOT_ENTITY, CLIENT_ENTITY))
