"""`python -m farebox` and the `farebox` command are the same."""

from farebox.cli import main

if __name__ == "__main__":
    main()
