//! What is read, with its defaults.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use helan::config::{
    ANY_MODEL, AuthMode, BlockOrder, Drain, Http, Limits, LogFormat, LogLevel, Principal,
    SageMaker, Service, Target, TemplateSource, Unary, VARIABLES, load, parse, schema,
};

use super::{environment, file, owned};

fn root(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

#[test]
fn the_schema_in_the_repository_is_the_codes_own() {
    let path = root("schemas/config.json");
    let made = format!("{}\n", serde_json::to_string_pretty(&schema()).unwrap());
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        fs::write(&path, &made).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == made, "run this test with UPDATE_SCHEMA=1 and look at the difference");
}

#[test]
fn a_small_file_has_every_default() {
    let config = file("auth.mode = 'none'\nmodels.m.endpoint = 'ep'").unwrap();
    assert_eq!(config.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.admin.unwrap().to_string(), "127.0.0.1:9090");
    assert_eq!(config.tls, None);
    assert_eq!(config.auth.services, [Service::Bedrock]);
    assert_eq!(config.log.format, None);
    assert_eq!(config.log.level, LogLevel::Info);
    assert_eq!(config.limits, Limits::default());
    assert_eq!(config.limits.max_body, 25_000_000);
    assert_eq!(config.sagemaker, SageMaker::default());
    assert_eq!(config.sagemaker.invoke_timeout, Duration::from_secs(70));
    assert_eq!(config.models.len(), 1);
    assert_eq!(config.models[0].targets[0], Target::new("ep"));
    assert_eq!(config.models[0].block_order, None);
    assert!(config.allow.is_empty() && config.warnings.is_empty());
}

#[test]
fn the_example_file_is_complete_and_shows_the_defaults() {
    let directory = tempfile::tempdir().unwrap();
    for name in ["helan.toml", "keys.toml"] {
        fs::copy(root("examples").join(name), directory.path().join(name)).unwrap();
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let keys = directory.path().join("keys.toml");
        fs::set_permissions(keys, fs::Permissions::from_mode(0o600)).unwrap();
    }
    let config = load(Some(&directory.path().join("helan.toml")), []).unwrap();
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
    assert_eq!(config.limits, Limits::default());
    assert_eq!(config.drain, Drain::default());
    let region = Some("cn-northwest-1".to_owned());
    assert_eq!(config.sagemaker, SageMaker { region: region.clone(), ..SageMaker::default() });
    let ids: Vec<_> = config.models.iter().map(|model| model.id.as_str()).collect();
    let mistral = "mistral.mistral-7b-instruct-v0:2";
    let (titan, rerank) = ("amazon.titan-embed-text-v2:0", "cohere.rerank-v3-5:0");
    let large = "qwen.qwen3-235b-a22b-2507-v1:0";
    assert_eq!(ids, ["deepseek.r1-v1:0", "qwen.qwen3-32b-v1:0", mistral, titan, rerank, large]);
    let places = config.models[5].targets.iter().map(|target| target.region.as_deref());
    assert!(places.eq([region.as_deref(), Some("cn-north-1"), region.as_deref()]));
    let place = config.models[5].targets[2].place.as_ref().unwrap();
    assert_eq!(
        (&*place.url, &place.api_key.is_none()),
        ("http://10.0.3.7:8000/invocations", &true)
    );
    assert_eq!(config.http, Http::default());
    assert_eq!(config.models[0].block_order, Some(BlockOrder::TextFirst));
    let tag = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    assert_eq!(config.models[0].tags, [tag("team", "search"), tag("cost-center", "4711")]);
    let demo = Principal { name: "demo".to_owned(), max_calls: Some(64) };
    assert_eq!(config.principals, [demo]);
    assert_eq!(
        config.models[1].targets[0],
        Target {
            region,
            inference_component: Some("qwen3-32b".to_owned()),
            template: Some(TemplateSource::Builtin("qwen3".to_owned())),
            ..Target::new("shared")
        }
    );
    assert_eq!(config.allow[0].pattern, "chat-*");
    let keys = &config.auth.keys;
    assert_eq!(keys.access_keys[0].secret.expose(), "demo-secret-key");
    assert_eq!(keys.access_keys[1].session_token.as_ref().unwrap().expose(), "demo-session-token");
    assert_eq!(keys.bearer_keys[0].principal, "demo-bearer");
    assert_eq!(
        keys.bearer_keys[0].sha256,
        "0e46a301a5d5013859dd4b00a105a56ffc50e3bbdee9b93f333fd77b8c4cb097", // by sha256sum
    );
}

/// The keys of one section of the schema, through `$ref`.
fn keys(
    schema: &serde_json::Value,
    section: &serde_json::Value,
    path: &str,
    out: &mut Vec<String>,
) {
    let target = section["$ref"].as_str().or_else(|| section["allOf"][0]["$ref"].as_str());
    let section =
        target.and_then(|target| schema.pointer(target.trim_start_matches('#'))).unwrap_or(section);
    let Some(properties) = section["properties"].as_object() else {
        out.push(path.to_owned());
        return;
    };
    for (key, value) in properties {
        keys(schema, value, &format!("{path}.{key}"), out);
    }
}

