//! Every fault × every operation, and nothing left behind.

use std::collections::HashMap;

use futures_util::future::join_all;

use super::ask::{Operation, Seen};
use super::cells::{Cell, Targets, bench, cells, judge};
use super::proxy::Damage;
use super::rows::Clocks;
use super::{Bench, Model, answer_to};

/// Asks every cell once, all at the same time.
async fn run(targets: Targets, clocks: Clocks) {
    let cells = cells(clocks);
    let bench = bench(&cells, targets, clocks).await;
    let client = bench.client();
    let asked = cells.iter().map(async |cell: &Cell| {
        let (name, marker) = (cell.name(), format!("marker-{}", cell.name()));
        let seen = cell.operation.ask(&client, &name, &marker).await;
        let wrong = judge(*cell, &marker, cell.told(targets), &seen);
        let (first, expected) = (bench.proxy.seen(&name).calls, cell.calls());
        let miscounted =
            (first != expected).then(|| format!("{name}: {first} calls, not {expected}"));
        let second = bench.proxy.seen(&cell.second()).calls;
        let expected = usize::from(targets.asks_second(cell.row.failover));
        let again = (second != expected)
            .then(|| format!("{name}: {second} calls of the second target, not {expected}"));
        [wrong, miscounted, again]
    });
    let wrong: Vec<_> = join_all(asked).await.into_iter().flatten().flatten().collect();
    assert!(wrong.is_empty(), "{} are not as the table says:\n{}", wrong.len(), wrong.join("\n"));
    drop(client);
    bench.comes_to_rest().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_target() {
    run(Targets::One, Clocks::Patient).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_target_whose_head_does_not_come() {
    run(Targets::One, Clocks::Head).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_target_whose_parts_do_not_come() {
    run(Targets::One, Clocks::Parts).await;
}

/// The same faults before a second target that is well.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_targets() {
    for clocks in [Clocks::Patient, Clocks::Head, Clocks::Parts] {
        run(Targets::Two, clocks).await;
    }
}

/// The pool must not send a request again because the connection was an old one: the model may be
/// at work on it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_was_read_is_never_sent_twice() {
    let deaths = [Damage::Reset, Damage::Close, Damage::ResetInHead(9)];
    let model = |operation: Operation| Model {
        name: operation.name().to_owned(),
        operation,
        url: None,
        second: None,
    };
    let script = |operation: Operation| {
        let script = deaths.into_iter().flat_map(|death| [Damage::None, death]).collect();
        (operation.name().to_owned(), script)
    };
    let models = Operation::ALL.map(model);
    let bench = Bench::start(&models, HashMap::from(Operation::ALL.map(script)), "", "").await;
    let client = bench.client();
    for (round, death) in (1..).zip(deaths) {
        for operation in Operation::ALL {
            let name = operation.name();
            let seen = operation.ask(&client, name, "well").await;
            assert_eq!(seen, Seen::Answer(answer_to("well")), "{name} {death:?}");
            let seen = operation.ask(&client, name, "dies").await;
            assert!(matches!(seen, Seen::Refused(503, ..)), "{name} {death:?}: {seen:?}");
            assert_eq!(bench.proxy.seen(name).calls, 2 * round, "{name} {death:?}");
        }
    }
    assert_eq!(bench.proxy.accepted(), deaths.len() * Operation::ALL.len(), "all were old ones");
}
