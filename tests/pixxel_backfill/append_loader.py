"""A loader that appends what it receives to a file, and confirms each STATE, as a target does.

Run as a program: FOLDER [fail | noise | deaf].
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from urllib.parse import quote

NOISE_BYTES = 1 << 20


def main() -> None:
    folder = Path(sys.argv[1])
    behavior = sys.argv[2] if len(sys.argv) > 2 else ""
    if behavior == "deaf":
        time.sleep(600)
    if behavior == "noise":  # more than a pipe holds, before anything is read
        sys.stderr.write(f"{'x' * 99}\n" * (NOISE_BYTES // 100))
        sys.stdout.write(f"{json.dumps({'noise': 'x' * NOISE_BYTES})}\n")
        sys.stdout.flush()
    name = quote(os.environ["PIXXEL_BACKFILL_STATE_ID"], safe="")
    with (folder / f"{name}.ndjson").open("a") as file:
        for line in sys.stdin:
            message = json.loads(line)
            file.write(line)
            if message["type"] == "STATE":
                file.flush()
                print(json.dumps(message["value"]), flush=True)  # noqa: T201
            if message["type"] == "RECORD" and behavior == "fail":
                sys.exit("disk quota exceeded")


if __name__ == "__main__":
    main()
