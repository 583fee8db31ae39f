"""`python -m ttscale`, and what the `ttscale` script calls."""

from __future__ import annotations

import sys

_INTERRUPTED = '{"error": {"type": "Interrupted", "message": "interrupted", "exit_code": 130}}'


def main() -> None:
    """Run the command line. An interrupt while its modules load ends as quietly as any later one,
    which the command itself sees to."""
    try:
        from .cli import main as command

        command()
    except KeyboardInterrupt:
        if "--json" in sys.argv:
            print(_INTERRUPTED)
        else:
            print("interrupted", file=sys.stderr)
        sys.exit(130)  # 128 + SIGINT, as shells have it


if __name__ == "__main__":
    main()
