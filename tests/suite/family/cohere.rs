//! Cohere's Command and Command R.

use helan::converse::StopReason;
use helan::family::Invocation;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{
    answer, any_answer, as_converse, call, chunks, family, invocation, read, reasoning, refusal,
    text, whole,
};

fn malformed(words: &str) -> String {
    format!("Malformed input request: {words}, please reformat your input and try again.")
}

fn without_ids(mut answer: Value, names: &[&str]) -> Value {
    for name in names {
        let id = answer.as_object_mut().unwrap().remove(*name).unwrap();
        let id = id.as_str().unwrap().as_bytes().to_owned();
        let hyphens: Vec<_> = (0..id.len()).filter(|at| id[*at] == b'-').collect();
        assert_eq!((id.len(), hyphens, id[14]), (36, vec![8, 13, 18, 23], b'4'), "{name}");
    }
    answer
}

// --- Command

#[test]
fn the_documented_request_of_command() {
    let body = json!({"prompt": "你好", "temperature": 0.25, "p": 0.5, "k": 3, "max_tokens": 64,
        "stop_sequences": ["END"], "return_likelihoods": "NONE", "num_generations": 1,
        "logit_bias": {"7": -2.5}, "truncate": "NONE"});
    assert_eq!(
        as_converse(&read("cohere", &body).ask),
        json!({"prompt": "你好",
            "inferenceConfig": {"maxTokens": 64, "temperature": 0.25, "topP": 0.5,
                "stopSequences": ["END"]},
            "additionalModelRequestFields": {"top_k": 3, "logit_bias": {"7": -2.5}}})
    );
    assert_eq!(
        as_converse(&read("cohere", &json!({"prompt": "Hi"})).ask),
        json!({"prompt": "Hi",
            "inferenceConfig": {"maxTokens": 20, "temperature": 0.9_f32, "topP": 0.75}})
    );
    // Both are off at 0.
    let off = as_converse(&read("cohere", &json!({"prompt": "Hi", "p": 0, "k": 0})).ask);
    assert_eq!(off["inferenceConfig"]["topP"], 1.0);
    assert!(off.get("additionalModelRequestFields").is_none());
}

#[test]
fn the_documented_answer_of_command() {
    let request = json!({"prompt": "问"});
    let events = answer(&[text(&["你", "好"])], StopReason::EndTurn, None);
    let mut said = whole("cohere", &request, &events);
    let generation = without_ids(said["generations"][0].take(), &["id"]);
    assert_eq!(generation, json!({"text": "你好", "finish_reason": "COMPLETE"}));
    assert_eq!(without_ids(said, &["id"]), json!({"generations": [null], "prompt": "问"}));
    // langchain-aws reads `text` of every chunk that is not the last; litellm reads the reason of
    // a chunk that has no `text`.
    assert_eq!(
        chunks("cohere", &request, &events),
        [
            json!({"text": "你", "is_finished": false, "index": 0}),
            json!({"text": "好", "is_finished": false, "index": 0}),
            json!({"is_finished": true, "finish_reason": "COMPLETE", "index": 0}),
        ]
    );
}

#[test]
fn why_it_ended() {
    for (stop_reason, command, chat) in [
        (StopReason::EndTurn, "COMPLETE", "COMPLETE"),
        (StopReason::MaxTokens, "MAX_TOKENS", "MAX_TOKENS"),
        (StopReason::StopSequence, "COMPLETE", "STOP_SEQUENCE"),
        (StopReason::ContentFiltered, "ERROR_TOXIC", "ERROR_TOXIC"),
        (StopReason::MalformedModelOutput, "ERROR", "ERROR"),
    ] {
        let events = answer(&[text(&["x"])], stop_reason, None);
        let said = whole("cohere", &json!({"prompt": "x"}), &events);
        assert_eq!(said["generations"][0]["finish_reason"], command);
        assert_eq!(whole("cohere", &json!({"message": "x"}), &events)["finish_reason"], chat);
    }
}

