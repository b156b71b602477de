"""What backbones do to values of 0 to 255 before their first layer: `(scale, offset)`."""

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
PLAIN = (1 / 127.5, -1.0)
IMAGENET = (
    tuple(1 / (255 * deviation) for deviation in DEVIATION),
    tuple(-mean / deviation for mean, deviation in zip(MEAN, DEVIATION, strict=True)),
)
SCALINGS = {"none": None, "0..1": (1 / 255, 0.0), "-1..1": PLAIN, "imagenet": IMAGENET}
