//! The formats, as tables of markers.

use std::str::FromStr;
use std::sync::LazyLock;

use super::scan::Machine;

/// What marks reasoning and calls in the text of a model.
///
/// Every format but [`Harmony`](Self::Harmony) takes reasoning in `<think>` tags at the beginning
/// of an answer, whether it has calls of its own or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// Llama 3: bare JSON objects or behind `<|python_tag|>`, `name` and `parameters`.
    Llama3Json,
    /// Llama 3.2 and 4: a Python list of calls, bare or behind `<|python_start|>`.
    Pythonic,
    /// Hermes, Qwen 2.5: `<tool_call>` around JSON.
    Hermes,
    /// Qwen3-Coder: `<function=name>` and `<parameter=name>`.
    Qwen3Coder,
    /// Mistral to v7: `[TOOL_CALLS]` and a JSON array. Reads [`MistralV11`](Self::MistralV11) too.
    Mistral,
    /// Mistral from v11: `[TOOL_CALLS]name[ARGS]{}`. Reads [`Mistral`](Self::Mistral) too.
    MistralV11,
    /// DeepSeek V3 and R1: calls with a type, a name and fenced JSON.
    DeepSeekV3,
    /// DeepSeek V3.1: calls with a name and JSON. It and [`DeepSeekV3`](Self::DeepSeekV3) read
    /// each other's.
    DeepSeekV31,
    /// GLM 4.5: `<tool_call>name` with `<arg_key>` and `<arg_value>`.
    Glm45,
    /// Kimi K2: `<|tool_call_begin|>functions.name:0`.
    KimiK2,
    /// gpt-oss: channels, as text.
    Harmony,
    /// Reasoning only.
    Think,
    /// Qwen 3: `<think>` and Hermes.
    Qwen3,
    /// Whatever the text itself shows. Calls without markers count only at the answer's
    /// beginning, and only if their tool was offered.
    Detect,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::Llama3Json,
        Self::Pythonic,
        Self::Hermes,
        Self::Qwen3Coder,
        Self::Mistral,
        Self::MistralV11,
        Self::DeepSeekV3,
        Self::DeepSeekV31,
        Self::Glm45,
        Self::KimiK2,
        Self::Harmony,
        Self::Think,
        Self::Qwen3,
        Self::Detect,
    ];

    /// The name in configurations, such as `qwen3_coder`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Llama3Json => "llama3_json",
            Self::Pythonic => "pythonic",
            Self::Hermes => "hermes",
            Self::Qwen3Coder => "qwen3_coder",
            Self::Mistral => "mistral",
            Self::MistralV11 => "mistral_v11",
            Self::DeepSeekV3 => "deepseek_v3",
            Self::DeepSeekV31 => "deepseek_v31",
            Self::Glm45 => "glm45",
            Self::KimiK2 => "kimi_k2",
            Self::Harmony => "harmony",
            Self::Think => "think",
            Self::Qwen3 => "qwen3",
            Self::Detect => "detect",
        }
    }

    pub(super) fn table(self) -> &'static Table {
        static TABLES: LazyLock<Vec<Table>> =
            LazyLock::new(|| Format::ALL.into_iter().map(Table::new).collect());
        &TABLES[self as usize]
    }

    /// The groups of markers that the format has.
    const fn groups(self) -> &'static [&'static [(&'static str, Mark)]] {
        match self {
            Self::Llama3Json => &[THINK, BARE_JSON, PYTHON_TAG],
            Self::Pythonic => &[THINK, BARE_LIST, PYTHON_START],
            Self::Hermes | Self::Qwen3 | Self::Glm45 => &[THINK, TOOL_CALL],
            Self::Qwen3Coder => &[THINK, TOOL_CALL, FUNCTION],
            Self::Mistral | Self::MistralV11 => &[THINK, THINK_TOKENS, MISTRAL],
            Self::DeepSeekV3 | Self::DeepSeekV31 => &[THINK, DEEPSEEK],
            Self::KimiK2 => &[THINK, KIMI],
            Self::Harmony => &[HARMONY, HARMONY_START],
            Self::Think => &[THINK],
            Self::Detect => &[
                THINK,
                THINK_TOKENS,
                BARE_START,
                PYTHON_TAG,
                PYTHON_START,
                TOOL_CALL,
                FUNCTION,
                MISTRAL,
                DEEPSEEK,
                KIMI,
                HARMONY,
                HARMONY_START,
            ],
        }
    }
}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> Result<Self, UnknownFormat> {
        Self::ALL.into_iter().find(|format| format.name() == name).ok_or(UnknownFormat)
    }
}

