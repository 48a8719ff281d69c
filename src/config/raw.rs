//! The file as it is written: what may stand in it, and nothing decided yet. The JSON schema
//! `schemas/config.json` is made from these declarations.

use schemars::Schema;
use schemars::transform::RecursiveTransform;
use serde_json::Value;

use super::contract::{Contract, Family};
use super::reach::SageMakerClient;
use super::reader::{Named, Set, section};
use super::settings::{
    AuthMode, BlockOrder, ControlTokens, CountTokens, LogFormat, LogLevel, Pooling, Prompts,
    Service, Unary,
};
use super::tags::Tag;
use super::value::{AdminListen, Listen, Number, Rate, Size, Span};

section! {
    /// The configuration of Helan, a Bedrock-compatible API gateway in front of SageMaker
    /// endpoints.
    #[schemars(title = "Helan")]
    struct File {
        /// The address and port that callers connect to. Default: `"127.0.0.1:8080"`.
        listen: Set<Listen>,
        /// The server's certificate. Without it the port speaks plain HTTP.
        tls: Tls,
        /// The operator's port, with `/metrics` and `/ready`.
        admin: Admin,
        /// Who may call.
        auth: Auth,
        /// What holds for single callers, by the principal that their keys name.
        principals: Named<Principal>,
        /// How the log is written.
        log: Log,
        /// What one process takes on.
        limits: Limits,
        /// How the process ends.
        drain: Drain,
        /// How SageMaker is reached.
        sagemaker: SageMaker,
        /// How other places are reached: targets with a `url`.
        http: Http,
        /// What holds for every model that does not say otherwise.
        defaults: Serving,
        /// The models, by the id that callers use. The id `"*"` serves every id that no other
        /// model has.
        models: Named<Model>,
        /// SageMaker endpoints that callers name by their ARN.
        endpoints: Endpoints,
    }
}

section! {
    /// A certificate and its key. Both files are PEM; relative paths start from this file.
    struct Tls {
        /// The certificate chain, the server's own certificate first.
        #[schemars(required)]
        certificate: Set<String>,
        /// The private key.
        #[schemars(required)]
        key: Set<String>,
    }
}

section! {
    /// The operator's port.
    struct Admin {
        /// Its address and port, or `"off"`. Default: `"127.0.0.1:9090"`.
        listen: Set<AdminListen>,
    }
}

section! {
    /// Who may call.
    struct Auth {
        /// Whether callers prove who they are. Default: `"keys"`.
        mode: Set<AuthMode>,
        /// The file with the keys that were given out; a relative path starts from this file.
        keys_file: Set<String>,
        /// Service names that a signature's scope may carry. Default: `["bedrock"]`.
        services: Vec<Set<Service>>,
        /// The mode `"none"` on an address that others can reach needs these words: `"I
        /// understand that anyone who reaches this port can use the models"`.
        allow_unauthenticated_network_access: Set<String>,
    }
}

section! {
    /// One principal, whichever of its keys it calls with.
    struct Principal {
        /// Calls that it may have in flight, those that wait among them. Default:
        /// `limits.max_calls_per_principal`.
        max_calls: Set<usize>,
    }
}

section! {
    /// How the log is written.
    struct Log {
        /// Default: `"pretty"` on a terminal, else `"json"`.
        format: Set<LogFormat>,
        /// The least important level that is still written. Default: `"info"`.
        level: Set<LogLevel>,
    }
}

section! {
    /// What one process takes on.
    struct Limits {
        /// The largest body of one request. Default: `"25 MB"`.
        max_body: Set<Size>,
        /// The largest body of a unary answer. Default: `"25 MB"`.
        max_answer: Set<Size>,
        /// All request bodies in flight together. Default: `"256 MB"`.
        body_budget: Set<Size>,
        /// How long a request's body may take to arrive. Default: `"60 s"`.
        body_timeout: Set<Span>,
        /// How long a request's head may take to arrive. Default: `"10 s"`.
        header_timeout: Set<Span>,
        /// Callers' connections that are open at once. Default: 10000.
        max_connections: Set<usize>,
        /// Calls that are answered at once. Default: 1024.
        max_calls: Set<usize>,
        /// Calls that may wait until one of those has ended. Default: 0.
        queue: Set<Number>,
        /// How long one of them waits. Default: `"5 s"`.
        queue_wait: Set<Span>,
        /// Calls that one principal may have in flight, those that wait among them, unless
        /// `[principals]` says another number. Default: as many as come.
        max_calls_per_principal: Set<usize>,
        /// How long a connection may wait for its next request: longer than a load balancer in
        /// front keeps one that it does not use. Default: `"120 s"`.
        keep_alive_timeout: Set<Span>,
        /// How long a caller may leave an answer unread before the connection is ended. Default:
        /// `"60 s"`.
        write_timeout: Set<Span>,
    }
}

