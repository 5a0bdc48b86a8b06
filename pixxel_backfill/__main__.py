"""Run the command pixxel-backfill, with a clear error if its extra is not installed."""

from __future__ import annotations

from importlib.util import find_spec

from pixxel_singer.process import exit_now, exit_without_extra, freeze_gc, open_standard_descriptors

EXTRA_MODULES = ("fsspec", "jsonschema_rs", "obstore", "pyarrow", "pystac")
"""What the extra installs; most of it is imported by the workers only, which would fail later."""


def main() -> None:
    """Run pixxel-backfill."""
    open_standard_descriptors()
    try:
        for name in EXTRA_MODULES:
            if find_spec(name) is None:
                raise ModuleNotFoundError(name=name)  # noqa: TRY301 - handled as if imported
        with freeze_gc():
            from pixxel_backfill.cli import main as command  # noqa: PLC0415 - may be missing
            from tap_pixxel.tap import TapPixxel  # noqa: PLC0415
    except ModuleNotFoundError as error:
        exit_without_extra("pixxel-backfill", "backfill", error)
    TapPixxel.set_up_process()
    try:
        command()
    except SystemExit as end:
        exit_now(int(end.code or 0))  # without waiting for pages that are not needed


if __name__ == "__main__":
    main()
