//! Prompts that were rendered in a known template → the conversation that they show.
//!
//! Callers of text APIs render templates themselves. A container that takes nothing but messages
//! gets the turns back; a prompt in no known template has none.
//!
//! What is known: Llama 3 and 4, `ChatML` (Qwen, Phi), Gemma, `DeepSeek`, Llama 2 and Mistral, the
//! `Human:` and `Assistant:` of Claude's text completion, the `User:` and `Bot:` of Titan. A prompt
//! that shows calls of tools in markers of its own has no turns here, unless they can be read as
//! the text of a turn.

use crate::converse::{ContentBlock, Conversation, Message, Role, SystemContentBlock};

/// What a prompt shows. Every text is a piece of the prompt; what stands between them is markers,
/// names of roles and blanks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turns<'a> {
    /// System prompts that stand before the first turn.
    pub system: Vec<&'a str>,
    /// The turns, in order; one of the user is among them. Results of tools are the user's. A last
    /// one of the assistant is the beginning of the answer, if the prompt does not end it.
    pub turns: Vec<Turn<'a>>,
    /// Whether the prompt lets the answer begin inside reasoning (`<think>` is open), or says that
    /// there is to be none (an empty `<think></think>`).
    pub thinks: Option<bool>,
}

/// Who said what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn<'a> {
    /// The speaker.
    pub role: Role,
    /// The words, without the blanks that the template puts around them.
    pub text: &'a str,
}

/// The turns of a prompt that was rendered in a known template.
///
/// ```
/// use helan::template::turns;
///
/// let shown = turns("<s>[INST] Hi [/INST] Hello</s>[INST] And now? [/INST]").unwrap();
/// let texts: Vec<_> = shown.turns.iter().map(|turn| turn.text).collect();
/// assert_eq!(texts, ["Hi", "Hello", "And now?"]);
/// assert!(turns("Once upon a time").is_none());
/// ```
pub fn turns(prompt: &str) -> Option<Turns<'_>> {
    let begun = without_bos(prompt);
    for frame in &FRAMES {
        if begun.starts_with(frame.open) {
            return frame.turns(begun);
        }
    }
    if begun.starts_with(INST) || begun.starts_with(SYSTEM_PROMPT) {
        return instructions(begun);
    }
    // The system text of DeepSeek stands right behind the BOS marker.
    if begun.starts_with(USER) || DEEPSEEK_BOS.iter().any(|bos| prompt.starts_with(bos)) {
        return deepseek(begun);
    }
    human_assistant(prompt).or_else(|| user_bot(prompt))
}

/// The BOS marker that `prompt` begins with, among those that tokenizers know.
pub fn bos(prompt: &str) -> Option<&'static str> {
    const KNOWN: [&str; 7] = [
        "<s>",
        "<|begin_of_text|>",
        DEEPSEEK_BOS[0],
        "<bos>",
        "<BOS_TOKEN>",
        "<|startoftext|>",
        "[gMASK]<sop>",
    ];
    KNOWN.into_iter().find(|bos| prompt.starts_with(bos))
}

/// The tokenizer's, and as AWS's own blog once spelled it.
const DEEPSEEK_BOS: [&str; 2] = ["<｜begin▁of▁sentence｜>", "<｜begin_of_sentence｜>"];

/// Some callers write the marker twice.
fn without_bos(prompt: &str) -> &str {
    let mut rest = prompt;
    loop {
        let bos = bos(rest)
            .or_else(|| DEEPSEEK_BOS.into_iter().find(|spelled| rest.starts_with(spelled)));
        match bos.and_then(|bos| rest.strip_prefix(bos)) {
            Some(behind) => rest = behind,
            None => return rest.trim_start(),
        }
    }
}

/// Finds markers in the order of the text. Each is looked for once over all of it, however many
/// others there are.
struct Marks<'a, const N: usize> {
    text: &'a str,
    markers: [&'static str; N],
    /// Where each stands next; `None` where it stands no more.
    next: [Option<usize>; N],
}

