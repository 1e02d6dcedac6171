"""Make the bucket that the agent keeps files in, if it is not there: the one thing the agent does not do by itself."""

import asyncio
import os
import sys

from miniopy_async import Minio


async def main() -> str:
    """Make it; says what was done."""
    name = os.environ["MINIO__BUCKET"]
    region = os.environ.get("MINIO__REGION") or "us-east-1"
    client = Minio(
        os.environ["MINIO__ENDPOINT"],
        access_key=os.environ["MINIO__ACCESS_KEY"],
        secret_key=os.environ["MINIO__SECRET_KEY"],
        region=region,
        secure=os.environ.get("MINIO__USE_SSL", "").lower() in {"1", "true", "yes", "on"},
    )
    async with client:
        if await client.bucket_exists(name):
            return f"The bucket {name} is there."
        await client.make_bucket(name, location=region)
        return f"The bucket {name} has been made."


if __name__ == "__main__":
    sys.stdout.write(asyncio.run(main()) + "\n")
