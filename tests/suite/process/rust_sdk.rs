//! The official Rust SDK as a client, unmodified. boto3 and JavaScript have suites of their own.

use aws_sdk_bedrockruntime::Client;
use aws_sdk_bedrockruntime::config::{BehaviorVersion, Region, retry::RetryConfig};
use aws_sdk_bedrockruntime::types::{
    AnyToolChoice, AutoToolChoice, ContentBlock, ContentBlockDelta, ContentBlockStart,
    ConversationRole, ConverseStreamOutput, ImageBlock, ImageFormat, ImageSource,
    InferenceConfiguration, Message, ReasoningContentBlockDelta, SpecificToolChoice, StopReason,
    SystemContentBlock, Tool, ToolChoice, ToolConfiguration, ToolInputSchema, ToolResultBlock,
    ToolResultContentBlock, ToolSpecification,
};
use aws_smithy_types::{Blob, Document};

use super::*;

const RULES: &str = r##"
[[rules]]
when.text = "#weather"
when.tools = true
when.tool_results = false
answer.reasoning = "Look it up."
answer.tool_calls = [{ name = "get_weather", arguments = { city = "银川" } }, { name = "get_time", arguments = "{}" }]
[[rules]]
when.tool_results = true
answer.text = "The tool says: {tool_result}"
[[rules]]
when.tool_choice = "named"
answer.tool_calls = [{ name = "get_time", arguments = "{}" }]
[[rules]]
when.text = "#maybe"
when.tools = true
answer.text = "No tool is needed."
[[rules]]
when.text = "#stop"
answer.text = "one two three"
[[rules]]
when.text = "#image"
answer.text = "images: {images}"
[[rules]]
when.text = "#dies"
answer.text = "one two three four five six"
fault.error_event = { after = 4 }
[[rules]]
when.text = "#throttled"
fault.service = { code = "ThrottlingException" }
[[rules]]
answer.reasoning = "想一想"
answer.text = "宁夏在中国西北。🏔"
"##;

fn client(pair: &Pair) -> Client {
    let config = aws_sdk_bedrockruntime::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(format!("http://{}", pair.gateway.address))
        .credentials_provider(Credentials::from_keys(KEY, SECRET, None))
        .retry_config(RetryConfig::disabled())
        .build();
    Client::from_conf(config)
}

fn message(role: ConversationRole, content: Vec<ContentBlock>) -> Message {
    Message::builder().role(role).set_content(Some(content)).build().unwrap()
}

fn user(text: &str) -> Message {
    message(ConversationRole::User, vec![ContentBlock::Text(text.to_owned())])
}

fn tools(choice: Option<ToolChoice>) -> ToolConfiguration {
    let schema = Document::Object([("type".to_owned(), Document::from("object"))].into());
    let tool = |name: &str| {
        let spec = ToolSpecification::builder().name(name).description("a tool");
        Tool::ToolSpec(spec.input_schema(ToolInputSchema::Json(schema.clone())).build().unwrap())
    };
    ToolConfiguration::builder()
        .tools(tool("get_weather"))
        .tools(tool("get_time"))
        .set_tool_choice(choice)
        .build()
        .unwrap()
}

fn any() -> ToolChoice {
    ToolChoice::Any(AnyToolChoice::builder().build())
}

#[tokio::test]
async fn text_system_and_several_turns() {
    let pair = pair(RULES, "");
    let answer = client(&pair)
        .converse()
        .model_id("us.m")
        .system(SystemContentBlock::Text("Be short.".to_owned()))
        .messages(user("Hello"))
        .messages(message(ConversationRole::Assistant, vec![ContentBlock::Text("Hi.".to_owned())]))
        .messages(user("Where is Ningxia?"))
        .inference_config(
            InferenceConfiguration::builder().max_tokens(100).temperature(0.5).build(),
        )
        .send()
        .await
        .unwrap();
    assert_eq!(answer.stop_reason(), &StopReason::EndTurn);
    let content = answer.output().unwrap().as_message().unwrap().content().to_vec();
    let reasoning = content[0].as_reasoning_content().unwrap().as_reasoning_text().unwrap();
    assert_eq!(reasoning.text(), "想一想");
    assert_eq!(content[1].as_text().unwrap(), "宁夏在中国西北。🏔");
    let usage = answer.usage().unwrap();
    assert_eq!(usage.total_tokens(), usage.input_tokens() + usage.output_tokens());
    assert!(usage.output_tokens() > 0);
}