section! {
    /// How the process ends once it was asked to. Both times begin with the signal.
    struct Drain {
        /// How long new calls are still taken, while `/ready` says no. Default: `"5 s"`.
        grace: Set<Span>,
        /// When calls must have ended; what is left is told that the gateway ends. Default:
        /// `"110 s"`.
        deadline: Set<Span>,
    }
}

section! {
    /// How SageMaker is reached. Credentials are found as every AWS SDK finds them.
    struct SageMaker {
        /// The region of the endpoints. Default: as every AWS SDK finds it.
        region: Set<String>,
        /// Another place than the region's own: a VPC endpoint, an emulator.
        endpoint_url: Set<String>,
        /// The profile of the AWS configuration files that gives the credentials.
        profile: Set<String>,
        /// Who makes the calls: `"direct"`, the gateway itself, or `"sdk"`, the official SDK: the
        /// same calls for more CPU. Default: `"direct"`.
        client: Set<SageMakerClient>,
        /// How long a connection may take to be made. Default: `"3 s"`.
        connect_timeout: Set<Span>,
        /// How long the head of a streamed answer may take. Default: `"120 s"`.
        first_byte_timeout: Set<Span>,
        /// How long a streamed answer may pause. Default: `"60 s"`.
        idle_timeout: Set<Span>,
        /// How long a unary answer may take as a whole; SageMaker itself gives up after 60 s.
        /// Default: `"70 s"`.
        invoke_timeout: Set<Span>,
        /// How often endpoints are asked how they are, so that one that is not in service rests
        /// before a call finds out (`DescribeEndpoint`). Default: not at all.
        poll: Set<Span>,
        /// Where SageMaker's own API is, for `poll`. Default: beside the region's runtime.
        control_url: Set<String>,
        /// Connections to one host. Default: 1024, as many as `limits.max_calls`.
        max_connections: Set<usize>,
        /// How long an unused connection is kept. Default: `"60 s"`.
        pool_idle: Set<Span>,
    }
}

section! {
    /// How targets with a `url` are reached.
    struct Http {
        /// How long a connection may take to be made. Default: `"3 s"`.
        connect_timeout: Set<Span>,
        /// How long the head of a streamed answer may take. Default: `"120 s"`.
        first_byte_timeout: Set<Span>,
        /// How long a streamed answer may pause. Default: `"60 s"`.
        idle_timeout: Set<Span>,
        /// How long a unary answer may take as a whole. Default: `"300 s"`.
        answer_timeout: Set<Span>,
        /// How long an unused connection is kept. Default: `"60 s"`.
        pool_idle: Set<Span>,
    }
}

section! {
    /// One model.
    struct Model {
        /// The name of the SageMaker endpoint that serves it. More of them stand under `targets`.
        endpoint: Set<String>,
        /// Another place than a SageMaker endpoint, in place of `endpoint`: the URL of a container
        /// (`…/invocations`), the base of an OpenAI-compatible API (`…/v1`), or, with the contract
        /// `"bedrock"`, Bedrock in another region.
        url: Set<String>,
        /// The environment variable with the key for `url`, which is sent as a bearer token.
        api_key_env: Set<String>,
        /// The file with that key; a relative path starts from this file.
        api_key_file: Set<String>,
        /// The profile of the AWS configuration files that signs calls to Bedrock in another region.
        profile: Set<String>,
        /// Whether what callers send may leave China: needed for the contract `"bedrock"`.
        cross_border: Set<bool>,
        /// Targets of a lower number are preferred as long as one of them can be asked. Default: 0.
        priority: Set<Number>,
        /// How many of its priority's calls the endpoint gets, relative to the other targets; zero:
        /// none, unless nobody else is left. Default: 1.
        weight: Set<Number>,
        /// Calls in flight at once to the endpoint. Default: as many as come.
        max_concurrency: Set<usize>,
        /// More endpoints that serve the same model.
        targets: Vec<Target>,
        /// Calls in flight to all targets together. Default: as many as come.
        max_calls: Set<usize>,
        /// Calls that may wait until a target has room. Default: 0.
        queue: Set<Number>,
        /// How long a call waits for room. Default: `"5 s"`.
        queue_wait: Set<Span>,
        /// How many other targets a call may try when one did not take it. Default: 2.
        retries: Set<Number>,
        /// How long after its arrival a call may still try another target. Default: `"30 s"`.
        retry_within: Set<Span>,
        /// How long a call waits for a model that is not ready, such as one that was scaled to
        /// zero. Default: not at all.
        wait_ready: Set<Span>,
        /// Send conversations that begin alike to the same target, whose prefix cache is warm: how
        /// many bytes of the beginning are looked at, or all up to the last cache point. Default:
        /// off.
        sticky: Set<Size>,
        /// Other ids and ARNs for the same model.
        aliases: Vec<Set<String>>,
        /// What its calls are told apart by in the log, such as the tags of the application
        /// inference profile that the id names: up to 50.
        tags: Named<Set<Tag>>,
        ;
        serving: Serving,
    }
}

