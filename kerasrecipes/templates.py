"""The recipes that people copy and make their own."""

import ast
import shutil
from pathlib import Path

from kerasrecipes.arguments import named
from kerasrecipes.errors import unknown_name
from kerasrecipes.files import check_new_folder


def list_recipes() -> dict[str, str]:
    """Return every recipe's name with the first line of what it says about itself.

    Example:
        >>> "defect_detection" in list_recipes()
        True
    """
    return {folder.name: _first_line(folder) for folder in sorted(_recipes())}


@named
def copy_recipe(name: str, to: str | Path) -> Path:
    """Copy a recipe into a folder of its own, to be edited.

    Args:
        name: A name of `list_recipes()`.
        to: The new folder; it must not exist, or be empty.

    Returns:
        The folder.

    Raises:
        ValueError: If there is no such recipe.
        DataError: If the folder holds something already.
    """
    found = {folder.name: folder for folder in _recipes()}
    if name not in found:
        raise unknown_name("recipe", name, found, "kerasrecipes.list_recipes()")
    to = Path(to)
    check_new_folder(to)
    shutil.copytree(
        found[name], to, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__")
    )
    return to


def _recipes() -> list[Path]:
    """Find the recipes in an installed package, or beside it in a checkout."""
    package = Path(__file__).parent
    root = next(p for p in (package / "_recipes", package.parent / "recipes") if p.is_dir())
    return [folder for folder in root.iterdir() if (folder / "README.md").is_file()]


def _first_line(folder: Path) -> str:
    """Return the first line of the docstring of the script that is run."""
    texts = [path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.py"))]
    script = next(text for text in texts if 'if __name__ == "__main__"' in text)
    return (ast.get_docstring(ast.parse(script)) or "").partition("\n")[0]
