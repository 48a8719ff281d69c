//! SageMaker through the official SDK.
