"""A trust whose services are played by respx."""

from __future__ import annotations

import base64

from flame_node_agent.config.agent_settings import load_agent
from flame_node_agent.config.task_side import TaskSettings
from flame_node_agent.wire.health import HealthStatus, ServiceHealth

DATA, IMAGING, XNAT = "http://data.example", "http://imaging.example", "http://xnat.example"
BUILD_INFO = f"{XNAT}/xapi/siteConfig/buildInfo"
PACS = f"{IMAGING}/imaging/ping_pacs"
ENVIRONMENT = {
    "CENTRAL_HUB_API_URL": "http://hub.example",
    "TRUST_API_KEY": "hub-secret-4711",
    "AES_KEY_BASE64": base64.b64encode(bytes(32)).decode("ascii"),
    "TRUST_INTERNAL_SERVICE_KEY": "internal-secret-4711",
    "POSTGRES__HOST": "localhost",
    "POSTGRES__USER": "flame",
    "POSTGRES__PASSWORD": "database-secret-4711",
    "POSTGRES__DB": "flame",
    "DATA_ACCESS_API_URL": DATA,
    "IMAGING_API_URL": IMAGING,
    "XNAT_URL": XNAT,
    "OMOP_DB_HOST": "127.0.0.1",
    "OMOP_DB_PORT": "1",
}
HEALTHY = ServiceHealth(HealthStatus.HEALTHY)


def settings(**variables: str) -> TaskSettings:
    loaded = load_agent(ENVIRONMENT | variables, env_file=None).tasks
    assert loaded is not None
    return loaded
