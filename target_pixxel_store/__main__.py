"""The command target-pixxel-store, with a clear word where its extra is not installed."""

from __future__ import annotations

from pixxel_singer.process import freeze_gc


def main() -> None:
    """Run target-pixxel-store."""
    try:
        with freeze_gc():
            from target_pixxel_store.target import TargetPixxelStore  # noqa: PLC0415 - may be missing
    except ModuleNotFoundError as error:
        raise SystemExit(
            f"target-pixxel-store needs '{error.name}'; install pixxel-singer[store]"
        ) from None
    TargetPixxelStore.cli()


if __name__ == "__main__":
    main()
