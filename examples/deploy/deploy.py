#!/usr/bin/env python3
"""Deploys DeepSeek-R1-Distill-Qwen or Qwen3 on SageMaker in AWS China, and prints Helan's configuration for it.

    pip install boto3
    python deploy.py models
    python deploy.py deploy --model qwen3-32b --role arn:aws-cn:iam::123456789012:role/sagemaker \\
        --weights s3://my-bucket/models/qwen3-32b/ --dry-run
    python deploy.py delete --name qwen3-32b

Every step looks first and does only what is missing, so that a run that broke off is simply run again; another
option makes a new revision and updates the endpoint. `--dry-run` calls nobody and prints each request as a line
of JSON. README.md beside this file says what was never tried against AWS itself.
"""

import argparse
import hashlib
import json
import sys
import time
from dataclasses import dataclass

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.validate import ParamValidator

REGIONS = ("cn-northwest-1", "cn-north-1")
# AWS's own account for these images, in both regions of China.
REGISTRY = "727897471807.dkr.ecr.{region}.amazonaws.com.cn/"
IMAGES = {
    "lmi": "djl-inference:0.36.0-lmi27.0.0-cu130",
    "vllm": "vllm:0.28.0-gpu-py312-cu130-ubuntu24.04-sagemaker",
}
# Where SageMaker puts the weights that it brought from S3.
MOUNTED = "/opt/ml/model"
HF_MIRROR = "https://hf-mirror.com"
VARIANT = "AllTraffic"
TAG = {"Key": "deployed-by", "Value": "helan-examples-deploy"}


@dataclass(frozen=True)
class Recipe:
    """A model, and what it needs."""

    hub: str  # its name on Hugging Face and on ModelScope
    model_id: str  # what callers of Bedrock say
    template: str  # Helan's name for its chat template
    reasoning: str  # vLLM's parsers
    tools: str | None
    instance: str
    gpus: int
    memory_gb: int  # of the host, for an inference component
    context: int = 16384


def r1(size, **needs):
    # These models were not trained to call tools, and no parser of vLLM is for them.
    hub = f"deepseek-ai/DeepSeek-R1-Distill-Qwen-{size}"
    return Recipe(
        hub, "deepseek.r1-v1:0", "deepseek-r1-distill-qwen", "deepseek_r1", None, **needs
    )


def qwen3(size, model_id, **needs):
    return Recipe(f"Qwen/Qwen3-{size}", model_id, "qwen3", "qwen3", "hermes", **needs)


# Weights in 16 bits on the A10G (24 GB) of g5, the newest GPUs known to be in both regions.
SMALL = {"instance": "ml.g5.2xlarge", "gpus": 1, "memory_gb": 24}
LARGE = {"instance": "ml.g5.12xlarge", "gpus": 4, "memory_gb": 128}
RECIPES = {
    "deepseek-r1-distill-qwen-7b": r1("7B", **SMALL),
    "deepseek-r1-distill-qwen-14b": r1("14B", **LARGE),
    "deepseek-r1-distill-qwen-32b": r1("32B", **LARGE),
    "qwen3-8b": qwen3("8B", "qwen.qwen3-8b", **SMALL),
    "qwen3-14b": qwen3("14B", "qwen.qwen3-14b", **LARGE),
    "qwen3-32b": qwen3("32B", "qwen.qwen3-32b-v1:0", **LARGE),
}


class Wrong(Exception):
    """What the user has to change."""


