"""What bears the name of a class of Keras is one: it takes its arguments, in its order."""

import importlib
import inspect
import pkgutil

import keras

import kerasrecipes

PLACES = [keras, keras.optimizers.schedules, *filter(inspect.ismodule, vars(keras).values())]


def namesakes():
    theirs = {
        name: one for place in PLACES for name, one in vars(place).items() if inspect.isclass(one)
    }
    for module in pkgutil.walk_packages(kerasrecipes.__path__, "kerasrecipes."):
        if not module.name.endswith("__main__"):
            loaded = importlib.import_module(module.name)
            for name, ours in vars(loaded).items():
                if inspect.isclass(ours) and ours.__module__ == loaded.__name__ and name in theirs:
                    yield f"{module.name}.{name}", ours, theirs[name]


def test_namesakes_take_the_arguments_of_what_they_are_named_after():
    found = {name: (ours, theirs) for name, ours, theirs in namesakes()}
    assert set(found) == {"kerasrecipes.callbacks.early_stopping.EarlyStopping"}
    for name, (ours, theirs) in found.items():
        names = list(inspect.signature(theirs.__init__).parameters)
        assert list(inspect.signature(ours.__init__).parameters)[: len(names)] == names, name
        assert issubclass(ours, theirs), name
        # What a new one has as attributes, ours has, too.
        assert not set(vars(theirs())) - set(vars(ours())), name
