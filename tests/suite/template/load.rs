//! Where templates come from.

use helan::template::{ControlTokens, LoadError, Template};
use serde_json::json;

use super::input;

fn user(tools: bool) -> helan::template::Input {
    let tool = json!({"type": "function", "function": {"name": "f", "parameters": {}}});
    input(&json!({"messages": [{"role": "user", "content": "hi"}],
        "tools": if tools { json!([tool]) } else { json!(null) }}))
}

#[test]
fn the_file_wins_over_the_configuration_which_gives_the_tokens() {
    let dir = tempfile::tempdir().unwrap();
    let config = json!({"chat_template": "config", "bos_token": {"content": "<b>", "special": true}, "eos_token": "<e>",
        "pad_token": null, "added_tokens_decoder": {"7": {"content": "<|x|>", "special": true}}});
    std::fs::write(dir.path().join("tokenizer_config.json"), config.to_string()).unwrap();
    let from =
        |name: &str| Template::load(&dir.path().join(name)).unwrap().render(&user(false)).unwrap();
    assert_eq!(from(""), "config");
    std::fs::write(dir.path().join("chat_template.jinja"), "{{ bos_token }}file{{ eos_token }}")
        .unwrap();
    assert_eq!(from(""), "<b>file<e>");
    assert_eq!(from("chat_template.jinja"), "<b>file<e>");
    assert_eq!(from("tokenizer_config.json"), "config");
    let tokenizer = json!({"added_tokens": [{"id": 8, "content": "<|y|>", "special": true}]});
    std::fs::write(dir.path().join("tokenizer.json"), tokenizer.to_string()).unwrap();
    let tokens = ControlTokens::of(&Template::load(dir.path()).unwrap());
    let mut tokens: Vec<_> = tokens.iter().collect();
    tokens.sort_unstable();
    assert_eq!(tokens, ["<b>", "<e>", "<|x|>", "<|y|>"]);
}

#[test]
fn tool_use_is_picked_where_there_are_tools() {
    let config = json!({"chat_template": [
        {"name": "default", "template": "plain"}, {"name": "tool_use", "template": "{{ tools | length }} tools"},
        {"name": "rag", "template": "{{ broken"}]});
    let template = Template::from_tokenizer_config(&config.to_string()).unwrap();
    assert_eq!(template.render(&user(false)).unwrap(), "plain");
    assert_eq!(template.render(&user(true)).unwrap(), "1 tools");
}

#[test]
fn what_is_no_template_is_told_apart() {
    assert!(matches!(Template::from_tokenizer_config("{}"), Err(LoadError::Missing { .. })));
    assert!(matches!(Template::from_tokenizer_config("{"), Err(LoadError::Json { .. })));
    assert!(matches!(Template::new("{% if %}", []), Err(LoadError::Syntax(_))));
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(
        Template::load(dir.path()),
        Err(LoadError::Missing { .. } | LoadError::Read { .. })
    ));
    assert!(matches!(Template::load(&dir.path().join("none.jinja")), Err(LoadError::Read { .. })));
}
