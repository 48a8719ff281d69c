//! What chat templates expect of Python: the types, filters and methods of the Jinja2 that
//! transformers runs them with, where `minijinja` differs from it.

pub(super) mod budget;
mod cycler;
pub(super) mod filters;
pub(super) mod json;
mod literal;
pub(super) mod methods;
pub(super) mod operators;
pub(super) mod printf;
pub(super) mod repr;
pub(super) mod strftime;
pub(super) mod text;
pub(super) mod value;