class Plan:
    """What is to be there, as requests."""

    def __init__(self, args):
        self.recipe = RECIPES[args.model]
        self.args = args
        self.name = args.name or args.model
        self.region = args.region
        self.server, self.image = self.choose_image(args.image)
        self.component = args.inference_component or args.scale_to_zero
        self.instance = args.instance_type or self.recipe.instance
        self.gpus = args.gpus or self.recipe.gpus
        if args.scale_to_zero and args.max_copies < 1:
            raise Wrong("--max-copies must be at least 1")
        if args.weights == "modelscope" and self.server != "vllm":
            raise Wrong("LMI asks Hugging Face alone: use --image vllm, or weights in S3")

    def choose_image(self, image):
        if image in IMAGES:
            return image, REGISTRY.format(region=self.region) + IMAGES[image]
        repository = image.rsplit("/", 1)[-1].split(":")[0]
        for server, known in IMAGES.items():
            if repository == known.split(":")[0]:
                return server, image
        raise Wrong(f"--image {image}: write lmi, vllm, or the URI of a djl-inference or vllm image")

    def environment(self):
        """What the container is told."""
        recipe, weights = self.recipe, self.args.weights
        model = MOUNTED if weights.startswith("s3://") else recipe.hub
        options = {"MAX_MODEL_LEN": str(self.args.max_model_len or recipe.context)}
        if not self.args.raw_output:
            options["REASONING_PARSER"] = recipe.reasoning
            if recipe.tools:
                options |= {"ENABLE_AUTO_TOOL_CHOICE": "true", "TOOL_CALL_PARSER": recipe.tools}
        if self.server == "lmi":
            prefix, environment = "OPTION_", {"HF_MODEL_ID": model}
            options["TENSOR_PARALLEL_DEGREE"] = str(self.gpus)
        else:
            prefix, environment = "SM_VLLM_", {"SM_VLLM_MODEL": model}
            options["TENSOR_PARALLEL_SIZE"] = str(self.gpus)
        if weights == "modelscope":
            environment["VLLM_USE_MODELSCOPE"] = "True"
        elif weights == "hf-mirror":
            environment["HF_ENDPOINT"] = HF_MIRROR
        return environment | {prefix + key: value for key, value in options.items()}

    def model_request(self):
        container = {"Image": self.image, "Environment": self.environment()}
        if self.args.weights.startswith("s3://"):
            # Uncompressed, so that it is loaded while it is read; the slash keeps out `qwen3-32b-awq/`.
            container["ModelDataSource"] = {
                "S3DataSource": {
                    "S3Uri": self.args.weights.rstrip("/") + "/",
                    "S3DataType": "S3Prefix",
                    "CompressionType": "None",
                }
            }
        request = {"ExecutionRoleArn": self.args.role, "PrimaryContainer": container, "Tags": [TAG]}
        if self.args.subnet:
            request["VpcConfig"] = {
                "Subnets": self.args.subnet,
                "SecurityGroupIds": self.args.security_group,
            }
        return {"ModelName": revision(self.name, request)} | request

    def endpoint_config_request(self, model_name):
        variant = {
            "VariantName": VARIANT,
            "InstanceType": self.instance,
            "InitialInstanceCount": 1,
            "RoutingConfig": {"RoutingStrategy": "LEAST_OUTSTANDING_REQUESTS"},
        } | PATIENCE
        if ami := self.ami():
            variant["InferenceAmiVersion"] = ami
        request = {"ProductionVariants": [variant], "Tags": [TAG]}
        if self.component:
            variant["ManagedInstanceScaling"] = {
                "Status": "ENABLED",
                "MinInstanceCount": 0 if self.args.scale_to_zero else 1,
                "MaxInstanceCount": max(1, self.args.max_copies),
            }
            request["ExecutionRoleArn"] = self.args.role
        else:
            variant["ModelName"] = model_name
        return {"EndpointConfigName": revision(self.name, request)} | request

    def ami(self):
        """A host whose GPU driver is new enough for the image's CUDA."""
        if self.args.ami:
            return None if self.args.ami == "default" else self.args.ami
        if "-cu13" in self.image:
            return "al2023-ami-sagemaker-inference-gpu-4-1"
        return "al2-ami-sagemaker-inference-gpu-3-1" if "-cu129" in self.image else None

    def component_specification(self, model_name):
        return {
            "ModelName": model_name,
            "StartupParameters": dict(PATIENCE),
            "ComputeResourceRequirements": {
                "NumberOfAcceleratorDevicesRequired": self.gpus,
                "MinMemoryRequiredInMb": self.recipe.memory_gb * 1024,
            },
        }

    def helan(self):
        """The configuration of Helan that fits."""
        recipe, args = self.recipe, self.args
        lines = [
            'listen = "127.0.0.1:8080"',
            "",
            "[auth]",
            'mode = "none"                 # of others than this host: keys_file = "keys.toml" instead',
            "",
            "[sagemaker]",
            f"region = {toml(self.region)}",
            "",
            f"[models.{toml(args.model_id or recipe.model_id)}]",
            f"endpoint = {toml(self.name)}",
        ]
        if self.component:
            lines.append(f"inference_component = {toml(self.name)}")
        if args.raw_output:
            lines.append('contract = "completions"      # Helan renders the prompt and parses the answer')
        else:
            lines.append('contract = "openai"           # the container does both')
        lines.append(f"template = {toml(recipe.template)}")
        if args.scale_to_zero:
            lines.append('wait_ready = "30 s"           # an instance takes minutes: callers have to ask again')
        return "\n".join(lines) + "\n"


