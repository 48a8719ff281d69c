//! Faults between the gateway and SageMaker, each with an outcome that is written down.
//!
//! The real binary stands behind the official SDK and before a proxy that damages answers; behind
//! the proxy stands the emulator, whose rules know the faults that SageMaker itself tells.

mod ask;
mod cancel;
mod cells;
mod load;
mod matrix;
mod proxy;
mod rows;

use std::collections::HashMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sdk_bedrockruntime::Client;
use aws_sdk_bedrockruntime::config::retry::RetryConfig;
use aws_sdk_bedrockruntime::config::timeout::TimeoutConfig;
use aws_sdk_bedrockruntime::config::{BehaviorVersion, Region};

use crate::process::{KEY, Process, SECRET, send};
use ask::Operation;
use proxy::{Damage, Proxy};

/// What the scripted model answers to `marker`, where no rule says otherwise.
fn answer_to(marker: &str) -> String {
    format!("You said {marker} and nothing else, I repeat it for you to see: {marker}")
}

/// A model and the endpoint of the same name.
struct Model {
    name: String,
    operation: Operation,
    /// Where it is, if not behind the proxy.
    url: Option<String>,
    /// The endpoint of a second target, asked where the first one fails.
    second: Option<String>,
}

impl Model {
    /// Its section of the configuration.
    fn section(&self, proxy: SocketAddr) -> String {
        let (name, settings) = (&self.name, self.operation.settings());
        let mut section = format!("[models.{name}]\nendpoint = \"{name}\"\n{settings}\n");
        if let Some(url) = &self.url {
            let url = url.replace("{proxy}", &proxy.to_string());
            writeln!(section, "endpoint_url = \"{url}\"").unwrap();
        }
        if let Some(second) = &self.second {
            writeln!(
                section,
                "[[models.{name}.targets]]\npriority = 1\nendpoint = \"{second}\"\nendpoint_url = \"http://{proxy}\""
            )
            .unwrap();
        }
        section
    }
}

/// Emulator, proxy and gateway, in this order from the far end.
struct Bench {
    gateway: Process,
    proxy: Proxy,
    emulator: Process,
    _files: tempfile::TempDir,
}

impl Bench {
    /// `rules` come before the one that answers with what was said; `sagemaker` and `limits` are
    /// keys of those tables.
    async fn start(
        models: &[Model],
        scripts: HashMap<String, Vec<Damage>>,
        rules: &str,
        sagemaker: &str,
    ) -> Self {
        let files = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| -> String {
            let path = files.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let answer = answer_to("{text}");
        let rules = format!(
            "builtin = false\n[[rules]]\nwhen.endpoint = \"*--second\"\nanswer.text = \"{answer}\"\n\
             {rules}\n[[rules]]\nanswer.text = \"{answer}\"\n"
        );
        let rules = write("rules.toml", &rules);
        let emulator = Process::start(&["emulate", "--listen", "127.0.0.1:0", "--rules", &rules]);
        let proxy = Proxy::start(emulator.address, scripts).await;
        write(
            "keys.toml",
            &format!(
                "[[access_key]]\nid = \"{KEY}\"\nsecret = \"{SECRET}\"\nprincipal = \"faults\"\n"
            ),
        );
        let mut config = format!(
            "listen = \"127.0.0.1:0\"\n[admin]\nlisten = \"127.0.0.1:0\"\n\
             [auth]\nkeys_file = \"keys.toml\"\n[log]\nlevel = \"error\"\n\
             [limits]\nmax_answer = \"1 MB\"\n\
             [sagemaker]\nregion = \"cn-northwest-1\"\nendpoint_url = \"http://{}\"\n\
             pool_idle = \"1 s\"\n{sagemaker}\n",
            proxy.address
        );
        config.extend(models.iter().map(|model| model.section(proxy.address)));
        let config = write("helan.toml", &config);
        let gateway = Process::start(&["serve", "--config", &config]);
        Self { gateway, proxy, emulator, _files: files }
    }

    /// An unmodified client that tries once.
    fn client(&self) -> Client {
        self.client_with(RetryConfig::disabled(), TimeoutConfig::disabled())
    }

    fn client_with(&self, retries: RetryConfig, timeouts: TimeoutConfig) -> Client {
        let config = aws_sdk_bedrockruntime::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("cn-northwest-1"))
            .endpoint_url(format!("http://{}", self.gateway.address))
            .credentials_provider(Credentials::from_keys(KEY, SECRET, None))
            .retry_config(retries)
            .timeout_config(timeouts)
            .build();
        Client::from_conf(config)
    }

    async fn metrics(&self) -> String {
        let get = b"GET /metrics HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
        String::from_utf8(send(self.gateway.admin.unwrap(), &[get]).await.body).unwrap()
    }

    /// Gauges of callers, models and targets that are not at zero.
    async fn busy(&self) -> Vec<String> {
        let text = self.metrics().await;
        let gauges: Vec<_> = text
            .lines()
            .filter(|line| line.contains("_calls_in_flight{") || line.contains("_calls_waiting{"))
            .collect();
        for kind in ["principal", "model", "target"] {
            assert!(gauges.iter().any(|line| line.starts_with(&format!("helan_{kind}"))), "{text}");
        }
        let busy = gauges.into_iter().filter(|line| !line.ends_with(" 0"));
        busy.map(ToOwned::to_owned).collect()
    }

    /// A gauge or a counter without labels.
    async fn metric(&self, name: &str) -> u64 {
        let text = self.metrics().await;
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.unwrap_or_else(|| panic!("no {name} in\n{text}")).parse().unwrap()
    }

    /// What the emulator counted under this name.
    async fn emulated(&self, name: &str) -> u64 {
        let get = b"GET /_emulator/calls HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
        send(self.emulator.address, &[get]).await.json()[name].as_u64().unwrap()
    }

    /// Waits until nothing is under way and nothing is held; the clients have been dropped.
    async fn comes_to_rest(&self) {
        for gauge in
            ["helan_calls_in_flight", "helan_connections", "helan_request_bodies_in_flight_bytes"]
        {
            eventually(gauge, async || self.metric(gauge).await == 0).await;
        }
        eventually("callers, models and targets", async || self.busy().await.is_empty()).await;
        eventually("the proxy's calls end", async || self.proxy.all().open == 0).await;
        eventually("the emulator's calls end", async || {
            let ended = self.emulated("completed").await
                + self.emulated("cancelled").await
                + self.emulated("failed").await;
            self.emulated("started").await == ended
        })
        .await;
    }
}

/// Waits for what must happen.
async fn eventually(what: &str, condition: impl AsyncFn() -> bool) {
    for _ in 0..1500 {
        if condition().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("never: {what}");
}
