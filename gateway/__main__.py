"""`python -m gateway` is `risveglio`."""

from gateway.cli import main

if __name__ == "__main__":
    main()
