//! Every shape that Converse and ConverseStream can carry, held against the service model: each
//! member, union arm and enum value comes back as it went in, none of ours is unknown to the
//! model, and each of its limits is refused by name.

use std::cell::RefCell;

use helan::converse::{
    ContentBlock, Event, MessageStopEvent, Request, Response, ToolConfiguration,
};
use helan::{Code, Error};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::model::{Model, Site};
use super::probe::Probe;

/// Every valid instance of `shape` must come back from `T` as it went in.
fn round_trip<T: DeserializeOwned + Serialize>(
    model: &Model,
    shape: &str,
    excused: &[&str],
) -> (usize, Vec<String>) {
    let mut tried = 0;
    let mut problems = vec![];
    let found = RefCell::new(vec![]);
    for site in model.sites(shape) {
        if site.pointer.contains("Exception") || site.pointer.is_empty() {
            continue; // exceptions are errors of ours; the root is seen from its members
        }
        for value in model.valid(&site.shape) {
            let instance = site.with(value);
            tried += 1;
            if let Err(problem) = comes_back::<T>(&instance) {
                problems.push(format!("{}: {problem}: {instance}", site.pointer));
            }
            let probe = Probe { model, shape, value: &instance, found: &found, excused };
            if let Err(error) = T::deserialize(probe) {
                problems.push(format!("{}: {error}", site.pointer));
            }
        }
    }
    problems.extend(found.into_inner());
    (tried, problems)
}

fn comes_back<T: DeserializeOwned + Serialize>(instance: &Value) -> Result<(), String> {
    let text = instance.to_string();
    let typed: T = helan::converse::read(text.as_bytes()).map_err(|error| error.to_string())?;
    let written = serde_json::to_string(&typed).map_err(|error| error.to_string())?;
    let again: Value = serde_json::from_str(&written).map_err(|error| error.to_string())?;
    if &again == instance { Ok(()) } else { Err(format!("became {again}")) }
}

/// Each enum says exactly the model's values when it is given another.
fn enums<T: DeserializeOwned>(model: &Model, shape: &str) -> Vec<String> {
    let mut problems = vec![];
    for site in model.sites(shape) {
        let values = model.strings(&site.shape, "enum");
        // Real answers carry values of this one that no model lists, so it is open.
        if values.is_empty() || site.shape == "ToolUseType" {
            continue;
        }
        let wanted = format!(
            "1 validation error detected: Value at '{}' failed to satisfy constraint: Member must \
             satisfy enum value set: [{}]",
            site.path(),
            values.join(", ")
        );
        let instance = site.with(json!("not-a-value")).to_string();
        match helan::converse::read::<T>(instance.as_bytes()) {
            Err(error) if error.message() == wanted => {}
            Err(error) => problems.push(format!("{wanted}\n but: {}", error.message())),
            Ok(_) => problems.push(format!("{} took another value", site.pointer)),
        }
    }
    problems
}

fn problems<T: DeserializeOwned + Serialize>(
    model: &Model,
    shape: &str,
    excused: &[&str],
) -> Vec<String> {
    let (_, mut problems) = round_trip::<T>(model, shape, excused);
    problems.extend(enums::<T>(model, shape));
    problems
}

#[test]
fn requests_come_back() {
    // One type of ours stands for the two operations' requests.
    let excused = ["streamProcessingMode"];
    let model = Model::load();
    assert_eq!(problems::<Request>(&model, "ConverseRequest", &excused), Vec::<String>::new());
    assert_eq!(problems::<Request>(&model, "ConverseStreamRequest", &[]), Vec::<String>::new());
}

#[test]
fn answers_come_back() {
    assert_eq!(problems::<Response>(&Model::load(), "ConverseResponse", &[]), Vec::<String>::new());
}

#[test]
fn events_come_back() {
    assert_eq!(
        problems::<Event>(&Model::load(), "ConverseStreamOutput", &[]),
        Vec::<String>::new()
    );
}