impl<'a, const N: usize> Marks<'a, N> {
    fn new(text: &'a str, markers: [&'static str; N]) -> Self {
        let next = markers.map(|marker| text.find(marker));
        Self { text, markers, next }
    }

    /// The first marker at or behind `from`: which, and where it begins and ends.
    fn next(&mut self, from: usize) -> Option<(usize, usize, usize)> {
        for (next, marker) in self.next.iter_mut().zip(self.markers) {
            if next.is_some_and(|at| at < from) {
                let behind = self.text.get(from..).unwrap_or_default();
                *next = behind.find(marker).map(|at| from + at);
            }
        }
        let starts = self.next.iter().zip(self.markers).enumerate();
        starts
            .filter_map(|(which, (next, marker))| next.map(|at| (at, at + marker.len(), which)))
            .min()
            .map(|(start, end, which)| (which, start, end))
    }
}

/// What was found so far.
#[derive(Default)]
struct Found<'a> {
    turns: Vec<Turn<'a>>,
    /// Whether the last turn has no end: the answer goes on from it.
    is_open: bool,
}

impl<'a> Found<'a> {
    fn push(&mut self, role: Role, text: &'a str) {
        self.turns.push(Turn { role, text });
    }

    fn finish(mut self) -> Option<Turns<'a>> {
        let mut thinks = None;
        if self.is_open
            && let Some(last) = self.turns.last_mut().filter(|turn| turn.role == Role::Assistant)
        {
            (thinks, last.text) = thinking(last.text);
            if last.text.trim().is_empty() {
                self.turns.pop();
            }
        }
        let is_system = |turn: &Turn<'_>| turn.role == Role::System;
        let first = self.turns.iter().position(|turn| !is_system(turn)).unwrap_or_default();
        let turns = self.turns.split_off(first);
        let is_asked =
            turns.iter().any(|turn| turn.role == Role::User && !turn.text.trim().is_empty());
        let system = self.turns.into_iter().map(|turn| turn.text);
        let system = system.filter(|text| !text.trim().is_empty()).collect();
        is_asked.then_some(Turns { system, turns, thinks })
    }
}

/// What the beginning of an answer says about reasoning, and the words behind that.
fn thinking(begun: &str) -> (Option<bool>, &str) {
    let words = begun.trim_start();
    if let Some(behind) = words.strip_prefix("</think>") {
        return (Some(false), behind); // DeepSeek V3.1
    }
    let Some(inside) = words.strip_prefix("<think>") else { return (None, begun) };
    match inside.trim_start().strip_prefix("</think>") {
        Some(behind) => (Some(false), behind.trim_start_matches('\n')),
        None if inside.trim().is_empty() => (Some(true), ""),
        None => ((!inside.contains("</think>")).then_some(true), begun),
    }
}

impl From<Turns<'_>> for Conversation {
    /// Turns that say nothing are left out, and those of one speaker in a row become one message:
    /// Converse wants speakers that alternate.
    fn from(shown: Turns<'_>) -> Self {
        let mut messages: Vec<Message> = vec![];
        for Turn { role, text } in shown.turns {
            if text.trim().is_empty() {
                continue;
            }
            let block = ContentBlock::Text(text.to_owned());
            match messages.last_mut() {
                Some(last) if last.role == role => last.content.push(block),
                _ => messages.push(Message { content: vec![block], role }),
            }
        }
        let system = shown.system.into_iter().map(|text| SystemContentBlock::Text(text.to_owned()));
        Self { system: system.collect(), messages, tools: None }
    }
}

/// A template in which every turn names its speaker and has an end.
struct Frame {
    open: &'static str,
    /// What may follow the speaker's name.
    named: &'static [&'static str],
    /// A blank that follows that.
    gap: &'static str,
    close: [&'static str; 2],
}

static FRAMES: [Frame; 4] = [
    Frame {
        open: "<|start_header_id|>",
        named: &["<|end_header_id|>"],
        gap: "\n\n",
        close: ["<|eot_id|>", "<|eom_id|>"],
    },
    Frame {
        open: "<|header_start|>",
        named: &["<|header_end|>"],
        gap: "\n\n",
        close: ["<|eot|>", "<|eom|>"],
    },
    Frame {
        open: "<|im_start|>",
        named: &["\n", "<|im_sep|>"],
        gap: "",
        close: ["<|im_end|>", "<|endoftext|>"],
    },
    Frame { open: "<start_of_turn>", named: &["\n"], gap: "", close: ["<end_of_turn>", "<eos>"] },
];

