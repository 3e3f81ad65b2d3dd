"""The programs `confgen` and `confgen-mol`, and `python -m confgen`."""

from __future__ import annotations

import signal


def main() -> None:
    """Runs the command line. Ctrl-C ends it without a traceback from its first moment on."""
    try:
        from confgen.cli import main as run
    except KeyboardInterrupt:
        raise SystemExit(128 + signal.SIGINT) from None
    run()


if __name__ == "__main__":
    main()
