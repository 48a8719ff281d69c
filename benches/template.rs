//! What a prompt costs: a conversation of three turns through the template of Qwen 3, guarded and
//! not. `cargo bench --bench template` prints microseconds; compare figures of one run only.

use std::hint::black_box;
use std::io::Write as _;
use std::time::Instant;

use helan::template::{Builtin, ControlTokens, Input, Policy};
use serde_json::json;
use time::OffsetDateTime;

/// The best of several rounds, in microseconds for one call of `work`.
fn measure(mut work: impl FnMut()) -> f64 {
    let mut best = f64::INFINITY;
    for _ in 0..20 {
        let began = Instant::now();
        for _ in 0..2_000 {
            work();
        }
        best = best.min(began.elapsed().as_secs_f64() * 1e6 / 2_000.0);
    }
    best
}

fn main() {
    let Some(builtin) = Builtin::find("qwen3") else { return };
    let Ok(template) = builtin.template() else { return };
    let tokens = ControlTokens::of(&template);
    let messages = vec![
        json!({"role": "system", "content": "You are a helpful assistant."}),
        json!({"role": "user", "content": "Where is Ningxia?"}),
        json!({"role": "assistant", "content": "In the northwest of China, on the upper Yellow River."}),
        json!({"role": "user", "content": "And the Helan Mountains?"}),
    ];
    let input = Input::new(messages, OffsetDateTime::UNIX_EPOCH);
    let plain = measure(|| {
        black_box(template.render(black_box(&input)).ok());
    });
    let guarded = measure(|| {
        black_box(template.render_guarded(input.clone(), &tokens, Policy::Neutralise).ok());
    });
    let mut code = input.clone();
    code.messages[1]["content"] = json!("Why is `a < b | c` not what `vec[0]` says?");
    let twice = measure(|| {
        black_box(template.render_guarded(code.clone(), &tokens, Policy::Neutralise).ok());
    });
    let out = std::io::stdout();
    let _ = writeln!(
        out.lock(),
        "qwen3, three turns: {plain:.1} µs; guarded: {guarded:.1} µs; guarded, with marks of markers: {twice:.1} µs"
    );
}
