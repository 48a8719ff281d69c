//! Embeddings and reranking: native bodies against their documentation, containers against what
//! they send.
#![cfg(test)]

mod containers;
mod families;
mod rerankers;