const SPEAKERS: [(&str, Role); 7] = [
    ("system", Role::System),
    ("developer", Role::System),
    ("user", Role::User),
    ("tool", Role::User),
    ("ipython", Role::User),
    ("assistant", Role::Assistant),
    ("model", Role::Assistant),
];

impl Frame {
    fn turns<'a>(&self, prompt: &'a str) -> Option<Turns<'a>> {
        let mut found = Found::default();
        let mut marks = Marks::new(prompt, [self.open, self.close[0], self.close[1]]);
        let mut rest = prompt;
        while !rest.is_empty() {
            let (role, text) = self.head(rest)?;
            let from = prompt.len() - text.len();
            let (text, behind) = match marks.next(from) {
                // The next turn begins though this one has no end.
                Some((0, start, _)) => (prompt.get(from..start)?, start),
                Some((_, start, end)) => (prompt.get(from..start)?, end),
                None => {
                    found.is_open = true;
                    (text, prompt.len())
                }
            };
            found.push(role, text);
            rest = prompt.get(behind..)?.trim_start();
        }
        found.finish()
    }

    /// The speaker that `rest` begins with, and what follows.
    fn head<'a>(&self, rest: &'a str) -> Option<(Role, &'a str)> {
        let rest = rest.strip_prefix(self.open)?;
        SPEAKERS.into_iter().find_map(|(name, role)| {
            let rest = rest.strip_prefix(name)?;
            let text = self.named.iter().find_map(|named| rest.strip_prefix(named))?;
            Some((role, text.strip_prefix(self.gap).unwrap_or(text)))
        })
    }
}

const USER: &str = "<｜User｜>";
const ASSISTANT: &str = "<｜Assistant｜>";
const END: &str = "<｜end▁of▁sentence｜>";

/// `system<｜User｜>…<｜Assistant｜>…<｜end▁of▁sentence｜>`, behind the BOS marker.
fn deepseek(prompt: &str) -> Option<Turns<'_>> {
    let mut found = Found::default();
    let mut marks = Marks::new(prompt, [USER, ASSISTANT, END]);
    let mut speaker = Some(Role::System);
    let mut at = 0;
    loop {
        let next = marks.next(at);
        let end = next.map_or(prompt.len(), |(_, start, _)| start);
        let text = prompt.get(at..end)?;
        match speaker {
            Some(Role::Assistant) if next.is_some() => {
                // V3.1 marks the answers that were not thought about.
                let said = text.strip_prefix("</think>").unwrap_or(text);
                found.push(Role::Assistant, said);
            }
            Some(Role::System) if text.trim().is_empty() => {}
            Some(role) => found.push(role, text),
            // Markers of tools, or words that nobody says.
            None if !text.trim().is_empty() => return None,
            None => {}
        }
        let Some((which, _, behind)) = next else { break };
        speaker = [Some(Role::User), Some(Role::Assistant), None].get(which).copied().flatten();
        at = behind;
    }
    found.is_open = speaker == Some(Role::Assistant);
    found.finish()
}

const INST: &str = "[INST]";
const SYSTEM_PROMPT: &str = "[SYSTEM_PROMPT]";

