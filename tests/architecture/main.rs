//! The rules of `src/README.md`, held by a test.
//!
//! Unit tests inside `src/` may import what they like: they are not shipped, and a cycle through
//! them cannot be built. Names of the rules are in `rules`, how a path is found in `paths`.

mod paths;
mod rules;
mod tokens;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::{fs, io};

use rules::{MAX_LINES, RANKS, violations};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every file below `dir` that ends in `ending`, by its path below `dir`.
fn files(dir: &Path, ending: &str) -> io::Result<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    let mut open = vec![dir.to_path_buf()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(&next)? {
            let path = entry?.path();
            let name = path.strip_prefix(dir).unwrap_or(&path).to_string_lossy().replace('\\', "/");
            if path.is_dir() {
                if !matches!(name.rsplit('/').next(), Some(".venv" | "node_modules" | "fixtures")) {
                    open.push(path);
                }
            } else if name.ends_with(ending) {
                found.insert(name, fs::read_to_string(&path)?);
            }
        }
    }
    Ok(found)
}

#[test]
fn the_source_keeps_the_rules() {
    let files = files(&root().join("src"), ".rs").unwrap();
    assert!(files.contains_key("lib.rs"));
    let broken = violations(&files);
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

#[test]
fn every_rank_is_given_once() {
    let once: BTreeSet<_> = RANKS.iter().collect();
    assert_eq!(once.len(), RANKS.len());
}

#[test]
fn files_stay_small() {
    for dir in ["src", "tests"] {
        for (path, text) in files(&root().join(dir), ".rs").unwrap() {
            let lines = text.lines().count();
            assert!(lines <= MAX_LINES, "{dir}/{path}: {lines} lines");
        }
    }
}

#[test]
fn no_host_of_the_cloud_is_spelled() {
    for (dir, ending) in [("src", ".rs"), ("schemas", "")] {
        let dir = root().join(dir);
        if dir.exists() {
            for (path, text) in files(&dir, ending).unwrap() {
                let spelled = text.to_ascii_lowercase().contains("amazonaws");
                assert!(!spelled, "{path} spells a host: the SDK resolves endpoints");
            }
        }
    }
}

#[test]
fn the_lints_are_on() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let manifest: toml::Table = toml::from_str(&manifest).unwrap();
    let level = |group: &str, lint: &str| {
        let lint = &manifest["lints"][group][lint];
        lint.get("level").unwrap_or(lint).as_str().map(str::to_owned)
    };
    assert_eq!(level("rust", "unsafe_code").as_deref(), Some("forbid"));
    assert_eq!(level("rust", "missing_docs").as_deref(), Some("warn"));
    assert_eq!(level("clippy", "pedantic").as_deref(), Some("warn"));
    for lint in ["allow_attributes", "dbg_macro", "expect_used", "panic", "print_stdout"]
        .into_iter()
        .chain(["print_stderr", "todo", "unimplemented", "unreachable", "unwrap_used"])
    {
        assert_eq!(level("clippy", lint).as_deref(), Some("deny"), "{lint}");
    }
}

/// The modules that the table of `src/README.md` names (a table whose first column is called
/// `module`), in its order.
fn documented(readme: &str) -> Vec<String> {
    let mut found = vec![];
    let mut inside = false;
    for line in readme.lines() {
        let Some(row) = line.trim().strip_prefix('|') else {
            inside = false;
            continue;
        };
        let first = row.split('|').next().unwrap_or_default().trim();
        inside |= first.eq_ignore_ascii_case("module");
        if inside {
            let names = first.split('`').skip(1).step_by(2);
            found.extend(names.map(|n| n.trim_end_matches('/').trim_end_matches(".rs").to_owned()));
        }
    }
    found.retain(|name| name != "main" && name != "lib");
    found
}

#[test]
fn the_architecture_document_names_the_same_modules() {
    let src = root().join("src");
    let Ok(readme) = fs::read_to_string(src.join("README.md")) else { return };
    let files = files(&src, ".rs").unwrap();
    let exists = |module: &&&str| {
        let (file, dir) = (format!("{module}.rs"), format!("{module}/mod.rs"));
        files.contains_key(&file) || files.contains_key(&dir)
    };
    let there: Vec<_> = RANKS.iter().filter(exists).map(|m| (*m).to_owned()).collect();
    assert_eq!(documented(&readme), there, "src/README.md (left) and src/ (right)");
}

