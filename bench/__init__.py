"""hetbench: what a model costs on every accelerator in a machine."""

import os

# pydantic would import into every process what any installed package calls a plug-in of it.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")

__version__ = "0.1.0"
