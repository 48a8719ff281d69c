variable "region" {
  description = "The region of the task and of the SageMaker endpoint."
  type        = string
  default     = "cn-northwest-1"

  validation {
    condition     = contains(["cn-northwest-1", "cn-north-1"], var.region)
    error_message = "AWS China has cn-northwest-1 and cn-north-1."
  }
}

variable "name" {
  description = "The name of the task's family, its service, its roles and its log group."
  type        = string
  default     = "my-app"
}

variable "app_repository" {
  description = "The application's repository in this account's ECR."
  type        = string
  default     = "my-app"
}

variable "app_tag" {
  description = "The tag of the application's image."
  type        = string
  default     = "1"
}

variable "helan_repository" {
  description = "Helan's repository in this account's ECR."
  type        = string
  default     = "helan"
}

variable "helan_tag" {
  description = "The tag of Helan's image."
  type        = string
  default     = "0.1.0"
}

variable "cpu_architecture" {
  description = "X86_64 or ARM64; both images must have it."
  type        = string
  default     = "X86_64"
}

variable "endpoint" {
  description = "The SageMaker endpoint that answers."
  type        = string
  default     = "r1-distill-qwen-32b"
}

variable "inference_component" {
  description = "Its inference component. Empty: the endpoint has none."
  type        = string
  default     = ""
}

variable "model_ids" {
  description = "The model ids that the application asks for."
  type        = list(string)
  default     = ["deepseek.r1-v1:0"]
}

variable "template" {
  description = "The model's chat template: a name that `helan check` knows."
  type        = string
  default     = "deepseek-r1-distill-qwen"
}

variable "helan_environment" {
  description = "More HELAN_ variables, over those of this module."
  type        = map(string)
  default     = {}
}

variable "cluster" {
  description = "The ARN of the ECS cluster."
  type        = string
}

variable "subnets" {
  description = "Private subnets with a way to ECR, CloudWatch Logs and SageMaker Runtime: a NAT gateway or VPC endpoints."
  type        = list(string)
}

variable "security_groups" {
  description = "The task's security groups. Nothing has to be let in for Helan."
  type        = list(string)
}

variable "desired_count" {
  description = "How many tasks run."
  type        = number
  default     = 2
}

variable "log_retention_days" {
  description = "How long the log is kept."
  type        = number
  default     = 30
}
