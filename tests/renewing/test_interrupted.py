"""What is said where a successor was trained, and its judgement did not end."""

from types import SimpleNamespace

import pytest

from kerasrecipes.renewing.renewing import _told_where


@pytest.mark.parametrize("ending", [KeyboardInterrupt, ValueError])
def test_it_is_told_where_the_successor_is(tmp_path, ending):
    with pytest.raises(ending) as caught, _told_where(SimpleNamespace(folder=tmp_path)):
        raise ending
    assert caught.value.__notes__ == [f"The trained model itself is in '{tmp_path}'."]