# Weights of 65 GB are neither brought nor loaded in the 10 minutes that SageMaker waits by itself.
PATIENCE = {
    "ModelDataDownloadTimeoutInSeconds": 3600,
    "ContainerStartupHealthCheckTimeoutInSeconds": 3600,
}


def toml(text):
    return json.dumps(text)


def revision(name, request):
    """The same name for the same request, another for another."""
    digest = hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()
    return f"{name[:54]}-{digest[:8]}"


class Aws:
    """Calls AWS, or says what would be called."""

    def __init__(self, region, dry_run, poll):
        self.region, self.dry_run, self.poll = region, dry_run, poll
        self.clients = {}

    def client(self, service):
        if service not in self.clients:
            config = Config(retries={"mode": "standard", "total_max_attempts": 5})
            self.clients[service] = boto3.client(service, region_name=self.region, config=config)
        return self.clients[service]

    def do(self, service, operation, **request):
        """Changes something."""
        client = self.client(service)
        if self.dry_run:
            model = client.meta.service_model
            name = client.meta.method_to_api_mapping[operation]
            report = ParamValidator().validate(request, model.operation_model(name).input_shape)
            if report.has_errors():
                raise Wrong(report.generate_report())
            print(json.dumps({"service": service, "operation": name, "request": request}))
            return {}
        say(f"{service} {operation} {next(iter(request.values()))}")
        return getattr(client, operation)(**request)

    def look(self, service, operation, **request):
        """Looks at something; `None` if it is not there. A dry run sees nothing."""
        if self.dry_run:
            return None
        try:
            return getattr(self.client(service), operation)(**request)
        except ClientError as error:
            if is_missing(error):
                return None
            raise

    def undo(self, service, operation, **request):
        """Removes something that may be gone already."""
        try:
            self.do(service, operation, **request)
        except ClientError as error:
            if not is_missing(error):
                raise

    def settled(self, operation, key, wanted, **request):
        """Waits until a thing is as wanted; `None`: gone."""
        while not self.dry_run:
            found = self.look("sagemaker", operation, **request)
            status = found and found[key]
            if status == wanted:
                return
            if status is None or status in ("Failed", "OutOfService", "UpdateRollbackFailed"):
                reason = (found or {}).get("FailureReason", "it is gone")
                raise Wrong(f"{next(iter(request.values()))} is {status}: {reason}")
            say(f"{next(iter(request.values()))} is {status}")
            time.sleep(self.poll)


def is_missing(error):
    """SageMaker says of what is not there that the request is invalid."""
    code, message = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
    if code in ("ResourceNotFound", "ResourceNotFoundException", "ObjectNotFoundException"):
        return True
    return code == "ValidationException" and "could not find" in message.lower()


def say(text):
    print(text, file=sys.stderr, flush=True)


def ensure_model(aws, plan):
    request = plan.model_request()
    if aws.look("sagemaker", "describe_model", ModelName=request["ModelName"]) is None:
        aws.do("sagemaker", "create_model", **request)
    return request["ModelName"]


def ensure_endpoint_config(aws, plan, model_name):
    request = plan.endpoint_config_request(model_name)
    name = request["EndpointConfigName"]
    if aws.look("sagemaker", "describe_endpoint_config", EndpointConfigName=name) is None:
        aws.do("sagemaker", "create_endpoint_config", **request)
    return name


def ensure_endpoint(aws, plan, config_name):
    request = {"EndpointName": plan.name, "EndpointConfigName": config_name}
    found = aws.look("sagemaker", "describe_endpoint", EndpointName=plan.name)
    if found is None:
        aws.do("sagemaker", "create_endpoint", **request, Tags=[TAG])
    elif found["EndpointStatus"] == "Failed":
        raise Wrong(
            f"the endpoint {plan.name} has failed ({found.get('FailureReason', 'no reason given')}): "
            f"python deploy.py delete --name {plan.name}, then deploy again"
        )
    elif found.get("EndpointConfigName") != config_name:
        aws.do("sagemaker", "update_endpoint", **request)
    if plan.args.wait or plan.component:  # a component needs an endpoint in service
        aws.settled("describe_endpoint", "EndpointStatus", "InService", EndpointName=plan.name)


