//! Templates that come with the gateway, for models whose files the operator does not have at
//! hand: written here, from the formats as they are documented.

use super::load::LoadError;
use super::render::Template;

/// A template that comes with the gateway.
#[derive(Clone, Copy, Debug)]
pub struct Builtin {
    /// Its name in the configuration.
    pub name: &'static str,
    /// Other names for it.
    pub aliases: &'static [&'static str],
    /// Its pieces: settings, then the template they set.
    source: &'static [&'static str],
    /// The token a prompt begins with; empty where there is none.
    pub bos_token: &'static str,
    /// The token an answer ends with; empty where there is none.
    pub eos_token: &'static str,
    /// Tokens that no prompt shows, but that mean something to the model.
    control: &'static [&'static str],
    /// How the model marks its reasoning, by the parser's name.
    pub reasoning: Option<&'static str>,
    /// How the model calls tools, by the parser's name.
    pub tools: Option<&'static str>,
    /// Whether all of it, tools included, was compared with what the model's own template renders;
    /// else parts follow the format as it is documented.
    pub verified: bool,
}

const LLAMA: &str = include_str!("llama3_1.jinja");
const LLAMA3: &str = "{%- set start, end, stop, one_call, always_system = '<|start_header_id|>', '<|end_header_id|>', '<|eot_id|>', true, true -%}";
const LLAMA4: &str = "{%- set start, end, stop, one_call, always_system, dated = '<|header_start|>', '<|header_end|>', '<|eot|>', false, false, true -%}";
const MISTRAL: &str = include_str!("mistral.jinja");
const QWEN: &str = include_str!("qwen2_5.jinja");
const DEEPSEEK: &str = include_str!("deepseek.jinja");

const LLAMA_CONTROL: &[&str] = &[
    "<|begin_of_text|>",
    "<|end_of_text|>",
    "<|eom_id|>",
    "<|eot_id|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|python_tag|>",
    "<|finetune_right_pad_id|>",
    "<|image|>",
];
const LLAMA4_CONTROL: &[&str] = &[
    "<|begin_of_text|>",
    "<|end_of_text|>",
    "<|eom|>",
    "<|eot|>",
    "<|header_start|>",
    "<|header_end|>",
    "<|python_start|>",
    "<|python_end|>",
    "<|image_start|>",
    "<|image_end|>",
    "<|image|>",
    "<|patch|>",
    "<|step|>",
];
const QWEN_CONTROL: &[&str] = &[
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|object_ref_start|>",
    "<|object_ref_end|>",
    "<|box_start|>",
    "<|box_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|vision_pad|>",
    "<|image_pad|>",
    "<|video_pad|>",
    "<|fim_prefix|>",
    "<|fim_middle|>",
    "<|fim_suffix|>",
    "<|repo_name|>",
    "<|file_sep|>",
];
const DEEPSEEK_CONTROL: &[&str] = &[
    "<｜begin▁of▁sentence｜>",
    "<｜end▁of▁sentence｜>",
    "<｜▁pad▁｜>",
    "<｜User｜>",
    "<｜Assistant｜>",
    "<｜EOT｜>",
    "<｜fim▁begin｜>",
    "<｜fim▁hole｜>",
    "<｜fim▁end｜>",
    "<｜search▁begin｜>",
    "<｜search▁end｜>",
    "<｜tool▁sep｜>",
    "<｜tool▁calls▁begin｜>",
    "<｜tool▁calls▁end｜>",
    "<｜tool▁call▁begin｜>",
    "<｜tool▁call▁end｜>",
    "<｜tool▁outputs▁begin｜>",
    "<｜tool▁outputs▁end｜>",
    "<｜tool▁output▁begin｜>",
    "<｜tool▁output▁end｜>",
    "<think>",
    "</think>",
];
const MISTRAL_CONTROL: &[&str] = &[
    "<unk>",
    "<s>",
    "</s>",
    "[INST]",
    "[/INST]",
    "[AVAILABLE_TOOLS]",
    "[/AVAILABLE_TOOLS]",
    "[TOOL_CALLS]",
    "[TOOL_RESULTS]",
    "[/TOOL_RESULTS]",
    "[TOOL_CONTENT]",
    "[CALL_ID]",
    "[ARGS]",
    "[SYSTEM_PROMPT]",
    "[/SYSTEM_PROMPT]",
    "[IMG]",
    "[IMG_BREAK]",
    "[IMG_END]",
    "[PREFIX]",
    "[MIDDLE]",
    "[SUFFIX]",
    "[THINK]",
    "[/THINK]",
];
const GLM_CONTROL: &[&str] = &[
    "<|endoftext|>",
    "[MASK]",
    "[gMASK]",
    "[sMASK]",
    "<sop>",
    "<eop>",
    "<|system|>",
    "<|user|>",
    "<|assistant|>",
    "<|observation|>",
];
const KIMI_CONTROL: &[&str] = &[
    "[BOS]",
    "[EOS]",
    "[EOT]",
    "[PAD]",
    "<|im_end|>",
    "<|im_user|>",
    "<|im_assistant|>",
    "<|im_system|>",
    "<|im_middle|>",
    "<|tool_calls_section_begin|>",
    "<|tool_calls_section_end|>",
    "<|tool_call_begin|>",
    "<|tool_call_argument_begin|>",
    "<|tool_call_end|>",
];
const HARMONY_CONTROL: &[&str] = &[
    "<|startoftext|>",
    "<|endoftext|>",
    "<|return|>",
    "<|constrain|>",
    "<|channel|>",
    "<|start|>",
    "<|end|>",
    "<|message|>",
    "<|call|>",
    "<|endofprompt|>",
];
const GEMMA_CONTROL: &[&str] = &[
    "<bos>",
    "<eos>",
    "<pad>",
    "<unk>",
    "<start_of_turn>",
    "<end_of_turn>",
    "<start_of_image>",
    "<end_of_image>",
];
const PHI_CONTROL: &[&str] = &[
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|im_sep|>",
    "<|fim_prefix|>",
    "<|fim_middle|>",
    "<|fim_suffix|>",
];