#[test]
fn the_example_names_every_key() {
    let schema = schema();
    let mut paths = Vec::new();
    keys(&schema, &schema, "", &mut paths);
    assert!(paths.contains(&".limits.max_body".to_owned()), "{paths:?}");
    let example = fs::read_to_string(root("examples/helan.toml")).unwrap();
    for path in paths {
        let key = path.rsplit('.').next().unwrap();
        // The words of this one are written out where they are needed, not to be copied.
        if key != "allow_unauthenticated_network_access" {
            assert!(example.contains(key), "examples/helan.toml lacks {path}");
        }
    }
}

#[test]
fn the_example_environment_names_every_variable() {
    let example = fs::read_to_string(root("examples/sidecar.env")).unwrap();
    let shown: BTreeSet<&str> = example
        .lines()
        .filter_map(|line| line.trim_start_matches('#').split_once('='))
        .map(|(name, _)| name)
        .filter(|name| name.starts_with("HELAN_"))
        .collect();
    let known: BTreeSet<&str> = VARIABLES.iter().map(|variable| variable.name).collect();
    assert_eq!(shown, known);
    let env = example.lines().filter_map(|line| line.split_once('='));
    let set: Vec<_> = env.filter(|(name, _)| name.starts_with("HELAN_")).collect();
    let config = environment(&set).unwrap();
    assert_eq!(config.models.len(), 2);
    // And with everything that has a value there.
    let all: Vec<_> = example
        .lines()
        .filter_map(|line| line.trim_start_matches('#').split_once('='))
        .filter(|(name, _)| name.starts_with("HELAN_") && *name != "HELAN_KEYS_FILE")
        .collect();
    let all = environment(&all).unwrap();
    assert_eq!(all.limits, Limits::default());
    assert_eq!(all.drain, Drain::default());
    assert_eq!(all.models[0].block_order, Some(BlockOrder::AsGenerated));
    assert_eq!(all.models[0].targets[0], config.models[0].targets[0]);
}

#[test]
fn the_environment_alone_suffices_for_a_sidecar() {
    let config = environment(&[
        ("HELAN_ENDPOINT", "r1"),
        ("HELAN_ACCESS_KEY_ID", "AKIDONE"),
        ("HELAN_SECRET_ACCESS_KEY", "hunter2"),
        ("HELAN_UNARY", "stream"),
        ("HELAN_MAX_BODY", "6 MB"),
        ("HELAN_ADMIN_LISTEN", "off"),
        ("AWS_REGION", "cn-north-1"),
        ("PATH", "/bin"),
    ])
    .unwrap();
    assert_eq!(config.models[0].id, ANY_MODEL);
    assert_eq!(config.models[0].targets[0].endpoint, "r1");
    assert_eq!(config.models[0].targets[0].unary, Unary::Stream);
    assert_eq!(config.limits.max_body, 6_000_000);
    assert_eq!(config.admin, None);
    assert_eq!(config.sagemaker.region.as_deref(), Some("cn-north-1"));
    assert_eq!(config.auth.mode, AuthMode::Keys);
    assert_eq!(config.auth.keys.access_keys[0].principal, "sidecar");
    assert_eq!(config.auth.keys.access_keys[0].secret.expose(), "hunter2");
}

#[test]
fn shares_and_the_queue_come_from_the_file_and_the_environment() {
    let text = "auth.mode = 'none'\nmodels.m.endpoint = 'ep'\n\
                [limits]\nmax_calls = 8\nqueue = 0\nqueue_wait = '250 ms'\n";
    let env = owned(&[("HELAN_QUEUE", "16"), ("HELAN_MAX_CALLS_PER_PRINCIPAL", "4")]);
    let limits = parse("helan.toml".as_ref(), text, env).unwrap().limits;
    let shares = Limits {
        max_calls: 8,
        queue: 16,
        queue_wait: Duration::from_millis(250),
        max_calls_per_principal: Some(4),
        ..Limits::default()
    };
    assert_eq!(limits, shares);
}

#[test]
fn several_ids_are_several_models() {
    let ids = "deepseek.r1-v1:0, qwen.qwen3-32b-v1:0,";
    let config = environment(&[
        ("HELAN_ENDPOINT", "ep"),
        ("HELAN_MODEL_ID", ids),
        ("HELAN_AUTH_MODE", "none"),
    ])
    .unwrap();
    let ids: Vec<_> = config.models.iter().map(|model| model.id.as_str()).collect();
    assert_eq!(ids, ["deepseek.r1-v1:0", "qwen.qwen3-32b-v1:0"]);
}

