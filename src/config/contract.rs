//! The languages of containers and of native bodies, by the words of the configuration.

use super::value::words;

words! {
    /// The language of a container.
    pub enum Contract {
        /// OpenAI chat: vLLM, SGLang, LMI, TGI.
        #[default]
        OpenAi = "openai",
        /// A rendered prompt as an OpenAI completion: vLLM, LMI, TGI, llama.cpp.
        Completions = "completions",
        /// A rendered prompt as Text Generation Inference's `inputs`.
        Tgi = "tgi",
        /// A rendered prompt as LMI's `inputs`.
        Lmi = "lmi",
        /// A rendered prompt as the Hugging Face inference toolkit's `inputs`.
        HuggingFace = "hf",
        /// Embeddings of Text Embeddings Inference.
        Tei = "tei",
        /// OpenAI's embeddings: vLLM's pooling models.
        Embeddings = "embeddings",
        /// Embeddings of LMI.
        LmiEmbeddings = "lmi-embeddings",
        /// Vectors of tokens from the Hugging Face inference toolkit's feature extraction.
        HfFeatures = "hf-features",
        /// Reranking by Text Embeddings Inference.
        TeiRerank = "tei-rerank",
        /// Reranking by vLLM.
        Rerank = "rerank",
        /// The caller's own: `InvokeModel` and its stream, byte for byte.
        Raw = "raw",
        /// Bedrock itself, in another region: every operation, byte for byte.
        Bedrock = "bedrock",
    }
}

/// What a container can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Conversations and prompts.
    Text,
    /// Vectors.
    Embeddings,
    /// The order of documents.
    Rerank,
    /// Whatever the caller sends.
    Raw,
    /// Every operation of Bedrock, as the caller sends it.
    Bedrock,
}

impl Contract {
    /// What the container can be asked.
    pub const fn kind(self) -> Kind {
        if self.embeds() {
            Kind::Embeddings
        } else if self.reranks() {
            Kind::Rerank
        } else if matches!(self, Self::Raw) {
            Kind::Raw
        } else if matches!(self, Self::Bedrock) {
            Kind::Bedrock
        } else {
            Kind::Text
        }
    }

    /// Whether the container is sent a prompt, which a template must have rendered.
    pub const fn takes_text(self) -> bool {
        matches!(self, Self::Completions | Self::Tgi | Self::Lmi | Self::HuggingFace)
    }

    /// Whether the container has a path of its own for what it is asked, below the base of an
    /// OpenAI-compatible API.
    pub const fn is_openai_api(self) -> bool {
        matches!(self, Self::OpenAi | Self::Completions | Self::Embeddings | Self::Rerank)
    }

    /// Whether the container makes vectors.
    pub const fn embeds(self) -> bool {
        matches!(self, Self::Tei | Self::Embeddings | Self::LmiEmbeddings | Self::HfFeatures)
    }

    /// Whether the container puts documents in order.
    pub const fn reranks(self) -> bool {
        matches!(self, Self::TeiRerank | Self::Rerank)
    }
}

words! {
    /// The language of `InvokeModel`'s native bodies.
    pub enum Family {
        /// Anthropic's Messages.
        #[default]
        Anthropic = "anthropic",
        /// AI21's Jamba.
        Ai21 = "ai21",
        /// Cohere's Command and Command R.
        Cohere = "cohere",
        /// DeepSeek's text completion.
        DeepSeek = "deepseek",
        /// The three formats of Custom Model Import, told apart by their members.
        Import = "import",
        /// Meta's Llama.
        Llama = "llama",
        /// Mistral's text completion and chat.
        Mistral = "mistral",
        /// Amazon Nova.
        Nova = "nova",
        /// OpenAI's chat completions, as gpt-oss and many others are asked.
        OpenAi = "openai",
        /// Qwen, in OpenAI's words.
        Qwen = "qwen",
        /// Amazon Titan Text.
        Titan = "titan",
    }
}
