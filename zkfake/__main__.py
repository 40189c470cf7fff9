"""The command ``zkfake``, and ``python -m zkfake``.

The rule that lives here: Ctrl-C ends the command without a traceback, also while Python imports it.
So everything else is imported where the interrupt is caught.
"""

__all__ = ["main"]

_INTERRUPTED = 130
"""What shells have for a program that SIGINT has ended."""


def main() -> int:
    """The command's exit status; 130 where Ctrl-C came before or after the command's own rules."""
    try:
        from zkfake._cli import main as command

        return command()
    except KeyboardInterrupt:
        return _INTERRUPTED


if __name__ == "__main__":
    raise SystemExit(main())
