"""Keys of ``pretraining.json`` (artifact_files.PRETRAINING_FILE) that other rooms read.

``HISTORY`` is a list with one mapping per epoch, first to last; ``KNN`` is there only in epochs that measured it.
"""

HISTORY = "history"
EPOCH = "epoch"  # 1, 2, ...
LOSS = "loss"  # of the method, mean over the epoch
CHANCE = "chance"  # the loss of guessing, nats; not there for BYOL, nor are the next two
TOP1 = "top1"  # 0 to 1: the other view is nearer than every negative
TOP5 = "top5"
LEARNING_RATE = "lr"  # of the epoch's last step
ALIGNMENT = "alignment"
UNIFORMITY = "uniformity"
STD = "std"
EFFECTIVE_RANK = "effective_rank"
KNN = "knn"  # 0 to 1, on the eval split

SETTINGS = "settings"  # the resolved numbers of the run: total_steps, ...
METHOD = "method"  # among the settings: simclr, moco or byol
TOTAL_STEPS = "total_steps"  # among the settings
IMAGES_PER_STEP = "images_per_step"  # among the settings, over all replicas
CHANCE_LOSS = "chance_loss"  # among the settings; null for BYOL
TUNED = "tuned"  # settings that the Tuner chose, name -> value, over those of the config; null without a Tuner
SECONDS = "seconds"  # of training, over all processes
IMAGES_PER_SECOND = "images_per_second"  # of the last process
CONFIG = "config"  # PretrainingConfig, as it was run
WEIGHTS_DIGEST = "weights_digest"  # of encoder and projection head
CHECKPOINT_DIRECTORY = "checkpoint_directory"
RESUMED_FROM_STEPS = "resumed_from_steps"  # steps at which a process took over
