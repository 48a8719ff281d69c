//! Converse requests as templates take them.

use helan::converse::{Ask, Input, Request};
use helan::template::{self, Builtin, CallIds, Content, Findings, Options, Template};
use helan::{Code, Error};
use serde_json::{Value, json};
use time::OffsetDateTime;

fn ask(request: &Value) -> Ask {
    Ask::from(serde_json::from_value::<Request>(request.clone()).expect("a Converse request"))
}

fn converted(request: &Value, findings: &Findings) -> Result<template::Input, Error> {
    let ask = ask(request);
    let Input::Conversation(conversation) = &ask.input else { panic!("a conversation") };
    let options = Options { images: true, ..Options::default() };
    template::input(conversation, &ask.parameters, findings, options, OffsetDateTime::UNIX_EPOCH)
        .map(|(input, _)| input)
}

fn prompt(request: &Value, template: &Template) -> Result<String, Error> {
    Ok(template.render(&converted(request, &Findings::of(template))?)?)
}

fn builtin(name: &str) -> Template {
    Builtin::find(name).unwrap().template().unwrap()
}

fn tool_round() -> Value {
    json!({
        "system": [{"text": "Be brief."}, {"cachePoint": {"type": "default"}}],
        "messages": [
            {"role": "user", "content": [{"text": "银川?"}]},
            {"role": "assistant", "content": [
                {"reasoningContent": {"reasoningText": {"text": "ask", "signature": "s"}}},
                {"toolUse": {"toolUseId": "tooluse_aBcDeFgHiJkLmNoP", "name": "weather", "input": {"city": "银川"}}}]},
            {"role": "user", "content": [
                {"toolResult": {"toolUseId": "tooluse_aBcDeFgHiJkLmNoP", "status": "error", "content": [{"json": {"a": 1}}]}}]}],
        "toolConfig": {"tools": [{"toolSpec": {"name": "weather", "inputSchema": {"json": {"type": "object", "properties": {}}}}}]}
    })
}

#[test]
fn a_round_with_a_tool() {
    let found = Findings { tools: true, tool_history: true, ..Findings::default() };
    let input = converted(&tool_round(), &found).unwrap();
    assert_eq!(
        Value::from(input.messages),
        json!([
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "银川?"},
            {"role": "assistant", "content": "", "reasoning_content": "ask", "tool_calls": [{"id": "tooluse_aBcDeFgHiJkLmNoP",
                "type": "function", "function": {"name": "weather", "arguments": {"city": "银川"}}}]},
            {"role": "tool", "tool_call_id": "tooluse_aBcDeFgHiJkLmNoP", "name": "weather", "content": "Error: {\"a\":1}"}
        ])
    );
    let tool = json!({"type": "function", "function": {"name": "weather", "description": "",
        "parameters": {"type": "object", "properties": {}}}});
    assert_eq!(input.tools, Some(vec![tool]));
}

#[test]
fn ids_are_as_the_template_wants_them() {
    let found = Findings {
        tools: true,
        tool_history: true,
        call_ids: CallIds::NineAlphanumeric,
        content: Content::Parts,
        ..Findings::default()
    };
    let messages = converted(&tool_round(), &found).unwrap().messages;
    let id = messages[2]["tool_calls"][0]["id"].as_str().unwrap();
    assert!(id.len() == 9 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{id}");
    assert_eq!(messages[3]["tool_call_id"], id);
    assert_eq!(messages[1]["content"], json!([{"type": "text", "text": "银川?"}]));
    assert!(prompt(&tool_round(), &builtin("mistral-v3")).unwrap().contains(id));
}

#[test]
fn system_text_finds_a_place() {
    let template = Template::new(
        "{% for m in messages %}{{ raise_exception('no system') if m.role == 'system' }}[{{ m.content }}]{% endfor %}",
        [],
    )
    .unwrap();
    let request = json!({"system": [{"text": "S"}], "messages": [{"role": "user", "content": [{"text": "U"}]},
        {"role": "assistant", "content": [{"text": "<think>hm</think>\n\nA"}]}, {"role": "user", "content": [{"text": "V"}]}]});
    assert_eq!(prompt(&request, &template).unwrap(), "[S\n\nU][A][V]");
}

#[test]
fn switches_go_to_the_template() {
    let request = json!({"messages": [{"role": "user", "content": [{"text": "1+1?"}]}],
        "additionalModelRequestFields": {"chat_template_kwargs": {"enable_thinking": false}}});
    let text = prompt(&request, &builtin("qwen3")).unwrap();
    assert!(text.ends_with("<|im_start|>assistant\n<think>\n\n</think>\n\n"), "{text}");
    let request = json!({"messages": [{"role": "user", "content": [{"text": "1+1?"}]}], "outputConfig": {"effort": "high"}});
    assert!(prompt(&request, &builtin("gpt-oss")).unwrap().contains("Reasoning: high"));
}

#[test]
fn images_leave_their_place_in_the_prompt() {
    let request = json!({"messages": [{"role": "user", "content": [
        {"image": {"format": "png", "source": {"bytes": "aGk="}}}, {"text": "what?"}]}]});
    assert!(prompt(&request, &builtin("gemma3")).unwrap().contains("<start_of_image>what?"));
    assert_eq!(prompt(&request, &builtin("chatml")).unwrap_err().code(), Code::Validation);
}

#[test]
fn what_the_template_has_no_place_for_is_refused() {
    let refused = |request: &Value, name: &str| {
        prompt(request, &builtin(name)).unwrap_err().message().to_owned()
    };
    assert_eq!(refused(&tool_round(), "llama3"), "This model doesn't support tool use.");
    let mut without_tools = tool_round();
    without_tools.as_object_mut().unwrap().remove("toolConfig");
    assert!(refused(&without_tools, "chatml").contains("toolUse"));
    let kwargs = json!({"messages": [{"role": "user", "content": [{"text": "x"}]}],
        "additionalModelRequestFields": {"chat_template_kwargs": 1}});
    assert_eq!(refused(&kwargs, "chatml"), "chat_template_kwargs must be an object.");
}