def ensure_component(aws, plan, model_name):
    """The model on the endpoint's instances, each copy with GPUs of its own."""
    name = {"InferenceComponentName": plan.name}
    wanted = {"Specification": plan.component_specification(model_name)}
    found = aws.look("sagemaker", "describe_inference_component", **name)
    if found is None:
        aws.do(
            "sagemaker",
            "create_inference_component",
            **name,
            EndpointName=plan.name,
            VariantName=VARIANT,
            RuntimeConfig={"CopyCount": 1},
            Tags=[TAG],
            **wanted,
        )
    elif found.get("Specification", {}).get("ModelName") != model_name:
        aws.do("sagemaker", "update_inference_component", **name, **wanted)
    if plan.args.wait:
        aws.settled("describe_inference_component", "InferenceComponentStatus", "InService", **name)


def scaled(name):
    """How Application Auto Scaling calls the component's copies."""
    return {
        "ServiceNamespace": "sagemaker",
        "ResourceId": f"inference-component/{name}",
        "ScalableDimension": "sagemaker:inference-component:DesiredCopyCount",
    }


def ensure_scaling(aws, plan):
    """Copies follow the calls in flight, down to none; the first call that finds none brings one back."""
    target, name, scaling = scaled(plan.name), plan.name, "application-autoscaling"
    aws.do(
        scaling, "register_scalable_target", **target, MinCapacity=0, MaxCapacity=plan.args.max_copies
    )
    aws.do(
        scaling,
        "put_scaling_policy",
        PolicyName=f"{name}-follow-calls",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={
            "PredefinedMetricSpecification": {
                "PredefinedMetricType": "SageMakerInferenceComponentConcurrentRequestsPerCopyHighResolution"
            },
            "TargetValue": 8.0,
            "ScaleInCooldown": 600,
            "ScaleOutCooldown": 60,
        },
        **target,
    )
    answer = aws.do(
        scaling,
        "put_scaling_policy",
        PolicyName=f"{name}-from-zero",
        PolicyType="StepScaling",
        StepScalingPolicyConfiguration={
            "AdjustmentType": "ChangeInCapacity",
            "MetricAggregationType": "Maximum",
            "Cooldown": 60,
            "StepAdjustments": [{"MetricIntervalLowerBound": 0.0, "ScalingAdjustment": 1}],
        },
        **target,
    )
    aws.do(
        "cloudwatch",
        "put_metric_alarm",
        AlarmName=f"{name}-from-zero",
        AlarmDescription="A call found no copy of the model",
        AlarmActions=[answer.get("PolicyARN", "the ARN of the policy before")],
        MetricName="NoCapacityInvocationFailures",
        Namespace="AWS/SageMaker",
        Statistic="Maximum",
        Dimensions=[{"Name": "InferenceComponentName", "Value": name}],
        Period=30,
        EvaluationPeriods=1,
        DatapointsToAlarm=1,
        Threshold=1.0,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
        TreatMissingData="missing",
    )


def deploy(args):
    plan = Plan(args)
    aws = Aws(args.region, args.dry_run, args.poll)
    model_name = ensure_model(aws, plan)
    ensure_endpoint(aws, plan, ensure_endpoint_config(aws, plan, model_name))
    if plan.component:
        ensure_component(aws, plan, model_name)
    if args.scale_to_zero:
        ensure_scaling(aws, plan)
    if args.dry_run:
        say("# Helan's configuration would be:\n" + plan.helan())
    else:
        print(plan.helan(), end="")


def delete(args):
    """Removes what `deploy` made, the newest first. Weights in S3 stay."""
    aws = Aws(args.region, args.dry_run, args.poll)
    name = args.name
    owned = Owned(aws, name)
    if owned.component or args.dry_run:
        aws.undo("cloudwatch", "delete_alarms", AlarmNames=[f"{name}-from-zero"])
        # Its policies go with the target.
        aws.undo("application-autoscaling", "deregister_scalable_target", **scaled(name))
        component = {"InferenceComponentName": name}
        aws.undo("sagemaker", "delete_inference_component", **component)
        aws.settled("describe_inference_component", "InferenceComponentStatus", None, **component)
    if owned.endpoint or args.dry_run:
        aws.undo("sagemaker", "delete_endpoint", EndpointName=name)
        aws.settled("describe_endpoint", "EndpointStatus", None, EndpointName=name)
    for config in owned.configs:
        aws.undo("sagemaker", "delete_endpoint_config", EndpointConfigName=config)
    for model in owned.models:
        aws.undo("sagemaker", "delete_model", ModelName=model)


