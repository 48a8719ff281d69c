//! What comes through a stream: parts, dialects, faults in the middle.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{Running, chat, events, invoke, parts, stream, streamed};

const TEXT: &str = "贺兰山下，黄河岸边。 Helan 🏔 mountains";

/// The text of a stream of chunks.
fn text(events: &[Value], member: &str) -> String {
    events.iter().filter_map(|e| e["choices"][0]["delta"][member].as_str()).collect()
}

#[tokio::test]
async fn every_size_of_parts_gives_the_same_bytes() {
    let mut rules = format!("[[rules]]\nwhen.text = 'whole'\nanswer.text = '{TEXT}'\n");
    let sizes = ["1", "2", "3", "5", "7", "16", "64", "1000", "1000000", "1, 7, 2", "400, 1"];
    for (at, sizes) in sizes.iter().enumerate() {
        write!(
            rules,
            "[[rules]]\nwhen.text = 'cut {at}.'\nanswer.text = '{TEXT}'\ncut = [{sizes}]\n"
        )
        .unwrap();
    }
    let running = Running::with(&rules).await;
    let same = |text: &str| {
        let mut events = events(text);
        for event in &mut events {
            event["id"] = Value::Null;
            event["created"] = Value::Null;
        }
        events
    };
    let whole = same(&stream(&running, streamed(chat("whole")).to_string()).await);
    assert_eq!(text(&whole, "content"), TEXT);
    for (at, sizes) in sizes.iter().enumerate() {
        let request = streamed(chat(&format!("cut {at}."))).to_string();
        let (parts, error) = parts(&running, request).await;
        assert_eq!(error, None);
        let mut events = same(&String::from_utf8(parts.concat()).unwrap());
        // The question is longer.
        let usage = events.last_mut().unwrap();
        usage["usage"] = whole.last().unwrap()["usage"].clone();
        assert_eq!(events, whole, "cut = [{sizes}]");
        let sizes: Vec<usize> = sizes.split(", ").map(|size| size.parse().unwrap()).collect();
        for (at, part) in parts.iter().enumerate().take(parts.len() - 1) {
            assert_eq!(part.len(), sizes[at % sizes.len()]);
        }
        if sizes[0] < 3 {
            let torn = parts.iter().any(|part| std::str::from_utf8(part).is_err());
            assert!(torn, "no part of cut = {sizes:?} ends inside a character");
        }
    }
}

#[tokio::test]
async fn dialects_and_quirks_reach_the_wire() {
    let rules = "
        [[rules]]
        when.text = 'lines'
        dialect = 'jsonlines'
        answer.text = 'Hi'
        [[rules]]
        when.text = 'emd error'
        dialect = 'emd'
        fault.error_event = { after = 1, message = 'it broke' }
        [[rules]]
        when.text = 'emd'
        dialect = 'emd'
        answer.text = 'Hi'
        [[rules]]
        when.text = 'odd'
        quirks = ['no-space', 'crlf', 'comments', 'glued-done', 'no-last-newline']
        answer.text = 'Hi'
        [[rules]]
        when.text = 'no end'
        quirks = ['no-done', 'no-last-newline']
        answer.text = 'Hi'";
    let running = Running::with(rules).await;
    let ask = |text: &str| streamed(chat(text)).to_string();
    let lines = stream(&running, ask("lines")).await;
    assert!(lines.ends_with("\"}\n\n") && lines.starts_with("{\"id\""), "{lines}");
    assert_eq!(lines.lines().count(), 5); // role, text, finish, usage, blank
    let emd = stream(&running, ask("emd")).await;
    assert!(emd.lines().all(|line| line.starts_with('{')) && emd.ends_with("\"}\n"), "{emd}");
    let error = stream(&running, ask("emd error")).await;
    assert!(error.ends_with("\n{\"error\": \"it broke\"}\n"), "{error}");
    let odd = stream(&running, ask("odd")).await;
    assert!(
        odd.starts_with(": keep-alive\r\n\r\ndata:{") && odd.ends_with("\"}data:[DONE]"),
        "{odd}"
    );
    let no_end = stream(&running, ask("no end")).await;
    assert!(no_end.ends_with("\"}") && !no_end.contains("[DONE]"), "{no_end}");
}

