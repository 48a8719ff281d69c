# The task of ../task-definition.json, with its roles, its log group and a service. A test holds the two
# against each other.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}

locals {
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
  suffix    = data.aws_partition.current.dns_suffix
  registry  = "${local.account}.dkr.ecr.${var.region}.${local.suffix}"
  log_group = "/ecs/${var.name}"

  # What is empty here is left out below.
  helan_environment = {
    AWS_REGION                = var.region
    HELAN_ENDPOINT            = var.endpoint
    HELAN_INFERENCE_COMPONENT = var.inference_component
    HELAN_MODEL_ID            = join(",", var.model_ids)
    HELAN_TEMPLATE            = var.template
    HELAN_AUTH_MODE           = "none"
    HELAN_LISTEN              = "127.0.0.1:8080"
    HELAN_ADMIN_LISTEN        = "127.0.0.1:9090"
    HELAN_BODY_BUDGET         = "64 MB"
    HELAN_MAX_CALLS           = "64"
    HELAN_DRAIN_GRACE         = "0 s"
    HELAN_DRAIN_DEADLINE      = "110 s"
  }

  containers = [
    {
      name      = "app"
      image     = "${local.registry}/${var.app_repository}:${var.app_tag}"
      essential = true
      cpu       = 384
      memory    = 768
      environment = [
        { name = "AWS_REGION", value = var.region },
        { name = "AWS_ENDPOINT_URL_BEDROCK_RUNTIME", value = "http://127.0.0.1:8080" },
      ]
      dependsOn   = [{ containerName = "helan", condition = "HEALTHY" }]
      stopTimeout = 120
      logConfiguration = {
        logDriver = "awslogs"
        options = {
          "awslogs-group"         = local.log_group
          "awslogs-region"        = var.region
          "awslogs-stream-prefix" = "app"
        }
      }
    },
    {
      name                   = "helan"
      image                  = "${local.registry}/${var.helan_repository}:${var.helan_tag}"
      command                = ["serve"]
      essential              = true
      cpu                    = 128
      memory                 = 256
      memoryReservation      = 128
      user                   = "65532:65532"
      readonlyRootFilesystem = true
      linuxParameters        = { capabilities = { drop = ["ALL"] } }
      environment = [
        for name, value in merge(local.helan_environment, var.helan_environment) :
        { name = name, value = value } if value != ""
      ]
      healthCheck = {
        command     = ["CMD", "/usr/local/bin/helan", "ping"]
        interval    = 5
        timeout     = 3
        retries     = 3
        startPeriod = 5
      }
      stopTimeout = 120
      logConfiguration = {
        logDriver = "awslogs"
        options = {
          "awslogs-group"         = local.log_group
          "awslogs-region"        = var.region
          "awslogs-stream-prefix" = "helan"
          "mode"                  = "non-blocking"
          "max-buffer-size"       = "4m"
        }
      }
    },
  ]
}

resource "aws_cloudwatch_log_group" "task" {
  name              = local.log_group
  retention_in_days = var.log_retention_days
}

resource "aws_ecs_task_definition" "task" {
  family                   = var.name
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = 512
  memory                   = 1024
  execution_role_arn       = aws_iam_role.execution.arn
  task_role_arn            = aws_iam_role.task.arn
  container_definitions    = jsonencode(local.containers)

  runtime_platform {
    cpu_architecture        = var.cpu_architecture
    operating_system_family = "LINUX"
  }
}

resource "aws_ecs_service" "service" {
  name            = var.name
  cluster         = var.cluster
  task_definition = aws_ecs_task_definition.task.arn
  desired_count   = var.desired_count
  launch_type     = "FARGATE"

  network_configuration {
    subnets          = var.subnets
    security_groups  = var.security_groups
    assign_public_ip = false
  }

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }
}
