"""`python -m leo_opt`: the command line where the script `leo-opt` is not on the path."""

from leo_opt.cli import main

if __name__ == "__main__":
    main()
