"""Run the command target-pixxel-store, with a clear error if its extra is not installed."""

from __future__ import annotations

from pixxel_singer.process import exit_without_extra, freeze_gc, open_standard_descriptors


def main() -> None:
    """Run target-pixxel-store."""
    open_standard_descriptors()
    try:
        with freeze_gc():
            from target_pixxel_store.target import TargetPixxelStore  # noqa: PLC0415 - may be missing
    except ModuleNotFoundError as error:
        exit_without_extra("target-pixxel-store", "store", error)
    TargetPixxelStore.cli()


if __name__ == "__main__":
    main()
