//! `helan demo`: gateway and emulator in one process, a first answer, and what to paste to get the
//! next.

use std::net::SocketAddr;
use std::process::ExitCode;

use aws_credential_types::Credentials;
use serde_json::Value;
use tokio::task::JoinSet;

use super::output::{DIM, HEADING, failure, print, print_part};
use super::{assemble, emulate, logging, serve};
use crate::clock::Clock;
use crate::config::{self, Config};
use crate::emulator::{self, Caller, Emulator, Rules};
use crate::wire::frame;
use crate::{Error, Result};

/// The access key that the demo knows.
pub(super) const ACCESS_KEY: &str = "AKIDDEMO";
/// Its secret.
pub(super) const SECRET_KEY: &str = "demo-secret-key";

const REGION: &str = "cn-northwest-1";
const MODEL: &str = "deepseek.r1-v1:0";
/// The same model under a name that needs no escapes, since curl does not encode the path that it
/// signs a second time, as AWS does.
const ALIAS: &str = "demo";
const STREAM_MODEL: &str = "qwen.qwen3-32b-v1:0";

/// What the demo serves: model id → endpoint of the emulator. The cross-region prefix of
/// `us.deepseek.r1-v1:0` falls away by itself.
const MODELS: [(&str, &str); 5] = [
    (MODEL, "deepseek-r1"),
    ("meta.llama4-maverick-17b-instruct-v1:0", "llama4-maverick"),
    (STREAM_MODEL, "qwen3-32b"),
    ("openai.gpt-oss-120b-1:0", "gpt-oss-120b"),
    ("arn:aws-cn:bedrock:cn-northwest-1:123456789012:imported-model/abcdefghijkl", "imported"),
];
const ENDPOINT_ARN: &str = "arn:aws-cn:sagemaker:cn-northwest-1:123456789012:endpoint/my-endpoint";

pub(super) async fn run(listen: SocketAddr, once: bool) -> ExitCode {
    match Box::pin(demo(listen, once)).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            failure(&error);
            ExitCode::FAILURE
        }
    }
}

async fn demo(listen: SocketAddr, once: bool) -> Result<()> {
    let emulator = Emulator::bind(emulator::Config {
        listen: ([127, 0, 0, 1], 0).into(),
        authenticator: emulate::authenticator(ACCESS_KEY, SECRET_KEY)?,
        rules: Rules::builtin(),
        clock: Clock::system(),
    })
    .await?;
    let config = configuration(listen, emulator.local_addr())?;
    logging::start(&config.log);
    let credentials = Credentials::from_keys(ACCESS_KEY, SECRET_KEY, None);
    let gateway = assemble(config, Clock::system(), Some(credentials)).await?;
    let address = gateway.server.local_addr()?;

    let mut servers = JoinSet::new();
    servers.spawn(emulator.run(serve::asked_to_end()));
    servers.spawn(gateway.run(serve::asked_to_end(), None));
    print(format_args!("helan is listening on http://{address}\n"));
    let caller = Caller::new(address, REGION, Credentials::from_keys(ACCESS_KEY, SECRET_KEY, None));
    converse(&caller).await?;
    converse_stream(&caller).await?;
    if once {
        servers.shutdown().await;
        return Ok(());
    }
    print(snippets(address));
    while servers.join_next().await.is_some() {}
    Ok(())
}

/// The demo's own configuration, read as a file would be.
fn configuration(listen: SocketAddr, emulator: SocketAddr) -> Result<Config> {
    let mut file = format!(
        "listen = \"{listen}\"\n[admin]\nlisten = \"off\"\n[log]\nlevel = \"warn\"\n[drain]\ngrace = 0\n[sagemaker]\nregion = \"{REGION}\"\nendpoint_url = \"http://{emulator}\"\n[endpoints.allow]\n\"*\" = {{}}\n"
    );
    for (model, endpoint) in MODELS {
        use std::fmt::Write as _;
        let _ = write!(file, "[models.\"{model}\"]\nendpoint = \"{endpoint}\"\n");
        if model == MODEL {
            let _ = writeln!(file, "aliases = [\"{ALIAS}\"]");
        }
    }
    let keys = [("HELAN_ACCESS_KEY_ID", ACCESS_KEY), ("HELAN_SECRET_ACCESS_KEY", SECRET_KEY)];
    let keys = keys.map(|(name, value)| (name.to_owned(), value.to_owned()));
    config::parse("demo.toml".as_ref(), &file, keys)
        .map_err(|problems| Error::internal().because(config::Report(&problems).to_string()))
}