#[tokio::test]
async fn tools_and_their_results() {
    let pair = pair(RULES, "");
    let client = client(&pair);
    let question = user("#weather");
    let asked =
        client.converse().model_id("m").messages(question.clone()).tool_config(tools(Some(any())));
    let answer = asked.send().await.unwrap();
    assert_eq!(answer.stop_reason(), &StopReason::ToolUse);
    let turn = answer.output().unwrap().as_message().unwrap().clone();
    let calls: Vec<_> = turn.content().iter().filter_map(|b| b.as_tool_use().ok()).collect();
    assert_eq!(
        calls.iter().map(|call| call.name()).collect::<Vec<_>>(),
        ["get_weather", "get_time"]
    );
    let city = calls[0].input().as_object().unwrap()["city"].as_string();
    assert_eq!(city, Some("银川"));
    assert!(calls[1].input().as_object().unwrap().is_empty());
    assert_ne!(calls[0].tool_use_id(), calls[1].tool_use_id());

    let results = calls.iter().map(|call| {
        let result = ToolResultBlock::builder().tool_use_id(call.tool_use_id());
        let result = result.content(ToolResultContentBlock::Text("sunny".to_owned()));
        ContentBlock::ToolResult(result.build().unwrap())
    });
    let results = message(ConversationRole::User, results.collect());
    let answer = client
        .converse()
        .model_id("m")
        .set_messages(Some(vec![question, turn, results]))
        .tool_config(tools(None))
        .send()
        .await
        .unwrap();
    let text =
        answer.output().unwrap().as_message().unwrap().content()[0].as_text().unwrap().clone();
    assert!(text.contains("sunny"), "{text}");
}

#[tokio::test]
async fn a_tool_by_name_and_a_tool_that_is_not_needed() {
    let pair = pair(RULES, "");
    let client = client(&pair);
    let named = ToolChoice::Tool(SpecificToolChoice::builder().name("get_time").build().unwrap());
    let asked = client.converse().model_id("m").messages(user("#named"));
    let answer = asked.tool_config(tools(Some(named))).send().await.unwrap();
    // vLLM says `stop` here; a call that is complete is a call.
    assert_eq!(answer.stop_reason(), &StopReason::ToolUse);
    let turn = answer.output().unwrap().as_message().unwrap().clone();
    assert_eq!(turn.content()[0].as_tool_use().unwrap().name(), "get_time");

    let auto = ToolChoice::Auto(AutoToolChoice::builder().build());
    let asked = client.converse().model_id("m").messages(user("#maybe"));
    let answer = asked.tool_config(tools(Some(auto))).send().await.unwrap();
    assert_eq!(answer.stop_reason(), &StopReason::EndTurn);
}

#[tokio::test]
async fn stop_sequences_and_limits() {
    let pair = pair(RULES, "");
    let client = client(&pair);
    let stop = InferenceConfiguration::builder().stop_sequences(" three").build();
    let asked = client.converse().model_id("m").messages(user("#stop")).inference_config(stop);
    let answer = asked.send().await.unwrap();
    assert_eq!(answer.stop_reason(), &StopReason::StopSequence);
    let turn = answer.output().unwrap().as_message().unwrap().clone();
    assert_eq!(turn.content()[0].as_text().unwrap(), "one two");

    let limit = InferenceConfiguration::builder().max_tokens(1).build();
    let asked = client.converse().model_id("m").messages(user("#stop")).inference_config(limit);
    let answer = asked.send().await.unwrap();
    assert_eq!(answer.stop_reason(), &StopReason::MaxTokens);
    assert_eq!(answer.usage().unwrap().output_tokens(), 1);
}

