"""Builds the C++ half of the reference device; the rest is in pyproject.toml."""

from setuptools import setup
from torch.utils.cpp_extension import BuildExtension, CppExtension

setup(
    ext_modules=[
        CppExtension(
            "refnpu_torch._C",
            [f"csrc/{name}.cpp" for name in ("ops", "shapes", "module", "memory", "queue")],
            depends=["csrc/device.h", "csrc/calls.h"],
            extra_compile_args=["-O1", "-g0"],
        )
    ],
    cmdclass={"build_ext": BuildExtension},
)