#[test]
fn what_command_cannot_do_is_refused() {
    for (more, words) in [
        (json!({"num_generations": 2}), "num_generations greater than 1"),
        (json!({"return_likelihoods": "GENERATION"}), "return_likelihoods"),
    ] {
        let mut body = json!({"prompt": "x"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let told = format!("{words} is not supported by this gateway yet.");
        assert_eq!(refusal("cohere", &body), told);
    }
    for (body, words) in [
        (json!({}), "#: required key [prompt] not found"),
        (json!({"prompt": ""}), "#/prompt: expected minLength: 1, actual: 0"),
        (json!({"prompt": "x", "top_p": 1}), "#: extraneous key [top_p] is not permitted"),
        (json!({"prompt": "x", "temperature": 6}), "#/temperature: 6 is not less or equal to 5"),
        (
            json!({"prompt": "x", "logit_bias": {"1": 11}}),
            "#/logit_bias/1: 11 is not less or equal to 10",
        ),
        (
            json!({"prompt": "x", "truncate": "MIDDLE"}),
            "#/truncate: MIDDLE is not a valid enum value",
        ),
        (
            json!({"prompt": "x", "stream": true}),
            "#/stream: true is for InvokeModelWithResponseStream, and this is InvokeModel",
        ),
    ] {
        assert_eq!(refusal("cohere", &body), malformed(words));
    }
    // langchain-aws and litellm send it with a stream; the operation is what counts.
    for stream in [true, false] {
        let body = json!({"prompt": "x", "stream": stream}).to_string();
        assert!(family("cohere").read(body.as_bytes(), invocation(true)).is_ok());
    }
}

// --- Command R: the request

fn user(text: &str) -> Value {
    json!({"role": "user", "content": [{"text": text}]})
}

fn assistant(text: &str) -> Value {
    json!({"role": "assistant", "content": [{"text": text}]})
}

fn tools() -> Value {
    json!([{"name": "get_weather", "description": "Weather", "parameter_definitions": {
        "city": {"description": "Where", "type": "str", "required": true},
        "days": {"type": "int"}}}])
}

fn asked(city: &str) -> Value {
    json!({"name": "get_weather", "parameters": {"city": city}})
}

fn used(id: &str, city: &str) -> Value {
    json!({"toolUse": {"toolUseId": id, "name": "get_weather", "input": {"city": city}}})
}

fn told(id: &str, content: &Value) -> Value {
    json!({"toolResult": {"toolUseId": id, "content": content}})
}

#[test]
fn the_documented_request_of_command_r() {
    let body = json!({
        "message": "And now?",
        "chat_history": [
            {"role": "SYSTEM", "message": "Rhyme."},
            {"role": "USER", "message": "Hi"}, {"role": "CHATBOT", "message": "Hello"},
            {"role": "SYSTEM", "message": "No more rhymes."},
        ],
        "preamble": "Be brief.", "max_tokens": 64, "temperature": 0.25, "p": 0.5, "k": 3,
        "frequency_penalty": 0.1, "presence_penalty": 0.2, "seed": 7, "stop_sequences": ["END"],
        "prompt_truncation": "OFF", "search_queries_only": false, "return_prompt": false,
        "raw_prompting": false, "citation_quality": "fast", "force_single_step": true,
    });
    assert_eq!(
        as_converse(&read("cohere", &body).ask),
        json!({
            "system": [{"text": "Be brief."}, {"text": "Rhyme."}],
            "messages": [user("Hi"), assistant("Hello"),
                {"role": "system", "content": [{"text": "No more rhymes."}]}, user("And now?")],
            "inferenceConfig": {"maxTokens": 64, "temperature": 0.25, "topP": 0.5,
                "stopSequences": ["END"]},
            "additionalModelRequestFields":
                {"top_k": 3, "frequency_penalty": 0.1, "presence_penalty": 0.2, "seed": 7},
        })
    );
    assert_eq!(
        as_converse(&read("cohere", &json!({"message": "Hi"})).ask),
        json!({"messages": [user("Hi")],
            "inferenceConfig": {"temperature": 0.3_f32, "topP": 0.75}})
    );
}

#[test]
fn turns_need_not_alternate() {
    let body = json!({"message": "c", "chat_history": [
        {"role": "USER", "message": "a"}, {"role": "CHATBOT", "message": ""},
        {"role": "USER", "message": "b"}]});
    assert_eq!(
        as_converse(&read("cohere", &body).ask)["messages"],
        json!([{"role": "user", "content": [{"text": "a"}, {"text": "b"}, {"text": "c"}]}])
    );
}

#[test]
fn documents_stand_before_the_message() {
    let body = json!({"message": "Where?", "documents": [
        {"title": "Helan", "snippet": "Ningxia"},
        {"text": "Gansu"},
        {"title": "Prices", "snippet": "a,b", "url": "u", "year": 2026},
        "words",
    ]});
    let document =
        |name: &str, text: &str| json!({"document": {"name": name, "source": {"text": text}}});
    assert_eq!(
        as_converse(&read("cohere", &body).ask)["messages"][0]["content"],
        json!([
            document("Helan", "Ningxia"),
            document("Document 2", "Gansu"),
            document("Prices", "snippet: a,b\nurl: u\nyear: 2026\n"),
            document("Document 4", "words"),
            {"text": "Where?"},
        ])
    );
}

#[test]
fn tools_become_json_schemas() {
    let body = json!({"message": "Hi", "tools": tools()});
    assert_eq!(
        as_converse(&read("cohere", &body).ask)["toolConfig"],
        json!({"tools": [{"toolSpec": {"name": "get_weather", "description": "Weather",
            "inputSchema": {"json": {"type": "object", "required": ["city"], "properties": {
                "city": {"type": "string", "description": "Where"},
                "days": {"type": "integer"}}}}}}]})
    );
}

#[test]
fn results_bring_the_calls_that_the_history_has_not() {
    let body = json!({"message": "Weather?", "tools": tools(), "tool_results": [
        {"call": asked("银川"), "outputs": [{"text": "clear"}]},
        {"call": asked("中卫"), "outputs": [{"sky": "grey"}, {"text": "a", "b": 1}]},
    ]});
    assert_eq!(
        as_converse(&read("cohere", &body).ask)["messages"],
        json!([
            user("Weather?"),
            {"role": "assistant", "content": [used("call_0", "银川"), used("call_1", "中卫")]},
            {"role": "user", "content": [
                told("call_0", &json!([{"text": "clear"}])),
                told("call_1", &json!([{"json": {"sky": "grey"}}, {"json": {"text": "a", "b": 1}}])),
            ]},
        ])
    );
}

#[test]
fn results_answer_the_calls_of_the_history() {
    let history = json!([
        {"role": "USER", "message": "Weather?"},
        {"role": "CHATBOT", "message": "I look.", "tool_calls": [asked("银川"), asked("中卫")]},
    ]);
    let results = json!([
        {"call": asked("中卫"), "outputs": [{"text": "grey"}]},
        {"call": asked("银川"), "outputs": [{"text": "clear"}]},
    ]);
    let turns = json!([
        user("Weather?"),
        {"role": "assistant", "content":
            [{"text": "I look."}, used("call_0", "银川"), used("call_1", "中卫")]},
        {"role": "user", "content": [told("call_1", &json!([{"text": "grey"}])),
            told("call_0", &json!([{"text": "clear"}]))]},
    ]);
    let body = json!({"message": "", "tools": tools(), "chat_history": history,
        "tool_results": results});
    assert_eq!(as_converse(&read("cohere", &body).ask)["messages"], turns);

    // The same, with the results in the history too.
    let mut history = history;
    history.as_array_mut().unwrap().push(json!({"role": "TOOL", "tool_results": results}));
    let body = json!({"message": "", "tools": tools(), "chat_history": history});
    assert_eq!(as_converse(&read("cohere", &body).ask)["messages"], turns);

    let body = json!({"message": "And?", "tools": tools(), "chat_history": history});
    let mut turns = turns;
    turns[2]["content"].as_array_mut().unwrap().push(json!({"text": "And?"}));
    assert_eq!(as_converse(&read("cohere", &body).ask)["messages"], turns);
}

#[test]
fn calls_without_results_and_results_without_calls_are_refused() {
    let called = json!([{"role": "USER", "message": "Weather?"},
        {"role": "CHATBOT", "tool_calls": [asked("银川")]}]);
    let result = |city: &str| json!([{"call": asked(city), "outputs": []}]);
    let waits = "the results of the tools that were called before are expected here";
    let mut answered_late = called.clone();
    answered_late.as_array_mut().unwrap().push(json!({"role": "USER", "message": "x"}));
    for (body, words) in [
        (json!({"message": "x", "chat_history": called}), format!("#/message: {waits}")),
        (
            json!({"message": "x", "chat_history": answered_late}),
            format!("#/chat_history/2: {waits}"),
        ),
        (
            json!({"message": "", "chat_history": called, "tool_results": result("中卫")}),
            "#/tool_results/0/call: no call that waits for its result has this name and these \
             parameters"
                .to_owned(),
        ),
        (
            json!({"message": "", "tool_results": result("中卫")}),
            "#/message: expected minLength: 1, actual: 0".to_owned(),
        ),
    ] {
        let mut body = body;
        body["tools"] = tools();
        assert_eq!(refusal("cohere", &body), malformed(&words), "{body}");
    }
    let body = json!({"message": "x", "tool_results": result("中卫")});
    assert_eq!(refusal("cohere", &body), malformed("#: required key [tools] not found"));
}

#[test]
fn a_raw_prompt_travels_alone() {
    let raw = "<BOS_TOKEN>x";
    let question = read("cohere", &json!({"message": raw, "raw_prompting": true}));
    assert_eq!(as_converse(&question.ask)["prompt"], raw);
    let said = whole(
        "cohere",
        &json!({"message": raw, "raw_prompting": true}),
        &answer(&[reasoning(&["hm"]), text(&["yes"])], StopReason::EndTurn, None),
    );
    assert_eq!(said["text"], "<think>\nhm\n</think>\n\nyes");
    let body = json!({"message": raw, "raw_prompting": true, "preamble": "x"});
    assert_eq!(
        refusal("cohere", &body),
        malformed("#: raw_prompting sends nothing but message: remove [preamble]")
    );
}

#[test]
fn what_command_r_cannot_do_is_refused() {
    for name in ["search_queries_only", "return_prompt"] {
        let told = format!("{name} is not supported by this gateway yet.");
        assert_eq!(refusal("cohere", &json!({"message": "x", name: true})), told);
    }
    for (body, words) in [
        (json!({"message": " "}), "#/message: expected minLength: 1, actual: 0"),
        (json!({"message": 1}), "#/message: expected type: String, found: Integer"),
        (json!({"message": "x", "prompt": "x"}), "#: extraneous key [prompt] is not permitted"),
        (
            json!({"message": "x", "chat_history": [{"role": "user", "message": "x"}]}),
            "#/chat_history/0/role: user is not a valid enum value",
        ),
        (
            json!({"message": "x", "chat_history": [{"message": "x"}]}),
            "#/chat_history/0: required key [role] not found",
        ),
        (
            json!({"message": "x", "tool_results": [{"outputs": []}]}),
            "#/tool_results/0: required key [call] not found",
        ),
        (json!({"message": "x", "temperature": 2}), "#/temperature: 2 is not less or equal to 1"),
        (
            json!({"message": "x", "documents": [1]}),
            "#/documents/0: expected type: JSONObject or String, found: Integer",
        ),
    ] {
        assert_eq!(refusal("cohere", &body), malformed(words), "{body}");
    }
    // Nothing in the body tells which of the two it is: then the model id does.
    let of_r = Invocation { model_id: "cohere.command-r-v1:0", ..invocation(false) };
    let error = family("cohere").read(b"{}", of_r).unwrap_err();
    assert_eq!(error.message(), malformed("#: required key [message] not found"));
}

// --- Command R: the answer

#[test]
fn the_documented_answer_of_command_r() {
    let before =
        json!([{"role": "USER", "message": "Hi"}, {"role": "CHATBOT", "message": "Hello"}]);
    let request = json!({"message": "问", "chat_history": before});
    let events = answer(&[reasoning(&["hm"]), text(&["你", "好"])], StopReason::EndTurn, None);
    let said = whole("cohere", &request, &events);
    let ids = ["response_id", "generation_id"];
    let mut after = before.as_array().unwrap().clone();
    after.push(json!({"role": "USER", "message": "问"}));
    after.push(json!({"role": "CHATBOT", "message": "你好"}));
    assert_eq!(
        without_ids(said.clone(), &ids),
        json!({"text": "你好", "chat_history": after, "finish_reason": "COMPLETE"})
    );
    assert_eq!(
        chunks("cohere", &request, &events),
        [
            json!({"is_finished": false, "event_type": "stream-start",
                "generation_id": said["generation_id"]}),
            json!({"is_finished": false, "event_type": "text-generation", "text": "你"}),
            json!({"is_finished": false, "event_type": "text-generation", "text": "好"}),
            json!({"is_finished": true, "event_type": "stream-end", "response": said,
                "finish_reason": "COMPLETE"}),
        ]
    );
}

#[test]
fn calls_have_no_ids() {
    let request = json!({"message": "Weather?", "tools": tools()});
    let said = [
        text(&["I look."]),
        call("tooluse_1", "get_weather", &["{\"city\":", "\"银川\"}"]),
        call("tooluse_2", "get_weather", &[]),
    ];
    let events = answer(&said, StopReason::ToolUse, None);
    let calls = json!([asked("银川"), {"name": "get_weather", "parameters": {}}]);
    let answer = whole("cohere", &request, &events);
    assert_eq!(answer["tool_calls"], calls);
    assert_eq!(answer["finish_reason"], "COMPLETE");
    assert_eq!(
        answer["chat_history"][1],
        json!({"role": "CHATBOT", "message": "I look.", "tool_calls": calls})
    );
    let chunks = chunks("cohere", &request, &events);
    assert_eq!(
        chunks[chunks.len() - 2],
        json!({"is_finished": false, "event_type": "tool-calls-generation", "tool_calls": calls})
    );

    // What was answered is taken back as it is, with the results of the calls.
    let results: Vec<_> = calls
        .as_array()
        .unwrap()
        .iter()
        .map(|call| json!({"call": call, "outputs": [{"text": "clear"}]}))
        .collect();
    let next = json!({"message": "", "tools": tools(), "chat_history": answer["chat_history"],
        "tool_results": results});
    let messages = &as_converse(&read("cohere", &next).ask)["messages"];
    assert_eq!(messages.as_array().unwrap().len(), 3);
    // A call that the token limit cut is told as the text it is.
    let cut =
        super::answer(&[call("a", "get_weather", &["{\"city\":"])], StopReason::MaxTokens, None);
    assert_eq!(
        whole("cohere", &request, &cut)["tool_calls"],
        json!([{"name": "get_weather", "parameters": "{\"city\":"}])
    );
}

/// Any history, calls and results in any order.
fn any_turns() -> impl Strategy<Value = Vec<Value>> {
    let city = || prop_oneof![Just("a"), Just("b")];
    let call = move || proptest::collection::vec(city().prop_map(asked), 0..3);
    let result = move || {
        let result = city().prop_map(|city| json!({"call": asked(city), "outputs": [{"x": 1}]}));
        proptest::collection::vec(result, 0..3)
    };
    let message = || prop_oneof![Just(""), Just("x")];
    let turn = prop_oneof![
        2 => message().prop_map(|text| json!({"role": "USER", "message": text})),
        1 => message().prop_map(|text| json!({"role": "SYSTEM", "message": text})),
        2 => (message(), call()).prop_map(
            |(text, calls)| json!({"role": "CHATBOT", "message": text, "tool_calls": calls})
        ),
        2 => result().prop_map(|results| json!({"role": "TOOL", "tool_results": results})),
    ];
    proptest::collection::vec(turn, 0..8)
}

proptest! {
    #[test]
    fn what_is_taken_is_a_conversation_that_converse_takes(
        history in any_turns(),
        message in prop_oneof![Just(""), Just("x")],
        result in proptest::option::of(prop_oneof![Just("a"), Just("b")]),
    ) {
        let results: Vec<_> = result
            .into_iter()
            .map(|city| json!({"call": asked(city), "outputs": []}))
            .collect();
        let body = json!({"message": message, "chat_history": history, "tools": tools(),
            "tool_results": results})
        .to_string();
        if let Ok(question) = family("cohere").read(body.as_bytes(), invocation(false)) {
            let shown = as_converse(&question.ask).to_string();
            let request = helan::converse::Request::parse(shown.as_bytes()).unwrap();
            if let Err(error) = request.validate() {
                // The chat may begin with the model's own words.
                let is_first = error.message().starts_with("A conversation must start with");
                prop_assert!(is_first, "{}: {} {}", error, body, shown);
            }
        }
    }

    #[test]
    fn chunks_of_command_fold_to_the_whole(events in any_answer()) {
        let request = json!({"prompt": "x"});
        let chunks = chunks("cohere", &request, &events);
        let (last, before) = chunks.split_last().unwrap();
        let text: String = before.iter().map(|chunk| chunk["text"].as_str().unwrap()).collect();
        prop_assert!(before.iter().all(|chunk| chunk["is_finished"] == false));
        let whole = &whole("cohere", &request, &events)["generations"][0];
        prop_assert_eq!(json!(text), whole["text"].clone());
        prop_assert_eq!(&last["finish_reason"], &whole["finish_reason"]);
    }

    #[test]
    fn chunks_of_command_r_fold_to_the_whole(events in any_answer(), raw in any::<bool>()) {
        let request = json!({"message": "x", "raw_prompting": raw});
        let chunks = chunks("cohere", &request, &events);
        let whole = whole("cohere", &request, &events);
        let text: String = chunks.iter().filter_map(|chunk| chunk["text"].as_str()).collect();
        prop_assert_eq!(json!(text), whole["text"].clone());
        prop_assert_eq!(&chunks.last().unwrap()["response"], &whole);
        let called = chunks.iter().find(|chunk| chunk["event_type"] == "tool-calls-generation");
        prop_assert_eq!(called.map(|chunk| &chunk["tool_calls"]), whole.get("tool_calls"));
    }
}
