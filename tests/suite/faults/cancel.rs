//! A caller who gives up: the upstream call is cancelled, and a second attempt finds the GPU free.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_bedrockruntime::config::retry::RetryConfig;
use aws_sdk_bedrockruntime::config::timeout::TimeoutConfig;

use super::ask::{self, Operation};
use super::proxy::{Damage, Seen, Then};
use super::{Bench, Model, answer_to, eventually};

/// For every operation a model whose first call meets `damage`; the second one passes.
async fn bench(damage: Damage) -> Bench {
    let model = |operation: Operation| Model {
        name: operation.name().to_owned(),
        operation,
        url: None,
        second: None,
    };
    let models = Operation::ALL.map(model);
    let script = |operation: Operation| (operation.name().to_owned(), vec![damage, Damage::None]);
    let scripts = HashMap::from(Operation::ALL.map(script));
    Bench::start(&models, scripts, "", "").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_call_is_cancelled_before_it_is_tried_again() {
    for damage in [Damage::Stall, Damage::Body { after: 3, then: Then::Stall }] {
        let bench = bench(damage).await;
        let client = bench.client();
        for operation in Operation::ALL {
            let name = operation.name();
            tokio::select! {
                seen = operation.ask(&client, name, "first") => panic!("{name}: {seen:?}"),
                () = eventually("the call arrives", async || bench.proxy.seen(name).open == 1) => {}
            }
            let gone = Seen { calls: 1, open: 0, hung_up: 1 };
            eventually("it is cancelled", async || bench.proxy.seen(name) == gone).await;

            let seen = operation.ask(&client, name, "second").await;
            assert_eq!(seen, ask::Seen::Answer(answer_to("second")), "{name}");
            let answered = Seen { calls: 2, ..gone };
            eventually("the second ends", async || bench.proxy.seen(name) == answered).await;
        }
        drop(client);
        bench.comes_to_rest().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_times_out_and_retries_leaves_no_call_behind() {
    let bench = bench(Damage::Stall).await;
    let client = bench.client_with(
        RetryConfig::standard().with_max_attempts(2),
        TimeoutConfig::builder().operation_attempt_timeout(Duration::from_secs(3)).build(),
    );
    let asked = Operation::ALL.map(async |operation| {
        let seen = operation.ask(&client, operation.name(), "patience").await;
        assert_eq!(seen, ask::Seen::Answer(answer_to("patience")), "{operation:?}");
        let both = Seen { calls: 2, open: 0, hung_up: 1 };
        let proxy = &bench.proxy;
        eventually("one call is cancelled", async || proxy.seen(operation.name()) == both).await;
    });
    futures_util::future::join_all(asked).await;
    drop(client);
    bench.comes_to_rest().await;
}