#[test]
fn a_table_of_modules_is_read() {
    let readme = "text `no`\n\n| a | b |\n|---|---|\n| `not` | x |\n\n\
        | Module | is |\n|---|---|\n| `error.rs` | `no` |\n| `wire/` | y |\n\
        | `cli.rs`, `main.rs`, `lib.rs` | z |\n\n| `not` | z |\n";
    assert_eq!(documented(readme), ["error", "wire", "cli"]);
}

/// What is broken when `text` is at `path`, beside a `lib.rs` like ours.
fn broken(path: &str, text: &str) -> Vec<String> {
    let lib = "pub mod error;\npub use error::{Code, Error, Result};\npub use relay::Relay;";
    violations(&BTreeMap::from([
        ("lib.rs".to_owned(), lib.to_owned()),
        (path.to_owned(), text.to_owned()),
    ]))
}

#[test]
fn every_spelling_of_a_forbidden_import_is_refused() {
    for (path, text) in [
        ("wire/mod.rs", "use crate::server::Listener;"),
        ("wire/mod.rs", "use crate::server;"),
        ("wire/mod.rs", "use crate::{error, server};"),
        ("wire/mod.rs", "use crate::{error::{self, Code}, server::{A, B}};"),
        ("wire/mod.rs", "use {crate::error, crate::server::A};"),
        ("wire/mod.rs", "pub(crate) use crate :: server as s ;"),
        ("wire/mod.rs", "use crate::{\n  // the listener\n  server::*,\n};"),
        ("wire/mod.rs", "use super::server::Listener;"),
        ("wire/mod.rs", "use self::super::server::Listener;"),
        ("wire.rs", "use super::server::Listener;"),
        ("wire/frame.rs", "use super::super::server::Listener;"),
        ("wire/frame.rs", "use super::{super::server::A, B};"),
        ("wire/a/b.rs", "use super::super::super::server::Listener;"),
        ("wire/mod.rs", "mod inner { use super::super::server::A; }"),
        ("wire/mod.rs", "mod inner { fn f() {} }\nuse super::server::A;"),
        ("wire/mod.rs", "fn f() { crate::server::run() }"),
        ("wire/mod.rs", "fn f(x: &dyn crate::server::T) {}"),
        ("wire/mod.rs", "fn f() -> Vec<crate::server::T> { Vec::<crate::server::T>::new() }"),
        ("wire/mod.rs", "macro_rules! m { () => { $crate::server::run() } }"),
        ("wire/mod.rs", "#[serde(with = \"crate::server::text\")] struct A;"),
        ("wire/mod.rs", "#[derive(crate::server::D)] struct A;"),
        ("wire/mod.rs", "use crate as here; fn f() { here::server::run() }"),
        ("wire/mod.rs", "use super as up; fn f() { up::server::run() }"),
        ("wire/mod.rs", "use crate::*;"),
        ("wire/mod.rs", "use super::*;"),
        ("wire/mod.rs", "use crate::Relay;"),
        ("wire/mod.rs", "#[cfg(not(test))] use crate::server::A;"),
        ("wire/mod.rs", "#[cfg(any(test, unix))] use crate::server::A;"),
        ("wire/mod.rs", "#[cfg(test)] use crate::error::A; use crate::server::B;"),
        ("wire/mod.rs", "#[cfg(test)] mod tests { } use crate::server::B;"),
        ("wire/mod.rs", "struct S { #[cfg(test)] a: u8, b: crate::server::B }"),
        ("wire/mod.rs", "use crate::nowhere::A;"),
        ("error.rs", "use crate::clock::Clock;"),
        ("config/mod.rs", "use crate::clock::Clock;"),
        ("converse/mod.rs", "use crate::config::Config;"),
        ("container/openai/mod.rs", "use crate::family::A;"),
        ("family/mod.rs", "use crate::container::A;"),
    ] {
        let broken = broken(path, text);
        assert!(broken.iter().any(|b| b.contains(" import ") || b.contains("no rank")), "{text}");
        assert!(broken.iter().all(|b| b.contains(": crate::")), "{text}: {broken:?}");
    }
}

