//! What a template can do, found out by rendering: once, when it is loaded.

use std::fmt;

use serde_json::{Map, Value as Json, json};
use time::OffsetDateTime;

use super::render::{Input, RenderError, Template};

/// Words that no template has of itself.
pub(super) const USER: &str = "Zq1user";
pub(super) const ANSWER: &str = "Zq2answer";
const SYSTEM: &str = "Zq3system";
const TOOL: &str = "Zq4tool";
const ARGUMENT: &str = "Zq5argument";
const CALLED: &str = "Zq0called";
const RESULT: &str = "Zq6result";
const THOUGHT: &str = "Zq7thought";
const DOCUMENT: &str = "Zq8document";
/// A call's id as Bedrock gives them, and one that Mistral's templates insist on.
const LONG_ID: &str = "tooluse_Zq9AbCdEfGhIjKlMnOp";
const SHORT_ID: &str = "Zq9AbCdEf";
/// Members that switch a model's thinking on and off.
const SWITCHES: [&str; 2] = ["enable_thinking", "thinking"];

/// How the template takes what a message says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Content {
    /// As a string only.
    #[default]
    String,
    /// As a list of parts only.
    Parts,
    /// As either.
    Either,
}

/// What becomes of system text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum System {
    /// The template has a place for it.
    #[default]
    Rendered,
    /// The template refuses or loses it: it goes before the first user text.
    Missing,
}

/// What ids of tool calls may look like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CallIds {
    /// As they like.
    #[default]
    Any,
    /// Nine letters and digits.
    NineAlphanumeric,
}

/// How a call's arguments are taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Arguments {
    /// As an object.
    #[default]
    Object,
    /// As its JSON in a string.
    String,
}

/// What was found. `Display` is what `helan check` prints.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each answers a question of its own")]
pub struct Findings {
    /// How content is taken.
    pub content: Content,
    /// What becomes of system text.
    pub system: System,
    /// Whether tools are described to the model.
    pub tools: bool,
    /// Whether earlier calls and their results are rendered.
    pub tool_history: bool,
    /// Whether one turn may call several tools.
    pub parallel_calls: bool,
    /// What ids of calls may look like.
    pub call_ids: CallIds,
    /// How a call's arguments are taken.
    pub arguments: Arguments,
    /// Whether an image in a message leaves a place in the prompt.
    pub images: bool,
    /// Whether `documents` are rendered.
    pub documents: bool,
    /// The members that switch thinking: `enable_thinking`, `thinking`.
    pub thinking_switches: Vec<&'static str>,
    /// Whether the template reads `reasoning_effort`.
    pub reasoning_effort: bool,
    /// Whether the reasoning of a turn that is over is shown to the model again.
    pub keeps_reasoning: bool,
    /// Whether the reasoning before a call is shown while its results are being answered.
    pub keeps_reasoning_of_calls: bool,
    /// Whether the prompt itself opens `<think>`, so that the answer begins inside it.
    pub opens_thinking: bool,
    /// What `add_generation_prompt` appends.
    pub generation_prompt: String,
    /// The token that every prompt begins with, if it does.
    pub begins_with: Option<String>,
    /// What will render otherwise than in transformers.
    pub warnings: Vec<String>,
}

/// Whether a prompt ends inside an opened reasoning block: the parser starts in reasoning.
pub(super) fn opens_thinking(prompt: &str) -> bool {
    let end = prompt.trim_end();
    ["<think>", "[THINK]", "<thinking>", "<|START_THINKING|>", "<seed:think>", "<|inner_prefix|>"]
        .iter()
        .any(|open| end.ends_with(open))
}

