"""Sphinx configuration; `make docs` builds the site into docs/_build."""

import ast
import os
import pathlib
import re
import sys

# TensorFlow's notices would hide Sphinx's.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

HERE = pathlib.Path(__file__).parent
PACKAGE = HERE.parent / "keras_nas"
sys.path.insert(0, str(HERE.parent))

project = "keras_nas"
author = "the keras_nas authors"
copyright = "the keras_nas authors, Apache License 2.0"

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
]
# Pages at the root of the repository that belong to the site too.
ROOT_PAGES = ["CHANGELOG", "CONTRIBUTING", "README"]

# Files of the package that nobody imports.
NO_API = ("__init__", "__main__", "commands", "version")

exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "keras_nas"

# Docstrings mark code with single backticks, as Keras does.
default_role = "code"
autodoc_default_options = {
    "members": True,
    "show-inheritance": True,
}
# Keras writes its docstrings in Markdown, which this parser cannot read.
autodoc_inherit_docstrings = False
autodoc_member_order = "bysource"
napoleon_custom_sections = [
    "Call arguments",
    "Input shape",
    "Output shape",
    "Reference",
]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3


def copy_root_pages(_):
    """Copies the pages at the root of the repository, with links that hold."""
    pages = {f"{name}.md": f"{name.lower()}.md" for name in ROOT_PAGES}

    def here(match):
        text, target = match.groups()
        if re.match(r"https?:|#", target):
            return match.group()
        path, _, anchor = target.partition("#")
        path = pages.get(path) or path.removeprefix("docs/")
        # What is not part of the site, such as an example, keeps its text.
        if path not in pages.values() and not (HERE / path).is_file():
            return text
        return f"[{text}]({path}{anchor and '#'}{anchor})"

    for source, target in pages.items():
        text = (HERE.parent / source).read_text(encoding="utf-8")
        text = re.sub(r"\[([^\]]+)\]\(([^)\s]+)\)", here, text)
        (HERE / target).write_text(text, encoding="utf-8")


def write_api_pages(_):
    """Writes one page a layer, so that a new one shows up by itself.

    A layer's page shows what its `__all__` lists. The first page lists the
    names of `keras_nas` itself; each is described on its layer's page.
    """
    folder = HERE / "api" / "generated"
    folder.mkdir(exist_ok=True)
    pages = {"keras_nas.rst": titled("keras_nas", top_level_names())}
    for path in PACKAGE.iterdir():
        layer = path.stem
        is_code = path.suffix == ".py" or (path / "__init__.py").exists()
        if is_code and layer not in NO_API:
            name = f"keras_nas.{layer}"
            pages[f"{layer}.rst"] = titled(name, f".. automodule:: {name}")
    for file in folder.glob("*.rst"):
        if file.name not in pages:
            file.unlink()
    for name, text in pages.items():
        (folder / name).write_text(text, encoding="utf-8")


def titled(title, text):
    """Puts a heading over reStructuredText."""
    return f"{title}\n{'=' * len(title)}\n\n{text}\n"


def top_level_names():
    """Lists what `import keras_nas` gives, linked to where it is described."""
    tree = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    lines = [ast.get_docstring(tree) or "", ""]
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module != (
            "keras_nas.version"
        ):
            lines += [
                f"* :py:obj:`keras_nas.{alias.asname or alias.name} "
                f"<{node.module}.{alias.name}>`"
                for alias in node.names
            ]
    return "\n".join(lines)


def turn_links(app, what, name, obj, options, lines):
    """Turns the Markdown links of docstrings into reStructuredText's."""
    lines[:] = [
        re.sub(r"\[([^]`]+)\]\((https?://[^)\s]+)\)", r"`\1 <\2>`__", line)
        for line in lines
    ]


def setup(app):
    """Is called by Sphinx."""
    app.connect("builder-inited", copy_root_pages)
    app.connect("autodoc-process-docstring", turn_links)
    app.connect("builder-inited", write_api_pages)
