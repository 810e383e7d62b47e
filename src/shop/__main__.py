"""`python -m shop`."""

from shop.entrypoints.cli.main import main

if __name__ == "__main__":
    main()