/// What most of them have.
const PLAIN: Builtin = Builtin {
    name: "plain",
    aliases: &[],
    source: &[include_str!("plain.jinja")],
    bos_token: "",
    eos_token: "",
    control: &[],
    reasoning: None,
    tools: None,
    verified: true,
};

const fn llama(
    name: &'static str,
    aliases: &'static [&'static str],
    source: &'static [&'static str],
) -> Builtin {
    Builtin {
        name,
        aliases,
        source,
        bos_token: "<|begin_of_text|>",
        eos_token: "<|eot_id|>",
        control: LLAMA_CONTROL,
        tools: Some("llama3_json"),
        ..PLAIN
    }
}

const fn mistral(
    name: &'static str,
    aliases: &'static [&'static str],
    source: &'static [&'static str],
    tools: Option<&'static str>,
) -> Builtin {
    Builtin {
        name,
        aliases,
        source,
        bos_token: "<s>",
        eos_token: "</s>",
        control: MISTRAL_CONTROL,
        tools,
        ..PLAIN
    }
}

const fn deepseek(name: &'static str, aliases: &'static [&'static str], thinks: bool) -> Builtin {
    Builtin {
        name,
        aliases,
        source: if thinks {
            &["{%- set thinks = true -%}", DEEPSEEK]
        } else {
            &["{%- set thinks = false -%}", DEEPSEEK]
        },
        bos_token: "<｜begin▁of▁sentence｜>",
        eos_token: "<｜end▁of▁sentence｜>",
        control: DEEPSEEK_CONTROL,
        reasoning: if thinks { Some("think") } else { None },
        tools: Some("deepseek_v3"),
        ..PLAIN
    }
}

/// All of them, in the order they are listed to the operator.
pub const BUILTINS: &[Builtin] = &[
    Builtin { verified: false, ..deepseek("deepseek-r1", &["deepseek-r1-0528"], true) },
    deepseek("deepseek-r1-distill-llama", &[], true),
    deepseek("deepseek-r1-distill-qwen", &[], true),
    Builtin { verified: false, ..deepseek("deepseek-v3", &["deepseek-v3-0324"], false) },
    Builtin {
        source: &[include_str!("deepseek_v3_1.jinja")],
        reasoning: Some("think"),
        tools: Some("deepseek_v31"),
        verified: false,
        ..deepseek("deepseek-v3.1", &[], false)
    },
    Builtin {
        name: "llama2",
        aliases: &["llama-2"],
        source: &[include_str!("llama2.jinja")],
        bos_token: "<s>",
        eos_token: "</s>",
        control: &["<s>", "</s>", "<unk>", "[INST]", "[/INST]", "<<SYS>>", "<</SYS>>"],
        ..PLAIN
    },
    Builtin { tools: None, ..llama("llama3", &["llama-3"], &[include_str!("llama3.jinja")]) },
    llama("llama3.1", &["llama-3.1"], &[LLAMA3, LLAMA]),
    llama("llama3.2", &["llama-3.2"], &["{%- set dated = true -%}", LLAMA3, LLAMA]),
    llama("llama3.3", &["llama-3.3"], &[LLAMA3, LLAMA]),
    Builtin {
        name: "llama4",
        aliases: &["llama-4"],
        source: &[LLAMA4, LLAMA],
        bos_token: "<|begin_of_text|>",
        eos_token: "<|eot|>",
        control: LLAMA4_CONTROL,
        tools: Some("llama3_json"),
        ..PLAIN
    },
    Builtin {
        name: "qwen2.5",
        aliases: &["qwen-2.5"],
        source: &[
            "{%- set thinks, default_system = false, 'You are Qwen, created by Alibaba Cloud. You are a helpful assistant.' -%}",
            QWEN,
        ],
        eos_token: "<|im_end|>",
        control: QWEN_CONTROL,
        tools: Some("hermes"),
        ..PLAIN
    },
    Builtin {
        name: "qwen3",
        aliases: &["qwen-3"],
        source: &["{%- set thinks, default_system = true, '' -%}", QWEN],
        eos_token: "<|im_end|>",
        control: QWEN_CONTROL,
        reasoning: Some("think"),
        tools: Some("hermes"),
        ..PLAIN
    },
    Builtin {
        name: "qwen3-coder",
        aliases: &[],
        source: &[include_str!("qwen3_coder.jinja")],
        eos_token: "<|im_end|>",
        control: QWEN_CONTROL,
        tools: Some("qwen3_coder"),
        verified: false,
        ..PLAIN
    },
    mistral("mistral-v1", &["mixtral"], &["{%- set version, gap = 1, ' ' -%}", MISTRAL], None),
    mistral(
        "mistral-v3",
        &["mistral-v2", "mistral-7b-v0.3"],
        &["{%- set version, gap = 2, ' ' -%}", MISTRAL],
        Some("mistral"),
    ),
    mistral(
        "mistral-v3-tekken",
        &["mistral-nemo"],
        &["{%- set version, gap = 2, '' -%}", MISTRAL],
        Some("mistral"),
    ),
    Builtin {
        verified: false,
        ..mistral(
            "mistral-v7",
            &["mistral-large-2411"],
            &["{%- set version, gap = 7, ' ' -%}", MISTRAL],
            Some("mistral"),
        )
    },
    Builtin {
        verified: false,
        ..mistral(
            "mistral-v7-tekken",
            &["mistral-small-3"],
            &["{%- set version, gap = 7, '' -%}", MISTRAL],
            Some("mistral"),
        )
    },
    Builtin {
        verified: false,
        ..mistral(
            "mistral-v11",
            &["mistral-small-3.2"],
            &["{%- set version, gap = 11, '' -%}", MISTRAL],
            Some("mistral"),
        )
    },
    Builtin {
        name: "gemma3",
        aliases: &["gemma-3"],
        source: &[include_str!("gemma3.jinja")],
        bos_token: "<bos>",
        eos_token: "<end_of_turn>",
        control: GEMMA_CONTROL,
        ..PLAIN
    },
    Builtin {
        name: "phi4",
        aliases: &["phi-4"],
        source: &[include_str!("phi4.jinja")],
        eos_token: "<|im_end|>",
        control: PHI_CONTROL,
        ..PLAIN
    },
    Builtin {
        name: "glm4.5",
        aliases: &["glm-4.5"],
        source: &[include_str!("glm4_5.jinja")],
        eos_token: "<|user|>",
        control: GLM_CONTROL,
        reasoning: Some("think"),
        tools: Some("glm45"),
        verified: false,
        ..PLAIN
    },
    Builtin {
        name: "kimi-k2",
        aliases: &[],
        source: &[include_str!("kimi_k2.jinja")],
        eos_token: "<|im_end|>",
        control: KIMI_CONTROL,
        tools: Some("kimi_k2"),
        verified: false,
        ..PLAIN
    },
    Builtin {
        name: "gpt-oss",
        aliases: &["harmony"],
        source: &[include_str!("gpt_oss.jinja")],
        eos_token: "<|return|>",
        control: HARMONY_CONTROL,
        reasoning: Some("harmony"),
        tools: Some("harmony"),
        ..PLAIN
    },
    Builtin {
        name: "chatml",
        source: &[include_str!("chatml.jinja")],
        eos_token: "<|im_end|>",
        control: &["<|im_start|>", "<|im_end|>", "<|endoftext|>"],
        ..PLAIN
    },
    Builtin {
        name: "alpaca",
        source: &[include_str!("alpaca.jinja")],
        bos_token: "<s>",
        eos_token: "</s>",
        control: &["<s>", "</s>", "<unk>"],
        ..PLAIN
    },
    PLAIN,
];

impl Builtin {
    /// The template of this name or alias, in any case.
    pub fn find(name: &str) -> Option<&'static Self> {
        BUILTINS.iter().find(|builtin| {
            let named = |known: &&str| known.eq_ignore_ascii_case(name);
            named(&builtin.name) || builtin.aliases.iter().any(named)
        })
    }

    /// Its text, settings first.
    pub fn source_text(&self) -> String {
        self.source.concat()
    }

    /// Compiles it.
    pub fn template(&self) -> Result<Template, LoadError> {
        let tokens = [("bos_token", self.bos_token), ("eos_token", self.eos_token)];
        let tokens = tokens.into_iter().filter(|(_, token)| !token.is_empty());
        let template = Template::new(&self.source_text(), tokens)?;
        Ok(template.with_control(self.control.iter().copied()))
    }
}
