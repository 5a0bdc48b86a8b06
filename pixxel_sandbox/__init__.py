"""A local, seeded imitation of the Pixxel API, for demos, dry runs and tests."""

from __future__ import annotations

from importlib.util import find_spec

if any(find_spec(name) is None for name in ("starlette", "uvicorn", "obstore")):
    raise SystemExit(
        "pixxel-sandbox needs its extra; run: pip install 'pixxel-singer[sandbox]' "
        "(in a checkout: pip install '.[sandbox]')"
    )

from pixxel_sandbox.behavior import Behavior
from pixxel_sandbox.delivery.s3_server import S3Server
from pixxel_sandbox.generated_zip import Digest
from pixxel_sandbox.runtime_state import FetchRecord, RequestRecord
from pixxel_sandbox.seed.archive_items import MISSING
from pixxel_sandbox.server import Sandbox
from pixxel_sandbox.workspace import Change, Workspace

__all__ = [
    "MISSING",
    "Behavior",
    "Change",
    "Digest",
    "FetchRecord",
    "RequestRecord",
    "S3Server",
    "Sandbox",
    "Workspace",
]