section! {
    /// One more endpoint of a model. What it does not say, it has from the model.
    struct Target {
        /// The endpoint's name.
        endpoint: Set<String>,
        /// Another place than a SageMaker endpoint, in place of `endpoint`: the URL of a container
        /// (`…/invocations`), the base of an OpenAI-compatible API (`…/v1`), or, with the contract
        /// `"bedrock"`, Bedrock in another region.
        url: Set<String>,
        /// The environment variable with the key for `url`, which is sent as a bearer token.
        api_key_env: Set<String>,
        /// The file with that key; a relative path starts from this file.
        api_key_file: Set<String>,
        /// The profile of the AWS configuration files that signs calls to Bedrock in another region.
        profile: Set<String>,
        /// Whether what callers send may leave China: needed for the contract `"bedrock"`.
        cross_border: Set<bool>,
        /// Targets of a lower number are preferred. Default: 0.
        priority: Set<Number>,
        /// Its share of the calls among targets of its priority. Default: 1.
        weight: Set<Number>,
        /// Calls in flight at once. Default: as many as come.
        max_concurrency: Set<usize>,
        ;
        serving: Serving,
    }
}

section! {
    /// SageMaker endpoints that callers name by their ARN.
    struct Endpoints {
        /// Which of them are served, by a pattern for their names in which `*` stands for any
        /// text. The pattern with the most other characters wins.
        allow: Named<Serving>,
    }
}

