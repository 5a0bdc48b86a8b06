"""The command tap-pixxel."""

from __future__ import annotations

from pixxel_singer.process import exit_now, freeze_gc, open_standard_descriptors


def main() -> None:
    """Run tap-pixxel."""
    open_standard_descriptors()
    with freeze_gc():
        from tap_pixxel.tap import TapPixxel  # noqa: PLC0415 - see `freeze_gc`
    try:
        TapPixxel.cli()
    except SystemExit as end:
        # Threads may still wait for pages past the end of a list, which are not needed.
        exit_now(int(end.code or 0))


if __name__ == "__main__":
    main()