#[test]
fn the_walk_reaches_what_it_should() {
    let model = Model::load();
    let reached = |root: &str| {
        let mut shapes: Vec<_> = model.sites(root).into_iter().map(|site| site.shape).collect();
        shapes.sort_unstable();
        shapes.dedup();
        shapes
    };
    let request = reached("ConverseStreamRequest");
    for structure in [
        "CitationsContentBlock",
        "DocumentPageLocation",
        "GuardrailConverseImageBlock",
        "JsonSchemaDefinition",
        "SearchResultContentBlock",
        "ToolReference",
        "VideoBlock",
    ] {
        assert!(request.iter().any(|shape| shape == structure), "{structure}");
    }
    let response = reached("ConverseResponse");
    for structure in
        ["GuardrailAutomatedReasoningStatement", "GuardrailPiiEntityFilter", "CacheDetail"]
    {
        assert!(response.iter().any(|shape| shape == structure), "{structure}");
    }
    assert!(round_trip::<Request>(&model, "ConverseStreamRequest", &[]).0 > 500);
}

/// The proof that the tests above can fail: each way in which a model and our types may differ.
#[test]
fn a_difference_is_found() {
    fn found<T: DeserializeOwned + Serialize>(
        shape: &str,
        about: &[&str],
        change: impl FnOnce(&mut Value),
    ) {
        let problems = problems::<T>(&Model::doctored(change), shape, &[]);
        for about in about {
            assert!(
                problems.iter().any(|problem| problem.contains(about)),
                "{about}: {problems:#?}"
            );
        }
    }
    fn members<'a>(model: &'a mut Value, shape: &str) -> &'a mut serde_json::Map<String, Value> {
        model["shapes"][shape]["members"].as_object_mut().unwrap()
    }

    // A member that we lack, by name and by what becomes of it; one that the model lacks.
    let lacks = ["ToolReference lacks ToolReference.region", "/toolAddition/tool/region: became"];
    found::<ContentBlock>("ContentBlock", &lacks, |model| {
        members(model, "ToolReference").insert("region".into(), json!({"shape": "Document"}));
    });
    found::<ContentBlock>("ContentBlock", &["WebLocation.domain is not in WebLocation"], |model| {
        members(model, "WebLocation").remove("domain");
    });
    // The same of a union's members.
    let lacks = ["Block lacks ContentBlock.hologram", "Member must have exactly one member set"];
    found::<ContentBlock>("ContentBlock", &lacks, |model| {
        members(model, "ContentBlock").insert("hologram".into(), json!({"shape": "ImageBlock"}));
    });
    found::<ToolConfiguration>("ToolConfiguration", &["Tool.systemTool is not in Tool"], |model| {
        members(model, "Tool").remove("systemTool");
    });
    // The same of an enum's values.
    found::<MessageStopEvent>("MessageStopEvent", &["stopReason: ", "bored]"], |model| {
        model["shapes"]["StopReason"]["enum"].as_array_mut().unwrap().push(json!("bored"));
    });
    found::<MessageStopEvent>("MessageStopEvent", &["but: 1 validation error"], |model| {
        model["shapes"]["StopReason"]["enum"].as_array_mut().unwrap().pop();
    });
    // Another type; a member that we require and the model does not.
    found::<ContentBlock>("ContentBlock", &["/error/message: "], |model| {
        members(model, "ErrorBlock")["message"] = json!({"shape": "Document"});
    });
    found::<ContentBlock>("ContentBlock", &["Member must not be null"], |model| {
        model["shapes"]["DocumentBlock"]["required"] = json!(["source"]);
    });
}

