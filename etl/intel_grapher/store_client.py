"""The client of a store, by its URL, with the credentials that its own tools read; what its errors say."""

from __future__ import annotations

import os
import re
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from intel_grapher.errors import UsageError

_LONGEST_REASON: Final = 300
_ENDPOINTS: Final = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
_CODE: Final = re.compile(r"<Code>([^<]{1,100})</Code>")
_MESSAGE: Final = re.compile(r"<Message>([^<]{1,200})</Message>")
_PREAMBLE: Final = re.compile(r"^Generic \w+ error: (Error performing \w+ in \S+ - )?")
_URL: Final = re.compile(r"https?://\S+")
_ENDPOINT: Final = re.compile(r"https?://[^/\s?#@]+(/[^\s?#@]*)?")
_CONNECT: Final = timedelta(seconds=10)
_REQUEST: Final = timedelta(minutes=5)
_AWS_FILES: Final = (Path(".aws/credentials"), Path(".aws/config"))


def reason(error: Exception) -> str:
    """Return what an error of the store says, in a line: without XML and URLs, which can hold a signature."""
    code, message = _CODE.search(str(error)), _MESSAGE.search(str(error))
    if code and message:
        return f"{code[1]}, {message[1]}".rstrip(".")
    text = " ".join(_URL.sub("", str(error).partition("Debug source")[0]).split())
    text = "".join(each if each.isprintable() else "?" for each in text)  # a name in it may be anybody's
    return _PREAMBLE.sub("", text).rstrip(".: ")[:_LONGEST_REASON]


def package() -> Any:  # noqa: ANN401 - a module
    """Return the package obstore. Raises UsageError where it is not installed."""
    try:
        import obstore  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        raise UsageError("an object store takes the package obstore: pip install 'intel-grapher[store]'") from error
    return obstore


def opened(url: str) -> Any:  # noqa: ANN401 - its type depends on the URL
    """Return obstore's store for a URL. Raises UsageError for settings in the environment that are of no use."""
    package()
    from obstore.exceptions import BaseError  # noqa: PLC0415 - an extra
    from obstore.store import from_url  # noqa: PLC0415

    make: Any = from_url
    options: dict[str, Any] = {"timeout": _REQUEST, "connect_timeout": _CONNECT}
    more: dict[str, Any] = {}
    if url.startswith("s3:"):
        endpoint = next(filter(None, (os.environ.get(name) for name in _ENDPOINTS)), None)
        more = {"credential_provider": provider} if (provider := _profile()) else {}
        if endpoint:
            if not _ENDPOINT.fullmatch(endpoint):
                raise UsageError("the endpoint of the store, AWS_ENDPOINT_URL, is written as https://HOST:PORT")
            more["endpoint"] = endpoint
            options["allow_http"] = endpoint.startswith("http://")
    try:
        return make(url, client_options=options, retry_config={"max_retries": 0}, **more)
    except BaseError as error:
        raise UsageError(
            f"{url} can't be opened: {reason(error)}. Set what the store's own tools read in the environment "
            "(docs/scale.md)"
        ) from error


def _profile() -> Any:  # noqa: ANN401 - of boto3
    """Return what reads the credentials of AWS's own files, where these are to be used; None for the environment's.

    None also where the files have no credentials, only a region: then it is the machine's role. Raises UsageError where
    boto3, which reads them, is not installed, or does not find the profile.
    """
    if os.environ.get("AWS_ACCESS_KEY_ID") or os.environ.get("AWS_SKIP_SIGNATURE"):
        return None
    if not os.environ.get("AWS_PROFILE") and not any((Path.home() / path).is_file() for path in _AWS_FILES):
        return None
    try:
        from boto3 import Session  # noqa: PLC0415 - only for those who have such files
        from botocore.exceptions import BotoCoreError  # noqa: PLC0415
        from obstore.auth.boto3 import Boto3CredentialProvider  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise UsageError(
            "the credentials in ~/.aws are read by the package boto3: pip install boto3, or set AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY"
        ) from error
    try:
        session = Session()
        return None if session.get_credentials() is None else Boto3CredentialProvider(session)
    except BotoCoreError as error:
        raise UsageError(f"the credentials in ~/.aws can't be read: {reason(error)}") from error
