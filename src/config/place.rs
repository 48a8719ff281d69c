//! Targets outside SageMaker: a container's own server, an OpenAI-compatible API, Bedrock in
//! another region.

use std::path::PathBuf;

use super::check::resolve;
use super::contract::Contract;
use super::environment::Surroundings;
use super::problem::{Origin, Problem};
use super::reach::Place;
use super::reader::Set;
use super::settings::Target;
use super::{Secret, raw};

/// Where a section says that its target is.
pub(super) struct Written<'a> {
    pub(super) endpoint: Option<&'a Set<String>>,
    pub(super) url: Option<&'a Set<String>>,
    api_key_env: Option<&'a Set<String>>,
    api_key_file: Option<&'a Set<String>>,
    profile: Option<&'a Set<String>>,
    cross_border: Option<&'a Set<bool>>,
}

/// A model and its further targets are written with the same keys, in sections of their own.
macro_rules! written {
    ($section:expr) => {
        Written {
            endpoint: $section.endpoint.as_ref(),
            url: $section.url.as_ref(),
            api_key_env: $section.api_key_env.as_ref(),
            api_key_file: $section.api_key_file.as_ref(),
            profile: $section.profile.as_ref(),
            cross_border: $section.cross_border.as_ref(),
        }
    };
}

impl<'a> Written<'a> {
    pub(super) fn of_model(model: &'a raw::Model) -> Self {
        written!(model)
    }

    pub(super) fn of_target(target: &'a raw::Target) -> Self {
        written!(target)
    }

    /// Whether it names a place at all.
    pub(super) fn says_where(&self) -> bool {
        self.endpoint.is_some() || self.url.is_some()
    }

    /// The key that names the place.
    pub(super) fn named(&self) -> Option<&'a Set<String>> {
        self.url.or(self.endpoint)
    }

    /// Keys that say something of a URL, where there is none.
    pub(super) fn refuse_keys_of_urls(&self, problems: &mut Vec<Problem>) {
        let keys: [(&str, Option<&Origin>); 4] = [
            ("api_key_env", self.api_key_env.map(|set| &set.origin)),
            ("api_key_file", self.api_key_file.map(|set| &set.origin)),
            ("profile", self.profile.map(|set| &set.origin)),
            ("cross_border", self.cross_border.map(|set| &set.origin)),
        ];
        for (key, origin) in keys.into_iter().filter_map(|(key, origin)| Some((key, origin?))) {
            problems.push(origin.error(
                format!("`{key}` says something of a `url`, and there is none"),
                "write the `url`, or remove the key; credentials for SageMaker are the SDK's own",
            ));
        }
    }
}

/// The place at `url`, and the file that its key came from; `None` after a problem.
pub(super) fn place(
    written: &Written<'_>,
    url: &Set<String>,
    target: &Target,
    around: &Surroundings,
    problems: &mut Vec<Problem>,
) -> Option<(Place, Option<PathBuf>)> {
    let before = problems.len();
    if let Some(endpoint) = written.endpoint {
        problems.push(endpoint.origin.error(
            "a target is at an `endpoint` or at a `url`, not at both",
            "keep one of them; further targets stand under `targets`",
        ));
    }
    let (api_key, file) = api_key(written, around, problems);
    if target.contract == Contract::Bedrock {
        check_bedrock(written, url, target, problems);
    } else {
        check_container(written, url, target, problems);
    }
    let place = Place {
        url: url.value.trim_end_matches('/').to_owned(),
        api_key,
        profile: written.profile.map(|profile| profile.value.clone()),
    };
    let is_right =
        problems.iter().skip(before).all(|problem| problem.severity != super::Severity::Error);
    is_right.then_some((place, file))
}

fn check_bedrock(
    written: &Written<'_>,
    url: &Set<String>,
    target: &Target,
    problems: &mut Vec<Problem>,
) {
    if written.cross_border.is_none_or(|set| !set.value) {
        problems.push(url.origin.error(
            "with the contract \"bedrock\", what callers send leaves China",
            "write `cross_border = true` if that is allowed, or use another contract",
        ));
    }
    let has_key = written.api_key_env.is_some() || written.api_key_file.is_some();
    match written.profile {
        None if !has_key => problems.push(url.origin.error(
            "nothing says whose calls these are: Bedrock in another region knows no credentials \
             of AWS China",
            "write `profile = \"…\"`, a profile of the AWS configuration files, or `api_key_env` \
             with a Bedrock API key",
        )),
        Some(profile) if has_key => problems.push(profile.origin.error(
            "a call is signed with a profile's credentials or carries an API key, not both",
            "keep one of them",
        )),
        Some(profile) if target.region.is_none() => problems.push(profile.origin.error(
            "a signature needs the region",
            "write `region = \"…\"`: the region of the URL, such as \"us-west-2\"",
        )),
        _ => {}
    }
}

fn check_container(
    written: &Written<'_>,
    url: &Set<String>,
    target: &Target,
    problems: &mut Vec<Problem>,
) {
    if let Some(profile) = written.profile {
        problems.push(profile.origin.error(
            "only calls to Bedrock are signed",
            "remove `profile`, or write `contract = \"bedrock\"`",
        ));
    }
    let is_whole = url.value.trim_end_matches('/').ends_with("/invocations");
    if target.contract.is_openai_api() && !is_whole && target.upstream_model.is_none() {
        problems.push(url.origin.warning(
            "most OpenAI-compatible APIs want a model's name in each request, and none is given",
            "write `upstream_model = \"…\"`, the name that the server knows",
        ));
    }
}

fn api_key(
    written: &Written<'_>,
    around: &Surroundings,
    problems: &mut Vec<Problem>,
) -> (Option<Secret>, Option<PathBuf>) {
    match (written.api_key_env, written.api_key_file) {
        (Some(variable), Some(_)) => {
            problems.push(variable.origin.error(
                "a key is in a variable or in a file, not in both",
                "keep `api_key_env` or `api_key_file`",
            ));
            (None, None)
        }
        (Some(variable), None) => {
            let key = around.variable(&variable.value);
            if key.is_none() {
                problems.push(variable.origin.error(
                    format!("the environment has no variable {}", variable.value),
                    "set it to the key; this names the variable, it is not the key",
                ));
            }
            (checked(key.map(ToOwned::to_owned), &variable.origin, problems), None)
        }
        (None, Some(named)) => {
            let path = resolve(named);
            match std::fs::read_to_string(&path) {
                Ok(text) => (checked(Some(text), &named.origin, problems), Some(path)),
                Err(error) => {
                    problems.push(named.origin.error(
                        format!("the key file {} cannot be read: {error}", path.display()),
                        "write the key into it, and nothing else",
                    ));
                    (None, Some(path))
                }
            }
        }
        (None, None) => (None, None),
    }
}

/// What can stand in a header, with the line end that editors add taken away.
fn checked(key: Option<String>, origin: &Origin, problems: &mut Vec<Problem>) -> Option<Secret> {
    let key = key?;
    let trimmed = key.trim();
    if trimmed.is_empty() || !trimmed.bytes().all(|byte| byte.is_ascii_graphic()) {
        problems.push(origin.error(
            "the key is empty, or has a character that no header can carry",
            "write the key alone: letters, digits and signs, without blanks",
        ));
        return None;
    }
    Some(Secret::from(trimmed))
}
