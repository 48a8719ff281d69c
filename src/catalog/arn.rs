//! ARNs, as far as a model can be named by one.

/// What an ARN names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arn<'a> {
    /// A foundation model or an inference profile, by the id that it has without an ARN.
    Model(&'a str),
    /// Another model or profile of an account: imported, provisioned, deployed, custom.
    Resource {
        /// What follows the kind.
        id: &'a str,
        /// What follows its last slash.
        last: &'a str,
    },
    /// A prompt of Prompt Management.
    Prompt,
    /// A SageMaker endpoint.
    Endpoint {
        /// Where it is.
        region: &'a str,
        /// Its name, fit to be part of a path.
        name: &'a str,
    },
}

/// Takes an ARN apart; `None` for one that names nothing a call can be sent to.
pub(super) fn parse(text: &str) -> Option<Arn<'_>> {
    let mut parts = text.splitn(6, ':');
    let mut part = || parts.next();
    let (_arn, partition, service, region, account, resource) =
        (part().filter(|arn| *arn == "arn")?, part()?, part()?, part()?, part()?, part()?);
    let partition_known = partition == "aws"
        || partition.strip_prefix("aws-").is_some_and(|rest| is_label(rest, false));
    let account_known =
        account.is_empty() || (account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit()));
    if !partition_known || !account_known || !is_label(region, true) {
        return None;
    }
    let (kind, id) = resource.split_once('/')?;
    match service {
        "bedrock" if is_path(id) => bedrock(kind, id),
        // The service model knows this ARN in the partition aws alone; SDKs send it in any.
        "sagemaker" if matches!(partition, "aws" | "aws-cn") && kind == "endpoint" => {
            is_endpoint_name(id).then_some(Arn::Endpoint { region, name: id })
        }
        _ => None,
    }
}

fn bedrock<'a>(kind: &str, id: &'a str) -> Option<Arn<'a>> {
    match kind {
        "foundation-model" | "inference-profile" => Some(Arn::Model(id)),
        "imported-model"
        | "application-inference-profile"
        | "provisioned-model"
        | "custom-model-deployment"
        | "custom-model" => Some(Arn::Resource { id, last: id.rsplit('/').next().unwrap_or(id) }),
        "prompt" => Some(Arn::Prompt),
        _ => None, // prompt routers choose among models, which one configured model cannot
    }
}

/// Letters, digits and hyphens, as in a region's code or the rest of a partition's name.
fn is_label(text: &str, with_digits: bool) -> bool {
    (1..=32).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b == b'-' || (with_digits && b.is_ascii_digit()))
}

/// The characters of the service model's patterns, and no step up or empty step between slashes.
fn is_path(id: &str) -> bool {
    id.split('/').all(is_plain)
}

/// Whether `id` can be a model id that is no ARN.
pub(super) fn is_plain(id: &str) -> bool {
    id.bytes().all(|b| b.is_ascii_alphanumeric() || b"._:-".contains(&b))
        && id.bytes().any(|b| b.is_ascii_alphanumeric())
}

/// The service model's pattern for endpoint names.
fn is_endpoint_name(name: &str) -> bool {
    (1..=63).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        && !name.starts_with('-')
        && !name.ends_with('-')
}
