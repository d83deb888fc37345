"""The ``tuner_fn`` of TFX's Tuner: sets up the search that TFX then runs."""

from tfx.components.trainer.fn_args_utils import FnArgs
from tfx.components.tuner.component import TunerFnResult

from components.contracts import artifact_files, configuration
from components.contracts.images import ImageConfig
from components.pretraining import trainer_module, tuner_executor
from components.pretraining.config import PretrainingConfig
from components.pretraining.tuning import PretrainingTuner
from components.pretraining.tuning_config import TuningConfig


def tuner_fn(fn_args: FnArgs) -> TunerFnResult:
    """Set up the search; called by the Tuner.

    Args:
        fn_args: train and eval file patterns of ViewGen's output, the transform graph, a folder that is this
            attempt's alone, and in ``custom_config`` canonical JSON of search, pretraining and image config, the code
            digest, and the URI of an output.

    Raises:
        ConfigError: a parameter does not parse.
    """
    settings = fn_args.custom_config
    tuner = PretrainingTuner(
        configuration.from_json(TuningConfig, settings[artifact_files.CONFIG], "Tuner config"),
        configuration.from_json(
            PretrainingConfig, settings[tuner_executor.PRETRAINING_CONFIG], "Tuner pretraining_config"
        ),
        configuration.from_json(ImageConfig, settings[artifact_files.IMAGE_CONFIG], "Tuner image_config"),
        trainer_module.read_inputs(fn_args, settings[tuner_executor.ARTIFACT_URI]),
        fn_args.working_dir,
    )
    return TunerFnResult(tuner=tuner, fit_kwargs={})