impl Findings {
    /// Renders a few conversations and compares.
    pub fn of(template: &Template) -> Self {
        let probe = Probe { template };
        let content = probe.content();
        let text = |text: &str| match content {
            Content::Parts => json!([{"type": "text", "text": text}]),
            _ => json!(text),
        };
        let user = json!({"role": "user", "content": text(USER)});
        let question = vec![user.clone()];
        let mut found = Self {
            content,
            images: probe.images(),
            reasoning_effort: template.reads("reasoning_effort"),
            warnings: template.warnings().to_vec(),
            ..Self::default()
        };
        let system = json!({"role": "system", "content": text(SYSTEM)});
        if !probe.shows(vec![system, user.clone()], &[SYSTEM, USER]) {
            found.system = System::Missing;
        }
        let mut input = Probe::input(question.clone());
        input.documents = Some(vec![json!({"title": DOCUMENT, "text": DOCUMENT})]);
        found.documents = template.render(&input).is_ok_and(|prompt| prompt.contains(DOCUMENT));
        found.thinking_switches =
            SWITCHES.into_iter().filter(|name| probe.switches(&question, name)).collect();
        probe.generation(question.clone(), &mut found);
        probe.tools(&user, &text, &mut found);
        let thought =
            json!({"role": "assistant", "content": text(ANSWER), "reasoning_content": THOUGHT});
        found.keeps_reasoning =
            probe.shows(vec![user.clone(), thought, user.clone()], &[THOUGHT, ANSWER]);
        found
    }
}

struct Probe<'a> {
    template: &'a Template,
}

