"""Native extensions only; everything else is in pyproject.toml."""

import os
import sys
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

HEADERS = [str(path) for path in sorted(Path("_ext/include/treeml").glob("*"))]
DEBUG = os.environ.get("TREEML_DEBUG") == "1"
FLAGS = [
    "-std=c++20",
    "-O3",
    "-g0",
    "-fvisibility=hidden",
    "-fno-math-errno",
    "-Wno-psabi",
    "-pthread",
]
# what is compared with other languages float by float rounds every operation, on any processor
ROUNDED = {"predict": ["-ffp-contract=off"]}
DEBUG_FLAGS = ["-std=c++20", "-O1", "-g", "-fsanitize=address,undefined", "-Wno-psabi"]


class ParallelBuild(build_ext):
    """Builds the extensions side by side."""

    def finalize_options(self) -> None:
        super().finalize_options()
        self.parallel = self.parallel or os.cpu_count()


def extension(name: str) -> Extension:
    """``_ext/<name>.pyx`` as ``treeml._ext.<name>``."""
    return Extension(
        f"treeml._ext.{name}",
        [f"_ext/{name}.pyx"],
        include_dirs=["_ext/include"],
        depends=HEADERS,
        language="c++",
        extra_compile_args=[*(DEBUG_FLAGS if DEBUG else FLAGS), *ROUNDED.get(name, [])],
        extra_link_args=["-fsanitize=address,undefined"] if DEBUG else ["-pthread"],
    )


if sys.platform == "win32":
    sys.exit("treeml needs a compiler with GCC vector extensions: build with clang or g++ (MinGW)")

setup(
    ext_modules=cythonize(
        [extension(path.stem) for path in sorted(Path("_ext").glob("*.pyx"))],
        build_dir="build/cython",
        compiler_directives={
            "language_level": 3,
            "boundscheck": DEBUG,
            "wraparound": False,
            "cdivision": True,
            "embedsignature": True,
        },
    ),
    cmdclass={"build_ext": ParallelBuild},
)
