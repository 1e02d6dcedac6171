"""Write a CycloneDX bill of materials of the Python packages that are installed beside this interpreter.

Standard library only, so that it runs inside the image as it is: ``python - <scripts/sbom.py``. The same image gives
the same document: there is no date and no random number in it.
"""

import json
import platform
import sys
import uuid
from importlib import metadata

PRODUCT = "flame-node-agent"


def component(package: metadata.Distribution) -> dict[str, object]:
    """One package; source of the format: CycloneDX 1.6, https://cyclonedx.org/docs/1.6/json/."""
    name, version = package.metadata["Name"], package.version
    purl = f"pkg:pypi/{name.lower().replace('_', '-')}@{version}"
    found: dict[str, object] = {
        "type": "application" if name == PRODUCT else "library",
        "bom-ref": purl,
        "name": name,
        "version": version,
        "purl": purl,
    }
    expression = package.metadata.get("License-Expression")
    if expression:
        found["licenses"] = [{"expression": expression}]
    elif (written := package.metadata.get("License")) and "\n" not in written:
        found["licenses"] = [{"license": {"name": written}}]
    return found


def bill() -> dict[str, object]:
    """The whole document."""
    packages = sorted(
        (component(each) for each in metadata.distributions()), key=lambda each: str(each["bom-ref"])
    )
    product = [each for each in packages if each["name"] == PRODUCT]
    parts = [each for each in packages if each["name"] != PRODUCT]
    parts.append(
        {"type": "platform", "bom-ref": "python", "name": "CPython", "version": platform.python_version()}
    )
    serial = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(packages, sort_keys=True))
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        "metadata": {"component": product[0]} if product else {},
        "components": parts,
    }


if __name__ == "__main__":
    json.dump(bill(), sys.stdout, indent=2, sort_keys=True)
    sys.stdout.write("\n")
