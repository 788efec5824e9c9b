"""The child process in which Karrio runs: a line of JSON in, a line of JSON out.

It is run as a file by whatever interpreter has Karrio, so it uses nothing of ours and is no module of the
server's. A question is `{"id", "do", …}`, an answer `{"id", "ok"}` or `{"id", "error"}`. `open` comes first,
with the account; `here` asks for nothing but an answer; `rate`, `ship`, `cancel` and `track` come with the
body that Karrio takes, and their answers hold its result and messages, and what went over the wire.

Karrio's own way out is replaced by `Wire`: it would trust any certificate, follow redirects with the
account's token, wait for ever, and post labels to a public service in the clear to convert them.
"""

from __future__ import annotations

import base64
import http.client
import importlib
import io
import json
import os
import ssl
import sys
import threading
import urllib.error
import urllib.request
from email.message import Message
from typing import Any
from urllib.parse import urlsplit, urlunsplit

ANSWER_MAX = 32 * 1024 * 1024
"""Bytes of an answer of a carrier's that are read."""


class CannotOpen(Exception):
    """The library, the connector or the account cannot be used; the text says why."""


class _Stay(urllib.request.HTTPRedirectHandler):
    """Follows no redirect, so that no token goes where a carrier points."""

    def redirect_request(self, *_args: Any, **_named: Any) -> None:
        return None


class _Heard:
    """An answer that was read whole, as Karrio reads one."""

    def __init__(self, body: bytes, status: int, headers: Any, url: str) -> None:
        self._body = io.BytesIO(body)
        self.status = status
        self.headers = headers
        self.url = url

    def read(self, *size: int) -> bytes:
        return self._body.read(*size)

    def __enter__(self) -> _Heard:
        return self

    def __exit__(self, *_error: object) -> None:
        self._body.close()


class Wire:
    """Stands in for `urlopen` in Karrio, and remembers what went over it since `begin`."""

    def __init__(self, timeout: float, url: str) -> None:
        self._timeout = timeout
        self._url = url
        self._opener = urllib.request.build_opener(
            _Stay, urllib.request.HTTPSHandler(context=ssl.create_default_context())
        )
        self._lock = threading.Lock()
        self._seen: list[dict[str, Any]] = []

    def begin(self) -> list[dict[str, Any]]:
        """Forget what was; the list into which comes what follows."""
        self._seen = []
        return self._seen

    def open(self, request: urllib.request.Request, *_args: object, **_named: object) -> _Heard:
        """Send a request and read the answer. Raises what `urlopen` raises."""
        parts = urlsplit(request.full_url)
        note: dict[str, Any] = {"method": request.get_method(), "url": request.full_url}
        seen = self._seen
        with self._lock:
            seen.append(note)
        try:
            if self._url:
                base = urlsplit(self._url)
                request.full_url = urlunsplit((base.scheme, base.netloc, parts.path, parts.query, ""))
            elif parts.scheme != "https":
                raise urllib.error.URLError(f"{parts.hostname} is not asked without encryption")
            return self._exchange(request, note)
        except urllib.error.HTTPError:
            raise
        except (OSError, http.client.HTTPException) as error:
            why = getattr(error, "reason", None) or error
            note["error"] = getattr(why, "strerror", None) or str(why) or type(why).__name__
            raise

    def _exchange(self, request: urllib.request.Request, note: dict[str, Any]) -> _Heard:
        try:
            with self._opener.open(request, timeout=self._timeout) as answer:
                body = _read(answer)
                note |= {"status": answer.status, "body": _text(body)}
                return _Heard(body, answer.status, answer.headers, request.full_url)
        except urllib.error.HTTPError as error:
            with error:
                body = _read(error)
            note |= {"status": error.code, "body": _text(body)}
            headers = error.headers or Message()
            raise urllib.error.HTTPError(
                request.full_url, error.code, str(error.reason), headers, io.BytesIO(body)
            ) from None


def _read(answer: Any) -> bytes:
    body: bytes = answer.read(ANSWER_MAX + 1)
    if len(body) > ANSWER_MAX:
        raise OSError("the answer is too large")
    return body


def _text(body: bytes) -> str:
    return body.decode("utf-8", "replace")