section! {
    /// How a model is served.
    struct Serving {
        /// The language of the container. Default: `"openai"`.
        contract: Set<Contract>,
        /// The endpoint's region. Default: that of `[sagemaker]`.
        region: Set<String>,
        /// Where the endpoint is reached. Default: that of `[sagemaker]`.
        endpoint_url: Set<String>,
        /// The inference component of the endpoint.
        inference_component: Set<String>,
        /// The production variant of the endpoint.
        target_variant: Set<String>,
        /// Which operation carries a unary answer: `"stream"`, `"invoke"`, or `"auto"`, the
        /// stream for answers that may take longer than SageMaker waits. Default: `"auto"`.
        unary: Set<Unary>,
        /// How fast the model writes, for `unary = "auto"`. Default: 15.
        tokens_per_second: Set<Rate>,
        /// Whether the container can stream. Default: true.
        stream: Set<bool>,
        /// Whether the container's stream reports the tokens used. Default: true.
        stream_usage: Set<bool>,
        /// The language of `InvokeModel`'s bodies. Default: that of the model id's provider, else
        /// the one that a body looks like.
        family: Set<Family>,
        /// The order of the blocks in a unary answer. Default: `"text-first"` for DeepSeek-R1,
        /// as Bedrock answers, else `"as-generated"`.
        block_order: Set<BlockOrder>,
        /// Whether the model takes images. Default: true.
        images: Set<bool>,
        /// Whether cached tokens are taken out of `inputTokens` even when the request has no
        /// cache point. Default: false.
        cached_in_usage: Set<bool>,
        /// What goes into the payload's `model` member. Default: nothing.
        upstream_model: Set<String>,
        /// The model's chat template: the name of a built-in, or the path of a
        /// `chat_template.jinja`, a `tokenizer_config.json` or a directory with them. A path has
        /// a `/`, or ends with `.jinja` or `.json`; a relative one starts from this file. Every
        /// contract that takes text needs one; with `"openai"` it tells the model's control tokens,
        /// and whether answers begin with reasoning.
        template: Set<String>,
        /// The model's `tokenizer.json`, or a directory with one; a relative path starts from this
        /// file. Default: the one beside the files that `template` names, if there is one.
        tokenizer: Set<String>,
        /// How the tokens of a question are counted for callers who ask nothing else:
        /// `"tokenizer"`, exactly and without a call; `"endpoint"`, by the container, which is
        /// asked for an answer of one token each time; `"off"`. Default: `"tokenizer"` if there
        /// is one, else `"off"`.
        count_tokens: Set<CountTokens>,
        /// How the model marks reasoning and calls in its text. Default: as the built-in template
        /// implies, else `"detect"`; `"none"` shows the text as it is.
        format: Set<String>,
        /// What happens to the model's control tokens in what callers send, if a template tells
        /// them. Default: `"neutralise"`.
        control_tokens: Set<ControlTokens>,
        /// How prompts that callers have rendered (`InvokeModel`) reach a container with the contract
        /// `"openai"`: `"completion"`, on the same path as chats, or, for one that takes nothing but
        /// messages, `"turns"`, as the conversation that the prompt's template shows. Default:
        /// `"completion"`.
        prompts: Set<Prompts>,
        /// Whether the container's tokenizer puts a BOS token before the prompt. Default: true.
        adds_bos: Set<bool>,
        /// The limit of tokens for a request that names none, where the container would stop
        /// after a few without one. Default: 2048.
        default_max_tokens: Set<usize>,
        /// How many texts or documents go into one call of a container that embeds or reranks.
        /// Default: 32 for `"tei"`, `"tei-rerank"` and `"lmi-embeddings"`, 128 for `"embeddings"`
        /// and `"rerank"`, 1 for `"hf-features"`.
        max_batch: Set<usize>,
        /// How the vectors of a text's tokens become one, for the contract `"hf-features"`.
        /// Default: `"mean"`.
        pooling: Set<Pooling>,
        /// What stands in front of an embedding model's search queries, such as `"query: "`.
        /// Default: nothing.
        query_prefix: Set<String>,
        /// What stands in front of the documents that are searched, such as `"passage: "`.
        /// Default: nothing.
        document_prefix: Set<String>,
        /// Whether calls with the same beginning are sent to the same instance. Default: false.
        prefix_aware: Set<bool>,
        /// Whether the caller's `X-Amzn-SageMaker-Session-Id` goes to the endpoint. Default: true.
        forward_session_id: Set<bool>,
        /// Whether the caller's `X-Amzn-SageMaker-Custom-Attributes` go to the endpoint.
        /// Default: true.
        forward_custom_attributes: Set<bool>,
    }
}

/// The JSON schema of the configuration file, for editors.
pub fn schema() -> Value {
    schemars::generate::SchemaSettings::draft07()
        .with_transform(RecursiveTransform(without_null))
        .into_generator()
        .into_root_schema_for::<File>()
        .to_value()
}

/// A key that may be left out is nullable in JSON, but TOML knows no null.
fn without_null(schema: &mut Schema) {
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            schema.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(choices)) = schema.get_mut("anyOf") {
        choices.retain(|choice| choice["type"] != "null");
        if let [only] = choices.as_slice() {
            // `allOf`, because draft 7 looks at nothing beside a bare `$ref`.
            let only = Value::Array(vec![only.clone()]);
            schema.remove("anyOf");
            schema.insert("allOf".to_owned(), only);
        }
    }
}

section! {
    /// The key file.
    struct KeyFile {
        /// Access keys, for SigV4.
        access_key: Vec<AccessKey>,
        /// Bearer keys.
        bearer_key: Vec<BearerKey>,
    }
}

section! {
    /// A key pair that was given out.
    struct AccessKey {
        id: Set<String>,
        secret: Set<super::Secret>,
        session_token: Set<super::Secret>,
        principal: Set<String>,
    }
}

section! {
    /// A bearer key that was given out.
    struct BearerKey {
        sha256: Set<String>,
        principal: Set<String>,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_has_every_section() {
        let schema = schema();
        let keys: Vec<_> = schema["properties"].as_object().unwrap().keys().collect();
        assert!(keys.iter().any(|key| *key == "endpoints"), "{keys:?}");
        assert_eq!(schema["additionalProperties"], false);
        assert_eq!(
            schema["definitions"]["Tls"]["required"],
            serde_json::json!(["certificate", "key"])
        );
        assert!(!schema.to_string().contains("null"), "{schema:#}");
    }
}
