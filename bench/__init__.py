"""hetbench: what a model costs on every accelerator in a machine."""

__version__ = "0.1.0"
