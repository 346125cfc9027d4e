"""`python -m bench.cli` is the command `hetbench`, with one difference.

Python itself finds `bench` then: in the working folder and on PYTHONPATH first. From a folder that
has a `bench` of its own, use the command.
"""

from bench.cli import main

main()
