"""PostgreSQL server of the tests: a new cluster that listens on a socket in a private folder."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

DEBIAN_FOLDER = Path("/usr/lib/postgresql")
"""Folder of the server's programs on Debian, by version; it is not on the PATH."""
UNPRIVILEGED_USERS = ("postgres", "nobody")
"""Users that run the server if the tests run as root, which PostgreSQL refuses."""
SERVER_OPTIONS = {
    "listen_addresses": "",
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "16MB",
    "timezone": "Asia/Kolkata",  # reveals times that a loader shifts by the server's zone
}


@contextmanager
def run_postgres_server() -> Iterator[Path]:
    """Run a server with the superuser `loader`, whose sessions use UTC; yield the socket's folder.

    Skips the test if PostgreSQL is not installed or no user can run it.
    """
    initdb, pg_ctl, psql = (_find_program(name) for name in ("initdb", "pg_ctl", "psql"))
    user = _find_server_user()
    folder = Path(tempfile.mkdtemp(prefix="pixxel-pg-"))
    if user:
        os.chown(folder, user.pw_uid, user.pw_gid)
    data = folder / "data"
    options = " ".join(f"-c {name}={value}" for name, value in SERVER_OPTIONS.items())
    try:
        _run(user, folder, initdb, "--username=loader", "--auth=trust", "--no-sync",
             "--locale=C", "--encoding=UTF8", "--pgdata", str(data))  # fmt: skip
        _run(user, folder, pg_ctl, "start", "--wait", "--pgdata", str(data),
             "--log", str(folder / "log"), "--options", f"-k {folder} {options}")  # fmt: skip
        try:
            _run(user, folder, psql, "--host", str(folder), "--username=loader", "postgres",
                 "--command", "ALTER ROLE loader SET timezone = 'UTC'")  # fmt: skip
            yield folder
        finally:
            _run(user, folder, pg_ctl, "stop", "--mode=immediate", "--pgdata", str(data))
    finally:
        shutil.rmtree(folder)


def _find_program(name: str) -> str:
    """Return the path of a PostgreSQL program: from PATH, or the newest version of Debian's."""
    newest_first = sorted(DEBIAN_FOLDER.glob("*/bin"), key=lambda path: int(path.parent.name))[::-1]
    search_path = os.pathsep.join([os.environ.get("PATH", ""), *map(str, newest_first)])
    found = shutil.which(name, path=search_path)
    if found is None:
        pytest.skip(f"PostgreSQL is not installed: no {name} on PATH or in {DEBIAN_FOLDER}")
    return found


def _find_server_user() -> pwd.struct_passwd | None:
    """Return the user that runs the server; None if the tests do not run as root."""
    if os.geteuid() != 0:
        return None
    found = [user for user in pwd.getpwall() if user.pw_name in UNPRIVILEGED_USERS]
    if not found:
        names = " or ".join(UNPRIVILEGED_USERS)
        pytest.skip(f"PostgreSQL cannot run as root, and there is no user {names}")
    return min(found, key=lambda user: UNPRIVILEGED_USERS.index(user.pw_name))


def _run(user: pwd.struct_passwd | None, folder: Path, *command: str) -> None:
    completed = subprocess.run(
        command,
        user=user.pw_uid if user else None,
        group=user.pw_gid if user else None,
        extra_groups=[] if user else None,
        cwd=folder,
        env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    output = completed.stdout[-1000:] + completed.stderr[-1000:]
    assert completed.returncode == 0, f"{command[0]}: {output}"
