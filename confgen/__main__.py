"""The programs `confgen` and `confgen-mol`, and `python -m confgen`."""

from __future__ import annotations

import signal


def main() -> None:
    """Runs the command line. Ctrl-C ends it without a traceback from its first moment on."""
    try:
        from confgen.cli import main as run

        run()
    except KeyboardInterrupt:  # where no command has begun that would say what it leaves
        raise SystemExit(128 + signal.SIGINT) from None


if __name__ == "__main__":
    main()
