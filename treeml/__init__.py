"""treeml."""
