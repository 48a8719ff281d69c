//! What a container speaks, as a rules file names it.

use serde::Deserialize;

/// What a container speaks. All that generate text, but the toolkit, answer `messages`, with the
/// chunks of vLLM; who answers `prompt` and `inputs`, and how, is told here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::emulator) enum Dialect {
    /// Server-sent events, ended by `[DONE]`: vLLM, `SGLang`. Takes `prompt`.
    #[default]
    Sse,
    /// JSON lines, ended by a blank one: LMI in async mode. Takes `prompt` and `inputs`.
    #[serde(alias = "lmi")]
    Jsonlines,
    /// JSON lines that say they are server-sent events, with errors as bare strings: EMD.
    Emd,
    /// Text Generation Inference: server-sent events. Takes `prompt` and `inputs`.
    Tgi,
    /// LMI's rolling batch. Takes `inputs`.
    Rolling,
    /// The same with `output_formatter=sse`.
    RollingSse,
    /// The same with `tgi_compat=true`.
    RollingTgi,
    /// The same with the output formatters `3p` and `3p_stream`.
    #[serde(rename = "rolling-3p")]
    Rolling3p,
    /// LMI's dynamic batches, which tell neither tokens nor ends. Takes `inputs`.
    Dynamic,
    /// The Hugging Face inference toolkit, which streams nothing. Takes `inputs` alone.
    #[serde(alias = "huggingface")]
    Hf,
    /// Text Embeddings Inference with an embedding model. Takes `inputs`, 32 at once.
    Tei,
    /// vLLM with an embedding model. Takes `input`.
    Embeddings,
    /// LMI with an embedding model. Takes `inputs`.
    LmiEmbeddings,
    /// The Hugging Face toolkit's feature extraction: vectors of tokens. Takes `inputs`.
    HfFeatures,
    /// Text Embeddings Inference with a reranker. Takes `query` and `texts`, 32 at once.
    TeiRerank,
    /// vLLM with a reranker. Takes `query` and `documents`.
    Rerank,
}

impl Dialect {
    /// Whether the model makes vectors or scores, and no text.
    pub(in crate::emulator) const fn pools(self) -> bool {
        matches!(
            self,
            Self::Tei
                | Self::Embeddings
                | Self::LmiEmbeddings
                | Self::HfFeatures
                | Self::TeiRerank
                | Self::Rerank
        )
    }

    /// Whether `{"inputs": …}` is answered.
    pub(in crate::emulator) const fn takes_inputs(self) -> bool {
        !matches!(self, Self::Sse | Self::Emd) && !self.pools()
    }

    /// Whether `{"prompt": …}` is answered.
    pub(in crate::emulator) const fn takes_prompt(self) -> bool {
        matches!(self, Self::Sse | Self::Emd | Self::Jsonlines | Self::Tgi)
    }

    /// Whether this is LMI's rolling batch.
    pub(in crate::emulator) const fn is_rolling(self) -> bool {
        matches!(self, Self::Rolling | Self::RollingSse | Self::RollingTgi | Self::Rolling3p)
    }

    /// Whether a stream is one of server-sent events; else of lines.
    pub(in crate::emulator) const fn is_sse(self) -> bool {
        matches!(self, Self::Sse | Self::Tgi | Self::RollingSse | Self::RollingTgi)
    }

    /// Whether Python writes the JSON of an answer to `inputs`: with blanks between.
    pub(in crate::emulator) const fn has_blanks(self) -> bool {
        matches!(
            self,
            Self::Jsonlines
                | Self::Rolling
                | Self::RollingSse
                | Self::RollingTgi
                | Self::Rolling3p
                | Self::Hf
                | Self::LmiEmbeddings
                | Self::HfFeatures
        )
    }

    /// The `Content-Type` of a stream.
    pub(in crate::emulator) const fn stream_type(self) -> &'static str {
        match self {
            // EMD says so too, and then sends something else.
            Self::Sse | Self::Emd => "text/event-stream; charset=utf-8",
            Self::Tgi | Self::RollingSse | Self::RollingTgi => "text/event-stream",
            Self::Jsonlines | Self::Rolling | Self::Rolling3p | Self::Dynamic => {
                "application/jsonlines"
            }
            Self::Hf
            | Self::Tei
            | Self::Embeddings
            | Self::LmiEmbeddings
            | Self::HfFeatures
            | Self::TeiRerank
            | Self::Rerank => "application/json",
        }
    }
}
