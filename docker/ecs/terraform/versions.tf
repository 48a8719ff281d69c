terraform {
  required_version = ">= 1.5"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.30"
    }
  }
}

# Credentials of an account of AWS China; those of the global partition are unknown there.
provider "aws" {
  region = var.region
}
