"""Whom to believe: a file that people keep with their code.

```toml
[keys]
ana = "keys/ana.pub"    # beside this file
ci = "keys/ci.pub"
```
"""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from kerasrecipes.arguments import named
from kerasrecipes.records import read_toml


class Trust(BaseModel):
    """The keys of those whose signatures count.

    Args:
        keys: Path of a public key, by the name of whom it belongs to.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    keys: dict[str, Path] = Field(min_length=1)

    @classmethod
    @named
    def read(cls, path: str | Path) -> "Trust":
        """Read a file of trust.

        Args:
            path: A TOML file; the keys lie beside it.

        Raises:
            DataError: If it is no TOML, or names no key.
            OSError: If it cannot be read.
        """
        found, beside = read_toml(cls, Path(path)), Path(path).parent
        return cls(keys={name: beside / key for name, key in found.keys.items()})
