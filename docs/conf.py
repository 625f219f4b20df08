"""Sphinx configuration."""

project = "treeml"
extensions = ["myst_parser", "sphinx.ext.autodoc", "numpydoc", "sphinxcontrib.bibtex"]
bibtex_bibfiles = ["papers.bib"]
numpydoc_show_class_members = False
autodoc_typehints = "none"
html_theme = "alabaster"
suppress_warnings = ["myst.header"]
