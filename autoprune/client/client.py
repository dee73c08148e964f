"""The client: a method a route, documents for answers."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx
from pydantic import BaseModel, TypeAdapter

from autoprune.client.documents import (
    Artefact,
    DeviceDocument,
    Event,
    Health,
    JobDocument,
    JobPage,
    MeasureRequest,
    Problem,
    Scope,
    TableDocument,
    TokenDocument,
    TrialDocument,
    UploadDocument,
    UploadKind,
    VerifyRequest,
)
from autoprune.client.problem import ServiceProblem, Unreachable
from autoprune.errors import BadInput
from autoprune.files import replacing
from autoprune.spec import RunSpec

T = TypeVar("T", bound=BaseModel)

DEFAULT_URL = "http://127.0.0.1:8080"
_SECONDS = 30.0
_SILENCE = 60.0  # of an event stream, which says every 15 s that it is still there
_MOST_A_PAGE = 500  # jobs, as the service allows
_PAUSES_S = (0.5, 1.0, 2.0, 4.0, 8.0)


class Client:
    """Speaks to the service at `url`; raises `ServiceProblem` where that refuses, `Unreachable` where there is none.

    What changes nothing, or is told apart by a key, is tried again while the service is away for a moment.
    """

    def __init__(self, url: str = DEFAULT_URL, token: str | None = None, *, patient: bool = True) -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        if not url.startswith(("http://", "https://")):
            raise BadInput(
                f"the address of a service begins with http:// or https://, as {DEFAULT_URL} does; got {url!r}"
            )
        self._http = httpx.Client(base_url=url, headers=headers, timeout=_SECONDS)
        self._url, self._pauses = url, _PAUSES_S if patient else ()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    # Jobs.

    def submit(self, spec: RunSpec, *, device: str | None = None, key: str | None = None) -> JobDocument:
        """Submit a run. The `key`, a random one by default, keeps one that is tried again from counting twice."""
        body = spec.model_dump(mode="json", exclude_none=True)
        return self._submit("/v1/jobs", body, device, key)

    def verify(self, asked: VerifyRequest, *, device: str | None = None, key: str | None = None) -> JobDocument:
        """Submit the verification of a table."""
        return self._submit("/v1/tables/verify", asked.model_dump(mode="json"), device, key)

    def measure(self, asked: MeasureRequest, *, device: str | None = None, key: str | None = None) -> JobDocument:
        """Submit the measuring of uploaded networks; the job leaves measurement.json."""
        return self._submit("/v1/networks/measure", asked.model_dump(mode="json"), device, key)

    def _submit(self, path: str, body: Any, device: str | None, key: str | None) -> JobDocument:
        headers = {"Idempotency-Key": key or uuid.uuid4().hex}
        parameters = {} if device is None else {"device": device}
        return self._ask(JobDocument, "POST", path, json=body, headers=headers, params=parameters)

    def jobs(
        self, *, states: Sequence[str] = (), name: str | None = None, owner: str | None = None, limit: int | None = None
    ) -> Iterator[JobDocument]:
        """Jobs, newest first, page after page; all of them where there is no `limit`."""
        left, before = limit, None
        while left is None or left > 0:
            size = min(left or _MOST_A_PAGE, _MOST_A_PAGE)
            page = self.page(states=states, name=name, owner=owner, before=before, limit=size)
            yield from page.jobs
            left, before = None if left is None else left - len(page.jobs), page.next
            if before is None:
                return

    def page(
        self,
        *,
        states: Sequence[str] = (),
        name: str | None = None,
        owner: str | None = None,
        before: str | None = None,
        limit: int = 50,
    ) -> JobPage:
        """The newest jobs, or those `before` a job: `next` of the page before; 500 at most."""
        asked = {"state": list(states), "name": name, "owner": owner, "before": before, "limit": limit}
        return self._ask(JobPage, "GET", "/v1/jobs", params=_given(asked))

    def job(self, job: str) -> JobDocument:
        """Where a job stands."""
        return self._ask(JobDocument, "GET", f"/v1/jobs/{job}")

    def cancel(self, job: str) -> JobDocument:
        """Stop a job."""
        return self._ask(JobDocument, "POST", f"/v1/jobs/{job}/cancel")

    def delete(self, job: str) -> None:
        """Delete a job that is over, and its files."""
        self._send("DELETE", f"/v1/jobs/{job}")

    def trials(self, job: str, after: int = 0) -> list[TrialDocument]:
        """The policies that a job's search has scored, but for the first `after`."""
        return self._several(TrialDocument, f"/v1/jobs/{job}/trials", after=after)

    def events(self, job: str, after: int = 0) -> Iterator[Event]:
        """What happens to a job after the event of that number, until the job is over; a broken stream goes on."""
        pauses = iter(self._pauses)
        while True:
            try:
                for event in self._stream(job, after):
                    after, pauses = event.number, iter(self._pauses)
                    yield event
                return
            except httpx.TransportError as error:
                self._wait(pauses, error)

    def wait(self, job: str) -> JobDocument:
        """The job, once it is over."""
        for _ in self.events(job):
            pass
        return self.job(job)

    def _stream(self, job: str, after: int) -> Iterator[Event]:
        headers = {"Last-Event-ID": str(after)}
        with self._http.stream("GET", f"/v1/jobs/{job}/events", headers=headers, timeout=_SILENCE) as answer:
            if answer.is_error:
                answer.read()
                raise _problem(answer)
            fields: dict[str, str] = {}
            for line in answer.iter_lines():
                name, _, value = line.partition(": ")
                if line:
                    fields[name] = value
                elif "data" in fields:
                    yield _event(fields)
                    fields = {}

    # Files.

    def artefacts(self, job: str) -> list[Artefact]:
        """The files that a job has made so far."""
        return self._several(Artefact, f"/v1/jobs/{job}/artefacts")

    def fetch(self, job: str, out: Path, names: Sequence[str] | None = None) -> list[Path]:
        """Write the job's files, or those of these names, into the folder `out`; each is whole or not there."""
        wanted = [artefact.name for artefact in self.artefacts(job)] if names is None else list(names)
        try:
            out.mkdir(parents=True, exist_ok=True)
            return [self._fetch(job, name, out / Path(name).name) for name in wanted]
        except OSError as error:
            raise BadInput(f"{out}: cannot be written ({error.strerror})") from None

    def _fetch(self, job: str, name: str, path: Path) -> Path:
        with self._translated(), self._http.stream("GET", f"/v1/jobs/{job}/artefacts/{name}") as answer:
            if answer.is_error:
                answer.read()
                raise _problem(answer)
            with replacing(path) as temporary, temporary.open("wb") as file:
                for chunk in answer.iter_bytes():
                    file.write(chunk)
        return path

    def upload(self, path: Path, kind: UploadKind) -> UploadDocument:
        """Upload a file of weights, a table, or a network."""
        try:
            with path.open("rb") as file, self._translated():
                answer = self._http.post("/v1/uploads", params={"kind": kind}, content=file, timeout=None)
        except OSError as error:
            raise BadInput(f"{path}: cannot be read ({error.strerror})") from None
        return UploadDocument.model_validate_json(_good(answer).content)

    def uploads(self) -> list[UploadDocument]:
        """All uploads, newest first."""
        return self._several(UploadDocument, "/v1/uploads")

    def delete_upload(self, upload: str) -> None:
        """Delete an upload."""
        self._send("DELETE", f"/v1/uploads/{upload}")

    # The server.

    def devices(self) -> list[DeviceDocument]:
        """The devices that jobs can be measured on."""
        return self._several(DeviceDocument, "/v1/devices")

    def tables(self) -> list[TableDocument]:
        """The latency tables that are there."""
        return self._several(TableDocument, "/v1/tables")

    def tokens(self) -> list[TokenDocument]:
        """All tokens."""
        return self._several(TokenDocument, "/v1/tokens")

    def create_token(self, name: str, scope: Scope) -> TokenDocument:
        """Make a token, which is told this once."""
        with self._translated():
            answer = self._http.post("/v1/tokens", json={"name": name, "scope": scope})
        return TokenDocument.model_validate_json(_good(answer).content)

    def revoke_token(self, token: str) -> None:
        """Let the token of this id open nothing any more."""
        self._send("DELETE", f"/v1/tokens/{token}")

    def health(self) -> Health:
        """Whether the service can take jobs."""
        with self._translated():
            answer = self._http.get("/v1/health")
        return Health.model_validate_json((answer if answer.status_code == 503 else _good(answer)).content)

    # How it is asked.

    def _ask(self, kind: type[T], method: str, path: str, **request: Any) -> T:
        return kind.model_validate_json(self._send(method, path, **request).content)

    def _several(self, kind: type[T], path: str, **parameters: Any) -> list[T]:
        return TypeAdapter(list[kind]).validate_json(self._send("GET", path, params=parameters).content)  # type: ignore[valid-type]

    def _send(self, method: str, path: str, **request: Any) -> httpx.Response:
        """The answer; a service that is away or busy is asked again, some times."""
        pauses = iter(self._pauses)
        while True:
            try:
                answer = self._http.request(method, path, **request)
            except httpx.TransportError as error:
                self._wait(pauses, error)
                continue
            if answer.status_code != 503 or (pause := next(pauses, None)) is None:
                return _good(answer)
            time.sleep(pause)

    def _wait(self, pauses: Iterator[float], error: httpx.TransportError) -> None:
        pause = next(pauses, None)
        if pause is None:
            raise self._unreachable(error) from error
        time.sleep(pause)

    def _unreachable(self, error: Exception) -> Unreachable:
        return Unreachable(
            f"no service answers at {self._url} ({error}); start one with autoprune serve, or give --url"
        )

    def _translated(self) -> _Translated:
        return _Translated(self)


class _Translated:
    """Turns errors of the way there into `Unreachable`."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, httpx.TransportError):
            raise self._client._unreachable(error) from error


def _good(answer: httpx.Response) -> httpx.Response:
    if answer.is_error:
        raise _problem(answer)
    return answer


def _problem(answer: httpx.Response) -> ServiceProblem:
    try:
        told = Problem.model_validate_json(answer.content)
    except ValueError:
        text = f"the service answered {answer.status_code} in words of another program: {answer.text[:100]!r}"
        return ServiceProblem(answer.status_code, "unknown", text)
    return ServiceProblem(answer.status_code, told.code, told.error)


def _event(fields: Mapping[str, str]) -> Event:
    data = json.loads(fields["data"])
    return Event.model_validate(
        {"number": int(fields["id"]), "kind": fields["event"], "at": data.pop("at"), "data": data}
    )


def _given(parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in parameters.items() if value is not None}
