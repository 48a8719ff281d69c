//! The rules of `src/README.md` as data, and what breaks them.

use std::collections::{BTreeMap, BTreeSet};

use crate::paths::{Named, Scan, scan};

/// Every module of `src/`, in rank order: **a module may import only modules before it**, so that
/// no cycle can be written. A module that is not here yet needs a place here first.
pub(crate) const RANKS: &[&str] = &[
    "error",
    "clock",
    "workers",
    "config",
    "sigv4",
    "converse",
    "embed",
    "rerank",
    "wire",
    "template",
    "tokenizer",
    "parse",
    "family",
    "container",
    "transport",
    "fleet",
    "guard",
    "meter",
    "catalog",
    "auth",
    "relay",
    "ops",
    "layers",
    "stack",
    "server",
    "emulator",
    "cli",
];

/// Modules that may import less than their rank allows, and all that they may.
const NARROW: &[(&str, &[&str])] = &[
    ("config", &["error"]),
    ("converse", &["error"]),
    ("embed", &["error"]),
    ("rerank", &["error"]),
];

/// Modules that never meet, whatever their ranks.
const APART: &[(&str, &str)] = &[("container", "family")];

/// Paths of other crates that belong to some modules alone, and why.
const RESERVED: &[(&str, &[&str], &str)] = &[
    ("std::env", &["config"], "only config reads the environment"),
    ("std::time::SystemTime::now", &["clock"], CLOCK),
    ("std::time::Instant::now", &["clock"], CLOCK),
    ("time::OffsetDateTime::now_utc", &["clock"], CLOCK),
    ("time::OffsetDateTime::now_local", &["clock"], CLOCK),
    ("time::UtcDateTime::now", &["clock"], CLOCK),
    ("fastrand::Rng::new", &["clock"], CLOCK),
    ("std::net::TcpListener", SOCKETS, OPEN),
    ("std::net::TcpStream", SOCKETS, OPEN),
    ("std::net::UdpSocket", SOCKETS, OPEN),
    ("std::os::unix::net", SOCKETS, OPEN),
    ("tokio::net", SOCKETS, OPEN),
    ("hyper::client", SOCKETS, OPEN),
    ("hyper_util::client", SOCKETS, OPEN),
    ("aws_smithy_http_client", SOCKETS, OPEN),
    ("aws_config", SOCKETS, OPEN),
    ("aws_sdk_sagemakerruntime", SOCKETS, OPEN),
];
const CLOCK: &str = "only clock tells the time and draws the seeds";
const SOCKETS: &[&str] = &["transport", "server", "emulator"];
const OPEN: &str = "only transport, server and emulator open sockets";

/// Codecs: bytes in, events out, no I/O and nothing to wait for.
const CODECS: &[&str] =
    &["converse", "embed", "rerank", "template", "tokenizer", "parse", "family", "container"];
const IO: &[&str] = &["tokio", "std::fs", "std::net", "std::process", "hyper", "hyper_util"];

/// Names that say nothing about what is inside.
const VAGUE: &[&str] = &[
    "common", "helper", "helpers", "manager", "managers", "misc", "shared", "type", "types",
    "util", "utils",
];

pub(crate) const MAX_LINES: usize = 600;

/// Everything in `files` (path below `src/`, text) that breaks a rule.
pub(crate) fn violations(files: &BTreeMap<String, String>) -> Vec<String> {
    let scans: BTreeMap<&str, Scan> = files
        .iter()
        .map(|(path, text)| {
            let module = module_of(path);
            (path.as_str(), scan(text, &module, "helan"))
        })
        .collect();
    let tests = test_files(&scans);
    let reexports = scans.get("lib.rs").map(reexports).unwrap_or_default();
    let mut broken = vec![];
    for (path, scan) in &scans {
        let module = module_of(path);
        broken.extend(vague(path, scan));
        for line in &scan.moved {
            broken.push(format!("{path}:{line}: #[path] hides a module from this test"));
        }
        if module.is_empty() {
            continue; // lib.rs and main.rs stand above all
        }
        if !RANKS.contains(&module[0]) {
            broken.push(format!("{path}: {} has no rank; give it one in RANKS", module[0]));
            continue;
        }
        if scan.test_only || tests.contains(*path) {
            continue;
        }
        for named in &scan.named {
            let why = if named.path[0] == "crate" {
                inside(module[0], named, &reexports)
            } else {
                outside(module[0], named)
            };
            if let Some(why) = why {
                let what = named.path.join("::");
                broken.push(format!("{path}:{}: {what}: {why}", named.line));
            }
        }
        if CODECS.contains(&module[0]) {
            for line in &scan.waits {
                broken.push(format!("{path}:{line}: {} is a codec: no async", module[0]));
            }
        }
    }
    broken
}

