"""The errors of the program, by what the caller does about them.

    GrapherError                the command stops; the text says what happened, where, and the way out
    ├── UsageError              bad input: an indicator, an unknown source, options that clash         exit 2
    │   └── NotFoundError       well-formed input that is not there                                    exit 1
    ├── NothingYetError         another command has still to make it                                   exit 1
    ├── KeyMissingError         a service needs a key that is not set, or refused the one that is      exit 4
    ├── BusyError               another process holds the cache, the files or the store                exit 1
    ├── CacheError              the raw cache can't be read or written                                 exit 1
    ├── StoreError              an object store can't be reached, refuses, or holds something else      exit 1
    │   └── NotPushedError      what was done is kept on this machine, and not yet in the store        exit 3
    ├── TransformError          the flat files can't be made                                           exit 1
    ├── LoadError               a database refused, is missing, or differs from the files              exit 1
    │   └── StaleGraphError     the embedded graph must be built again                                 exit 1
    └── SourceError             a source's file is wrong; its author corrects it                       exit 1
    BadValue                    one value can't be a fact: counted and listed, the run goes on

Only the command line prints. It shows a GrapherError's text and nothing else, and never the values of locals.
"""


class GrapherError(Exception):
    """The command can't go on. The text says what happened, where, and what to do."""

    exit_code = 1


class UsageError(GrapherError):
    """The input is wrong; nothing was done."""

    exit_code = 2


class NotFoundError(UsageError):
    """What was named is well-formed, and is not there: a key in the graph, a reply in the cache."""

    exit_code = 1


class KeyMissingError(GrapherError):
    """A service needs a key; the text names the environment variable."""

    exit_code = 4


class NothingYetError(GrapherError):
    """Something has still to be made by another command; `what` says what, and the text also how."""

    def __init__(self, what: str, then: str) -> None:
        super().__init__(f"{what}: {then}")
        self.what = what


class BusyError(GrapherError):
    """Another process is at work in the same place; the text names it."""


class CacheError(GrapherError):
    """The raw cache can't be read or written."""


class StoreError(GrapherError):
    """An object store can't be reached, refuses, or holds what is not ours."""


class NotPushedError(StoreError):
    """What was done is kept on this machine, and is not in the object store yet."""

    exit_code = 3


class TransformError(GrapherError):
    """The flat files can't be made; the earlier ones are as they were."""


class NoFilesError(NothingYetError, TransformError):
    """There are no flat files."""


class LoadError(GrapherError):
    """A database refused, is missing, or holds something else than the files."""


class NoGraphError(NothingYetError, LoadError):
    """There is no graph."""


class StaleGraphError(LoadError):
    """The graph can't be asked as it is: it must be built again, and its files too where `of_files` is set."""

    def __init__(self, what: str, *, of_files: bool = False) -> None:
        self.what, self.of_files = what, of_files
        steps = ["run `intel-grapher transform`, then"] if of_files else ["run"]
        super().__init__(f"{what}: {steps[0]} `intel-grapher load` to build it again")


class NoRepliesError(NothingYetError, UsageError):
    """There is no reply."""

    exit_code = 1


class ServerError(GrapherError):
    """A server that the user named gives no answer of the kind that is wanted."""


class SourceError(GrapherError):
    """A source is declared wrongly, or maps to what the schema does not allow."""


class BadValue(ValueError):  # noqa: N818 - the value's fault, not the program's
    """One value can't be a fact. `reason` is a short fixed phrase, so that rejects can be counted by it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
