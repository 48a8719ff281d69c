//! Small templates, one for each way in which Jinja2 and Python differ from the engine, with what
//! transformers rendered; and what happens to templates that fail.

use helan::template::{RenderError, Template, jsonl};
use helan::{Code, Error};
use serde_json::{Value, json};

use super::{input, json};

fn template(text: &str) -> Template {
    Template::new(text, [("bos_token", "<s>"), ("eos_token", "</s>")]).unwrap()
}

fn user() -> Value {
    json!({"messages": [{"role": "user", "content": "hi"}]})
}

#[test]
fn every_item_renders_as_in_transformers() {
    let recorded = json("recipe/renders.json");
    let input = input(&recorded);
    let cases = recorded["cases"].as_array().unwrap();
    assert!(cases.len() > 60);
    for case in cases {
        let text = case["template"].as_str().unwrap();
        let rendered = template(text).render(&input);
        assert_eq!(rendered.ok().as_deref(), case["text"].as_str(), "{}: {text}", case["name"]);
    }
}

#[test]
fn a_template_that_raises_speaks_to_the_caller() {
    for text in [
        "{{ raise_exception('No ' ~ messages[0].role ~ '!') }}",
        "{% macro f() %}{{ raise_exception('No user!') }}{% endmacro %}{{ f() }}",
    ] {
        let error = template(text).render(&input(&user())).unwrap_err();
        assert!(matches!(&error, RenderError::Refused(said) if said == "No user!"), "{error:?}");
        let error = Error::from(error);
        assert_eq!((error.code(), error.message()), (Code::Validation, "No user!"));
    }
}

#[test]
fn other_faults_keep_their_cause_for_the_log() {
    let error = template("{{ 'a' + messages }}").render(&input(&user())).unwrap_err();
    assert!(matches!(error, RenderError::Failed(_)));
    let error = Error::from(error);
    assert_eq!(error.code(), Code::Validation);
    assert!(!error.message().contains('+'), "{}", error.message());
}

#[test]
fn endless_templates_end() {
    let loops = "{% for a in range(9999) %}{% for b in range(9999) %}{% for c in range(9999) %}{% endfor %}{% endfor %}{% endfor %}";
    let error = template(loops).render(&input(&user())).unwrap_err();
    assert!(matches!(error, RenderError::Exhausted(_)), "{error:?}");
    let recursion = "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}";
    let error = template(recursion).render(&input(&user())).unwrap_err();
    assert!(matches!(error, RenderError::Failed(_) | RenderError::Exhausted(_)), "{error:?}");
    let nested = "{% set ns = namespace(x=[]) %}{% for a in range(5000) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x }}";
    let error = template(nested).render(&input(&user())).unwrap_err();
    assert!(matches!(error, RenderError::Failed(_)), "{error:?}");
}