/// No [`Format`] has this name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no such format of generated text")]
pub struct UnknownFormat;

/// What a marker in text means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// Opens reasoning, if nothing came before it.
    Think,
    /// Opens reasoning anywhere: a token that text cannot hold.
    ThinkToken,
    /// Ends reasoning. In text it is text.
    EndThink,
    ToolCall,
    Function,
    BareObject,
    BareList,
    /// Either of these, if nothing came before it and the tools are known.
    BareStart,
    PythonTag,
    PythonStart,
    Mistral,
    DeepSeekCalls,
    DeepSeekCall,
    KimiSection,
    KimiCall,
    /// A header of a harmony message begins.
    Header,
    /// The same, if nothing came before it: the prompt ended within the header.
    HeaderRest,
    /// The end of a harmony message.
    EndMessage,
    /// Belongs to calls; dropped if there were any.
    EndCalls,
    /// The token that ends an answer, which some containers leave in: dropped at the very end.
    EndAnswer,
}

impl Mark {
    /// Whether it ends reasoning that was never closed: such a marker is one token, which models
    /// do not write when they think about calls.
    const fn ends_reasoning(self) -> bool {
        matches!(
            self,
            Self::EndThink
                | Self::Mistral
                | Self::DeepSeekCalls
                | Self::KimiSection
                | Self::Header
                | Self::EndMessage
        )
    }

    /// Whether it counts inside reasoning.
    const fn counts_in_reasoning(self) -> bool {
        self.ends_reasoning() || matches!(self, Self::Think | Self::EndAnswer)
    }

    /// Whether nothing but a call can follow it.
    pub(super) const fn opens_calls(self) -> bool {
        matches!(
            self,
            Self::ToolCall
                | Self::Function
                | Self::PythonTag
                | Self::PythonStart
                | Self::Mistral
                | Self::DeepSeekCalls
                | Self::DeepSeekCall
                | Self::KimiSection
                | Self::KimiCall
                | Self::HeaderRest
        )
    }

    /// Whether it is one only where nothing came before it.
    pub(super) const fn begins(self) -> bool {
        matches!(self, Self::Think | Self::HeaderRest | Self::BareStart)
    }
}

const THINK: &[(&str, Mark)] = &[("<think>", Mark::Think), ("</think>", Mark::EndThink)];
const THINK_TOKENS: &[(&str, Mark)] =
    &[("[THINK]", Mark::ThinkToken), ("[/THINK]", Mark::EndThink)];
const END_ANSWER: &[(&str, Mark)] = &[
    ("<|im_end|>", Mark::EndAnswer),
    ("<|eot_id|>", Mark::EndAnswer),
    ("<|eom_id|>", Mark::EndAnswer),
    ("<|eot|>", Mark::EndAnswer),
    ("<|eom|>", Mark::EndAnswer),
    ("<|end_of_text|>", Mark::EndAnswer),
    ("<|endoftext|>", Mark::EndAnswer),
    ("<｜end▁of▁sentence｜>", Mark::EndAnswer),
    ("</s>", Mark::EndAnswer),
];
const TOOL_CALL: &[(&str, Mark)] =
    &[("<tool_call>", Mark::ToolCall), ("</tool_call>", Mark::EndCalls)];
const FUNCTION: &[(&str, Mark)] = &[("<function=", Mark::Function)];
const BARE_JSON: &[(&str, Mark)] = &[("{", Mark::BareObject), ("[", Mark::BareList)];
const BARE_LIST: &[(&str, Mark)] = &[("[", Mark::BareList)];
const PYTHON_TAG: &[(&str, Mark)] = &[("<|python_tag|>", Mark::PythonTag)];
const PYTHON_START: &[(&str, Mark)] =
    &[("<|python_start|>", Mark::PythonStart), ("<|python_end|>", Mark::EndCalls)];