/// Why `module` may not name this path of the crate.
fn inside(module: &str, named: &Named, reexports: &BTreeMap<String, String>) -> Option<String> {
    let first = named.path.get(1)?;
    let target = reexports.get(first).map_or(first.as_str(), String::as_str);
    if target == module {
        return None;
    }
    let Some(rank) = RANKS.iter().position(|r| *r == target) else {
        return Some(if target == "*" {
            format!("{module} may not import everything")
        } else {
            format!("{target} has no rank")
        });
    };
    let own = RANKS.iter().position(|r| *r == module)?;
    if let Some((_, all)) = NARROW.iter().find(|(m, _)| *m == module)
        && !all.contains(&target)
    {
        return Some(format!("{module} may import only {}", all.join(", ")));
    }
    if APART.iter().any(|(a, b)| (*a, *b) == (module, target) || (*b, *a) == (module, target)) {
        return Some(format!("{module} and {target} never import each other"));
    }
    (rank > own).then(|| format!("{module} may not import {target}, which stands above it"))
}

/// Why `module` may not name this path of another crate.
fn outside(module: &str, named: &Named) -> Option<String> {
    let path = named.path.join("::");
    let reserved = RESERVED
        .iter()
        .find(|(prefix, owners, _)| !owners.contains(&module) && reaches(&path, prefix))
        .map(|(_, _, why)| (*why).to_owned());
    let io = || {
        (CODECS.contains(&module) && IO.iter().any(|prefix| reaches(&path, prefix)))
            .then(|| format!("{module} is a codec: no I/O"))
    };
    // `fastrand::u8(..)` and the like draw from the thread's own seed.
    let chance = || {
        let free = path.starts_with("fastrand::") && !path.starts_with("fastrand::Rng");
        (free && module != "clock").then(|| CLOCK.to_owned())
    };
    reserved.or_else(io).or_else(chance)
}

/// Whether a path is `prefix`, lies below it, or is a glob that brings it in.
fn reaches(path: &str, prefix: &str) -> bool {
    let below = |long: &str, short: &str| {
        long.strip_prefix(short).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    };
    below(path, prefix) || path.strip_suffix("::*").is_some_and(|over| below(prefix, over))
}

/// `wire/frame.rs` → `["wire", "frame"]`; nothing for `lib.rs` and `main.rs`.
fn module_of(path: &str) -> Vec<&str> {
    let parts: Vec<_> = path.trim_end_matches(".rs").split('/').collect();
    match parts.as_slice() {
        ["lib" | "main"] => vec![],
        [rest @ .., "mod"] => rest.to_vec(),
        _ => parts,
    }
}

/// Files that exist for tests alone: their modules are declared under `#[cfg(test)]`.
fn test_files<'a>(scans: &BTreeMap<&'a str, Scan>) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    for (path, scan) in scans {
        for name in &scan.test_modules {
            let module = [module_of(path), vec![name.as_str()]].concat();
            found.extend(scans.keys().filter(|p| module_of(p).starts_with(&module)));
        }
    }
    found
}

/// What `lib.rs` gives out again, by name: `Error` → `error`.
fn reexports(lib: &Scan) -> BTreeMap<String, String> {
    lib.named
        .iter()
        .filter(|n| n.by_use)
        .filter_map(|n| {
            let inside = n.path.iter().skip(usize::from(n.path[0] == "crate"));
            let module = inside.clone().next()?;
            Some((inside.last()?.clone(), module.clone()))
        })
        .filter(|(name, module)| name != module)
        .collect()
}

fn vague(path: &str, scan: &Scan) -> Vec<String> {
    let named = module_of(path).into_iter().map(str::to_owned);
    let mut broken: Vec<_> = named
        .chain(scan.modules.iter().cloned())
        .filter(|name| name.split('_').any(|word| VAGUE.contains(&word)))
        .map(|name| format!("{path}: the name `{name}` says nothing"))
        .collect();
    broken.dedup();
    broken
}
