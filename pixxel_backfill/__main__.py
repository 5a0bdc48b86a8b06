"""Run the command pixxel-backfill, with a clear error if its extra is not installed."""

from __future__ import annotations

from pixxel_singer.process import describe_missing_extra, exit_now, freeze_gc


def main() -> None:
    """Run pixxel-backfill."""
    try:
        with freeze_gc():
            from pixxel_backfill.cli import main as command  # noqa: PLC0415 - may be missing
            from tap_pixxel.tap import TapPixxel  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise SystemExit(describe_missing_extra("pixxel-backfill", "backfill", error)) from None
    TapPixxel.set_up_process()
    try:
        command()
    except SystemExit as end:
        exit_now(int(end.code or 0))  # without waiting for pages that are not needed


if __name__ == "__main__":
    main()
