"""`python -m bench.cli` is the command `hetbench`."""

from bench.cli import main

main()
