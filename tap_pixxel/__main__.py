"""The command tap-pixxel."""

from __future__ import annotations

from pixxel_singer.process import lasting, leave


def main() -> None:
    """Run tap-pixxel."""
    with lasting():
        from tap_pixxel.tap import TapPixxel  # noqa: PLC0415 - see `lasting`
    try:
        TapPixxel.cli()
    except SystemExit as end:
        leave(int(end.code or 0))  # pages that were asked for behind a list's end no longer matter


if __name__ == "__main__":
    main()
