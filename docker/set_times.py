"""Give everything in a folder the time SOURCE_DATE_EPOCH, so that the image's files are the same whenever it is built.

Source of the variable: https://reproducible-builds.org/specs/source-date-epoch/.
"""

import os
import sys
from pathlib import Path


def main(folder: Path, seconds: int) -> None:
    """Set the times of the folder and of all in it; links themselves, not what they lead to."""
    for path in (folder, *folder.rglob("*")):
        os.utime(path, (seconds, seconds), follow_symlinks=False)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(os.environ["SOURCE_DATE_EPOCH"]))
