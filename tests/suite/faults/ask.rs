//! One call through the official SDK, and all that its caller sees of it.

use std::fmt::Debug;

use aws_sdk_bedrockruntime::Client;
use aws_sdk_bedrockruntime::error::SdkError;
use aws_sdk_bedrockruntime::types::{
    ContentBlock, ContentBlockDelta, ConversationRole, ConverseStreamOutput, Message,
    ResponseStream,
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::Blob;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use serde_json::{Value, json};

/// The ways to an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    /// `Converse`, from an answer that came whole.
    Invoked,
    /// `Converse`, folded from a stream.
    Folded,
    /// `ConverseStream`.
    Streamed,
    /// `InvokeModel`, folded from a stream.
    Native,
    /// `InvokeModelWithResponseStream`.
    Chunked,
}

/// What a caller sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// All of an answer's text.
    Answer(String),
    /// An HTTP error: status, the SDK's name for the exception, message.
    Refused(u16, String, String),
    /// An exception behind this text: the SDK's name for it, message.
    Broken(String, String, String),
}

impl Operation {
    pub(super) const ALL: [Self; 5] =
        [Self::Invoked, Self::Folded, Self::Streamed, Self::Native, Self::Chunked];

    /// A part of a model's name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Invoked => "invoked",
            Self::Folded => "folded",
            Self::Streamed => "streamed",
            Self::Native => "native",
            Self::Chunked => "chunked",
        }
    }

    /// The model's settings that lead this way.
    pub(super) fn settings(self) -> &'static str {
        match self {
            Self::Invoked => "unary = \"invoke\"",
            Self::Folded | Self::Streamed => "unary = \"stream\"",
            Self::Native | Self::Chunked => "unary = \"stream\"\nfamily = \"deepseek\"",
        }
    }

    /// Says `text` to `model`.
    pub(super) async fn ask(self, client: &Client, model: &str, text: &str) -> Seen {
        match self {
            Self::Invoked | Self::Folded => converse(client, model, text).await,
            Self::Streamed => converse_stream(client, model, text).await,
            Self::Native => invoke(client, model, text).await,
            Self::Chunked => invoke_stream(client, model, text).await,
        }
    }
}

fn user(text: &str) -> Message {
    let content = ContentBlock::Text(text.to_owned());
    Message::builder().role(ConversationRole::User).content(content).build().unwrap()
}

fn prompt(text: &str) -> Blob {
    Blob::new(json!({"prompt": text, "max_tokens": 512}).to_string())
}

async fn converse(client: &Client, model: &str, text: &str) -> Seen {
    let asked = client.converse().model_id(model).messages(user(text));
    match asked.send().await {
        Ok(answer) => {
            let content = answer.output().unwrap().as_message().unwrap().content().iter();
            Seen::Answer(content.map(|block| block.as_text().unwrap().as_str()).collect())
        }
        Err(error) => refused(&error),
    }
}

async fn converse_stream(client: &Client, model: &str, text: &str) -> Seen {
    let asked = client.converse_stream().model_id(model).messages(user(text));
    let mut stream = match asked.send().await {
        Ok(answer) => answer.stream,
        Err(error) => return refused(&error),
    };
    let (mut shown, mut ended) = (String::new(), false);
    loop {
        match stream.recv().await {
            Ok(Some(ConverseStreamOutput::ContentBlockDelta(event))) => match event.delta {
                Some(ContentBlockDelta::Text(text)) => shown.push_str(&text),
                other => panic!("{other:?} was not asked for"),
            },
            Ok(Some(ConverseStreamOutput::Metadata(_))) => ended = true,
            Ok(Some(_)) => {}
            Ok(None) if ended => return Seen::Answer(shown),
            Ok(None) => return Seen::Broken(shown, "nothing".to_owned(), String::new()),
            Err(error) => return broken(shown, &error),
        }
    }
}

async fn invoke(client: &Client, model: &str, text: &str) -> Seen {
    let asked = client.invoke_model().model_id(model).body(prompt(text));
    match asked.content_type("application/json").send().await {
        Ok(answer) => {
            let body: Value = serde_json::from_slice(answer.body().as_ref()).unwrap();
            Seen::Answer(body["choices"][0]["text"].as_str().unwrap().to_owned())
        }
        Err(error) => refused(&error),
    }
}

async fn invoke_stream(client: &Client, model: &str, text: &str) -> Seen {
    let asked = client.invoke_model_with_response_stream().model_id(model).body(prompt(text));
    let mut stream = match asked.content_type("application/json").send().await {
        Ok(answer) => answer.body,
        Err(error) => return refused(&error),
    };
    let (mut shown, mut ended) = (String::new(), false);
    loop {
        match stream.recv().await {
            Ok(Some(ResponseStream::Chunk(chunk))) => {
                let chunk: Value = serde_json::from_slice(chunk.bytes.unwrap().as_ref()).unwrap();
                shown.push_str(chunk["choices"][0]["text"].as_str().unwrap());
                ended |= chunk["choices"][0]["stop_reason"].is_string();
            }
            Ok(Some(other)) => panic!("{other:?} was not asked for"),
            Ok(None) if ended => return Seen::Answer(shown),
            Ok(None) => return Seen::Broken(shown, "nothing".to_owned(), String::new()),
            Err(error) => return broken(shown, &error),
        }
    }
}

fn refused<E: Debug + ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> Seen {
    let Some(service) = error.as_service_error() else {
        return Seen::Refused(0, format!("{error:?}"), String::new());
    };
    let status = error.raw_response().unwrap().status().as_u16();
    Seen::Refused(status, name(service), message(service))
}

fn broken<E: Debug + ProvideErrorMetadata, R: Debug>(
    shown: String,
    error: &SdkError<E, R>,
) -> Seen {
    match error.as_service_error() {
        Some(service) => Seen::Broken(shown, name(service), message(service)),
        None => Seen::Broken(shown, format!("{error:?}"), String::new()),
    }
}

/// The variant that the SDK chose: how it is matched in code.
fn name(error: &impl Debug) -> String {
    let text = format!("{error:?}");
    text.split('(').next().unwrap_or_default().to_owned()
}

fn message(error: &impl ProvideErrorMetadata) -> String {
    error.message().unwrap_or_default().to_owned()
}
