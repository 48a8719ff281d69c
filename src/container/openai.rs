//! OpenAI chat: vLLM, SGLang, LMI chat, TGI chat, EMD.
