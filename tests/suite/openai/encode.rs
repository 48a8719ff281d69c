//! Asks as bodies: exact text, since the order of members matters.

use helan::Code;
use helan::container::openai::{OpenAi, Options, ReasoningHistory};
use helan::container::{Container as _, Mode};
use helan::converse::{Ask, Blob, Input, Parameters, Prompt};
use serde_json::Value;

use super::{ask, fixture};

fn encode(options: Options, ask: &Ask, mode: Mode) -> String {
    let payload = OpenAi::new(options).encode(ask, mode).expect("a body");
    assert_eq!(
        (&*payload.content_type, &*payload.accept),
        ("application/json", "application/json")
    );
    String::from_utf8(payload.body.to_vec()).unwrap()
}

fn body(request: &str) -> String {
    encode(Options::default(), &ask(request), Mode::Unary)
}

/// The body's `messages`, for a request of these messages.
fn messages(messages: &str) -> String {
    messages_with(Options::default(), messages)
}

fn messages_with(options: Options, messages: &str) -> String {
    let body = encode(options, &ask(&format!(r#"{{"messages":{messages}}}"#)), Mode::Unary);
    let inner = body.strip_prefix(r#"{"messages":"#).and_then(|body| body.strip_suffix('}'));
    inner.expect("messages alone").to_owned()
}

#[track_caller]
fn refused(request: &str, message: &str) {
    refused_by(Options::default(), request, message);
}

#[track_caller]
fn refused_by(options: Options, request: &str, message: &str) {
    let error = OpenAi::new(options).encode(&ask(request), Mode::Unary).expect_err("a refusal");
    assert_eq!((error.code(), error.message()), (Code::Validation, message));
}

fn user(block: &str) -> String {
    format!(r#"{{"messages":[{{"role":"user","content":[{block}]}}]}}"#)
}

#[test]
fn everything_at_once_in_its_order() {
    let request = r#"{
        "additionalModelRequestFields": {"top_k": 20, "chat_template_kwargs": {"enable_thinking": false}},
        "inferenceConfig": {"maxTokens": 100, "stopSequences": ["END", "。"], "temperature": 0, "topP": 0.9},
        "outputConfig": {"effort": "low", "textFormat": {"type": "json_schema", "structure": {"jsonSchema":
            {"name": "city", "description": "A city", "schema": "{\"type\": \"object\", \"additionalProperties\": false}"}}}},
        "system": [{"text": "Be brief."}, {"cachePoint": {"type": "default"}}, {"guardContent": {"text": {"text": "Be kind."}}}],
        "messages": [{"role": "user", "content": [{"text": "贺兰山\n\"?\""}]}],
        "toolConfig": {"toolChoice": {"any": {}}, "tools": [
            {"toolSpec": {"name": "f", "description": "d", "strict": true, "inputSchema": {"json": {"type": "object", "b": 1, "a": 2}}}},
            {"cachePoint": {"type": "default"}},
            {"toolSpec": {"name": "g", "inputSchema": {"json": {}}}}]}
    }"#;
    let stable = concat!(
        r#"{"messages":[{"role":"system","content":"Be brief.\nBe kind."},{"role":"user","content":"贺兰山\n\"?\""}],"#,
        r#""tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object","b":1,"a":2},"strict":true}},"#,
        r#"{"type":"function","function":{"name":"g","parameters":{}}}],"tool_choice":"required","#,
        r#""response_format":{"type":"json_schema","json_schema":{"name":"city","description":"A city","schema":{"type":"object","additionalProperties":false},"strict":true}},"#,
    );
    let volatile = concat!(
        r#""max_tokens":100,"temperature":0.0,"top_p":0.9,"stop":["END","。"],"reasoning_effort":"low","#,
        r#""top_k":20,"chat_template_kwargs":{"enable_thinking":false}"#,
    );
    assert_eq!(body(request), format!("{stable}{volatile}}}"));
    assert_eq!(
        encode(Options::default(), &ask(request), Mode::Stream),
        format!(r#"{stable}{volatile},"stream":true,"stream_options":{{"include_usage":true}}}}"#)
    );
    let named = Options { model: Some("m".to_owned()), ..Options::default() };
    assert_eq!(
        encode(named, &ask(request), Mode::Unary),
        format!(r#"{stable}"model":"m",{volatile}}}"#)
    );
}

#[test]
fn requests_that_vllm_has_answered() {
    // Members as recorded, but for their order, and for `content: null`, which both have.
    let mut recorded: Value =
        serde_json::from_str(&fixture("history-tool-normal.request.json")).unwrap();
    let ours = body(
        r#"{"messages": [
            {"role": "user", "content": [{"text": "w?"}]},
            {"role": "assistant", "content": [{"toolUse": {"toolUseId": "c1", "name": "get_weather", "input": {"city": "Xian"}}}]},
            {"role": "user", "content": [{"toolResult": {"toolUseId": "c1", "content": [{"text": "sunny"}]}}]}],
          "toolConfig": {"tools": [{"toolSpec": {"name": "get_weather", "description": "w", "strict": true, "inputSchema": {"json":
            {"type":"object","properties":{"city":{"type":"string","enum":["Xian","Ningxia"]}},"required":["city"],"additionalProperties":false}}}}]},
          "additionalModelRequestFields": {"chat_template_kwargs": {"enable_thinking": false}},
          "inferenceConfig": {"maxTokens": 3, "temperature": 0}}"#,
    );
    recorded["temperature"] = 0.0.into();
    assert_eq!(serde_json::from_str::<Value>(&ours).unwrap(), recorded);

    let mut recorded: Value =
        serde_json::from_str(&fixture("json-schema-normal.request.json")).unwrap();
    recorded["temperature"] = 0.0.into();
    recorded["response_format"]["json_schema"]["strict"] = true.into(); // ours to ask for
    let ours = body(
        r#"{"messages": [{"role": "user", "content": [{"text": "weather?"}]}],
          "outputConfig": {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": {"name": "a", "schema":
            "{\"type\":\"object\",\"properties\":{\"ok\":{\"type\":\"boolean\"}},\"required\":[\"ok\"],\"additionalProperties\":false}"}}}},
          "additionalModelRequestFields": {"chat_template_kwargs": {"enable_thinking": false}},
          "inferenceConfig": {"maxTokens": 40, "temperature": 0}}"#,
    );
    assert_eq!(serde_json::from_str::<Value>(&ours).unwrap(), recorded);
}

