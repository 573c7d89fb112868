"""LocalStack without Docker: whenever a function is invoked, the suite is asked to run what was deployed.

FUNCTION_HOST is where the suite listens (function-host.ts); it answers with what the function returned or threw.
"""

import json
import os
import sys
import types
import urllib.request

import older_python  # noqa: F401

# Comes as source only, and reads the schedules of rules, of which there are none.
sys.modules["crontab"] = types.SimpleNamespace(CronTab=None)

from localstack.runtime.main import main  # noqa: E402
from localstack.services.cloudformation.engine.v2.change_set_model_executor import ChangeSetModelExecutor  # noqa: E402
from localstack.services.cloudformation.resource_provider import OperationStatus, ProgressEvent  # noqa: E402
from localstack.services.lambda_.invocation.docker_runtime_executor import DockerRuntimeExecutor  # noqa: E402
from localstack.services.lambda_.invocation.lambda_models import InvocationResult  # noqa: E402
from localstack.services.lambda_.invocation.version_manager import LambdaVersionManager  # noqa: E402

# A proxy of the machine is not for loopback.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
# The host ends a function at its timeout, and answers then.
GRACE_SECONDS = 60
KEPT = ("Retain", "RetainExceptOnCreate")


def unpacked(code):
    code.prepare_for_execution()
    return str(code.get_unzipped_code_location())


def invoke(self, *, invocation):
    version = self.function_version
    config = version.config
    task = {
        "name": version.id.function_name,
        "version": version.id.qualifier,
        "role": config.role,
        "code": unpacked(config.code),
        "layers": [unpacked(layer.code) for layer in config.layers or []],
        "environment": dict(config.environment or {}),
        "timeoutSeconds": config.timeout,
        "event": json.loads(invocation.payload or b"null"),
    }
    request = urllib.request.Request(os.environ["FUNCTION_HOST"], json.dumps(task).encode(), method="POST")
    with OPENER.open(request, timeout=config.timeout + GRACE_SECONDS) as response:
        answer = json.load(response)
    return InvocationResult(
        request_id=invocation.request_id,
        payload=json.dumps(answer["payload"]).encode(),
        is_error=answer["isError"],
        logs="",
        executed_version=version.id.qualifier,
    )


def retaining(execute):
    """CloudFormation's DeletionPolicy, which LocalStack passes over: it would delete the bucket with all recovery points."""

    def execute_or_retain(self, action, logical_resource_id, **rest):
        template = self._change_set.stack.processed_template or {}
        policy = template.get("Resources", {}).get(logical_resource_id, {}).get("DeletionPolicy")
        if action.value == "Remove" and policy in KEPT and not rest.get("part_of_replacement"):
            return ProgressEvent(OperationStatus.SUCCESS, resource_model={})
        return execute(self, action=action, logical_resource_id=logical_resource_id, **rest)

    return execute_or_retain


ChangeSetModelExecutor._execute_resource_action = retaining(ChangeSetModelExecutor._execute_resource_action)
DockerRuntimeExecutor.prepare_version = classmethod(lambda cls, version: None)
DockerRuntimeExecutor.cleanup_version = classmethod(lambda cls, version: None)
DockerRuntimeExecutor.validate_environment = classmethod(lambda cls: True)
LambdaVersionManager.invoke = invoke

main()
