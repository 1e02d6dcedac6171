#!/usr/bin/python
"""Loads container images from an archive, and tells which of them the engine does not have yet.

Runs on the trust's host with nothing but Python's own library and the ``docker`` command.
"""

from __future__ import annotations

import subprocess
from typing import Any

DOCUMENTATION = r"""
module: flip_images_load
short_description: Load container images from an archive of docker save
description:
  - Asks the engine for the images by their names, and compares the ids; without an archive only says what is wanting.
  - With an archive on the host, loads it, and asks again.
options:
  images: {description: Images of the archive with their names and ids, type: list, elements: dict, required: true}
  archive: {description: The archive on the host; none to compare only, type: path}
"""


def docker(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run ``docker``; where it is missing, as on a bare host in a trial run, that is an exit code like any other."""
    try:
        return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    except OSError as error:
        return subprocess.CompletedProcess(arguments, 127, "", str(error))


def wanting(images: list[dict[str, Any]]) -> list[str]:
    """Names of the images that the engine does not have, or has as others."""
    found = []
    for image in images:
        for name in image["names"]:
            answer = docker("image", "inspect", "--format", "{{.Id}}", name)
            if answer.returncode or answer.stdout.strip() not in image["ids"]:
                found.append(name)
    return found


def main() -> None:
    """The module as Ansible runs it."""
    from ansible.module_utils.basic import AnsibleModule

    module = AnsibleModule(
        argument_spec={
            "images": {"type": "list", "elements": "dict", "required": True},
            "archive": {"type": "path"},
        },
        supports_check_mode=True,
    )
    images, archive = module.params["images"], module.params["archive"]
    found = wanting(images)
    if not found or module.check_mode or not archive:
        module.exit_json(changed=bool(found), wanting=found)
    answer = docker("load", "--input", archive)
    if answer.returncode:
        module.fail_json(msg=f"The images could not be loaded: {(answer.stderr or answer.stdout).strip()}")
    # An engine may call an image by another id than those that the archive tells; its name must be there in any case.
    missing = [
        name
        for image in images
        for name in image["names"]
        if docker("image", "inspect", "--format", "{{.Id}}", name).returncode
    ]
    if missing:
        module.fail_json(msg=f"The archive was loaded, but the engine has no {', '.join(missing)}")
    module.exit_json(changed=True, wanting=found)


if __name__ == "__main__":
    main()
