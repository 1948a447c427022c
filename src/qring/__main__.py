"""``python -m qring``, and the command itself: an interrupt is one line even while it starts."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> int:
    """Run the command of this process's arguments; return its exit status."""
    try:
        from qring.cli.main import main as run

        return run()
    except KeyboardInterrupt:
        print("qring: interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
