"""A local, seeded imitation of the Pixxel API, for demos, dry runs and tests."""

from importlib.util import find_spec

if any(find_spec(name) is None for name in ("starlette", "uvicorn", "obstore")):
    raise SystemExit("The sandbox is an extra: pip install 'pixxel-singer[sandbox]'")

from pixxel_sandbox.buckets import BucketServer
from pixxel_sandbox.bulk import Digest
from pixxel_sandbox.front import RequestRecord
from pixxel_sandbox.habits import Habits
from pixxel_sandbox.imagery import MISSING
from pixxel_sandbox.server import Sandbox
from pixxel_sandbox.shelf import FetchRecord
from pixxel_sandbox.workspace import Change, Workspace

__all__ = [
    "MISSING",
    "BucketServer",
    "Change",
    "Digest",
    "FetchRecord",
    "Habits",
    "RequestRecord",
    "Sandbox",
    "Workspace",
]
