"""An Azure Automation runbook, started once after each rotation.

Permission: *Automation Operator* on the automation account. A job's parameters can be read by whoever may read the job,
so the runbook gets the address of the Key Vault version; the secret itself only where the address asks for it.
Source: https://learn.microsoft.com/rest/api/automation/job
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, urlencode

from gateway.azure.arm import arm_id
from gateway.azure.automation import Job, Runbook, read_job, read_runbook, read_summary
from gateway.azure.versions import JOBS, RUNBOOKS, WORKER_GROUPS, ApiVersion
from gateway.deliveries.base import SEEN, Delivery, DeliveryContext, Destination, Receipt, ask_arm, refuse
from gateway.errors import CallError, Failed, Refused, Unclear
from gateway.model.clouds import Cloud

log = logging.getLogger("gateway")

ROLE = "Automation Operator"
_ACTIONS = [f"Microsoft.Automation/automationAccounts/jobs/{what}" for what in ("write", "read")]
_SECRET_ID = "SecretId"  # noqa: S105 (a parameter's name)
_OURS = ("runOn", "include_secret", "wait")
_NAMESPACE = uuid.UUID("6f0d4bd8-2f0c-4a2e-9e0f-7a3c3c1b5a55")
_MOST_ATTEMPTS = 20
_POLL_SECONDS = 5.0


class AutomationRunbook(Destination):
    """One runbook, with where it runs and its further parameters in the query of the address."""

    example = (
        "/subscriptions/<id>/resourceGroups/<group>/providers/Microsoft.Automation/automationAccounts/<account>"
        "/runbooks/<runbook>?runOn=<worker group>&<parameter>=<value>"
    )
    rights = f"give the admin credential's service principal the role {ROLE} on the automation account"
    needs_key_vault = True

    def __init__(self, resource: str, options: dict[str, str], optional: bool) -> None:
        query = f"?{urlencode(options)}" if options else ""
        super().__init__(resource + query, optional)
        self.account, _, self.runbook = resource.rpartition("/runbooks/")
        self.run_on = options.get("runOn", "")
        self.include_secret = self.takes_value = options.get("include_secret", "false").lower() == "true"
        self.wait = options.get("wait", "true").lower() != "false"
        self.parameters = {name: value for name, value in options.items() if name not in _OURS}

    @classmethod
    def recognise(cls, text: str, cloud: Cloud, optional: bool) -> Destination | None:
        """The runbook's id, or its page in the portal, with a query behind it."""
        found = arm_id(text, cloud, "Microsoft.Automation", "automationAccounts", "runbooks")
        if not found:
            if "microsoft.automation" in text.lower():
                raise refuse(text, "is not a runbook", cls.example)
            return None
        resource, query = found
        options = dict(parse_qsl(query, keep_blank_values=True))
        for switch in ("include_secret", "wait"):
            if options.get(switch, "true").lower() not in ("true", "false"):
                raise refuse(text, f"has a {switch} that is neither true nor false", cls.example)
        return cls(resource, options, optional)

    def check(self, context: DeliveryContext) -> list[str]:
        """It is published, its parameters are spelled as here, the worker group exists, and we may start it."""
        known = self._known(context)
        self._check_parameters(known, context.delivery_form.parameter, context.versions_follow)
        if self.run_on:
            group = f"{self.account}/hybridRunbookWorkerGroups/{self.run_on}"
            self._get(context, group, WORKER_GROUPS, "hybrid worker group")
        return self._warnings(known, context.delivery_form.parameter) + ask_arm(context, self.account, _ACTIONS, ROLE)

    def _check_parameters(self, known: Runbook, secret: str, versions_follow: bool) -> None:
        unknown = [name for name in self.parameters if not known.has(name)]
        ours = [*([secret] if self.include_secret else []), *([_SECRET_ID] if versions_follow else [])]
        given = {name.lower() for name in (*self.parameters, *ours)}
        needed = [name for name, each in known.parameters.items() if each.is_mandatory]
        missing = [name for name in needed if name.lower() not in given]
        if unknown or missing:
            what = [f"the runbook has no parameter {name}" for name in unknown]
            what += [f"its parameter {name} is mandatory" for name in missing]
            raise Failed(f"{self.address}: {'; '.join(what)}", f"it has: {', '.join(known.parameters) or 'none'}")

    def _warnings(self, known: Runbook, secret: str) -> list[str]:
        if not self.include_secret:
            return []
        found = [f"{self.address}: the secret can be read in the job's parameters for 30 days (include_secret=true)"]
        if not known.has(secret):
            found.append(f"{self.address}: the runbook has no parameter {secret}, and is given one")
        return found

    def deliver(self, context: DeliveryContext, delivery: Delivery) -> Receipt:
        """Start the job of this secret, unless it was started before, and wait for its end."""
        for name in self._names(context, delivery):
            job = self._job(context, name)
            if job is None:
                job = self._start(context, name, delivery)
            elif job.has_failed:
                continue  # that attempt has failed for good: one more
            return Receipt(f"{self.account}/jobs/{name}", tuple(self._await(context, name, job) if self.wait else ()))
        raise Failed(f"{self.address}: {_MOST_ATTEMPTS} jobs for this secret have failed", "look at the runbook's jobs")

    def _known(self, context: DeliveryContext) -> Runbook:
        path = f"{self.account}/runbooks/{self.runbook}"
        runbook = read_runbook(self._get(context, path, RUNBOOKS, "runbook"), self.address)
        if not runbook.is_published:
            raise Failed(f"{self.address}: the runbook was never published", "publish it")
        return runbook

    def _names(self, context: DeliveryContext, delivery: Delivery) -> Iterator[str]:
        # The job's name is the idempotency key: who asks again for the same secret finds the job of the first time.
        for attempt in range(_MOST_ATTEMPTS):
            key = f"{context.record_uid}\n{delivery.generation}\n{self.address}\n{attempt}"
            yield str(uuid.uuid5(_NAMESPACE, key))

    def _job(self, context: DeliveryContext, name: str) -> Job | None:
        try:
            return self._job_now(context, name)
        except Refused as error:
            if error.status == 404:
                return None
            raise

    def _job_now(self, context: DeliveryContext, name: str) -> Job:
        return read_job(context.azure.arm.get(f"{self.account}/jobs/{name}", JOBS), self.address)

    def _start(self, context: DeliveryContext, name: str, delivery: Delivery) -> Job:
        # Azure takes parameters in the runbook's own spelling only.
        known = self._known(context)
        parameters = {known.spelled(given): value for given, value in self.parameters.items()}
        if self.include_secret:
            parameters[known.spelled(context.delivery_form.parameter)] = delivery.value.reveal()
        if delivery.versions and known.has(_SECRET_ID):
            parameters[known.spelled(_SECRET_ID)] = next(iter(delivery.versions.values()))
        properties = {"runbook": {"name": self.runbook}, "parameters": parameters, "runOn": self.run_on}
        path = f"{self.account}/jobs/{name}"

        def put() -> Job:
            body = context.azure.arm.send("PUT", path, JOBS, {"properties": properties}).body
            return read_job(body, self.address)

        try:
            return context.http.retrying(put, repeat_unclear=False)
        except CallError as error:
            # The name is ours: if the job is there, this was it.
            if isinstance(error, Unclear) or (isinstance(error, Refused) and error.status == 409):
                job = self._job(context, name)
                if job is not None:
                    return job
            secret = context.delivery_form.parameter
            if isinstance(error, Refused) and error.status == 400 and self.include_secret and not known.has(secret):
                error.hint = f"add the parameter {secret} to the runbook, or take include_secret=true away"
            raise

    def _await(self, context: DeliveryContext, name: str, job: Job) -> list[str]:
        pause = context.deadline.retry_base / 2
        while not job.has_ended:
            if context.deadline.over():
                raise Unclear(self.address, f"job {name} is {job.status} and not at its end yet")
            if 2 < pause < _POLL_SECONDS:
                log.info("waiting for job %s of runbook %s", name, self.runbook)
            context.deadline.pause(max(0.1, pause))
            pause = min(_POLL_SECONDS, 2 * pause)
            job = self._job_now(context, name)
        errors = self._errors(context, name)
        said = "; ".join(errors) or job.exception[:200]
        if job.has_failed:
            raise Failed(
                f"{self.address}: job {name} ended as {job.status}: {said}".rstrip(": "),
                "look at this job of the automation account; the next run starts another",
            )
        return [f"{self.address}: job {name} completed with errors: {said}"] if errors else []

    def _errors(self, context: DeliveryContext, name: str) -> list[str]:
        path = f"{self.account}/jobs/{name}/streams?$filter=properties/streamType%20eq%20'Error'"
        streams = context.azure.arm.pages(path, JOBS)
        return [(read_summary(stream, self.address) or "an error")[:200] for stream in streams]

    def _get(self, context: DeliveryContext, path: str, version: ApiVersion, what: str) -> dict[str, Any]:
        try:
            return context.azure.arm.get(path, version)
        except Refused as error:
            if error.status == 404:
                raise Failed(f"{self.address}: there is no such {what}", SEEN) from None
            raise
