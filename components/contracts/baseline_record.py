"""Keys of ``baselines.json`` (artifact_files.BASELINES_FILE): every way to the classes, under the probe's protocol.

``METHODS`` maps the name of a method to one entry per label fraction, ascending::

    {FRACTION, LABELS, ACCURACIES: [float per draw], ACCURACY_MEAN, ACCURACY_STD (over draws),
     INTERVAL: [low, high] (over test images), DIFFERENCE: float, DIFFERENCE_INTERVAL: [low, high]}

Differences are to the linear probe of the pretrained encoder with the same labels, paired over test images, and not
there for that probe itself. Methods that train have ``TRAININGS`` too, one per draw:
``{LEARNING_RATE, STEPS, HELD_OUT_IMAGES, SECONDS}``. Keys that ``evidence`` has are its own.
"""

METHODS = "methods"
# Linear classifiers on features that stay as they are, measured by LinearProbe.
PROBE = "linear_probe"
RANDOM_ENCODER = "random_encoder"
RAW_PIXELS = "raw_pixels"
# Classifiers that are trained with an encoder of the same architecture.
FROM_SCRATCH = "from_scratch"
FROZEN = "frozen"
LAST_BLOCK = "last_block"
ALL_LAYERS = "all_layers"

DIFFERENCE_INTERVAL = "difference_interval"
TRAININGS = "trainings"
LEARNING_RATE = "learning_rate"
STEPS = "steps"
HELD_OUT_IMAGES = "held_out_images"  # that judged rates and numbers of steps; 0 where nothing could be held out
SECONDS = "seconds"

IMAGE_PASSES = "image_passes"  # that one training may use
BATCH_SIZE = "batch_size"  # images per step, two views of each
CHECKPOINT_DIRECTORY = "checkpoint_directory"
