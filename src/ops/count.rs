//! How many tokens a question has: what `CountTokens` and Anthropic's route of the same purpose
//! have in common.

use super::{Call, question};
use crate::Result;
use crate::catalog::Deployment;
use crate::container::{Counting, Speaks, not_countable};
use crate::converse::{Ask, BlockOrder, Input};
use crate::relay::{Relay, Want};

/// Counts the tokens of `ask` in the way that the deployment has, or says in Bedrock's words that
/// it has none.
pub(super) async fn tokens(
    relay: &Relay,
    call: &Call,
    deployment: &Deployment,
    ask: Ask,
) -> Result<u32> {
    let Speaks::Text(container) = deployment.speaks()? else { return Err(not_countable()) };
    match container.counting() {
        Counting::Off => Err(not_countable()),
        Counting::Tokenizer(counter) => {
            let passage = counter.passage(&ask)?;
            drop(ask);
            relay.count(counter.tokenizer(), passage).await
        }
        Counting::Endpoint => by_endpoint(relay, call, deployment, ask).await,
    }
}

/// Asks the container for one token, and throws it away.
async fn by_endpoint(
    relay: &Relay,
    call: &Call,
    deployment: &Deployment,
    mut ask: Ask,
) -> Result<u32> {
    let parameters = &mut ask.parameters;
    parameters.inference.max_tokens = Some(1);
    parameters.additional_response_field_paths.clear();
    // A call that must be made cannot be made in one token; the prompt is the same without.
    if let Input::Conversation(conversation) = &mut ask.input
        && let Some(tools) = &mut conversation.tools
    {
        tools.tool_choice = None;
    }
    let hints = question::hints(call);
    let answer = relay.ask(deployment, &ask, Want::Whole, &hints, &call.record).await?;
    let usage = answer.whole(BlockOrder::AsGenerated).await?.usage;
    // What was read from a cache or written to it was part of the question too.
    let counted = usage.total_tokens.saturating_sub(usage.output_tokens);
    // No question has no token: the container did not count.
    if counted == 0 { Err(not_countable()) } else { Ok(counted) }
}
