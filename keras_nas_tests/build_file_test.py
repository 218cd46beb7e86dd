"""Checks that BUILD tells the truth about the files and their imports.

Run as a program, as Bazel's `py_test` runs it, it runs every test beside it.
"""

import ast
import pathlib
import sys

import pytest

from keras_nas_tests.layering_test import (
    ROOT,
    layer_imports,
    layer_of,
    python_files,
    relative,
)


def targets(rule):
    """Reads the calls of a rule in BUILD: name -> {argument: value}.

    The part of Starlark that BUILD is written in is also valid Python.
    """
    tree = ast.parse((ROOT / "BUILD").read_text(encoding="utf-8"))
    found = {}
    for node in tree.body:
        call = getattr(node, "value", None)
        if isinstance(call, ast.Call) and call.func.id == rule:
            arguments = {k.arg: value_of(k.value) for k in call.keywords}
            name = arguments.pop("name")
            assert name not in found, f"BUILD has two targets `{name}`"
            found[name] = arguments
    return found


def value_of(node):
    """Evaluates a literal, or a `glob` to the files that it matches."""
    if isinstance(node, ast.Call) and node.func.id == "glob":
        return sorted(
            relative(path)
            for pattern in ast.literal_eval(node.args[0])
            for path in ROOT.glob(pattern)
        )
    return ast.literal_eval(node)


def expected_libraries():
    """Maps each library to the files and deps that the sources call for."""
    libraries = {}
    for path in python_files("keras_nas"):
        library = libraries.setdefault(
            library_named(layer_of(path)), {"srcs": [], "deps": set()}
        )
        library["srcs"].append(relative(path))
        library["deps"].update(
            f":{library_named(layer)}" for _, layer in layer_imports(path)
        )
    return libraries


def library_named(layer):
    return "keras_nas" if layer == "__init__" else layer


def test_every_layer_is_one_library():
    assert set(targets("py_library")) == set(expected_libraries())


@pytest.mark.parametrize("name", sorted(expected_libraries()))
def test_a_library_has_its_files_and_its_imports(name):
    built = targets("py_library").get(name, {})
    expected = expected_libraries()[name]
    assert sorted(built.get("srcs", [])) == sorted(expected["srcs"])
    # In the order in which a person looks them up.
    assert built.get("deps", []) == sorted(expected["deps"])


def test_the_test_target_holds_every_test():
    (target,) = targets("py_test").values()
    tests = [relative(path) for path in python_files("keras_nas_tests")]
    assert target["srcs"] == sorted(tests)
    assert target["deps"] == [":keras_nas"]
    assert target["main"] in tests


if __name__ == "__main__":
    sys.exit(pytest.main([str(pathlib.Path(__file__).parent), *sys.argv[1:]]))