#[test]
fn turns() {
    assert_eq!(
        messages(
            r#"[{"role":"user","content":[{"text":"a"},{"cachePoint":{"type":"default"}},{"text":"b"}]},
                {"role":"assistant","content":[{"text":"c"}]},
                {"role":"system","content":[{"text":"d"}]},
                {"role":"user","content":[{"guardContent":{"text":{"text":"e","qualifiers":["query"]}}}]},
                {"role":"user","content":[{"cachePoint":{"type":"default"}}]},
                {"role":"assistant","content":[{"citationsContent":{"content":[{"text":"f"},{"text":"g"}],"citations":[{"title":"t"}]}}]}]"#
        ),
        r#"[{"role":"user","content":"a\nb"},{"role":"assistant","content":"c"},{"role":"system","content":"d"},{"role":"user","content":"e"},{"role":"assistant","content":"fg"}]"#
    );
}

#[test]
fn tool_calls_and_their_results() {
    assert_eq!(
        messages(
            r#"[{"role":"assistant","content":[{"text":"Let me see."},
                    {"toolUse":{"toolUseId":"t1","name":"f","input":{"z":1,"a":"\"贺\""}}},
                    {"toolUse":{"toolUseId":"t2","name":"g","input":{}}}]},
                {"role":"user","content":[{"text":"Well?"},
                    {"toolResult":{"toolUseId":"t1","content":[{"json":{"z":1,"a":[true]}},{"text":"x"}]}},
                    {"toolResult":{"toolUseId":"t2","status":"error","content":[{"text":"no such city"}]}}]},
                {"role":"assistant","content":[{"toolUse":{"toolUseId":"t3","name":"f","input":{"a":1}}},
                                               {"toolUse":{"toolUseId":"t4","name":"f","input":{"a":1}}}]},
                {"role":"user","content":[{"toolResult":{"toolUseId":"t3","status":"success","content":[]}},
                    {"toolResult":{"toolUseId":"t4","status":"error","content":[]}}, {"cachePoint":{"type":"default"}}]}]"#
        ),
        concat!(
            r#"[{"role":"assistant","content":"Let me see.","tool_calls":["#,
            r#"{"id":"t1","type":"function","function":{"name":"f","arguments":"{\"z\":1,\"a\":\"\\\"贺\\\"\"}"}},"#,
            r#"{"id":"t2","type":"function","function":{"name":"g","arguments":"{}"}}]},"#,
            r#"{"role":"tool","tool_call_id":"t1","content":"{\"z\":1,\"a\":[true]}\nx"},"#,
            r#"{"role":"tool","tool_call_id":"t2","content":"Error: no such city"},"#,
            r#"{"role":"user","content":"Well?"},"#,
            r#"{"role":"assistant","content":null,"tool_calls":["#,
            r#"{"id":"t3","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}},"#,
            r#"{"id":"t4","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}}]},"#,
            r#"{"role":"tool","tool_call_id":"t3","content":""},"#,
            r#"{"role":"tool","tool_call_id":"t4","content":"Error"}]"#,
        )
    );
}

