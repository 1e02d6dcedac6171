"""``python -m provision <add|allow|plan|hybrid>``, as ``ansible/targets.mk`` calls it."""

from __future__ import annotations

import sys

from botocore.exceptions import BotoCoreError, ClientError

from provision.add_local_trust import add, allow, plan
from provision.hybrid import deploy
from provision.said import Stop
from provision.surroundings import look_around

COMMANDS = {"add": add, "allow": allow, "plan": plan, "hybrid": deploy}


def main(arguments: list[str]) -> int:
    """Run a command; the exit code is 1 when it stopped, after one line that says why."""
    if len(arguments) != 1 or arguments[0] not in COMMANDS:
        print(f"usage: python -m provision {'|'.join(COMMANDS)}", file=sys.stderr)
        return 2
    try:
        COMMANDS[arguments[0]](look_around())
    except Stop as reason:
        print(f"\n✘ {reason}", file=sys.stderr)
        return 1
    except (BotoCoreError, ClientError) as error:
        print(f"\n✘ Amazon: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\n✘ Interrupted. The same command goes on with what is not done yet", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
