"""Keys of ``tuning.json`` (artifact_files.TUNING_FILE): every trial of the Tuner, also those that failed.

A trial is worth the kNN accuracy on ViewGen's eval split, the mean over its trainings. The first has the config's own
values.
"""

TRIALS = "trials"  # in the order of the search, one mapping with the keys below
TRIAL = "trial"  # 1, 2, ...
VALUES = "values"  # hyperparameter -> value
KNN = "knn"  # 0 to 1, mean over its trainings; null where the trial failed
KNNS = "knns"  # of each training
SECONDS = "seconds"  # of its trainings
FAILURE = "failure"  # why it failed, in words; null

BEST = "best"  # number of the trial whose values the Trainer was given; of equally good ones the first
EPOCHS = "epochs"  # of each training
EXECUTIONS = "executions"  # trainings per trial
EVAL_IMAGES = "eval_images"  # that the accuracies are of
CHECKPOINT_DIRECTORIES = "checkpoint_directories"  # of the trainings; of no use once this file is published
