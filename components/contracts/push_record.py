"""Keys of ``push.json`` (artifact_files.PUSH_FILE): what became of a model in the registries."""

PUSHED = "pushed"  # False: only MESSAGE, VERDICT, REASON and SECONDS are there
MESSAGE = "message"  # a clause for people
VERDICT = "verdict"
REASON = "reason"
SECONDS = "seconds"
IS_NEW = "is_new"  # False: the registry had this content already
IS_IN_USE = "is_in_use"  # False: a rollback put another version to use
MODEL_NAME = "model_name"
VERSION = "version"  # integer
CONTENT_DIGEST = "content_digest"
FILES_DIGEST = "files_digest"
DIRECTORY = "directory"
SOURCE = "source"  # URI of the model that was pushed
SERVER = "server"  # address of the registry server, where there is one