/// A value that breaks one constraint of the model, and the words that must name it.
fn broken(model: &Model, site: &Site) -> Vec<(Value, String)> {
    let mut wrong = vec![];
    let (least, most) = (model.length(&site.shape, "min"), model.length(&site.shape, "max"));
    let sample = || model.minimal(&site.shape);
    match model.kind(&site.shape) {
        "string" if model.strings(&site.shape, "enum").is_empty() => {
            let length =
                |bound, most| format!("Member must have length {bound} than or equal to {most}");
            if let Some(least) = least.filter(|least| *least > 0) {
                wrong.push((json!(""), length("greater", least)));
            }
            if let Some(most) = most {
                wrong.push((json!("a".repeat(most + 1)), length("less", most)));
            }
            if let Some(pattern) = model.shape(&site.shape).get("pattern") {
                let words = format!(
                    "Member must satisfy regular expression pattern: {}",
                    pattern.as_str().unwrap()
                );
                wrong.push((json!("*"), words.clone()));
                wrong.push((json!(format!("{}é", sample().as_str().unwrap())), words));
            }
            wrong.push((json!(7), "Member must be a string".into()));
        }
        "integer" => {
            let words =
                |bound, most| format!("Member must have value {bound} than or equal to {most}");
            if let Some(least) = least {
                // What counts from 0 has no negative values in our types.
                let words = if least == 0 {
                    "Member must be an integer greater than or equal to 0".into()
                } else {
                    words("greater", least)
                };
                wrong.push((json!(i64::try_from(least).unwrap() - 1), words));
            }
            wrong.push((json!(10.0), "Member must be an integer".into()));
            wrong.push((json!("7"), "Member must be an integer".into()));
        }
        "float" => {
            wrong.push((json!(-0.1), "Member must have value greater than or equal to 0".into()));
            wrong.push((json!(1.001), "Member must have value less than or equal to 1".into()));
            wrong.push((json!("1"), "Member must be a number".into()));
        }
        "list" => {
            let element = model.minimal(model.element(&site.shape));
            if least.is_some_and(|least| least > 0) {
                wrong
                    .push((json!([]), "Member must have length greater than or equal to 1".into()));
            }
            if let Some(most) = most {
                let many = vec![element; most + 1];
                let words = format!("Member must have length less than or equal to {most}");
                wrong.push((Value::Array(many), words));
            }
            wrong.push((json!({}), "Member must be a list".into()));
        }
        "map" => {
            if let Some(most) = most {
                let many = (0..=most).map(|at| (format!("k{at}"), json!("v"))).collect();
                let words = format!("Member must have length less than or equal to {most}");
                wrong.push((Value::Object(many), words));
            }
            wrong.push((json!([]), "Member must be an object".into()));
        }
        "blob" => {
            if least.is_some() {
                let words = "Member must have length greater than or equal to 1";
                wrong.push((json!(""), words.into()));
            }
            wrong.push((json!("@@@@"), "Member must be base64".into()));
        }
        "boolean" => wrong.push((json!("true"), "Member must be true or false".into())),
        "structure" => wrong.push((json!([]), "Member must be an object".into())),
        _ => {}
    }
    wrong
}

fn refusal(instance: &Value) -> Option<String> {
    let checked = Request::parse(instance.to_string().as_bytes());
    checked.and_then(|request| request.validate()).err().map(|error| error.message().to_owned())
}

#[test]
fn every_limit_of_the_model_is_refused_by_name() {
    let model = Model::load();
    let mut tried = 0;
    for site in model.sites("ConverseStreamRequest") {
        if site.pointer.is_empty() {
            continue;
        }
        for (value, words) in broken(&model, &site) {
            let wanted =
                format!("Value at '{}' failed to satisfy constraint: {words}", site.path());
            let message = refusal(&site.with(value));
            tried += 1;
            assert!(
                message.as_ref().is_some_and(|message| message.contains(&wanted)),
                "{wanted}\n but: {message:?}"
            );
        }
        for member in model.required(&site.shape) {
            let mut instance = site.root.clone();
            let at = instance.pointer_mut(&site.pointer).and_then(Value::as_object_mut).unwrap();
            at.remove(member);
            let wanted = format!(
                "1 validation error detected: Value at '{}.{member}' failed to satisfy \
                 constraint: Member must not be null",
                site.path()
            );
            assert_eq!(refusal(&instance), Some(wanted));
            tried += 1;
        }
    }
    assert!(tried > 300, "{tried}");
}

