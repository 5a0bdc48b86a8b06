"""Run the command target-stac, with a clear error if its extra is not installed."""

from __future__ import annotations

from pixxel_singer.process import exit_without_extra, freeze_gc, open_standard_descriptors


def main() -> None:
    """Run target-stac."""
    open_standard_descriptors()
    try:
        with freeze_gc():
            from target_stac.target import TargetStac  # noqa: PLC0415 - may be missing
    except ModuleNotFoundError as error:
        exit_without_extra("target-stac", "stac", error)
    TargetStac.cli()


if __name__ == "__main__":
    main()
