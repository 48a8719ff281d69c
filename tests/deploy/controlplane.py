"""A control plane over HTTP: as much of SageMaker, Application Auto Scaling and CloudWatch as the examples call.

Every request is held against the service model before it is answered. Things take a while: what is created or
deleted is seen on its way once.
"""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import botocore.session
import shapes

ACCOUNT = "123456789012"
REGION = "cn-northwest-1"
SERVICES = {
    "SageMaker": "sagemaker",
    "AnyScaleFrontendService": "application-autoscaling",
    "GraniteServiceVersion20100801": "cloudwatch",
}
NOW = 1_767_225_600
PAGE = 2


class Refused(Exception):
    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


def arn(kind, name):
    return f"arn:aws-cn:sagemaker:{REGION}:{ACCOUNT}:{kind}/{name.lower()}"


class ControlPlane:
    """The account's things, by kind and name."""

    def __init__(self):
        session = botocore.session.get_session()
        self.models = {service: session.get_service_model(service) for service in SERVICES.values()}
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self.handler())
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.reset()

    def reset(self):
        self.calls, self.denied, self.fails = [], set(), set()
        self.things = {kind: {} for kind in ("model", "config", "endpoint", "component")}
        self.targets, self.policies, self.alarms = {}, {}, {}

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def handler(plane):
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # head and body in one packet

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status, answer = plane.answer(self.headers["X-Amz-Target"], json.loads(body))
                payload = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/x-amz-json-1.1")
                self.send_header("Content-Length", str(len(payload)))
                self.end_headers()
                self.wfile.write(payload)

            def log_message(self, *_):
                pass

        return Handler

    def answer(self, target, request):
        prefix, _, name = target.partition(".")
        shape = self.models[SERVICES[prefix]].operation_model(name).input_shape
        self.calls.append((name, request))
        try:
            if name in self.denied:
                raise Refused("AccessDeniedException", f"not authorized to perform: sagemaker:{name}")
            if wrong := list(shapes.faults(shape, request)):
                raise Refused("ValidationException", "; ".join(wrong))
            return 200, getattr(self, name)(request)
        except Refused as refused:
            return 400, {"__type": refused.code, "message": str(refused)}
        except Exception as error:  # a fault of this file must be seen by the test
            return 400, {"__type": "ControlPlaneFault", "message": repr(error)}

    def changes(self):
        """The names of the calls that were no look."""
        return [name for name, _ in self.calls if not name.startswith(("Describe", "List"))]

    # What is common to all kinds.
    def get(self, kind, name):
        if name not in self.things[kind]:
            raise Refused("ValidationException", f'Could not find {kind} "{arn(kind, name)}".')
        return self.things[kind][name]

    def create(self, kind, name, thing):
        if name in self.things[kind]:
            raise Refused("ValidationException", f"Cannot create already existing {kind} {name}.")
        self.things[kind][name] = {"CreationTime": NOW, "LastModifiedTime": NOW} | thing
        return {}

    def step(self, kind, name, status):
        """Shows a thing, and takes it one step on its way."""
        thing = self.get(kind, name)
        shown = dict(thing)
        if thing[status] in ("Creating", "Updating"):
            thing[status] = "Failed" if name in self.fails else "InService"
            if thing[status] == "Failed":
                thing["FailureReason"] = "no capacity"
        elif thing[status] == "Deleting":
            del self.things[kind][name]
        return shown

    def page(self, request, key, items):
        start = int(request.get("NextToken", 0))
        answer = {key: items[start : start + PAGE]}
        if start + PAGE < len(items):
            answer["NextToken"] = str(start + PAGE)
        return answer

    def listed(self, kind, prefix, request, *more):
        items = [
            {f"{prefix}Name": name, f"{prefix}Arn": arn(kind, name)}
            | {key: thing[key] for key in ("CreationTime", "LastModifiedTime", *more)}
            for name, thing in sorted(self.things[kind].items())
            if request.get("NameContains", "") in name
        ]
        return self.page(request, f"{prefix}s", items)

    # SageMaker.
    def CreateModel(self, request):
        self.create("model", request["ModelName"], request)
        return {"ModelArn": arn("model", request["ModelName"])}

    def DescribeModel(self, request):
        name = request["ModelName"]
        return self.get("model", name) | {"ModelArn": arn("model", name)}

    def DeleteModel(self, request):
        self.get("model", request["ModelName"])
        del self.things["model"][request["ModelName"]]
        return {}

    def ListModels(self, request):
        return self.listed("model", "Model", request)

    def CreateEndpointConfig(self, request):
        for variant in request["ProductionVariants"]:
            if "ModelName" in variant:
                self.get("model", variant["ModelName"])
            elif "ExecutionRoleArn" not in request:
                raise Refused("ValidationException", "a config without a model needs a role")
        self.create("config", request["EndpointConfigName"], request)
        return {"EndpointConfigArn": arn("endpoint-config", request["EndpointConfigName"])}

    def DescribeEndpointConfig(self, request):
        name = request["EndpointConfigName"]
        return self.get("config", name) | {"EndpointConfigArn": arn("endpoint-config", name)}

    def DeleteEndpointConfig(self, request):
        name = request["EndpointConfigName"]
        self.get("config", name)
        if any(e["EndpointConfigName"] == name for e in self.things["endpoint"].values()):
            raise Refused("ValidationException", f"{name} is in use")
        del self.things["config"][name]
        return {}

    def ListEndpointConfigs(self, request):
        return self.listed("config", "EndpointConfig", request)

    def ListTags(self, request):
        kind, _, name = request["ResourceArn"].rpartition(":")[2].partition("/")
        return {"Tags": self.get(kind, name).get("Tags", [])}

    def CreateEndpoint(self, request):
        self.get("config", request["EndpointConfigName"])
        self.create("endpoint", request["EndpointName"], request | {"EndpointStatus": "Creating"})
        return {"EndpointArn": arn("endpoint", request["EndpointName"])}

    def UpdateEndpoint(self, request):
        self.get("config", request["EndpointConfigName"])
        endpoint = self.get("endpoint", request["EndpointName"])
        endpoint.update(request | {"EndpointStatus": "Updating"})
        return {"EndpointArn": arn("endpoint", request["EndpointName"])}

    def DescribeEndpoint(self, request):
        name = request["EndpointName"]
        shown = self.step("endpoint", name, "EndpointStatus")
        return shown | {"EndpointArn": arn("endpoint", name)}

    def DeleteEndpoint(self, request):
        name = request["EndpointName"]
        if any(c["EndpointName"] == name for c in self.things["component"].values()):
            raise Refused("ValidationException", f"{name} still hosts inference components")
        self.get("endpoint", name)["EndpointStatus"] = "Deleting"
        return {}

    def ListEndpoints(self, request):
        return self.listed("endpoint", "Endpoint", request, "EndpointStatus")

    def CreateInferenceComponent(self, request):
        name, endpoint = request["InferenceComponentName"], self.get("endpoint", request["EndpointName"])
        if endpoint["EndpointStatus"] != "InService":
            raise Refused("ValidationException", "the endpoint is not in service")
        if model := request["Specification"].get("ModelName"):
            self.get("model", model)
        self.create("component", name, request | {"InferenceComponentStatus": "Creating"})
        return {"InferenceComponentArn": arn("inference-component", name)}

    def UpdateInferenceComponent(self, request):
        component = self.get("component", request["InferenceComponentName"])
        component.update(request | {"InferenceComponentStatus": "Updating"})
        return {"InferenceComponentArn": arn("inference-component", request["InferenceComponentName"])}

    def DescribeInferenceComponent(self, request):
        name = request["InferenceComponentName"]
        shown = self.step("component", name, "InferenceComponentStatus")
        copies = shown.get("RuntimeConfig", {}).get("CopyCount")
        return shown | {
            "InferenceComponentArn": arn("inference-component", name),
            "EndpointArn": arn("endpoint", shown["EndpointName"]),
            "RuntimeConfig": {"DesiredCopyCount": copies, "CurrentCopyCount": copies},
        }

    def DeleteInferenceComponent(self, request):
        component = self.get("component", request["InferenceComponentName"])
        component["InferenceComponentStatus"] = "Deleting"
        return {}

    def ListInferenceComponents(self, request):
        items = [
            {
                "InferenceComponentName": name,
                "InferenceComponentArn": arn("inference-component", name),
                "EndpointArn": arn("endpoint", component["EndpointName"]),
            }
            | {
                key: component[key]
                for key in ("EndpointName", "VariantName", "CreationTime", "LastModifiedTime")
                if key in component
            }
            for name, component in sorted(self.things["component"].items())
            if component["EndpointName"] == request.get("EndpointNameEquals")
        ]
        return self.page(request, "InferenceComponents", items)

    # Application Auto Scaling and CloudWatch.
    def RegisterScalableTarget(self, request):
        kind, _, name = request["ResourceId"].partition("/")
        assert kind == "inference-component"
        self.get("component", name)
        self.targets[request["ResourceId"]] = request
        return {}

    def PutScalingPolicy(self, request):
        if request["ResourceId"] not in self.targets:
            raise Refused("ObjectNotFoundException", "No scalable target registered")
        self.policies[request["PolicyName"]] = request
        return {"PolicyARN": f"arn:aws-cn:autoscaling:{REGION}:{ACCOUNT}:{request['PolicyName']}"}

    def DeregisterScalableTarget(self, request):
        if self.targets.pop(request["ResourceId"], None) is None:
            raise Refused("ObjectNotFoundException", "No scalable target found")
        self.policies = {
            name: policy
            for name, policy in self.policies.items()
            if policy["ResourceId"] != request["ResourceId"]
        }
        return {}

    def PutMetricAlarm(self, request):
        self.alarms[request["AlarmName"]] = request
        return {}

    def DeleteAlarms(self, request):
        for name in request["AlarmNames"]:
            self.alarms.pop(name, None)
        return {}
