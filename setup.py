"""Packaging of keras_nas; tools are configured in pyproject.toml."""

import pathlib
import re

import setuptools

HERE = pathlib.Path(__file__).parent


def version():
    """Reads the version without importing keras_nas, and so TensorFlow."""
    text = (HERE / "keras_nas" / "version.py").read_text(encoding="utf-8")
    return re.search(r'^__version__ = "(.+)"$', text, re.MULTILINE).group(1)


# Lower bounds are the oldest releases that the whole test suite was run with;
# CONTRIBUTING.md says how. KerasTuner is held to one minor version because
# keras_nas repairs some of its methods.
INSTALL_REQUIRES = [
    "absl-py>=1.4",
    "ai-edge-litert>=2.1,<3",
    "cloudpickle>=3.0,<4",
    # A dependency of LiteRT and TensorFlow that is also used directly.
    "flatbuffers>=24.3.25",
    # Keras 3.13 refuses a model that leaves one of its inputs unused.
    "keras>=3.14,<4",
    "keras-tuner>=1.4.8,<1.5",
    "loky>=3.5,<4",
    "numpy>=2.0,<3",
    # KerasTuner 1.4.8 imports tensorboard in every trial without declaring
    # it, and TensorFlow 2.21 no longer brings it.
    "tensorboard>=2.20,<3",
    "tensorflow>=2.20,<3",
    "tensorflow-model-optimization>=0.8.1,<0.9",
    # TF-MOT knows no other Keras, and does not declare it.
    "tf_keras>=2.20,<3",
]

EXTRAS_REQUIRE = {
    # The peers that oracles are measured against; torch is for Optuna's GP.
    "benchmarks": [
        "matplotlib>=3.10",
        "optuna>=5.0",
        "scikit-learn>=1.5",
        "scipy>=1.13",
        "torch>=2.6",
    ],
    "distributed": ["distributed>=2025.1"],
    "docs": ["furo>=2025.7", "myst-parser>=5.0", "sphinx>=8.2,<10"],
    # Exact, as it asks for one release of LiteRT itself.
    "int4": ["ai-edge-quantizer>=0.10.0,<0.11"],
    "examples": ["scikit-learn>=1.5"],
    "plots": ["matplotlib>=3.10"],
    "reports": ["pandas>=2.2", "scikit-learn>=1.5"],
    "tests": [
        "ai-edge-quantizer>=0.10.0,<0.11",
        "distributed>=2025.1",
        "matplotlib>=3.10",
        "optuna>=5.0",
        "pandas>=2.2",
        "pytest>=8.3",
        "pytest-xdist>=3.6",
        # One minor version, so that everyone's `ruff format` agrees.
        "ruff>=0.17.6,<0.18",
        "scikit-learn>=1.5",
    ],
}

setuptools.setup(
    name="keras-nas",
    version=version(),
    description="Neural architecture search for Keras 3",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE"],
    python_requires=">=3.11,<3.14",
    packages=setuptools.find_packages(include=["keras_nas", "keras_nas.*"]),
    # Outside of the package, so that `keras-nas --help` imports no TensorFlow.
    py_modules=["keras_nas_cli"],
    entry_points={"console_scripts": ["keras-nas = keras_nas_cli:main"]},
    package_data={
        "keras_nas": ["py.typed"],
        "keras_nas.costs": ["devices/*.json"],
        "keras_nas.reports": ["page.*"],
    },
    install_requires=INSTALL_REQUIRES,
    extras_require=EXTRAS_REQUIRE,
    # Not `build`, which is the same name as `BUILD` on a Mac's disk.
    options={"build": {"build_base": "_build"}},
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Intended Audience :: Developers",
        "Intended Audience :: Science/Research",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Typing :: Typed",
    ],
)
