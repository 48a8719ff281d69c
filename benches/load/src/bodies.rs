//! What is asked: one conversation, in Converse's words for a gateway and in OpenAI's for those
//! that only pass it on.

use anyhow::Result;
use bytes::Bytes;
use clap::ValueEnum;
use serde_json::{Value, json};

/// How large a question is.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Size {
    /// About 1 KB
    Small,
    /// A prompt of 100 KB
    Prompt,
    /// An image of 5 MB, which base64 makes 6.7 MB
    Image,
}

const SYSTEM: &str = "You are an assistant that answers in a few short sentences.";
const LINE: &str = "The irrigation of the Ningxia plain is over two thousand years old. ";

fn question(size: Size) -> String {
    let length = match size {
        Size::Small => 640,
        Size::Prompt => 100_000,
        Size::Image => 40,
    };
    let mut text = LINE.repeat(length / LINE.len() + 1);
    text.truncate(length);
    text
}

/// Base64 of a PNG's first bytes and then nothing that repeats soon: 5 MB.
fn image() -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut state: u32 = 7;
    let mut text = String::from("iVBORw0KGgoAAAANSUhEUgAA");
    while text.len() < 5_000_000 / 3 * 4 {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        text.push(char::from(ALPHABET[(state >> 26) as usize]));
    }
    text.truncate(text.len() / 4 * 4);
    text
}

const EARLIER: [(&str, &str); 2] = [
    ("user", "Where does the Yellow River turn north?"),
    ("assistant", "At Zhongwei, in Ningxia."),
];

pub fn converse(size: Size) -> Result<Bytes> {
    let mut content = vec![json!({ "text": question(size) })];
    if matches!(size, Size::Image) {
        content.push(json!({"image": {"format": "png", "source": {"bytes": image()}}}));
    }
    let mut messages: Vec<Value> = EARLIER
        .iter()
        .map(|(role, text)| json!({"role": role, "content": [{"text": text}]}))
        .collect();
    messages.push(json!({"role": "user", "content": content}));
    let body = json!({
        "messages": messages,
        "system": [{"text": SYSTEM}],
        "inferenceConfig": {"maxTokens": 256, "temperature": 0.7, "topP": 0.9}
    });
    Ok(serde_json::to_vec(&body)?.into())
}

pub fn openai(size: Size, stream: bool) -> Result<Bytes> {
    let mut messages = vec![json!({"role": "system", "content": SYSTEM})];
    messages.extend(EARLIER.iter().map(|(role, text)| json!({"role": role, "content": text})));
    let content = match size {
        Size::Image => json!([
            {"type": "text", "text": question(size)},
            {"type": "image_url", "image_url": {"url": format!("data:image/png;base64,{}", image())}}
        ]),
        Size::Small | Size::Prompt => json!(question(size)),
    };
    messages.push(json!({"role": "user", "content": content}));
    let mut body =
        json!({"messages": messages, "max_tokens": 256, "temperature": 0.7, "top_p": 0.9});
    if stream {
        body["stream"] = json!(true);
        body["stream_options"] = json!({"include_usage": true});
    }
    Ok(serde_json::to_vec(&body)?.into())
}
