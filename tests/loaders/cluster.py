"""A PostgreSQL of the test's own: a fresh cluster on a socket in a private folder."""

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

DEBIAN = Path("/usr/lib/postgresql")
"""Where Debian puts the server's programs, by version, off the PATH."""
UNPRIVILEGED = ("postgres", "nobody")
"""Who may run the server where the tests are root's, which PostgreSQL refuses."""
OPTIONS = {
    "listen_addresses": "",
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "16MB",
    "timezone": "Asia/Kolkata",  # times that went astray by the server's zone would show
}


@contextmanager
def cluster() -> Iterator[Path]:
    """Run a server with a superuser `loader`, whose sessions are in UTC; give its socket's folder.

    Skips the test where there is no PostgreSQL, or nobody to run it as.
    """
    initdb, pg_ctl, psql = (_program(name) for name in ("initdb", "pg_ctl", "psql"))
    owner = _owner()
    folder = Path(tempfile.mkdtemp(prefix="pixxel-pg-"))
    if owner:
        os.chown(folder, owner.pw_uid, owner.pw_gid)
    data = folder / "data"
    options = " ".join(f"-c {name}={value}" for name, value in OPTIONS.items())
    try:
        _run(owner, folder, initdb, "--username=loader", "--auth=trust", "--no-sync",
             "--locale=C", "--encoding=UTF8", "--pgdata", str(data))  # fmt: skip
        _run(owner, folder, pg_ctl, "start", "--wait", "--pgdata", str(data),
             "--log", str(folder / "log"), "--options", f"-k {folder} {options}")  # fmt: skip
        try:
            _run(owner, folder, psql, "--host", str(folder), "--username=loader", "postgres",
                 "--command", "ALTER ROLE loader SET timezone = 'UTC'")  # fmt: skip
            yield folder
        finally:
            _run(owner, folder, pg_ctl, "stop", "--mode=immediate", "--pgdata", str(data))
    finally:
        shutil.rmtree(folder)


def _program(name: str) -> str:
    """Find a program of PostgreSQL, the newest of Debian's where none is on the PATH."""
    newest_first = sorted(DEBIAN.glob("*/bin"), key=lambda path: int(path.parent.name))[::-1]
    places = os.pathsep.join([os.environ.get("PATH", ""), *map(str, newest_first)])
    found = shutil.which(name, path=places)
    if found is None:
        pytest.skip(f"PostgreSQL is not installed: no {name} on PATH or below {DEBIAN}")
    return found


def _owner() -> pwd.struct_passwd | None:
    """Find whom to run the server as; None where the tests are not root's."""
    if os.geteuid() != 0:
        return None
    found = [user for user in pwd.getpwall() if user.pw_name in UNPRIVILEGED]
    if not found:
        pytest.skip(f"PostgreSQL does not run as root, and there is no {' or '.join(UNPRIVILEGED)}")
    return min(found, key=lambda user: UNPRIVILEGED.index(user.pw_name))


def _run(owner: pwd.struct_passwd | None, folder: Path, *command: str) -> None:
    done = subprocess.run(
        command,
        user=owner.pw_uid if owner else None,
        group=owner.pw_gid if owner else None,
        extra_groups=[] if owner else None,
        cwd=folder,
        env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, f"{command[0]}: {done.stdout[-1000:]}{done.stderr[-1000:]}"