class Owned:
    """What there is of a deployment: its endpoint, and every revision that this script made."""

    def __init__(self, aws, name):
        self.component = aws.look(
            "sagemaker", "describe_inference_component", InferenceComponentName=name
        )
        self.endpoint = aws.look("sagemaker", "describe_endpoint", EndpointName=name)
        self.configs = self.revisions(aws, name, "endpoint_configs", "EndpointConfig")
        self.models = self.revisions(aws, name, "models", "Model")

    @staticmethod
    def revisions(aws, name, what, kind):
        if aws.dry_run:
            return [f"{name[:54]}-REVISION"]
        client, ours = aws.client("sagemaker"), []
        pages = client.get_paginator(f"list_{what}").paginate(NameContains=f"{name[:54]}-")
        for item in (item for page in pages for item in page[f"{kind}s"]):
            start, _, digest = item[f"{kind}Name"].rpartition("-")
            # Another endpoint's name may begin alike; and who made a thing by hand keeps it.
            if start == name[:54] and len(digest) == 8:
                tags = client.list_tags(ResourceArn=item[f"{kind}Arn"])["Tags"]
                if TAG in tags:
                    ours.append(item[f"{kind}Name"])
        return ours


def models(_):
    for name, recipe in RECIPES.items():
        print(f"{name:30} {recipe.hub:42} {recipe.instance:16} {recipe.model_id}")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(required=True, metavar="models|deploy|delete")
    commands.add_parser("models", help="what can be deployed").set_defaults(run=models)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--region", default=REGIONS[0], choices=REGIONS)
    common.add_argument("--dry-run", action="store_true", help="call nobody, print the requests")
    common.add_argument("--poll", type=float, default=15, metavar="SECONDS", help=argparse.SUPPRESS)

    make = commands.add_parser("deploy", parents=[common], help="make it, or update it")
    make.set_defaults(run=deploy)
    make.add_argument("--model", required=True, choices=RECIPES, metavar="MODEL")
    make.add_argument("--role", required=True, help="the ARN of SageMaker's execution role")
    make.add_argument(
        "--weights",
        required=True,
        metavar="s3://BUCKET/PREFIX/|modelscope|hf-mirror",
        help="a prefix with the files of the model's repository, or where the container downloads them",
    )
    make.add_argument("--name", help="of the endpoint; default: the model's")
    make.add_argument("--model-id", help="what callers say; default: Bedrock's id, if it has the model")
    make.add_argument("--image", default="lmi", help="lmi, vllm, or the URI of one of the two")
    make.add_argument("--instance-type", help="with --gpus: how many it has")
    make.add_argument("--gpus", type=int)
    make.add_argument("--max-model-len", type=int, metavar="TOKENS")
    make.add_argument("--ami", help="InferenceAmiVersion, or `default`; by default as the image's CUDA needs")
    make.add_argument("--subnet", action="append", help="of your VPC; more than once")
    make.add_argument("--security-group", action="append")
    make.add_argument("--raw-output", action="store_true", help="no parsers in the container: Helan parses")
    make.add_argument("--inference-component", action="store_true", help="one on an endpoint of its own")
    make.add_argument("--scale-to-zero", action="store_true", help="an inference component that may have no copy")
    make.add_argument("--max-copies", type=int, default=1)
    make.add_argument("--no-wait", dest="wait", action="store_false", help="do not wait until it is in service")

    unmake = commands.add_parser("delete", parents=[common], help="remove what deploy made")
    unmake.set_defaults(run=delete)
    unmake.add_argument("--name", required=True, help="of the endpoint")
    return parser.parse_args()


def check(args):
    weights = getattr(args, "weights", "s3://x")
    if not weights.startswith("s3://") and weights not in ("modelscope", "hf-mirror"):
        raise Wrong(f"--weights {weights}: write s3://BUCKET/PREFIX/, modelscope or hf-mirror")
    if bool(getattr(args, "subnet", None)) != bool(getattr(args, "security_group", None)):
        raise Wrong("--subnet and --security-group belong together")
    if bool(getattr(args, "instance_type", None)) != bool(getattr(args, "gpus", None)):
        raise Wrong("--instance-type and --gpus belong together")
    if not getattr(args, "role", "arn:aws-cn:").startswith("arn:aws-cn:"):
        raise Wrong(f"--role {args.role}: the ARN of a role in AWS China begins with arn:aws-cn:iam::")


def main():
    args = arguments()
    try:
        check(args)
        args.run(args)
    except (Wrong, BotoCoreError, ClientError) as error:
        sys.exit(f"deploy.py: {error}")


if __name__ == "__main__":
    main()