#[tokio::test]
async fn reasoning_comes_in_each_container_s_way() {
    let mut rules = String::new();
    for manner in ["reasoning", "reasoning_content", "think", "think_close"] {
        write!(
            rules,
            "[[rules]]\nwhen.text = 'as {manner}.'\nreasoning = '{manner}'\n\
             answer = {{ reasoning = '想', text = '好' }}\n"
        )
        .unwrap();
    }
    let running = Running::with(&rules).await;
    for (manner, field, thought, content) in [
        ("reasoning", "reasoning", "想", "好"),
        ("reasoning_content", "reasoning_content", "想", "好"),
        ("think", "reasoning", "", "<think>\n想\n</think>\n\n好"),
        ("think_close", "reasoning", "", "想\n</think>\n\n好"),
    ] {
        let request = chat(&format!("as {manner}."));
        let all = events(&stream(&running, streamed(request.clone()).to_string()).await);
        assert_eq!((text(&all, field), text(&all, "content")), (thought.into(), content.into()));
        let whole: Value =
            serde_json::from_slice(&invoke(&running, request.to_string()).await).unwrap();
        let message = &whole["choices"][0]["message"];
        let thought = if thought.is_empty() { Value::Null } else { thought.into() };
        assert_eq!((&message[field], &message["content"]), (&thought, &Value::from(content)));
    }
}

#[tokio::test]
async fn limits_and_stop_strings_end_an_answer() {
    let running = Running::with("[[rules]]\nanswer.text = 'one two three four'").await;
    let mut request = chat("count");
    request["stop"] = json!(["four", " thr"]);
    let whole: Value =
        serde_json::from_slice(&invoke(&running, request.to_string()).await).unwrap();
    let choice = &whole["choices"][0];
    assert_eq!(choice["message"]["content"], "one two");
    assert_eq!(
        (&choice["finish_reason"], &choice["stop_reason"]),
        (&"stop".into(), &" thr".into())
    );
    let all = events(&stream(&running, streamed(request.clone()).to_string()).await);
    assert_eq!(text(&all, "content"), "one two");
    assert_eq!(all[all.len() - 2]["choices"][0]["stop_reason"], " thr");

    request["max_tokens"] = 1.into();
    let all = events(&stream(&running, streamed(request).to_string()).await);
    assert_eq!(text(&all, "content"), "one");
    assert_eq!(all[all.len() - 2]["choices"][0]["finish_reason"], "length");
    assert_eq!(all[all.len() - 1]["usage"]["completion_tokens"], 1);
}

#[tokio::test]
async fn calls_follow_the_request() {
    let rules = "
        builtin = false
        [[rules]]
        when.text = 'both'
        answer.text = 'Two.'
        answer.tool_calls = [
            { name = 'a', arguments = { x = [1, true] }, id = 'call-1' },
            { name = 'b', arguments = '{broken' },
        ]
        [[rules]]
        answer = { text = 'No tool.', call = true }";
    let running = Running::with(rules).await;
    let function = |name: &str| {
        json!({"type": "function", "function": {
            "name": name,
            "parameters": {"type": "object", "properties": {"n": {"type": "integer"}}},
        }})
    };
    let ask = |text: &str, choice: Value| {
        let mut request = chat(text);
        request["tools"] = json!([function("a"), function("b")]);
        request["tool_choice"] = choice;
        request.to_string()
    };
    let calls = async |request: String| {
        let whole: Value = serde_json::from_slice(&invoke(&running, request).await).unwrap();
        let choice = &whole["choices"][0];
        let calls: Vec<_> = choice["message"]["tool_calls"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|call| {
                let function = &call["function"];
                format!(
                    "{}{}",
                    function["name"].as_str().unwrap(),
                    function["arguments"].as_str().unwrap()
                )
            })
            .collect();
        let reason = choice["finish_reason"].as_str().unwrap().to_owned();
        (calls, choice["message"]["content"].clone(), reason)
    };
    let both = vec!["a{\"x\":[1,true]}".to_owned(), "b{broken".to_owned()];
    let finish = "tool_calls".to_owned();
    assert_eq!(calls(ask("both", json!("auto"))).await, (both, "Two.".into(), finish.clone()));
    assert_eq!(calls(ask("both", json!("none"))).await, (vec![], "Two.".into(), "stop".into()));
    let named = json!({"type": "function", "function": {"name": "b"}});
    assert_eq!(
        calls(ask("x", named)).await,
        (vec!["b{\"n\":1}".to_owned()], "".into(), "stop".into())
    );
    let one = vec!["a{\"n\":1}".to_owned()];
    assert_eq!(calls(ask("x", json!("required"))).await, (one.clone(), "".into(), finish.clone()));
    assert_eq!(calls(ask("x", json!("auto"))).await, (one, "No tool.".into(), finish));
    let plain = calls(chat("x").to_string()).await;
    assert_eq!(plain, (vec![], "No tool.".into(), "stop".into()));
}