#[test]
fn what_is_within_the_limits_is_not_refused_for_them() {
    let model = Model::load();
    for site in model.sites("ConverseStreamRequest") {
        if site.pointer.is_empty() {
            continue;
        }
        for value in model.valid(&site.shape) {
            let instance = site.with(value);
            if let Some(message) = refusal(&instance) {
                // Only the rules of a conversation may refuse it; the smallest has no messages.
                let is_limit =
                    message.contains("validation error") && !message.contains("'messages'");
                assert!(!is_limit, "{message}: {instance}");
            }
        }
    }
}

#[test]
fn a_padded_payload_is_the_event_and_its_padding() {
    let model = Model::load();
    for site in model.sites("ConverseStreamOutput") {
        if site.pointer.contains("Exception") || site.pointer.is_empty() {
            continue;
        }
        for value in model.valid(&site.shape) {
            let instance = site.with(value);
            let event: Event = serde_json::from_value(instance.clone()).unwrap();
            let mut payload = vec![];
            event.write_payload("abc", &mut payload).unwrap();
            let mut payload: Value = serde_json::from_slice(&payload).unwrap();
            let names: Vec<_> = payload.as_object().unwrap().keys().cloned().collect();
            assert!(names.is_sorted(), "{names:?}");
            assert_eq!(payload.as_object_mut().unwrap().shift_remove("p"), Some(json!("abc")));
            assert_eq!(json!({ event.name(): payload }), instance);
        }
    }
}

/// Codes that the service itself never sends: they are the front end's, or without a shape.
const FRONT_END: &[Code] = &[
    Code::ExpiredToken,
    Code::IncompleteSignature,
    Code::InvalidSignature,
    Code::MissingAuthenticationToken,
    Code::UnrecognizedClient,
    Code::UnknownOperation,
    Code::WrongMethod,
    Code::TooLarge,
    Code::HeadTooLarge,
];

const OF_THE_SERVICE: &[Code] = &[
    Code::AccessDenied,
    Code::InvalidApiKey,
    Code::InternalServer,
    Code::ModelError,
    Code::ModelNotReady,
    Code::ModelStreamError,
    Code::ModelTimeout,
    Code::ResourceNotFound,
    Code::ServiceQuotaExceeded,
    Code::ServiceUnavailable,
    Code::Throttling,
    Code::Validation,
];

#[test]
fn codes_have_the_names_and_statuses_of_the_model() {
    let model = Model::load();
    for code in OF_THE_SERVICE {
        let shape = model.shape(code.name());
        assert_eq!(shape["exception"], true, "{}", code.name());
        assert_eq!(shape["error"]["httpStatusCode"], code.status().as_u16(), "{}", code.name());
    }
    for code in FRONT_END {
        let is_modelled = model.shapes().any(|(name, _)| name == code.name());
        let sizes = [Code::TooLarge, Code::HeadTooLarge];
        assert_eq!(is_modelled, sizes.contains(code), "{}", code.name());
    }
    // Every error of every operation has its code, but for the one that no operation of ours has.
    for (name, shape) in model.shapes() {
        if shape.get("exception").is_some() && name != "ConflictException" {
            assert!(OF_THE_SERVICE.iter().any(|code| code.name() == name), "{name}");
        }
    }
    for operation in ["Converse", "ConverseStream"] {
        let errors = model.operation(operation)["errors"].as_array().unwrap();
        assert!(errors.contains(&json!(Error::validation("").code().name())));
        assert_eq!(errors.len(), 9);
    }
}

#[test]
fn the_streams_exceptions_are_codes() {
    let model = Model::load();
    let exceptions: Vec<_> = model
        .members("ConverseStreamOutput")
        .into_iter()
        .filter(|(name, _)| name.ends_with("Exception"))
        .map(|(_, shape)| shape)
        .collect();
    assert_eq!(exceptions.len(), 5);
    for exception in exceptions {
        assert!(OF_THE_SERVICE.iter().any(|code| code.name() == exception), "{exception}");
    }
}