#[test]
fn what_may_be_imported_is_let_through() {
    for (path, text) in [
        ("wire/mod.rs", "use crate::{Code, Error, clock::Clock, converse::{Event, Usage}};"),
        ("wire/mod.rs", "use crate::wire::frame; use self::frame::F; use frame::G;"),
        ("wire/frame.rs", "use super::{Payload, lines::Lines}; use super::super::error::Code;"),
        ("wire/mod.rs", "// use crate::server::A;\n/* crate::server::A */\n//! [`crate::server`]"),
        ("wire/mod.rs", "const A: &str = \"crate::server::A\"; const B: char = '\"';"),
        ("wire/mod.rs", "#[cfg(test)]\nmod tests { use super::*; use crate::server::A; }"),
        ("wire/mod.rs", "#[cfg(test)] use crate::{server::A, relay::B};"),
        ("wire/mod.rs", "#[cfg(all(test, unix))] #[x] pub(crate) fn f() { crate::server::f() }"),
        ("wire/mod.rs", "struct S { #[cfg(test)] a: crate::server::B, b: u8 }"),
        ("wire/mod.rs", "#![cfg(test)] use crate::server::A;"),
        ("wire/mod.rs", "pub(crate) fn f() {} pub(in crate::wire) fn g() {}"),
        ("config/mod.rs", "use crate::Error; fn f() { std::env::var(\"A\"); }"),
        ("server.rs", "use tokio::net::TcpListener; use crate::stack;"),
        ("clock.rs", "fn f() { std::time::Instant::now(); }"),
        ("meter/mod.rs", "use std::time::{Duration, Instant}; use fastrand::Rng;"),
        ("main.rs", "fn main() { helan::cli::run() }"),
    ] {
        assert_eq!(broken(path, text), Vec::<String>::new(), "{path}: {text}");
    }
}

#[test]
fn files_of_tests_may_import_what_they_like() {
    let tree = |declared: &str| {
        violations(&BTreeMap::from([
            ("wire/frame.rs".to_owned(), declared.to_owned()),
            ("wire/frame/tests.rs".to_owned(), "use crate::server::A;".to_owned()),
            ("wire/frame/tests/more.rs".to_owned(), "use crate::server::A;".to_owned()),
        ]))
    };
    assert_eq!(tree("#[cfg(test)]\nmod tests;"), Vec::<String>::new());
    assert_eq!(tree("mod tests;").len(), 2);
}

#[test]
fn what_belongs_to_one_module_is_refused_to_others() {
    for (path, text) in [
        ("auth/mod.rs", "fn f() { std::env::var(\"A\"); }"),
        ("auth/mod.rs", "use std::env; fn f() { env::vars(); }"),
        ("auth/mod.rs", "use std::{env::var, fs};"),
        ("auth/mod.rs", "fn f() { ::std::env::args(); }"),
        ("auth/mod.rs", "use std::*;"),
        ("meter/mod.rs", "use std::time::Instant; fn f() { Instant::now(); }"),
        ("meter/mod.rs", "use std::time::*;"),
        ("meter/mod.rs", "use std::time as t; fn f() { t::SystemTime::now(); }"),
        ("meter/mod.rs", "use time::OffsetDateTime as T; fn f() { T::now_utc(); }"),
        ("meter/mod.rs", "fn f() { fastrand::u8(..); }"),
        ("meter/mod.rs", "use fastrand::Rng; fn f() { Rng::new(); }"),
        ("relay.rs", "use tokio::net::TcpStream;"),
        ("relay.rs", "use std::net::{SocketAddr, TcpListener};"),
        ("relay.rs", "use hyper_util::client::legacy::Client;"),
        ("relay.rs", "use aws_sdk_sagemakerruntime::Client;"),
        ("container/openai/mod.rs", "use tokio::sync::mpsc;"),
        ("container/openai/mod.rs", "fn f() { std::fs::read(\"a\"); }"),
        ("container/openai/mod.rs", "async fn f() {}"),
    ] {
        let broken = broken(path, text);
        assert!(broken.iter().any(|b| b.contains("only") || b.contains("codec")), "{text}");
    }
}

#[test]
fn a_module_without_a_rank_is_refused() {
    for path in ["surprise.rs", "surprise/mod.rs", "surprise/inner.rs"] {
        assert!(broken(path, "").iter().any(|b| b.contains("has no rank")), "{path}");
    }
}

#[test]
fn names_that_say_nothing_are_refused() {
    for (path, text) in [
        ("wire/utils.rs", ""),
        ("wire/types/frame.rs", ""),
        ("wire/mod.rs", "mod helpers { }"),
        ("wire/mod.rs", "mod frame_util;"),
        ("wire/mod.rs", "#[path = \"elsewhere.rs\"] mod frame;"),
    ] {
        assert!(!broken(path, text).is_empty(), "{path}: {text}");
    }
}
