"""``push.json`` (artifact_files.PUSH_FILE): what the Pusher did with a model."""

from components.contracts.configuration import configuration
from components.contracts.evidence import Verdict
from components.contracts.record_files import record


@configuration
class RegisteredVersion:
    """The version of the registry that holds the model."""

    model_name: str
    version: int
    is_new: bool  # False: the registry had this content already
    is_in_use: bool  # False: another version is in use since a rollback
    content_digest: str
    files_digest: str | None  # of the model's files in the registry folder; None if only the server has the version
    directory: str  # where the files are
    source: str  # URI of the model that was pushed
    server: str | None  # address of the registry server; None without one


@record(version=2)
class PushRecord:
    """The verdict on the model and, if it was pushed, its version."""

    verdict: Verdict
    reason: str | None
    message: str  # a clause for people
    seconds: float
    registered: RegisteredVersion | None  # None: nothing was pushed
    candidate: str | None  # folder of the model in the registry if it was not pushed; None: it is not kept there
