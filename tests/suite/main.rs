//! What is tested through the crate's public face.

mod openai;
