//! Generated text as content blocks: what the parser tells apart, in the events of Converse.

use super::blocks::{Blocks, Kind, tool_use_id};
use crate::converse::{Conversation, Event, Tool as Offered, ToolInputSchema};
use crate::parse::{Finish, Format, Options, Outcome, Parser, Piece, Start, Tool, Unoffered};

/// The parser of one answer, and the ids of its calls.
pub(super) struct Generated {
    parser: Parser,
    ids: Ids,
}

struct Ids {
    taken: Vec<String>,
    random: fastrand::Rng,
    /// Whether the open call has shown arguments.
    has_arguments: bool,
}

impl Generated {
    /// A parser of what answers `conversation`. A call to a tool when none was offered is text.
    pub(super) fn new(
        format: Format,
        conversation: &Conversation,
        start: Start,
        stop: Vec<String>,
        random: fastrand::Rng,
    ) -> Self {
        let tools: Vec<_> = conversation
            .tools
            .iter()
            .flat_map(|config| &config.tools)
            .filter_map(|tool| match tool {
                Offered::ToolSpec(spec) => {
                    let ToolInputSchema::Json(schema) = &spec.input_schema;
                    Some(Tool { name: spec.name.clone(), schema: schema.clone() })
                }
                Offered::SystemTool(_) | Offered::CachePoint(_) => None,
            })
            .collect();
        let unoffered = if tools.is_empty() { Unoffered::Text } else { Unoffered::Call };
        let options = Options { start, tools: Some(tools), unoffered, stop, ..Options::default() };
        Self {
            parser: Parser::new(format, options),
            ids: Ids { taken: vec![], random, has_arguments: false },
        }
    }

    /// Takes what was generated next.
    pub(super) fn push(&mut self, text: &str, blocks: &mut Blocks, out: &mut Vec<Event>) {
        let Self { parser, ids } = self;
        parser.push(text.as_bytes(), &mut |piece| ids.show(piece, blocks, out));
    }

    /// Takes the end.
    pub(super) fn finish(
        &mut self,
        how: Finish,
        blocks: &mut Blocks,
        out: &mut Vec<Event>,
    ) -> Outcome {
        let Self { parser, ids } = self;
        parser.finish(how, &mut |piece| ids.show(piece, blocks, out))
    }
}

impl Ids {
    fn show(&mut self, piece: Piece<'_>, blocks: &mut Blocks, out: &mut Vec<Event>) {
        match piece {
            Piece::Text(text) => blocks.say(Kind::Text, text, out),
            Piece::Reasoning(text) => blocks.say(Kind::Reasoning, text, out),
            Piece::CallStart { name, id, .. } => {
                let id = tool_use_id(id.unwrap_or_default(), &self.taken, &mut self.random);
                self.taken.push(id.clone());
                self.has_arguments = false;
                blocks.start_tool(id, name.to_owned(), out);
            }
            Piece::CallArguments { fragment, .. } => {
                self.has_arguments = true;
                blocks.fragment(fragment, out);
            }
            Piece::CallEnd { .. } => blocks.close(out),
            // What was shown cannot be taken back: the stop reason tells.
            Piece::CallBroken { .. } => {
                if !self.has_arguments {
                    blocks.fragment("{}", out); // clients parse what they gathered
                }
                blocks.close(out);
            }
        }
    }
}