#[tokio::test]
async fn json_is_answered_where_json_is_asked_for() {
    let running = Running::with("").await;
    let mut request = chat("ok?");
    request["response_format"] = json!({"type": "json_schema", "json_schema": {"name": "a", "schema": {
        "type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"],
    }}});
    let whole: Value =
        serde_json::from_slice(&invoke(&running, request.to_string()).await).unwrap();
    assert_eq!(whole["choices"][0]["message"]["content"], "{\"ok\":true}");
}

#[tokio::test]
async fn faults_end_a_stream_each_in_its_way() {
    let rules = "
        [[rules]]
        when.text = 'times out'
        answer.text = 'a b c'
        fault.model_stream_error = { after = 2 }
        [[rules]]
        when.text = 'fails'
        answer.text = 'a b c'
        fault.internal_stream_failure = { after = 2, message = 'Oh no.' }
        [[rules]]
        when.text = 'pulled'
        answer.text = 'a b c'
        fault.cut = { after = 2 }
        [[rules]]
        when.text = 'truncated'
        answer.text = 'a b c'
        fault.truncate = {}
        [[rules]]
        when.text = 'empty'
        fault.empty = true
        [[rules]]
        when.text = 'stalls'
        answer.text = 'a b c'
        cut = [100000]
        fault.stall = { after = 2, ms = 20 }";
    let running = Running::with(rules).await;
    let ask = async |text: &str| parts(&running, streamed(chat(text)).to_string()).await;
    let (parts, error) = ask("times out").await;
    let error = error.unwrap();
    assert_eq!(parts.len(), 2);
    assert!(
        error.contains("ModelStreamError") && error.contains("ModelInvocationTimeExceeded"),
        "{error}"
    );
    let (parts, error) = ask("fails").await;
    let error = error.unwrap();
    assert_eq!(parts.len(), 2);
    assert!(error.contains("InternalStreamFailure") && error.contains("Oh no."), "{error}");
    let (parts, error) = ask("pulled").await;
    assert_eq!((parts.len(), error.is_some()), (2, true));
    let (parts, error) = ask("truncated").await;
    let text = String::from_utf8(parts.concat()).unwrap();
    assert!(error.is_none() && text.ends_with("data: [DONE]\n\n"));
    assert!(text.contains(" c") && !text.contains("\"finish_reason\":\""), "{text}");
    assert_eq!(ask("empty").await, (vec![], None));
    // A stall lets go of what was held back, and then the rest comes.
    let (parts, error) = ask("stalls").await;
    assert_eq!((parts.len(), error), (2, None));
    assert_eq!(running.calls().await, [6, 3, 0, 3]);
}

#[tokio::test]
async fn a_rate_of_tokens_loses_nothing() {
    let running = Running::with("[[rules]]\ntokens_per_second = 1000\nanswer.text = 'a b c'").await;
    let all = events(&stream(&running, streamed(chat("x")).to_string()).await);
    assert_eq!(text(&all, "content"), "a b c");
    let whole: Value =
        serde_json::from_slice(&invoke(&running, chat("x").to_string()).await).unwrap();
    assert_eq!(whole["choices"][0]["message"]["content"], "a b c");
}

#[tokio::test]
async fn the_usage_can_be_dictated_and_the_body_echoed() {
    let rules = "
        [[rules]]
        when.text = 'echo'
        answer.echo = true
        answer.usage = { prompt_tokens = 1200, cached_tokens = 1024, created_cache_tokens = 8 }
        answer.finish_reason = 'content_filter'";
    let running = Running::with(rules).await;
    let request = streamed(chat("echo 回声")).to_string();
    let all = events(&stream(&running, request.clone()).await);
    assert_eq!(text(&all, "content"), request);
    let usage = &all[all.len() - 1]["usage"];
    assert_eq!(usage["prompt_tokens"], 1200);
    assert_eq!(
        usage["prompt_tokens_details"],
        json!({"cached_tokens": 1024, "created_cache_tokens": 8})
    );
    assert_eq!(all[all.len() - 2]["choices"][0]["finish_reason"], "content_filter");
}
