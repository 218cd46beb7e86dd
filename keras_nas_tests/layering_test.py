"""Checks how the code is laid out, from the syntax trees alone.

Nothing is imported here, so a wrong import is found even where it would work.
"""

import ast
import pathlib
import re
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "keras_nas"

# Layer -> the layers it may import. `version` is open to all, and
# `keras_nas/__init__.py` may import everything. The same table, with what each
# layer is for, stands in docs/architecture.md; a test below compares them.
MAY_IMPORT = {
    "storage": set(),
    "architectures": set(),
    "objectives": set(),
    "pareto": set(),
    "ranking": set(),
    "layers": {"architectures"},
    "blocks": {"layers"},
    "search_spaces": {"blocks", "layers"},
    "stopping": set(),
    "oracles": {
        "architectures",
        "objectives",
        "pareto",
        "predictors",
        "stopping",
        "storage",
    },
    "export": {"storage"},
    "compression": {"compile_arguments", "export", "graph", "storage"},
    "deployment": {"compression", "export", "graph", "storage"},
    "commands": {"costs", "deployment", "export", "reports", "storage"},
    "__main__": set(),
    "costs": {"architectures", "export", "graph", "ranking", "storage"},
    "proxies": {"architectures"},
    "predictors": {"architectures"},
    "graph": set(),
    "compile_arguments": set(),
    "supernet": {
        "architectures",
        "compile_arguments",
        "graph",
        "layers",
        "ranking",
    },
    "evaluators": {
        "compile_arguments",
        "compression",
        "costs",
        "deployment",
        "export",
        "objectives",
        "predictors",
        "proxies",
        "storage",
        "supernet",
    },
    "tuners": {
        "architectures",
        "compile_arguments",
        "costs",
        "evaluators",
        "objectives",
        "oracles",
        "pareto",
        "reports",
        "storage",
        "supernet",
    },
    "reports": {"architectures", "graph", "pareto", "storage"},
}

# File -> the private modules of dependencies that it may use, and why.
MAY_USE_PRIVATE = {}


def python_files(*folders):
    return sorted(p for f in folders for p in (ROOT / f).rglob("*.py"))


def relative(path):
    return path.relative_to(ROOT).as_posix()


def parse(path):
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def layer_of(path):
    """Names the layer of a file: its folder, or the file itself."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_names(tree, path):
    """Yields every (line, dotted name) that the file imports.

    `from a.b import c` gives `a.b.c`: `c` may be a module.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                package = path.relative_to(ROOT).parts[: -node.level]
                base = ".".join([*package, *filter(None, [base])])
            for alias in node.names:
                yield node.lineno, f"{base}.{alias.name}"


def layer_imports(path):
    """Yields (line, layer) for each import of another layer of keras_nas."""
    own = layer_of(path)
    layers = {layer_of(p) for p in python_files("keras_nas")}
    for line, name in imported_names(parse(path), path):
        parts = name.split(".")
        if parts[0] != "keras_nas":
            continue
        # What is no layer is an attribute of `keras_nas/__init__.py`.
        layer = parts[1] if parts[1:] and parts[1] in layers else "__init__"
        if layer != own:
            yield line, layer


def dotted_uses(tree, path):
    """Yields every imported name, and every attribute chain on a module."""
    yield from imported_names(tree, path)
    aliases = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            for alias in node.names:
                if isinstance(node, ast.Import) and not alias.asname:
                    top = alias.name.split(".")[0]
                    aliases[top] = top
                else:
                    prefix = ""
                    if isinstance(node, ast.ImportFrom):
                        prefix = f"{node.module or ''}."
                    aliases[alias.asname or alias.name] = prefix + alias.name
    for node in ast.walk(tree):
        chain = []
        inner = node
        while isinstance(inner, ast.Attribute):
            chain.insert(0, inner.attr)
            inner = inner.value
        if chain and isinstance(inner, ast.Name) and inner.id in aliases:
            yield node.lineno, ".".join([aliases[inner.id], *chain])


