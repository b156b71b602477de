"""A model before a budget that people keep with their code: in CI, before anything is promoted."""

import time
from pathlib import Path

from kerasrecipes.arguments import named
from kerasrecipes.bundles.aliases import GateResult
from kerasrecipes.errors import DataError, IntegrityError, VerificationError, printable
from kerasrecipes.promotion.gates import Gates, read_gates
from kerasrecipes.promotion.judging import Judged
from kerasrecipes.promotion.model_check import SEAL, ModelCheck
from kerasrecipes.release.bundle import Bundle
from kerasrecipes.serve.predictor import chosen_export


@named
def check_bundle(
    model: str | Path,
    photos: str | Path | None = None,
    *,
    budget: Gates | str | Path,
    champion: str | Path | None = None,
) -> ModelCheck:
    """Ask of a saved model what a budget asks; nothing is changed, and nothing is raised for it.

    The gates are those of `promote_version`, asked of the exported file, without tensorflow.

    Args:
        model: A model's folder, which stands for its latest version, a version of it, or an alias,
            e.g. `"saved_models/tiles@candidate"`.
        photos: Labelled photos that it has not seen, a folder or table; in place of what the budget
            names.
        budget: The gates, or a TOML file of them.
        champion: The version that it must not be worse than, e.g. `"saved_models/tiles@champion"`.

    Returns:
        What was asked, and what came out; print it.

    Raises:
        DataError: If there is no such model, or the budget or the photos cannot be used.
    """
    began = time.monotonic()
    gates = _asked(budget, photos)
    if champion is not None and gates.photos is None:
        raise DataError(
            "`champion` has no effect without photos, on which the two are compared. Name some."
        )
    name, export = printable(model), ""
    try:
        bundle = Bundle.load(model)
        name = f"{printable(bundle.folder.parent.name)} {bundle.folder.name}"
        record = chosen_export(bundle)
        export = record.name
        before = None if champion is None else Bundle.load(champion)
        sealed = GateResult(name=SEAL, passed=True, told="every file is as it was written")
        checks = (sealed, *Judged(bundle, record, before, gates).results())
    except (IntegrityError, VerificationError) as error:
        # What is not what it was, or cannot run at all, is not measured any further.
        kind = SEAL if isinstance(error, IntegrityError) else "golden vectors"
        checks = (GateResult(name=kind, passed=False, told=str(error)),)
    return ModelCheck(name, export, checks, time.monotonic() - began)


def _asked(budget: Gates | str | Path, photos: str | Path | None) -> Gates:
    if not isinstance(budget, Gates):
        return read_gates(budget, photos)[0]
    gates = budget if photos is None else budget.model_copy(update={"photos": str(photos)})
    gates.check("`budget`")
    return gates
