"""The native modules and their flags; everything else about the package is in pyproject.toml."""

import os
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

NAMES = ["calendar", "limits", "quota", "revenue", "voucher"]
DEBUG = os.environ.get("FAREBOX_DEBUG") == "1"
SANITIZE = os.environ.get("FAREBOX_SANITIZE") == "1"

# The decision ladder is compiled into each of its loops: as a function it would cost a third more.
flags = ["-O0", "-g"] if DEBUG else ["-O1" if SANITIZE else "-O3", "-finline-limit=8000"]
flags += ["-Wall", "-Wextra", "-Wno-unused-parameter", "-Wno-cast-function-type"]
link = ["-pthread"] if DEBUG or SANITIZE else ["-pthread", "-Wl,-s"]
if SANITIZE:
    flags += ["-g", "-fno-omit-frame-pointer", "-fsanitize=address,undefined"]
    link += ["-fsanitize=address,undefined"]

headers = [str(path) for path in Path("native").iterdir() if path.suffix in (".pxd", ".pxi", ".h")]
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
        build_dir="build/debug" if DEBUG else "build/cython",
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
