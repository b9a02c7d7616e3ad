"""Where the parts of a reply lie: three containers, the wrapper of the SDK, and GetMediaInfo.

People save what they have: the reply itself, what the SDK's `to_map()` or `call_api` makes of it, a
reply of QuerySmarttagJob, or one of GetMediaInfo, of which the tagging job alone is read. All are
brought to the form of the vendor page, `Results.result`. The document itself is never changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from transforms.json_text import to_pointer

Keys = tuple[str, ...]

ANALYSES = {"AnalyzeSuccess": "Success", "AnalyzeFailed": "Fail", "Analyzing": "Processing"}
"""The JobStatus that the Status of a tagging job in GetMediaInfo stands for."""

_WRAPPER = frozenset({"headers", "statusCode", "body"})
_REPLY = frozenset({"JobStatus", "Results", "Code", "code"})
_MEDIA = "MediaInfo"
_JOB = (_MEDIA, "AiRoughData", "StandardSmartTagJob")
_JOB_KEYS = frozenset({"AiJobId", "ResultUrl", "Results", "Status"})


@dataclass(frozen=True, slots=True)
class ReplyShape:
    """A reply in the form of the vendor page, and where its parts lie in the document.

    Attributes:
        reply: The reply, its results under `Results.result`, its usages under `Usages.Usage`; of
            GetMediaInfo without the rest of the media, which holds signed URLs.
        is_media: Whether it is of GetMediaInfo.
        job_id: The id the document gives its job, or None.
        results_path: Keys that lead to the array of results, or to where it would be.
        status: Key and value of the job's status as it was sent.
        moves: Pointers into `reply` and the same in the document, the longest first.
        unknown: Paths and values of the keys around the reply that no form has.
    """

    reply: dict[str, Any]
    is_media: bool
    job_id: str | None
    results_path: Keys
    status: tuple[str, Any]
    moves: tuple[tuple[str, str], ...]
    unknown: tuple[tuple[Keys, Any], ...]

    @property
    def is_reply(self) -> bool:
        """Tells whether it has anything that whatever the service answers has."""
        return self.is_media or not _REPLY.isdisjoint(self.reply)

    @property
    def items(self) -> list[Any]:
        """Returns the results; none where they are in no array."""
        results = self.reply.get("Results")
        items = results.get("result") if isinstance(results, dict) else None
        return items if isinstance(items, list) else []

    def as_sent(self, pointer: str) -> str:
        """Returns a pointer into `reply` as a pointer into the document."""
        for here, there in self.moves:
            if pointer == here or pointer.startswith(f"{here}/"):
                return there + pointer.removeprefix(here)
        return pointer


def read_shape(document: Mapping[str, Any]) -> ReplyShape:
    """Finds the reply in a document; never raises, whatever the document holds."""
    root, reply, unknown = _unwrapped(document)
    results_at, status_at, ids = (*root, "Results"), (*root, "JobStatus"), [reply.get("JobId")]
    status = reply.get("JobStatus")
    if is_media := _is_media(reply):
        job_at = (*root, *_JOB)
        results_at, status_at = (*job_at, "Results"), (*job_at, "Status")
        rough, job = _tagging_of(reply[_MEDIA])
        status = job.get("Status")
        ids = [job.get("AiJobId"), rough.get("AiJobId"), reply[_MEDIA].get("MediaId")]
        unknown += [((*job_at, k), v) for k, v in job.items() if k not in _JOB_KEYS]
        reply = _reply_of(reply, job)
    results, results_path = _in_one_form(reply.get("Results"), results_at, "result", "Result")
    usages_at = (*root, "Usages")
    usages, usages_path = _in_one_form(reply.get("Usages"), usages_at, "Usage")
    brought = {"Results": results, "Usages": usages}
    moves = {
        "/Results/result": results_path,
        "/Results": results_at,
        "/Usages/Usage": usages_path,
        "/JobStatus": status_at,
        "": root,
    }
    return ReplyShape(
        reply={key: brought.get(key, value) for key, value in reply.items()},
        is_media=is_media,
        job_id=next((each for each in ids if isinstance(each, str) and each), None),
        results_path=results_path,
        status=(status_at[-1], status),
        moves=tuple((here, to_pointer(there)) for here, there in moves.items()),
        unknown=tuple(unknown),
    )


def _unwrapped(
    document: Mapping[str, Any],
) -> tuple[Keys, Mapping[str, Any], list[tuple[Keys, Any]]]:
    """Returns what leads to the reply, the reply, and the unknown keys beside it."""
    body = document.get("body")
    if not isinstance(body, dict) or not _REPLY.isdisjoint(document) or _is_media(document):
        return (), document, []
    return ("body",), body, [((k,), v) for k, v in document.items() if k not in _WRAPPER]


def _is_media(reply: Mapping[str, Any]) -> bool:
    return isinstance(reply.get(_MEDIA), dict) and not {"JobStatus", "Results"} & reply.keys()


def _tagging_of(media: Mapping[str, Any]) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Returns the analysis of a media asset and its tagging job, empty where there is none."""
    rough = media.get("AiRoughData")
    rough = rough if isinstance(rough, dict) else {}
    job = rough.get("StandardSmartTagJob")
    return rough, job if isinstance(job, dict) else {}


def _reply_of(reply: Mapping[str, Any], job: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a reply of GetMediaInfo as one on its tagging job."""
    made = {key: value for key, value in reply.items() if key != _MEDIA}
    if "Status" in job:
        status = job["Status"]
        made["JobStatus"] = ANALYSES.get(status, status) if isinstance(status, str) else status
    if "Results" in job:
        made["Results"] = job["Results"]
    return made


def _in_one_form(value: Any, path: Keys, name: str, *others: str) -> tuple[Any, Keys]:  # noqa: ANN401 - any JSON
    """Returns the container of a list in its one form, and what leads to the list."""
    if isinstance(value, list):
        return {name: value}, path
    if isinstance(value, dict) and value.get(name) is None:
        for other in others:
            if other in value:
                rest = {k: v for k, v in value.items() if k not in {name, other}}
                return {**rest, name: value[other]}, (*path, other)
    return value, (*path, name)