#[test]
fn empty_text_beside_a_call_is_no_text() {
    assert_eq!(
        messages(
            r#"[{"role":"user","content":[{"text":""}]},
                {"role":"assistant","content":[{"text":""},{"toolUse":{"toolUseId":"t","name":"f","input":{}}}]},
                {"role":"assistant","content":[{"text":""}]}]"#
        ),
        concat!(
            r#"[{"role":"user","content":""},"#,
            r#"{"role":"assistant","content":null,"tool_calls":[{"id":"t","type":"function","function":{"name":"f","arguments":"{}"}}]},"#,
            r#"{"role":"assistant","content":""}]"#,
        )
    );
}

#[test]
fn images_make_parts() {
    assert_eq!(
        messages(
            r#"[{"role":"user","content":[{"text":"What is"},{"image":{"format":"png","source":{"bytes":"iVBORw=="}}},{"text":"this?"}]},
                {"role":"user","content":[{"guardContent":{"image":{"format":"jpeg","source":{"bytes":"/9j/"}}}}]}]"#
        ),
        concat!(
            r#"[{"role":"user","content":[{"type":"text","text":"What is"},{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw=="}},{"type":"text","text":"this?"}]},"#,
            r#"{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/jpeg;base64,/9j/"}}]}]"#,
        )
    );
}

#[test]
fn an_image_in_a_result_follows_in_the_users_message() {
    assert_eq!(
        messages(
            r#"[{"role":"user","content":[{"toolResult":{"toolUseId":"t1","content":[{"text":"A map."},{"image":{"format":"webp","source":{"bytes":"AAAA"}}}]}},
                {"toolResult":{"toolUseId":"t2","content":[{"text":"x"}]}},{"text":"Where?"}]}]"#
        ),
        concat!(
            r#"[{"role":"tool","tool_call_id":"t1","content":"A map."},{"role":"tool","tool_call_id":"t2","content":"x"},"#,
            r#"{"role":"user","content":[{"type":"text","text":"Image in the result of t1:"},{"type":"image_url","image_url":{"url":"data:image/webp;base64,AAAA"}},{"type":"text","text":"Where?"}]}]"#,
        )
    );
}

#[test]
fn documents_and_search_results_are_set_between_tags() {
    let csv = Blob::new("\u{feff}a,b\n贺,兰\n");
    let csv = csv.as_base64();
    assert_eq!(
        messages(&format!(
            r#"[{{"role":"user","content":[
                {{"document":{{"name":"prices","format":"csv","context":"of 2026","source":{{"bytes":"{csv}"}}}}}},
                {{"document":{{"name":"a \"b\" <c>","source":{{"text":"one"}}}}}},
                {{"document":{{"name":"d","format":"md","source":{{"content":[{{"text":"x"}},{{"text":"y"}}]}}}}}},
                {{"searchResult":{{"title":"T","source":"https://a/?b&c","content":[{{"text":"p"}},{{"text":"q"}}]}}}},
                {{"text":"Sum up."}},
                {{"toolResult":{{"toolUseId":"t","content":[{{"document":{{"name":"e","format":"txt","source":{{"bytes":"eg=="}}}}}},
                    {{"searchResult":{{"title":"U","source":"s","content":[]}}}}]}}}}]}}]"#
        )),
        concat!(
            r#"[{"role":"tool","tool_call_id":"t","content":"<document name=\"e\" format=\"txt\">\nz\n</document>\n<search_result title=\"U\" source=\"s\">\n</search_result>"},"#,
            r#"{"role":"user","content":"<document name=\"prices\" format=\"csv\">\n<context>of 2026</context>\na,b\n贺,兰\n</document>\n"#,
            r#"<document name=\"a &quot;b&quot; &lt;c>\">\none\n</document>\n"#,
            r#"<document name=\"d\" format=\"md\">\nx\ny\n</document>\n"#,
            r#"<search_result title=\"T\" source=\"https://a/?b&amp;c\">\np\nq\n</search_result>\n"#,
            r#"Sum up."}]"#,
        )
    );
}