impl Probe<'_> {
    fn input(messages: Vec<Json>) -> Input {
        Input::new(messages, OffsetDateTime::UNIX_EPOCH)
    }

    fn render(&self, messages: Vec<Json>) -> Result<String, RenderError> {
        self.template.render(&Self::input(messages))
    }

    fn shows(&self, messages: Vec<Json>, words: &[&str]) -> bool {
        self.render(messages).is_ok_and(|prompt| words.iter().all(|word| prompt.contains(word)))
    }

    fn content(&self) -> Content {
        let render = |content: Json| self.render(vec![json!({"role": "user", "content": content})]);
        let string = render(json!(USER)).is_ok_and(|prompt| prompt.contains(USER));
        let parts = render(json!([{"type": "text", "text": USER}])).is_ok_and(|prompt| {
            prompt.contains(USER) && !prompt.contains("'text'") && !prompt.contains("\"text\"")
        });
        match (string, parts) {
            (true, true) => Content::Either,
            (false, true) => Content::Parts,
            _ => Content::String,
        }
    }

    fn images(&self) -> bool {
        let parts = |parts: Json| self.render(vec![json!({"role": "user", "content": parts})]).ok();
        let without = parts(json!([{"type": "text", "text": USER}]));
        let with = parts(json!([{"type": "image"}, {"type": "text", "text": USER}]));
        matches!((with, without), (Some(with), Some(without)) if with != without && !with.contains("'image'"))
    }

    fn switches(&self, messages: &[Json], name: &str) -> bool {
        if !self.template.reads(name) {
            return false;
        }
        let render = |on: bool| {
            let mut input = Self::input(messages.to_vec());
            input.kwargs = Map::from_iter([(name.to_owned(), json!(on))]);
            self.template.render(&input).ok()
        };
        matches!((render(true), render(false)), (Some(on), Some(off)) if on != off)
    }

    fn generation(&self, question: Vec<Json>, found: &mut Findings) {
        let mut input = Self::input(question);
        let Ok(open) = self.template.render(&input) else { return };
        input.add_generation_prompt = false;
        if let Ok(closed) = self.template.render(&input) {
            open.strip_prefix(&closed).unwrap_or_default().clone_into(&mut found.generation_prompt);
        }
        found.opens_thinking = opens_thinking(&open);
        let bos = self.template.tokens().iter().find(|(name, _)| name == "bos_token");
        found.begins_with =
            bos.map(|(_, token)| token.clone()).filter(|token| open.starts_with(token.as_str()));
    }

    fn tools(&self, user: &Json, text: &dyn Fn(&str) -> Json, found: &mut Findings) {
        let tool = json!({"type": "function", "function": {"name": TOOL, "description": TOOL, "parameters":
            {"type": "object", "properties": {ARGUMENT: {"type": "string", "description": ARGUMENT}}, "required": []}}});
        let with_tools = |messages: Vec<Json>| {
            let mut input = Self::input(messages);
            input.tools = Some(vec![tool.clone()]);
            self.template.render(&input)
        };
        found.tools = with_tools(vec![user.clone()]).is_ok_and(|prompt| prompt.contains(TOOL));
        let history = |id: &str, arguments: Arguments, calls: usize| {
            let arguments = match arguments {
                Arguments::Object => json!({ARGUMENT: CALLED}),
                Arguments::String => json!(json!({ARGUMENT: CALLED}).to_string()),
            };
            let call = json!({"id": id, "type": "function",
                "function": {"name": TOOL, "arguments": arguments}});
            let mut messages = vec![user.clone()];
            messages.push(json!({"role": "assistant", "content": "",
                "reasoning_content": THOUGHT, "tool_calls": vec![call; calls]}));
            for _ in 0..calls {
                messages.push(json!({"role": "tool", "tool_call_id": id, "name": TOOL,
                    "content": text(RESULT)}));
            }
            let prompt = with_tools(messages).ok();
            prompt.filter(|prompt| prompt.contains(CALLED) && prompt.contains(RESULT))
        };
        let forms = [Arguments::Object, Arguments::String].into_iter().flat_map(|arguments| {
            [(LONG_ID, CallIds::Any), (SHORT_ID, CallIds::NineAlphanumeric)]
                .map(|(id, ids)| (id, ids, arguments))
        });
        let mut once = None;
        for (id, call_ids, arguments) in forms {
            once = history(id, arguments, 1);
            if once.is_some() {
                (found.call_ids, found.arguments) = (call_ids, arguments);
                found.parallel_calls = history(id, arguments, 2).is_some();
                break;
            }
        }
        found.tool_history = once.is_some();
        found.keeps_reasoning_of_calls = once.is_some_and(|prompt| prompt.contains(THOUGHT));
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let yes = |yes: bool| if yes { "yes" } else { "no" };
        writeln!(
            f,
            "content: {}",
            match self.content {
                Content::String => "string",
                Content::Parts => "parts",
                Content::Either => "string or parts",
            }
        )?;
        writeln!(
            f,
            "system: {}",
            match self.system {
                System::Rendered => "yes",
                System::Missing => "no, goes before the first user text",
            }
        )?;
        write!(f, "tools: {}, history of calls: {}", yes(self.tools), yes(self.tool_history))?;
        if self.tool_history {
            write!(f, ", several at once: {}", yes(self.parallel_calls))?;
        }
        if self.call_ids == CallIds::NineAlphanumeric {
            write!(f, ", ids of nine letters and digits")?;
        }
        writeln!(f)?;
        writeln!(f, "images: {}, documents: {}", yes(self.images), yes(self.documents))?;
        let mut switches = self.thinking_switches.clone();
        if self.reasoning_effort {
            switches.push("reasoning_effort");
        }
        let switches = if switches.is_empty() { "none".to_owned() } else { switches.join(", ") };
        writeln!(
            f,
            "thinking: switches {switches}; opened by the prompt: {}",
            yes(self.opens_thinking)
        )?;
        writeln!(
            f,
            "old reasoning: {}, before calls: {}",
            if self.keeps_reasoning { "kept" } else { "dropped" },
            if self.keeps_reasoning_of_calls { "kept" } else { "dropped" }
        )?;
        write!(f, "generation prompt: {:?}", self.generation_prompt)?;
        if let Some(token) = &self.begins_with {
            write!(f, "\nprompts begin with {token:?}")?;
        }
        for warning in &self.warnings {
            write!(f, "\nwarning: {warning}")?;
        }
        Ok(())
    }
}
