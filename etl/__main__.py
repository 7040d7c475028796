"""`python -m etl` is `intel-grapher`."""

from etl.cli import main

if __name__ == "__main__":
    main()
