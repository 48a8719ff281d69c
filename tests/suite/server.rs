//! Connections: who may keep a place.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use helan::auth::Authenticator;
use helan::catalog::Catalog;
use helan::clock::Clock;
use helan::layers::admit::Budget;
use helan::layers::limits::{Bounds, LimitsLayer, Places};
use helan::meter::{Meter, Metrics};
use helan::server::{Admin, Live, Options, Server};
use helan::stack;
use http::Request;
use http_body_util::{BodyExt as _, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Far more than any of these tests takes; who waits so long waits in vain.
const IN_VAIN: Duration = Duration::from_mins(1);

#[tokio::test]
async fn http2_without_requests_gives_its_place_back() {
    let meter = Meter::new(Clock::system(), Arc::new(Metrics::new()));
    // No model at all: these connections ask for their health only.
    let config = "[auth]\nmode = \"none\"\n[endpoints.allow]\n\"*\" = {}\n";
    let config = helan::config::parse("helan.toml".as_ref(), config, []).unwrap();
    let catalog =
        Catalog::new(&config, Clock::system(), None, |_| Err(helan::Error::internal())).unwrap();
    let gateway = stack::gateway(stack::Parts {
        budget: Budget::new(1024, 1024, IN_VAIN, meter.clone()),
        authenticator: Authenticator::none(),
        catalog: Arc::new(catalog),
        limits: LimitsLayer::new(Places::new(1), Bounds::default()),
        max_answer: 1,
        meter: meter.clone(),
    });
    let options = Options {
        max_connections: 1,
        header_timeout: Duration::from_secs(3),
        idle_timeout: Duration::from_millis(50),
        write_timeout: IN_VAIN,
        grace: Duration::ZERO,
        deadline: Duration::ZERO,
    };
    let server = Server::bind(([127, 0, 0, 1], 0).into()).await.unwrap();
    let address = server.local_addr().unwrap();
    let mut serving = JoinSet::new();
    let live = watch::Sender::new(Live { gateway, tls: None, options });
    serving.spawn(server.run(live.subscribe(), meter, std::future::pending()));

    let stream = TokioIo::new(TcpStream::connect(address).await.unwrap());
    let (mut client, mut connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    for (method, length) in [("HEAD", 0), ("GET", 20)] {
        let ping = Request::builder().method(method).uri(format!("http://{address}/ping"));
        let asking = async {
            let ping = ping.body(Empty::<Bytes>::new()).unwrap();
            let answer = client.send_request(ping).await.unwrap();
            assert_eq!(
                (answer.status().as_u16(), answer.headers()["content-length"].to_str().unwrap()),
                (200, "20")
            );
            answer.into_body().collect().await.unwrap().to_bytes()
        };
        let body = tokio::select! {
            body = asking => body,
            ended = &mut connection => panic!("{ended:?}"),
        };
        assert_eq!(body.len(), length, "{method}");
    }
    // The client stays, and asks for nothing more.
    let ended = timeout(IN_VAIN, connection).await.expect("the server ends it");
    assert!(ended.is_ok() || client.is_closed());
}

#[tokio::test(start_paused = true)]
async fn the_operators_port_waits_for_nobody_either() {
    let meter = Meter::new(Clock::system(), Arc::new(Metrics::new()));
    let admin = Admin::bind(([127, 0, 0, 1], 0).into()).await.unwrap();
    let address = admin.local_addr();
    let mut serving = JoinSet::new();
    serving.spawn(admin.run(meter));
    let mut silent = TcpStream::connect(address).await.unwrap();
    let read = timeout(IN_VAIN, silent.read(&mut [0])).await.expect("the server ends it");
    assert_eq!(read.unwrap_or(0), 0);
}
