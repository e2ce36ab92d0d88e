"""The native modules and their flags; everything else about the package is in pyproject.toml."""

import os

from Cython.Build import cythonize
from setuptools import Extension, setup

NAMES = ["calendar", "voucher"]
DEBUG = os.environ.get("FAREBOX_DEBUG") == "1"
SANITIZE = os.environ.get("FAREBOX_SANITIZE") == "1"

flags = ["-O0", "-g"] if DEBUG else ["-O3"]
flags += ["-Wall", "-Wextra", "-Wno-unused-parameter", "-Wno-cast-function-type"]
link = [] if DEBUG or SANITIZE else ["-Wl,-s"]
if SANITIZE:
    flags += ["-g", "-fno-omit-frame-pointer", "-fsanitize=address,undefined"]
    link += ["-fsanitize=address,undefined"]

headers = [f"native/{name}" for name in os.listdir("native") if name.endswith((".pxd", ".pxi", ".h"))]
extensions = [
    Extension(
        f"farebox.core.{name}",
        [f"native/{name}.pyx"],
        include_dirs=["native"],
        depends=headers,
        extra_compile_args=flags,
        extra_link_args=link,
    )
    for name in NAMES
]

setup(
    ext_modules=cythonize(
        extensions,
        build_dir="build/cython",
        include_path=["native"],
        annotate=DEBUG,
        compiler_directives={
            "language_level": "3",
            "boundscheck": DEBUG,
            "wraparound": False,
            "cdivision": not DEBUG,
            "overflowcheck": DEBUG,
            "initializedcheck": DEBUG,
            "embedsignature": True,
        },
    ),
)
