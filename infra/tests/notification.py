"""Messages of a queue, as S3 sends them there.

Source: S3 user guide, "Event message structure".
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote_plus


def message(bucket: str, key: str, etag: str | None = None, version: str | None = None) -> dict[str, Any]:
    """A record of the event that Lambda makes of a message; without ETag and version, one that a person sent."""
    names = {"eTag": (etag or "").strip('"') or None, "versionId": version, "sequencer": "0055AED6DCD90281E5"}
    entity = {"key": quote_plus(key, safe="/"), **{name: value for name, value in names.items() if value}}
    record = {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "eventName": "ObjectCreated:Put",
        "s3": {"s3SchemaVersion": "1.0", "bucket": {"name": bucket}, "object": entity},
    }
    return {"messageId": key, "eventSource": "aws:sqs", "body": json.dumps({"Records": [record]})}