#[tokio::test]
async fn images() {
    let pair = pair(RULES, "");
    let source = ImageSource::Bytes(Blob::new(vec![1, 2, 3]));
    let image = ImageBlock::builder().format(ImageFormat::Png).source(source).build().unwrap();
    let content = vec![ContentBlock::Text("#image".to_owned()), ContentBlock::Image(image)];
    let answer = client(&pair)
        .converse()
        .model_id("m")
        .messages(message(ConversationRole::User, content))
        .send()
        .await
        .unwrap();
    let content = answer.output().unwrap().as_message().unwrap().content().to_vec();
    assert_eq!(content[0].as_text().unwrap(), "images: 1");
}

#[tokio::test]
async fn streams() {
    let pair = pair(RULES, "");
    let client = client(&pair);
    let asked = client.converse_stream().model_id("m").messages(user("Where is Ningxia?"));
    let mut stream = asked.send().await.unwrap().stream;
    let (mut text, mut reasoning, mut order) = (String::new(), String::new(), vec![]);
    while let Some(event) = stream.recv().await.unwrap() {
        match event {
            ConverseStreamOutput::ContentBlockDelta(event) => match event.delta.unwrap() {
                ContentBlockDelta::Text(more) => text.push_str(&more),
                ContentBlockDelta::ReasoningContent(ReasoningContentBlockDelta::Text(more)) => {
                    reasoning.push_str(&more);
                }
                other => panic!("{other:?}"),
            },
            ConverseStreamOutput::MessageStart(_) => order.push("start"),
            ConverseStreamOutput::ContentBlockStop(_) => order.push("block"),
            ConverseStreamOutput::MessageStop(stop) => {
                assert_eq!(stop.stop_reason, StopReason::EndTurn);
                order.push("stop");
            }
            ConverseStreamOutput::Metadata(metadata) => {
                assert!(metadata.usage.unwrap().output_tokens > 0);
                order.push("metadata");
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((reasoning.as_str(), text.as_str()), ("想一想", "宁夏在中国西北。🏔"));
    assert_eq!(order, ["start", "block", "block", "stop", "metadata"]);

    let asked = client
        .converse_stream()
        .model_id("m")
        .messages(user("#weather"))
        .tool_config(tools(Some(any())));
    let mut stream = asked.send().await.unwrap().stream;
    let (mut names, mut inputs) = (vec![], vec![]);
    while let Some(event) = stream.recv().await.unwrap() {
        match event {
            ConverseStreamOutput::ContentBlockStart(event) => {
                let Some(ContentBlockStart::ToolUse(start)) = event.start else { panic!("a tool") };
                names.push(start.name);
                inputs.push(String::new());
            }
            ConverseStreamOutput::ContentBlockDelta(event) => {
                if let Some(ContentBlockDelta::ToolUse(delta)) = event.delta {
                    inputs.last_mut().unwrap().push_str(&delta.input);
                }
            }
            _ => {}
        }
    }
    assert_eq!(names, ["get_weather", "get_time"]);
    let input: serde_json::Value = serde_json::from_str(&inputs[0]).unwrap();
    assert_eq!(input["city"], "银川");
    assert_eq!(inputs[1], "{}", "a call without arguments is an empty object");
}

#[tokio::test]
async fn errors() {
    let pair = pair(RULES, "");
    let client = client(&pair);
    let asked = client.converse().model_id("m").messages(user("#throttled"));
    let error = asked.send().await.unwrap_err().into_service_error();
    assert!(error.is_throttling_exception(), "{error:?}");

    let asked = client.converse().model_id("unknown").messages(user("hi"));
    let error = asked.send().await.unwrap_err().into_service_error();
    assert!(error.is_validation_exception(), "{error:?}");

    let asked = client.converse_stream().model_id("m").messages(user("#dies"));
    let mut stream = asked.send().await.unwrap().stream;
    let error = loop {
        match stream.recv().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("it looked complete"),
            Err(error) => break error.into_service_error(),
        }
    };
    assert!(error.is_model_stream_error_exception(), "{error:?}");
}