const MISTRAL: &[(&str, Mark)] = &[("[TOOL_CALLS]", Mark::Mistral)];
const DEEPSEEK: &[(&str, Mark)] = &[
    ("<｜tool▁calls▁begin｜>", Mark::DeepSeekCalls),
    // What R1's distillations write in its place.
    ("<｜tool▁calls｜>", Mark::DeepSeekCalls),
    ("<｜tool_calls_begin｜>", Mark::DeepSeekCalls),
    ("<｜tool calls begin｜>", Mark::DeepSeekCalls),
    ("<｜tool\\_calls\\_begin｜>", Mark::DeepSeekCalls),
    ("<｜tool▁call▁begin｜>", Mark::DeepSeekCall),
    ("<｜tool▁call▁end｜>", Mark::EndCalls),
    ("<｜tool▁calls▁end｜>", Mark::EndCalls),
];
const KIMI: &[(&str, Mark)] = &[
    ("<|tool_calls_section_begin|>", Mark::KimiSection),
    ("<|tool_call_section_begin|>", Mark::KimiSection),
    ("<|tool_call_begin|>", Mark::KimiCall),
    ("<|tool_call_end|>", Mark::EndCalls),
    ("<|tool_calls_section_end|>", Mark::EndCalls),
    ("<|tool_call_section_end|>", Mark::EndCalls),
];
const HARMONY: &[(&str, Mark)] = &[
    ("<|start|>", Mark::Header),
    ("<|channel|>", Mark::Header),
    ("<|end|>", Mark::EndMessage),
    ("<|return|>", Mark::EndMessage),
    ("<|call|>", Mark::EndMessage),
];

const HARMONY_START: &[(&str, Mark)] = &[("to=functions.", Mark::HeaderRest)];
/// Calls without markers, told from `[TOOL_CALLS]` and `[THINK]` by their second letter.
const BARE_START: &[(&str, Mark)] = &{
    let mut all = [("{", Mark::BareStart); 29];
    let names = [
        "[{", "[_", "[a", "[b", "[c", "[d", "[e", "[f", "[g", "[h", "[i", "[j", "[k", "[l", "[m",
        "[n", "[o", "[p", "[q", "[r", "[s", "[t", "[u", "[v", "[w", "[x", "[y", "[z",
    ];
    let mut at = 0;
    while at < names.len() {
        all[at].0 = names[at];
        at += 1;
    }
    all
};

/// A format's markers, ready to be searched for.
#[derive(Debug)]
pub(super) struct Table {
    /// Until something came.
    pub(super) start: Markers,
    pub(super) text: Markers,
    pub(super) reasoning: Markers,
}

#[derive(Debug)]
pub(super) struct Markers {
    pub(super) machine: Machine,
    pub(super) marks: Vec<Mark>,
}

impl Markers {
    fn new(all: &[(&str, Mark)], of: impl Fn(Mark) -> bool) -> Self {
        let (markers, marks): (Vec<_>, _) =
            all.iter().copied().filter(|(_, mark)| of(*mark)).unzip();
        Self { machine: Machine::new(markers), marks }
    }

    /// Whether every marker that begins with `held` belongs to calls.
    pub(super) fn are_of_calls(&self, held: &str) -> bool {
        self.marks
            .iter()
            .enumerate()
            .filter(|(at, _)| self.machine.pattern(*at).starts_with(held))
            .all(|(_, mark)| mark.opens_calls() || *mark == Mark::EndCalls)
    }
}

impl Table {
    fn new(format: Format) -> Self {
        let groups = format.groups().iter().copied().chain([END_ANSWER]);
        let all: Vec<_> = groups.flatten().copied().collect();
        Self {
            start: Markers::new(&all, |mark| mark != Mark::EndThink),
            text: Markers::new(&all, |mark| mark != Mark::EndThink && !mark.begins()),
            reasoning: Markers::new(&all, Mark::counts_in_reasoning),
        }
    }
}

/// Whether text generated behind `prompt` starts inside reasoning: the prompt ends with an opening
/// marker, and maybe blanks.
///
/// ```
/// # use helan::parse::starts_in_reasoning;
/// assert!(starts_in_reasoning("<｜Assistant｜><think>\n"));
/// assert!(!starts_in_reasoning("<|im_start|>assistant\n<think>\n\n</think>\n\n"));
/// ```
pub fn starts_in_reasoning(prompt: &str) -> bool {
    let prompt = prompt.trim_end();
    ["<think>", "[THINK]", "<|channel|>analysis<|message|>"]
        .iter()
        .any(|open| prompt.ends_with(open))
}
