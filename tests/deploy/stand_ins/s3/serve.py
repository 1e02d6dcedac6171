"""Serve S3 on port 9000 from the folder that MinIO would be given: ``server /data``."""

import json
import os
import sys
from pathlib import Path

folder = Path(sys.argv[2])
identity = {
    "name": "root",
    "credentials": [
        {"accessKey": os.environ["MINIO_ROOT_USER"], "secretKey": os.environ["MINIO_ROOT_PASSWORD"]}
    ],
    "actions": ["Admin", "Read", "Write", "List", "Tagging"],
}
config = Path("/tmp/s3.json")
config.write_text(json.dumps({"identities": [identity]}))
weed = str(Path(sys.executable).parent / "weed")
os.execv(
    weed,
    [
        weed,
        "-logtostderr=true",
        "mini",
        f"-dir={folder}",
        "-ip=127.0.0.1",
        "-ip.bind=0.0.0.0",
        f"-s3.config={config}",
        *("-s3.port=9000", "-master.port=9333", "-volume.port=9340", "-filer.port=8888", "-admin.port=9350"),
        *("-webdav=false", "-admin.ui=false", "-s3.port.iceberg=0", "-s3.port.lance=0"),
        *("-s3.autoCreateBucket=false", "-s3.allowDeleteBucketNotEmpty=false", "-master.telemetry=false"),
    ],
)