async fn converse(caller: &Caller) -> Result<()> {
    let question = "Where is Ningxia?";
    print(format_args!("{HEADING}Converse{HEADING:#} {MODEL} {DIM}{question}{DIM:#}"));
    let answer: Value = serde_json::from_slice(&caller.converse(MODEL, question).await?)
        .map_err(|error| Error::internal().because(error))?;
    for block in answer["output"]["message"]["content"].as_array().into_iter().flatten() {
        if let Some(text) = block["text"].as_str() {
            print(text.trim());
        }
    }
    print(usage(&answer));
    Ok(())
}

async fn converse_stream(caller: &Caller) -> Result<()> {
    let question = "贺兰山在哪里？";
    print(format_args!("{HEADING}ConverseStream{HEADING:#} {STREAM_MODEL} {DIM}{question}{DIM:#}"));
    caller.converse_stream(STREAM_MODEL, question, show).await
}

/// One event as a reader wants it: reasoning dimmed, then text, then what it took.
fn show(event: &frame::Frame) -> Result<()> {
    let payload: Value =
        serde_json::from_slice(&event.payload).map_err(|error| Error::internal().because(error))?;
    let delta = &payload["delta"];
    if let Some(text) = delta["text"].as_str() {
        print_part(text);
    } else if let Some(text) = delta["reasoningContent"]["text"].as_str() {
        print_part(format_args!("{DIM}{text}{DIM:#}"));
    }
    match event.header(":event-type") {
        Some("contentBlockStop") => print(""),
        Some("metadata") => print(usage(&payload)),
        Some(_) => {}
        None => return Err(Error::internal().because(format!("the stream failed: {payload}"))),
    }
    Ok(())
}

fn usage(answer: &Value) -> String {
    format!(
        "{DIM}{} tokens in, {} out, {} ms{DIM:#}\n",
        answer["usage"]["inputTokens"],
        answer["usage"]["outputTokens"],
        answer["metrics"]["latencyMs"],
    )
}

fn snippets(address: SocketAddr) -> String {
    let models: Vec<_> = MODELS.iter().map(|(model, _)| format!("  {model}")).collect();
    format!(
        r#"{HEADING}Models{HEADING:#}
{models}
  us.{MODEL} {DIM}(and every other cross-region prefix){DIM:#}
  {ENDPOINT_ARN} {DIM}(and every other endpoint){DIM:#}

{HEADING}Python{HEADING:#} {DIM}(pip install boto3){DIM:#}
import boto3
client = boto3.client("bedrock-runtime", endpoint_url="http://{address}", region_name="{REGION}",
                      aws_access_key_id="{ACCESS_KEY}", aws_secret_access_key="{SECRET_KEY}")
answer = client.converse(modelId="{MODEL}",
                         messages=[{{"role": "user", "content": [{{"text": "Where is Ningxia?"}}]}}])
print(answer["output"]["message"]["content"][0]["text"])

{HEADING}JavaScript{HEADING:#} {DIM}(npm install @aws-sdk/client-bedrock-runtime; save as demo.mjs){DIM:#}
import {{ BedrockRuntimeClient, ConverseStreamCommand }} from "@aws-sdk/client-bedrock-runtime";
const client = new BedrockRuntimeClient({{
  endpoint: "http://{address}", region: "{REGION}",
  credentials: {{ accessKeyId: "{ACCESS_KEY}", secretAccessKey: "{SECRET_KEY}" }},
}});
const {{ stream }} = await client.send(new ConverseStreamCommand({{
  modelId: "{STREAM_MODEL}",
  messages: [{{ role: "user", content: [{{ text: "贺兰山在哪里？" }}] }}],
}}));
for await (const event of stream) process.stdout.write(event.contentBlockDelta?.delta?.text ?? "");

{HEADING}curl{HEADING:#} {DIM}(it signs by itself){DIM:#}
curl --aws-sigv4 "aws:amz:{REGION}:bedrock" --user {ACCESS_KEY}:{SECRET_KEY} \
  -H 'content-type: application/json' \
  -d '{{"messages":[{{"role":"user","content":[{{"text":"Where is Ningxia?"}}]}}]}}' \
  http://{address}/model/{ALIAS}/converse

{DIM}Control-C ends the demo.{DIM:#}"#,
        models = models.join("\n"),
    )
}