#[test]
fn templates_that_build_too_much_end() {
    let double = |how: &str| {
        format!(
            "{{% set ns = namespace(x='ab') %}}{{% for i in range(99) %}}{{% set ns.x = {how} %}}{{% endfor %}}"
        )
    };
    let kilobyte = "x".repeat(1024);
    for text in [
        double("ns.x + ns.x"),
        double("ns.x ~ ns.x"),
        double("ns.x ~ 1 ~ ns.x"),
        double("ns.x * 2"),
        double("'%s%s' % (ns.x, ns.x)"),
        double("'%s%s'|format(ns.x, ns.x)"),
        double("[ns.x, ns.x]|join"),
        double("'-'.join([ns.x, ns.x])"),
        double("[ns.x, ns.x]|string"),
        double("[ns.x, ns.x]|tojson"),
        double("ns.x.replace('b', ns.x)"),
        double("ns.x|replace('b', ns.x)"),
        double("(ns.x|list) + (ns.x|list)"),
        "{% macro f(x) %}{{ f(x ~ x) }}{% endmacro %}{{ f('ab') }}".to_owned(),
        "{% set a = 'ab' %}".to_owned() + &"{% set a %}{{ a }}{{ a }}{% endset %}".repeat(40),
        format!(
            "{{% set a %}}{{% for i in range(9999) %}}{{% for j in range(99) %}}{kilobyte}{{% endfor %}}{{% endfor %}}{{% endset %}}"
        ),
        format!(
            "{{% macro f() %}}{kilobyte}{{% endmacro %}}{{% for i in range(99999) %}}{{{{ f() }}}}{{% endfor %}}"
        ),
        "{{ 'x' * 99999999 }}".to_owned(),
        "{{ [0] * 99999999 }}".to_owned(),
        "{% set x = 'x' * 9999999 %}{% set ns = namespace(l=[]) %}{% for i in range(99) %}{% set ns.l = ns.l + [x[1:]] %}{% endfor %}".to_owned(),
        "{% for c in 'x' * 60000000 %}{% endfor %}".to_owned(),
    ] {
        let error = template(&text).render(&input(&user())).unwrap_err();
        let shown = text.chars().take(120).collect::<String>();
        assert!(matches!(error, RenderError::TooLarge(_)), "{shown}: {error:?}");
        let error = Error::from(error);
        assert_eq!(error.code(), Code::Validation);
        assert!(error.message().contains("too much text"), "{}", error.message());
    }
    // One that failed leaves nothing behind.
    assert_eq!(template("{{ 'x' * 3 ~ 'y' }}").render(&input(&user())).unwrap(), "xxxy");
}

#[test]
fn a_long_conversation_has_room() {
    let text = "长城".repeat(1000);
    let messages: Vec<_> = (0..400)
        .map(|turn| json!({"role": if turn % 2 == 0 { "user" } else { "assistant" }, "content": text}))
        .collect();
    let sum = "{% set ns = namespace(x='') %}{% for m in messages %}{% set ns.x = ns.x + m.role + ': ' + m.content + '\\n' %}{% endfor %}{{ ns.x }}";
    let prompt = template(sum).render(&input(&json!({"messages": messages}))).unwrap();
    assert!(prompt.len() > 400 * text.len());
}

#[test]
fn lines_are_answered_with_lines() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("t.jinja");
    std::fs::write(
        &file,
        "{{ bos_token }}{{ messages[0].content }}{{ x }}{{ strftime_now('%d %b %Y') }}{{ eos_token if add_generation_prompt }}",
    )
    .unwrap();
    let line = |id: Value, now: Value| {
        json!({"id": id, "template_file": file, "messages": [{"role": "user", "content": "<|eot_id|>"}], "tools": null,
            "add_generation_prompt": true, "kwargs": {"x": 1.0}, "now": now})
        .to_string()
    };
    let asked = [
        line(json!("a|1"), json!("2026-11-20T23:22:04Z")),
        line(json!(2), json!("2026-11-20 23:22:04.5")),
        line(json!(3), json!(1_795_216_924)),
        line(json!(4), json!("2026-11-20")),
        line(json!(5), json!("soon")),
        json!({"id": "none", "template_file": dir.path().join("none.jinja"), "messages": []})
            .to_string(),
        r#"{"id": "broken"}"#.to_owned(),
        "no json".to_owned(),
    ];
    let mut out = vec![];
    jsonl(asked.join("\n").as_bytes(), &mut out).unwrap();
    let lines: Vec<Value> = String::from_utf8(out)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let text = "<s><|eot_id|>1.020 Nov 2026</s>";
    assert_eq!(lines[0], json!({"id": "a|1", "ok": true, "text": text}));
    for line in &lines[1..4] {
        assert_eq!(line["text"], text);
    }
    assert_eq!(lines.len(), asked.len());
    for (line, id) in lines[4..].iter().zip([json!(5), json!("none"), json!("broken"), Value::Null])
    {
        assert_eq!((&line["ok"], &line["id"]), (&json!(false), &id), "{line}");
        assert!(!line["error"].as_str().unwrap().is_empty());
    }
}