class Account:
    """One account with one carrier."""

    def __init__(self, ask: dict[str, Any]) -> None:
        """Raises CannotOpen."""
        self._sdk = _library()
        self._lib = importlib.import_module("karrio.lib")
        self._wire = Wire(ask["timeout"], ask["url"])
        helpers = importlib.import_module("karrio.core.utils.helpers")
        if not callable(getattr(helpers, "urlopen", None)):
            raise CannotOpen("this version of Karrio is not one that Ulak knows; install 2026.1.32")
        vars(helpers)["urlopen"] = self._wire.open
        ssl._create_default_https_context = ssl.create_default_context
        self._gateway = self._connect(ask["carrier"], ask["options"])

    def _connect(self, carrier: str, options: dict[str, Any]) -> Any:
        provider = self._sdk.gateway.providers.get(carrier)
        if provider is None:
            package = "karrio-" + carrier.replace("_", "-")
            raise CannotOpen(
                f"Karrio's connector for {carrier} is not installed for {sys.executable}:"
                f" pip install '.[karrio]' {package} in the source of Ulak"
            )
        fields = {field.name: field for field in provider.Settings.__attrs_attrs__}
        own = fields.keys() - {"id", "metadata"}
        unknown = sorted(options.keys() - own)
        if unknown:
            raise CannotOpen(
                f"the carrier {carrier} has no setting {unknown[0]!r}; it has {', '.join(sorted(own))}"
            )
        nothing = importlib.import_module("attr").NOTHING
        missing = [name for name, field in fields.items() if field.default is nothing and name not in options]
        if missing:
            raise CannotOpen(f"the carrier {carrier} needs the setting {missing[0]}")
        return self._sdk.gateway[carrier].create(dict(options))

    def about(self) -> dict[str, Any]:
        """What this account can do."""
        version = importlib.import_module("importlib.metadata").version("karrio")
        return {"version": version, "abilities": sorted(self._gateway.proxy_methods)}

    def do(self, verb: str, body: dict[str, Any], pieces: int) -> dict[str, Any]:
        """Ask the carrier. What goes wrong is told in the answer, because part of it may have been done."""
        seen = self._wire.begin()
        result, messages, labels = None, [], []
        try:
            operation = {
                "rate": self._sdk.Rating.fetch,
                "ship": self._sdk.Shipment.create,
                "cancel": self._sdk.Shipment.cancel,
                "track": self._sdk.Tracking.fetch,
            }[verb]
            parsed, told = operation(body).from_(self._gateway).parse()
            result = self._lib.to_dict(parsed) if parsed is not None else None
            messages = [_message(message) for message in told or ()]
            if verb == "ship" and isinstance(result, dict):
                labels = _labels((result.pop("docs", None) or {}).get("label"), pieces)
        except Exception as error:
            messages.append({"code": "SHIPPING_SDK_INTERNAL_ERROR", "message": f"{error!r:.300}"})
        if verb != "track":
            for note in seen:
                note.pop("body", None)
        return {"result": result, "messages": messages, "labels": labels, "exchanges": seen}


def _library() -> Any:
    """Karrio, quiet. It would print the values of variables, secrets among them, if it were asked to."""
    os.environ.update(KARRIO_LOG_LEVEL="ERROR", KARRIO_LOG_DIAGNOSE="False", KARRIO_LOG_BACKTRACE="False")
    os.environ.pop("KARRIO_LOG_FILE", None)
    # With it Karrio sends a request again whose first attempt failed, bookings too.
    vars(sys)["modules"]["sentry_sdk"] = None
    try:
        library = importlib.import_module("karrio.sdk")
        log = importlib.import_module("loguru").logger
    except ImportError as error:
        if error.name != "karrio":
            raise CannotOpen(f"Karrio does not load in {sys.executable}: {error}") from None
        raise CannotOpen(
            f"Karrio is not installed for {sys.executable}:"
            " pip install '.[karrio]' karrio-<carrier> in the source of Ulak"
        ) from None
    errors = os.fdopen(os.dup(2), "w", encoding="utf-8", errors="replace")
    log.remove()
    log.add(errors, level="ERROR", format=_without_traceback, backtrace=False, diagnose=False)
    os.dup2(1, 2)  # parts of answers are printed there as well
    return library


def _without_traceback(_record: object) -> str:
    """How a line of the log looks; what an exception says comes with the answer."""
    return "{name}: {message}\n"


def _message(message: Any) -> dict[str, str]:
    text = message.message if isinstance(message.message, str) else json.dumps(message.message, default=str)
    return {"code": str(message.code or ""), "message": text or "", "level": str(message.level or "")}


def _labels(label: str | None, pieces: int) -> list[str]:
    """The label as it came, or its pages if it is a PDF with exactly one for each of several packages."""
    if not label or pieces < 2 or not base64.b64decode(label[:8]).startswith(b"%PDF"):
        return [label] if label else []
    pdf = importlib.import_module("PyPDF2")
    try:
        pages = pdf.PdfReader(io.BytesIO(base64.b64decode(label))).pages
        if len(pages) != pieces:
            return [label]
        return [_page(pdf.PdfWriter(), page) for page in pages]
    except Exception:
        return [label]


def _page(writer: Any, page: Any) -> str:
    writer.add_page(page)
    file = io.BytesIO()
    writer.write(file)
    return base64.b64encode(file.getvalue()).decode()


def serve(asks: Any, answers: Any) -> None:
    """Answer until nobody asks any more."""
    account: Account | None = None
    for line in asks:
        ask = json.loads(line)
        answer: dict[str, Any] = {"id": ask["id"]}
        try:
            if ask["do"] == "open":
                account = Account(ask)
                answer["ok"] = account.about()
            elif ask["do"] == "here":
                answer["ok"] = {}
            elif account is None:
                answer["error"] = "no account was opened"
            else:
                answer["ok"] = account.do(ask["do"], ask["body"], ask.get("pieces", 1))
        except CannotOpen as error:
            answer["error"] = str(error)
        except Exception as error:
            answer["error"] = f"Karrio cannot be used: {error!r:.300}"
        answers.write(json.dumps(answer, default=str) + "\n")
        answers.flush()


def main() -> None:
    """Keep the pipes for ourselves. What the library prints goes nowhere: it prints parts of answers."""
    asks = os.fdopen(os.dup(0), encoding="utf-8")
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    serve(asks, answers)


if __name__ == "__main__":
    main()