/// `<s>[INST] <<SYS>>…<</SYS>> … [/INST] … </s>`: Llama 2, and Mistral without the system text or
/// with `[SYSTEM_PROMPT]…[/SYSTEM_PROMPT]`.
fn instructions(prompt: &str) -> Option<Turns<'_>> {
    let mut found = Found::default();
    let mut ends = Marks::new(prompt, ["</s>", INST, SYSTEM_PROMPT]);
    let mut closes = Marks::new(prompt, ["[/INST]"]);
    let mut rest = prompt;
    while !rest.is_empty() {
        if let Some(inside) = rest.strip_prefix(SYSTEM_PROMPT) {
            let (system, behind) = inside.split_once("[/SYSTEM_PROMPT]")?;
            found.push(Role::System, unpadded(system));
            rest = behind.trim_start();
            continue;
        }
        let asked = prompt.len() - rest.strip_prefix(INST)?.len();
        let (_, end, from) = closes.next(asked)?;
        let mut text = unpadded(prompt.get(asked..end)?);
        if let Some(inside) = text.strip_prefix("<<SYS>>") {
            let (system, user) = inside.split_once("<</SYS>>")?;
            let system = system.strip_prefix('\n').unwrap_or(system);
            found.push(Role::System, system.strip_suffix('\n').unwrap_or(system));
            text = user.strip_prefix("\n\n").unwrap_or(user);
        }
        found.push(Role::User, text);

        let next = ends.next(from);
        let end = next.map_or(prompt.len(), |(_, start, _)| start);
        let answer = prompt.get(from..end)?;
        found.is_open = next.is_none();
        let is_ended = matches!(next, Some((0, ..)));
        if is_ended || !answer.trim().is_empty() {
            let text = answer.strip_prefix(' ').unwrap_or(answer);
            // Llama 2 puts a blank before the end too.
            let text = if is_ended { text.strip_suffix(' ').unwrap_or(text) } else { text };
            found.push(Role::Assistant, text);
        }
        let behind =
            next.map_or(prompt.len(), |(which, start, end)| if which == 0 { end } else { start });
        // Llama 2 begins each pair of turns anew.
        rest = prompt.get(behind..)?.trim_start();
        rest = rest.strip_prefix("<s>").unwrap_or(rest).trim_start();
    }
    found.finish()
}

/// Without the one blank that some templates put on either side.
fn unpadded(text: &str) -> &str {
    let text = text.strip_prefix(' ').unwrap_or(text);
    text.strip_suffix(' ').unwrap_or(text)
}

/// `system\n\nHuman: …\n\nAssistant: …`
fn human_assistant(prompt: &str) -> Option<Turns<'_>> {
    const HUMAN: &str = "\n\nHuman:";
    let begins = prompt.trim_start().starts_with("Human:");
    if !prompt.starts_with(HUMAN) && !prompt.contains("\n\nAssistant:") {
        return None;
    }
    if !begins && !prompt.contains(HUMAN) {
        return None;
    }
    spoken(prompt, "Human:", [HUMAN, "\n\nAssistant:"])
}

/// `User: …\nBot:`, as Titan's documentation has it; litellm puts an empty line between.
fn user_bot(prompt: &str) -> Option<Turns<'_>> {
    let begins = prompt.trim_start().starts_with("User:") && prompt.contains("\nBot:");
    // Instructions may stand before; then only the end tells that this is no other text.
    let ends = prompt.trim_end().ends_with("\nBot:") && prompt.contains("\nUser:");
    if begins || ends { spoken(prompt, "User:", ["\nUser:", "\nBot:"]) } else { None }
}

/// Turns that begin with the speaker's name on a line of its own; `first` may begin the prompt.
fn spoken<'a>(prompt: &'a str, first: &str, speakers: [&'static str; 2]) -> Option<Turns<'a>> {
    let mut found = Found::default();
    let mut marks = Marks::new(prompt, speakers);
    let begun = prompt.trim_start();
    let (mut role, mut at) = match begun.strip_prefix(first) {
        Some(behind) => (Role::User, prompt.len() - behind.len()),
        None => (Role::System, 0),
    };
    loop {
        let next = marks.next(at);
        let text = prompt.get(at..next.map_or(prompt.len(), |(_, start, _)| start))?;
        let text = if role == Role::System { text } else { text.strip_prefix(' ').unwrap_or(text) };
        // An empty line before the next speaker is no one's words; what the prompt ends with is.
        let text = if next.is_some() { text.strip_suffix('\n').unwrap_or(text) } else { text };
        if role != Role::System || !text.trim().is_empty() {
            found.push(role, text);
        }
        let Some((which, _, behind)) = next else { break };
        role = if which == 0 { Role::User } else { Role::Assistant };
        at = behind;
    }
    found.is_open = role == Role::Assistant;
    found.finish()
}