#[test]
fn the_environment_wins_over_the_file() {
    let text = "listen = '127.0.0.1:1'\nauth.mode = 'none'\nlog.format = 'json'\n\
                [models.m]\nendpoint = 'from-file'\n[models.n]\nendpoint = 'from-file'\n\
                [sagemaker]\nregion = 'us-east-1'\n[defaults]\nimages = false";
    let env = owned(&[
        ("HELAN_LISTEN", "127.0.0.1:2"),
        ("HELAN_LOG_FORMAT", "pretty"),
        ("HELAN_ENDPOINT", "from-env"),
        ("HELAN_MODEL_ID", "m"),
        ("HELAN_REGION", "us-west-2"),
        ("AWS_REGION", "eu-west-1"),
        ("HELAN_LOG_LEVEL", ""),
    ]);
    let config = parse("helan.toml".as_ref(), text, env).unwrap();
    assert_eq!(config.listen.port(), 2);
    assert_eq!(config.log.format, Some(LogFormat::Pretty));
    let served: Vec<_> =
        config.models.iter().map(|model| (&*model.id, &*model.targets[0].endpoint)).collect();
    assert_eq!(served, [("n", "from-file"), ("m", "from-env")]);
    assert_eq!(config.models[1].targets[0].region.as_deref(), Some("us-west-2"));
    assert!(!config.models[1].targets[0].images, "the file's defaults hold for it too");
}

#[test]
fn helan_config_names_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("other.toml");
    fs::write(&path, "auth.mode = 'none'\nmodels.m.endpoint = 'ep'").unwrap();
    let config = environment(&[("HELAN_CONFIG", path.to_str().unwrap())]).unwrap();
    assert_eq!(config.models[0].id, "m");
}

#[test]
fn a_model_stands_over_the_defaults_and_they_over_sagemaker() {
    let config = file(
        "auth.mode = 'none'\nsagemaker.region = 'us-east-1'\n\
         [defaults]\nunary = 'invoke'\ntokens_per_second = 22.5\n\
         [models.a]\nendpoint = 'ep'\n\
         [models.b]\nendpoint = 'ep'\nunary = 'stream'\nregion = 'us-west-2'\n\
         [endpoints.allow]\n'x-*' = {}\n'x-long-*' = { unary = 'auto' }\n'*' = {}",
    )
    .unwrap();
    let [a, b] = config.models.as_slice() else { panic!("{:?}", config.models) };
    assert_eq!((a.targets[0].unary, b.targets[0].unary), (Unary::Invoke, Unary::Stream));
    assert!((b.targets[0].tokens_per_second - 22.5).abs() < f64::EPSILON);
    assert_eq!(a.targets[0].region.as_deref(), Some("us-east-1"));
    assert_eq!(b.targets[0].region.as_deref(), Some("us-west-2"));
    let patterns: Vec<_> = config.allow.iter().map(|allow| allow.pattern.as_str()).collect();
    assert_eq!(patterns, ["x-long-*", "x-*", "*"], "the most specific first");
    assert_eq!(config.allow[0].target("x-long-1", "us-east-1").unary, Unary::Auto);
    assert_eq!(config.allow[1].target("x-1", "us-east-1").unary, Unary::Invoke);
}

#[test]
fn strangers_are_let_in_by_the_words_alone() {
    let words = "I understand that anyone who reaches this port can use the models";
    let config = environment(&[
        ("HELAN_ENDPOINT", "ep"),
        ("HELAN_LISTEN", "0.0.0.0:8080"),
        ("HELAN_AUTH_MODE", "none"),
        ("HELAN_ALLOW_UNAUTHENTICATED_NETWORK_ACCESS", words),
    ])
    .unwrap();
    assert_eq!(config.auth.mode, AuthMode::None);
}

#[test]
fn the_sdks_endpoint_variables_may_be_switched_off() {
    let mut env = vec![
        ("HELAN_ENDPOINT", "ep"),
        ("HELAN_AUTH_MODE", "none"),
        ("AWS_ENDPOINT_URL", "http://localhost:8080"),
    ];
    assert!(environment(&env).is_err());
    env.push(("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true"));
    assert!(environment(&env).is_ok());
}

#[cfg(not(feature = "tokenizer"))]
#[test]
fn a_build_without_a_tokenizer_says_so() {
    for key in ["tokenizer = 'tokenizer.json'", "count_tokens = 'tokenizer'"] {
        let text = format!("auth.mode = 'none'\n[models.m]\nendpoint = 'ep'\n{key}");
        let problems = file(&text).unwrap_err();
        let said = problems.iter().any(|problem| {
            problem.severity == helan::config::Severity::Error
                && problem.message.contains("made without the feature `tokenizer`")
        });
        assert!(said, "{key}: {problems:?}");
    }
    let counted = "auth.mode = 'none'\nmodels.m = { endpoint = 'ep', count_tokens = 'endpoint' }";
    assert!(file(counted).is_ok());
}
