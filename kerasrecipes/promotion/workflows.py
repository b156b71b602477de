"""Workflows that check a model in CI: files to read, to commit, and to make one's own."""

import shlex
from pathlib import Path

from kerasrecipes.errors import DataError, printable
from kerasrecipes.files import told_plainly, write_whole

_GITHUB = """\
# Checks the saved model whenever it, its budget or anything else changes.
name: model
on: [push, pull_request]
permissions:
  contents: read
jobs:
  check:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
        with:
          lfs: true
      - uses: actions/setup-python@v5
        with:
          python-version: "3.11"
      # The light install: no tensorflow.
      - run: pip install kerasrecipes-runtime
      - run: |
          {command} --markdown "$GITHUB_STEP_SUMMARY"
      - uses: actions/upload-artifact@v4
        if: always()
        with:
          name: model-check
          path: model-check.xml
"""
_GITLAB = """\
# Checks the saved model whenever it, its budget or anything else changes.
model:
  image: python:3.11
  script:
    # The light install: no tensorflow.
    - pip install kerasrecipes-runtime
    - |
      {command}
  artifacts:
    when: always
    reports:
      junit: model-check.xml
"""


def write_workflow(
    path: Path,
    model: str | Path,
    photos: str | Path | None,
    budget: str | Path | None,
    champion: str | Path | None,
) -> None:
    """Write a file that runs `kerasrecipes check` in CI; nothing is overwritten.

    Args:
        path: The file: a `.yml` in `.github/workflows/`, or one whose name begins with `.gitlab`.
        model: The model, as the workflow is to find it in a checkout.
        photos: The photos, if they are not those of the budget.
        budget: The budget.
        champion: What the model must not be worse than, if anything.

    Raises:
        DataError: If it is none of these, exists already, or a path cannot stand in it.
        OSError: If it cannot be written.
    """
    github = path.parent.parts[-2:] == (".github", "workflows") and path.suffix in (".yml", ".yaml")
    if not github and not path.name.startswith(".gitlab"):
        raise DataError(
            f"'{printable(path)}' is no workflow that is known. Name a file such as "
            ".github/workflows/model.yml or .gitlab-ci.yml."
        )
    words = ["kerasrecipes", "check", str(model), *([str(photos)] if photos else [])]
    words += ["--budget", str(budget or "budget.toml")]
    words += ["--champion", str(champion)] if champion else []
    command = shlex.join([*words, "--junit", "model-check.xml"])
    # GitHub replaces `${{ }}` before a shell reads the quotes.
    if printable(command) != command or "${{" in command:
        raise DataError(f"This cannot stand in a workflow: {printable(command)}. Rename it.")
    if path.exists():
        raise DataError(f"'{printable(path)}' exists. Name a new file, or remove it.")
    with told_plainly(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, (_GITHUB if github else _GITLAB).format(command=command).encode())