def is_private(name):
    """Whether a dotted name leads into the inside of another package."""
    top, *rest = name.split(".")
    if top in sys.stdlib_module_names:
        return False
    for part in rest:
        if part.startswith("_") and not part.endswith("__"):
            return True
    inside = {"tensorflow": "python"}.get(top, "src")
    return top not in ("keras_nas", "keras_nas_tests") and inside in rest


@pytest.mark.parametrize("path", python_files("keras_nas"), ids=relative)
def test_imports_point_down(path):
    if path == PACKAGE / "__init__.py":
        return
    own = layer_of(path)
    assert own == "version" or own in MAY_IMPORT, (
        f"{relative(path)} belongs to no known layer. Add `{own}` to "
        "MAY_IMPORT, docs/architecture.md and BUILD."
    )
    allowed = MAY_IMPORT.get(own, set()) | {"version"}
    wrong = [
        f"{relative(path)}:{line} imports {layer}"
        for line, layer in layer_imports(path)
        if layer not in allowed
    ]
    assert not wrong, f"`{own}` may import only {sorted(allowed)}: {wrong}"


def test_the_table_has_no_cycles():
    done = set()
    while len(done) < len(MAY_IMPORT):
        free = {k for k, v in MAY_IMPORT.items() if k not in done and v <= done}
        assert free, f"layers in a cycle: {sorted(set(MAY_IMPORT) - done)}"
        done |= free


def test_the_documented_table_is_this_one():
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) == 5 and cells[1].startswith("`"):
            layer = cells[1].strip("`").removesuffix("/").removesuffix(".py")
            table[layer] = set(re.findall(r"`(\w+)`", cells[3]))
    assert table == MAY_IMPORT


@pytest.mark.parametrize(
    "path",
    python_files("keras_nas", "keras_nas_tests", "examples", "benchmarks"),
    ids=relative,
)
def test_nothing_private_of_others_is_used(path):
    allowed = MAY_USE_PRIVATE.get(relative(path), {})
    wrong = sorted(
        f"{relative(path)}:{line} uses {name}"
        for line, name in set(dotted_uses(parse(path), path))
        if is_private(name)
        and not any(f"{name}.".startswith(f"{module}.") for module in allowed)
    )
    assert not wrong, (
        "Private names change without notice. Use a public one, or add the "
        f"file and the reason to MAY_USE_PRIVATE: {wrong}"
    )


def test_every_private_use_that_is_allowed_is_needed():
    for file, modules in MAY_USE_PRIVATE.items():
        path = ROOT / file
        used = {name for _, name in dotted_uses(parse(path), path)}
        for module, reason in modules.items():
            assert reason
            assert any(f"{name}.".startswith(f"{module}.") for name in used), (
                f"{file} no longer uses {module}: remove it."
            )


@pytest.mark.parametrize(
    "path",
    [p for p in python_files("keras_nas") if p.name == "__init__.py"],
    ids=relative,
)
def test_init_files_hold_imports_and_list_them(path):
    public, listed = [], None
    for node in parse(path).body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            public += [alias.asname or alias.name for alias in node.names]
        elif (
            isinstance(node, ast.Assign)
            and ast.unparse(node.targets[0]) == "__all__"
        ):
            listed = ast.literal_eval(node.value)
        else:
            docstring = isinstance(node, ast.Expr) and isinstance(
                node.value, ast.Constant
            )
            assert docstring, f"{relative(path)}:{node.lineno} does something"
    # The API pages show what `__all__` lists.
    assert sorted(listed or []) == sorted(public)


@pytest.mark.parametrize(
    "path",
    [
        p
        for p in python_files("keras_nas")
        if p.parent != PACKAGE and p.name != "__init__.py"
    ],
    ids=relative,
)
def test_a_file_is_named_after_its_class(path):
    """`LatencyMeasurement` is in `latency_measurement.py` or `latency.py`.

    Exceptions are raised beside the code they belong to.
    """
    classes = [
        node.name
        for node in parse(path).body
        if isinstance(node, ast.ClassDef)
        and not node.name.startswith("_")
        and not node.name.endswith(("Error", "Warning"))
    ]
    subject = path.stem.replace("_", "")
    assert not classes or any(subject in name.lower() for name in classes), (
        f"{relative(path)} holds {classes}: name it after one of them."
    )
