"""The ``run_fn`` of TFX's Trainer: reads its arguments and pretrains.

Checkpoints live under the pipeline root, named by what is trained and not by the run, so a retry finds them; they stay
until the execution is published, because a kill between export and publication would lose the training.
"""

from tfx.components.trainer.fn_args_utils import FnArgs

from components.contracts import artifact_files, configuration
from components.contracts.images import ImageConfig
from components.preprocessing.moments import channel_moments
from components.pretraining import checkpoints, hyperparameters, pretrain
from components.pretraining.config import PretrainingConfig


def run_fn(fn_args: FnArgs) -> None:
    """Pretrain an encoder; called by the Trainer.

    Args:
        fn_args: train and eval file patterns of ViewGen's output, the transform graph, the output folder;
            ``hyperparameters`` holds the Tuner's best values, if there is a Tuner, ``custom_config`` canonical JSON of
            PretrainingConfig and ImageConfig, and the code digest.

    Raises:
        ConfigError: a parameter does not parse, or a hyperparameter is no value that the config can have.
        ValueError, RuntimeError: as ``pretrain.pretrain``.
    """
    settings = fn_args.custom_config
    config = configuration.from_json(PretrainingConfig, settings[artifact_files.CONFIG], "Trainer config")
    image_config = configuration.from_json(ImageConfig, settings[artifact_files.IMAGE_CONFIG], "Trainer image_config")
    tuned = fn_args.hyperparameters and fn_args.hyperparameters["values"]
    if tuned is not None:
        config = hyperparameters.apply(config, tuned, "Trainer hyperparameters")
    output_dir = fn_args.serving_model_dir
    inputs = read_inputs(fn_args, output_dir.rstrip("/").rpartition("/")[0])
    task = pretrain.Task(**vars(inputs), output_dir=output_dir, tuned=tuned, curves_dir=fn_args.model_run_dir)
    pretrain.pretrain(config, image_config, task)


def read_inputs(fn_args: FnArgs, artifact_uri: str) -> pretrain.Inputs:
    """The inputs that Trainer and Tuner share.

    Args:
        fn_args: of either.
        artifact_uri: of an output.
    """
    train_dir, eval_dir = pretrain.split_dir(fn_args.train_files), pretrain.split_dir(fn_args.eval_files)
    mean, std = channel_moments(fn_args.transform_graph_path)
    return pretrain.Inputs(
        views_uri=train_dir.rsplit("/", 1)[0],
        train_dir=train_dir,
        eval_dir=eval_dir,
        mean=mean,
        std=std,
        code_digest=fn_args.custom_config[artifact_files.CODE_DIGEST],
        checkpoints_root=checkpoints.root(artifact_uri),
    )