#[test]
fn reasoning_of_earlier_turns() {
    let turns = r#"[{"role":"assistant","content":[{"reasoningContent":{"reasoningText":{"text":"think","signature":"s"}}},{"text":"a"},
        {"reasoningContent":{"reasoningText":{"text":"more"}}}]},
        {"role":"assistant","content":[{"reasoningContent":{"reasoningText":{"text":"only"}}}]},
        {"role":"assistant","content":[{"reasoningContent":{"reasoningText":{"text":"call"}}},{"toolUse":{"toolUseId":"t","name":"f","input":{}}}]}]"#;
    let with = |reasoning_history| {
        messages_with(Options { reasoning_history, ..Options::default() }, turns)
    };
    let call =
        r#""tool_calls":[{"id":"t","type":"function","function":{"name":"f","arguments":"{}"}}]}"#;
    let kept = |name: &str| {
        format!(
            r#"[{{"role":"assistant","content":"a","{name}":"think\nmore"}},{{"role":"assistant","content":"","{name}":"only"}},{{"role":"assistant","content":null,"{name}":"call",{call}]"#
        )
    };
    assert_eq!(messages(turns), kept("reasoning_content"));
    assert_eq!(with(ReasoningHistory::Reasoning), kept("reasoning"));
    assert_eq!(
        with(ReasoningHistory::Dropped),
        format!(
            r#"[{{"role":"assistant","content":"a"}},{{"role":"assistant","content":""}},{{"role":"assistant","content":null,{call}]"#
        )
    );
}

