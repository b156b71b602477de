"""A first honest number in seconds: how far a frozen backbone gets on photos."""

from kerasrecipes.arguments import named
from kerasrecipes.backbones.spec import BackboneSpec
from kerasrecipes.console import heeds_verbose
from kerasrecipes.data.examples import check_examples
from kerasrecipes.heads.head import HEAD_OF
from kerasrecipes.photos.photo_set import PhotoSet
from kerasrecipes.training.image_classifier import ImageClassifier
from kerasrecipes.training.linear.probe import ProbeResult, probe_recipe


@named
@heeds_verbose
def probe_backbone(
    backbone: str | BackboneSpec | ImageClassifier,
    train: PhotoSet,
    val: PhotoSet,
    *,
    verbose: bool = True,
) -> ProbeResult:
    """Measure what a backbone's features tell about photos, without training it.

    Each photo goes through the frozen backbone once. A linear model on the pooled, standardised
    features then learns in seconds: a logistic regression for one class each, also where classes
    have an order; one for each of several labels; or a ridge regression for numbers. How strongly
    it is regularised is chosen by its log-loss, or squared error, on `val`. Nothing is augmented.
    Sets Keras's global seed, as `fit` does.

    Args:
        backbone: A name of `list_backbones()`, a specification, or a recipe, of which the
            backbone, image size, weights, head, class weights and seed are used. The recipe
            stays as it is. Without one, the head is that of what the photos are answered with.
        train: Photos to learn from.
        val: Photos to choose and to judge by; none of them may be among `train`.
        verbose: Whether to warn of leaks between the two.

    Returns:
        The result; print it.

    Raises:
        ValueError: If the backbone or an argument of the recipe is not usable.
        DataError: If the photos do not suit training, or change while it runs, or if the model
            that gives the weights has seen those that judge.

    Example:
        >>> train, val, test = split_photos(photos)
        >>> result = probe_backbone(ImageClassifier(image_size=(48, 48)), train, val)
        >>> result.evaluation.accuracy.value > 0.4
        True

    Reference:
        Kornblith et al., 2019, "Do Better ImageNet Models Transfer Better?", section 3.
    """
    check_examples(train=train, val=val)
    recipe = backbone
    if not isinstance(recipe, ImageClassifier):
        recipe = ImageClassifier(recipe, head=HEAD_OF[train.target])
    return probe_recipe(recipe, train, val)
