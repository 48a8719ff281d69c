output "task_definition_arn" {
  description = "The revision that the service runs."
  value       = aws_ecs_task_definition.task.arn
}

output "service_name" {
  description = "The ECS service."
  value       = aws_ecs_service.service.name
}

output "task_role_arn" {
  description = "The role of the application and of Helan: add what the application itself needs."
  value       = aws_iam_role.task.arn
}

output "log_group" {
  description = "Where both containers log."
  value       = aws_cloudwatch_log_group.task.name
}