#[test]
fn tool_choices() {
    let with = |choice: &str| {
        let body = body(&format!(
            r#"{{"messages":[],"toolConfig":{{"tools":[{{"toolSpec":{{"name":"f","inputSchema":{{"json":{{}}}}}}}}]{choice}}}}}"#
        ));
        let tools = r#"{"messages":[],"tools":[{"type":"function","function":{"name":"f","parameters":{}}}]"#;
        body.strip_prefix(tools).expect("the tools").to_owned()
    };
    assert_eq!(with(""), "}");
    assert_eq!(with(r#","toolChoice":{"auto":{}}"#), r#","tool_choice":"auto"}"#);
    assert_eq!(with(r#","toolChoice":{"any":{}}"#), r#","tool_choice":"required"}"#);
    assert_eq!(
        with(r#","toolChoice":{"tool":{"name":"f"}}"#),
        r#","tool_choice":{"type":"function","function":{"name":"f"}}}"#
    );
}

#[test]
fn prompts_are_completions_and_always_have_a_limit() {
    let mut ask = Ask {
        input: Input::Prompt(Prompt { text: "<｜User｜>hi".to_owned(), images: vec![] }),
        parameters: Parameters::default(),
    };
    let encoded = |ask: &Ask, mode| encode(Options::default(), ask, mode);
    assert_eq!(encoded(&ask, Mode::Unary), r#"{"prompt":"<｜User｜>hi","max_tokens":512}"#);
    ask.parameters.additional_request_fields.insert("max_tokens".to_owned(), 9.into());
    assert_eq!(encoded(&ask, Mode::Unary), r#"{"prompt":"<｜User｜>hi","max_tokens":9}"#);
    ask.parameters.additional_request_fields.clear();
    ask.parameters.inference.max_tokens = Some(7);
    ask.parameters.inference.temperature = Some(0.7);
    assert_eq!(
        encoded(&ask, Mode::Stream),
        r#"{"prompt":"<｜User｜>hi","max_tokens":7,"temperature":0.7,"stream":true,"stream_options":{"include_usage":true}}"#
    );
}

#[test]
fn what_the_container_cannot_take_is_refused() {
    let unsupported = |block| {
        format!(
            "This model doesn't support the {block} content block that you provided. Update the content block and try again."
        )
    };
    let s3 = "This model doesn't support the s3Uri field. Remove s3Uri and try again.";
    for (block, name) in [
        (r#"{"video":{"format":"mp4","source":{"bytes":"AA=="}}}"#, "video"),
        (r#"{"audio":{"format":"mp3","source":{"bytes":"AA=="}}}"#, "audio"),
        (r#"{"document":{"name":"d","format":"pdf","source":{"bytes":"AA=="}}}"#, "document"),
        (r#"{"document":{"name":"d","format":"docx","source":{"bytes":"AA=="}}}"#, "document"),
        (r#"{"toolAddition":{"tool":{"name":"f"}}}"#, "toolAddition"),
        (r#"{"toolRemoval":{"tool":{"name":"f"}}}"#, "toolRemoval"),
        (r#"{"toolUse":{"toolUseId":"t","name":"f","input":{}}}"#, "toolUse"),
        (r#"{"reasoningContent":{"redactedContent":"AA=="}}"#, "reasoningContent"),
        (
            r#"{"toolResult":{"toolUseId":"t","content":[{"video":{"format":"mp4","source":{"bytes":"AA=="}}}]}}"#,
            "video",
        ),
        (
            r#"{"toolResult":{"toolUseId":"t","content":[{"document":{"name":"d","format":"xls","source":{"bytes":"AA=="}}}]}}"#,
            "document",
        ),
    ] {
        refused(&user(block), &unsupported(name));
    }
    for block in [
        r#"{"image":{"format":"png","source":{"s3Location":{"uri":"s3://b/k"}}}}"#,
        r#"{"document":{"name":"d","format":"txt","source":{"s3Location":{"uri":"s3://b/k"}}}}"#,
    ] {
        refused(&user(block), s3);
    }
    refused(
        &user(r#"{"text":"a"},{"document":{"name":"d","format":"txt","source":{"bytes":"/w=="}}}"#),
        "The document at messages.0.content.1 is not valid UTF-8 text. Update the document and try again.",
    );
    refused(
        r#"{"messages":[{"role":"assistant","content":[{"toolResult":{"toolUseId":"t","content":[]}}]}]}"#,
        &unsupported("toolResult"),
    );
    refused(
        r#"{"toolConfig":{"tools":[{"systemTool":{"name":"nova_grounding"}}]}}"#,
        "This model doesn't support the system tool nova_grounding that you provided. Remove the system tool and try again.",
    );
    let image = r#"{"image":{"format":"png","source":{"bytes":"AA=="}}}"#;
    let blind = Options { images: false, ..Options::default() };
    refused_by(blind, &user(image), &unsupported("image"));
    let two = Options { max_images: Some(2), ..Options::default() };
    let turn = format!(r#"{{"role":"user","content":[{image},{image}]}}"#);
    messages_with(two.clone(), &format!("[{turn}]"));
    refused_by(
        two,
        &format!(r#"{{"messages":[{turn},{turn}]}}"#),
        "The request has more images than this model takes, which is 2. Remove images and try again.",
    );
    let error = OpenAi::default()
        .encode(&ask(r#"{"outputConfig":{"textFormat":{"type":"json_schema","structure":{"jsonSchema":{"schema":"{"}}}}}"#), Mode::Unary)
        .expect_err("a refusal");
    assert!(error.message().contains("outputConfig.textFormat.structure.jsonSchema.schema"));
}

#[test]
fn additional_fields_neither_take_over_nor_repeat() {
    for name in [
        "model",
        "messages",
        "prompt",
        "stream",
        "stream_options",
        "n",
        "tools",
        "chat_template",
        "inputs",
        "prompt_embeds",
        "requestType",
    ] {
        refused(
            &format!(r#"{{"messages":[],"additionalModelRequestFields":{{"{name}":1}}}}"#),
            &format!(
                "The member {name} cannot be set in additionalModelRequestFields. Remove {name} and try again."
            ),
        );
    }
    for (name, member, set) in [
        ("max_tokens", "inferenceConfig.maxTokens", r#""inferenceConfig":{"maxTokens":1}"#),
        (
            "max_completion_tokens",
            "inferenceConfig.maxTokens",
            r#""inferenceConfig":{"maxTokens":1}"#,
        ),
        ("temperature", "inferenceConfig.temperature", r#""inferenceConfig":{"temperature":1}"#),
        ("top_p", "inferenceConfig.topP", r#""inferenceConfig":{"topP":1}"#),
        ("stop", "inferenceConfig.stopSequences", r#""inferenceConfig":{"stopSequences":["x"]}"#),
        ("reasoning_effort", "outputConfig.effort", r#""outputConfig":{"effort":"low"}"#),
        (
            "response_format",
            "outputConfig.textFormat",
            r#""outputConfig":{"textFormat":{"type":"json_schema","structure":{"jsonSchema":{"schema":"{}"}}}}"#,
        ),
        (
            "tool_choice",
            "toolConfig.toolChoice",
            r#""toolConfig":{"toolChoice":{"auto":{}},"tools":[]}"#,
        ),
    ] {
        refused(
            &format!(r#"{{"messages":[],{set},"additionalModelRequestFields":{{"{name}":1}}}}"#),
            &format!(
                "The member {name} in additionalModelRequestFields conflicts with {member}. Remove one of them and try again."
            ),
        );
        let alone =
            body(&format!(r#"{{"messages":[],"additionalModelRequestFields":{{"{name}":1}}}}"#));
        assert_eq!(alone, format!(r#"{{"messages":[],"{name}":1}}"#));
    }
}
