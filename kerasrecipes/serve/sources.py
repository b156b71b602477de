"""What a model can be asked about: files, folders, patterns, arrays, pictures, open files."""

import glob
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from kerasrecipes.data.modality import Modality
from kerasrecipes.data.tables.inside import examples_inside
from kerasrecipes.errors import DataError, printable
from kerasrecipes.photos.decoding.policy import DecodePolicy
from kerasrecipes.photos.sources.pixels import Pixels, from_picture
from kerasrecipes.photos.sources.png import encode_png

_T = TypeVar("_T")
_R = TypeVar("_R")


def as_several(given: Any) -> Iterable[Any]:
    """Return what was given as several sources, also where it is one.

    Raises:
        ValueError: If it is neither.
    """
    if (
        isinstance(given, str | os.PathLike | bytes | np.ndarray)
        or _is_picture(given)
        or _is_file(given)
    ):
        return [given]
    if isinstance(given, Mapping) or not isinstance(given, Iterable):
        raise ValueError(
            "`photos` must be what holds a photo (or a text, or a signal), or several of such, "
            f"received {type(given).__name__}."
        )
    return given


class Sources:
    """Turns what people pass into single examples: `(name, path or bytes or text)`.

    Args:
        modality: The kind of data that the model reads.
        policy: How pictures become pixels.
    """

    def __init__(self, modality: Modality, policy: object):
        self._modality = modality
        self._policy = policy if isinstance(policy, DecodePolicy) else DecodePolicy()
        self._pixels = Pixels("photos", self._policy)

    def each(self, source: Any) -> Iterator[tuple[str, Any]]:
        """Yield the examples of one source; of one that cannot be used, the error in its place.

        Args:
            source: A path, a folder, a pattern such as `"photos/*.jpg"`, what holds photos (see
                `examples_inside`), bytes, an array of one or several photos, a Pillow picture, or
                an open file. For texts, a text, or a tuple of the two of a pair.
        """
        if isinstance(source, bytes):
            yield "", source
        elif isinstance(source, str) and self._modality.written:
            yield source, source
        elif isinstance(source, tuple) and self._modality.written:
            yield from self._of_parts(source)
        elif isinstance(source, str | os.PathLike):
            yield from self._paths(source)
        else:
            yield from self._made(source)

    def _of_parts(self, parts: tuple[Any, ...]) -> Iterator[tuple[str, Any]]:
        try:
            text = self._modality.of_parts(parts)
            yield text, text
        except DataError as error:
            yield "", error

    def _paths(self, source: str | os.PathLike[str]) -> Iterator[tuple[str, Any]]:
        places = [os.fspath(source)]
        if glob.has_magic(places[0]) and not os.path.lexists(places[0]):
            places = [str(Path(one)) for one in sorted(glob.glob(places[0], recursive=True))]
            if not places:
                name = os.fspath(source)
                yield name, DataError(f"Nothing is called like '{printable(name)}'.")
        for name in places:
            place, is_folder = Path(name), os.path.isdir(name)
            try:
                inside = examples_inside(place) if os.path.lexists(name) else None
                if inside is None and not is_folder:
                    yield name, place
                    continue
                path = None
                for path in inside or self._modality.find(place, self._policy):
                    yield str(path), path
            except (DataError, OSError) as error:
                yield name, error if isinstance(error, DataError) else DataError(str(error))
                continue
            if path is None:
                noun = self._modality.noun[1]
                told = f"The folder '{printable(name)}' has no {noun}."
                if inside is not None:
                    told = f"'{printable(name)}' holds no files of {noun}, nor a column path."
                yield name, DataError(told)

    def _made(self, source: Any) -> Iterator[tuple[str, Any]]:
        name = getattr(source, "name", "") if _is_file(source) else ""
        name = name if isinstance(name, str) else ""
        try:
            yield from ((name, data) for data in self._bytes(source))
        except (DataError, ValueError, OSError) as error:
            yield name, error if isinstance(error, DataError) else DataError(str(error))

    def _bytes(self, source: Any) -> Iterator[bytes]:
        """Yield the files that what is no path stands for."""
        if _is_file(source):
            data = source.read()
            if not isinstance(data, bytes):
                raise DataError("An open file gave text. Open it with 'rb'.")
            yield data
            return
        if self._modality.name != "photos":
            noun = self._modality.noun[1]
            raise DataError(f"The model reads {noun}, and this is a {type(source).__name__}.")
        if _is_picture(source):
            yield encode_png(from_picture(source, self._policy))
            return
        if not isinstance(source, np.ndarray):
            raise DataError(
                f"This is a {type(source).__name__}, and no path, bytes, array, picture or open "
                "file of a photo."
            )
        yield from self._pixels.files([source] if self._pixels.is_single(source) else source)


def in_order(work: Callable[[_T], _R], items: Iterable[_T], workers: int) -> Iterator[_R]:
    """Do work on items in threads, and yield what comes of it in their order.

    No more items are taken than there are threads for, twice over, so that there may be any number.

    Args:
        work: What to do with one item.
        items: The items.
        workers: Number of threads; with 1, all is done in this one.
    """
    if workers == 1:
        yield from map(work, items)
        return
    waiting: deque[Future[_R]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) >= 2 * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for one in waiting:
                one.cancel()


def _is_picture(source: Any) -> bool:
    return hasattr(source, "getbands") and hasattr(source, "mode")


def _is_file(source: Any) -> bool:
    return callable(getattr(source, "read", None)) and not isinstance(source, Path)
