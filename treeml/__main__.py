"""``python -m treeml``."""

from treeml.cli import main

if __name__ == "__main__":
    main()
