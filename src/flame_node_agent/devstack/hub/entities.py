"""Every kind of record of the three services, and the fields most of them share.

Fields follow the entities of PrivateAIM/hub and what the models of flame-hub-client require at each release; filters
and sorts follow the allow-lists of its repositories. What is not in an allow-list is dropped from a query without a
word (rapiq), so ``filter[path]`` on bucket files filters nothing: callers must look at what they get.
"""

from __future__ import annotations

from collections.abc import Mapping

from flame_node_agent.devstack.hub.entities_auth import AUTH
from flame_node_agent.devstack.hub.entities_core import CORE
from flame_node_agent.devstack.hub.entities_storage import STORAGE
from flame_node_agent.devstack.hub.fields import Entity

ENTITIES: Mapping[str, Entity] = {
    entity.name: entity for catalogue in (AUTH, CORE, STORAGE) for entity in catalogue.entities
}

ANALYSIS = ENTITIES["analysis"]
ANALYSIS_BUCKET = ENTITIES["analysis_bucket"]
ANALYSIS_BUCKET_FILE = ENTITIES["analysis_bucket_file"]
BUCKET = ENTITIES["bucket"]
BUCKET_FILE = ENTITIES["bucket_file"]
NODE = ENTITIES["node"]
PROJECT = ENTITIES["project"]
REALM = ENTITIES["realm"]
USER = ENTITIES["user"]
ROBOT = ENTITIES["robot"]
CLIENT = ENTITIES["client"]
MASTER_IMAGE_GROUP = ENTITIES["master_image_group"]
MASTER_IMAGE = ENTITIES["master_image"]
