"""`python -m leo_opt` and the script `leo-opt`: the command line, even while it is imported."""

import sys


def main() -> None:
    """Import the command line and run it."""
    try:
        from leo_opt.cli import main as command

        command()
    except KeyboardInterrupt:
        # What comes later is told by the command line itself.
        sys.stderr.write("Interrupted.\n")
        sys.exit(130)


if __name__ == "__main__":
    main()
